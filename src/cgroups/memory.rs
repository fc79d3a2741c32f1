//! Memory: how much, with swap and without, and what happens when it is used up.
//!
//! ```text
//!   config.json        version 1                          version 2
//!   limit              memory.limit_in_bytes              memory.max
//!   swap (the sum)     memory.memsw.limit_in_bytes: sum   memory.swap.max: what is beyond the limit
//!   reservation        memory.soft_limit_in_bytes         memory.low
//! ```
//!
//! See the kernel's cgroup-v1/memory.rst and cgroup-v2.rst, "Memory".

use super::resources::Memory;
use super::setting::{Setting, only, refuse};
use super::{CgroupError, Controller::Memory as MEMORY, files};
use crate::kernel::Errno;

const LIMIT: &str = "linux.resources.memory.limit";
const SWAP: &str = "linux.resources.memory.swap";
const RESERVATION: &str = "linux.resources.memory.reservation";

/// What is to be written, in an order that suits a new cgroup: version 1 wants the sum not below the memory.
pub(super) fn settings(memory: &Memory, v1: bool) -> Result<Vec<Setting>, CgroupError> {
    let table = files::table(v1);
    let [limit, swap, reservation] = [memory.limit, memory.swap, memory.reservation].map(said);
    for (member, value) in [(LIMIT, limit), (SWAP, swap), (RESERVATION, reservation)] {
        if let Some(value) = value.filter(|value| *value < -1) {
            return refuse(member, value, "bytes, or -1 for no limit");
        }
    }
    let mut found = Vec::new();
    if let Some(bytes) = limit {
        let why = "over it, the kernel takes back what it can, and when nothing is left to take, it kills";
        found.push(Setting::new((MEMORY, LIMIT), ("limit memory", why), (table.memory)(bytes)));
    }
    if let Some(most) = sum(limit, swap, v1)? {
        let why = "else memory over the limit would only move to the disk";
        let file = (table.swap)(limit.unwrap_or(-1), most);
        // a kernel without swap accounting has no such file: then there is nothing to limit either
        found.push(Setting::new((MEMORY, SWAP), ("limit swap", why), file).or_else(Errno::NOENT));
    }
    if let Some(bytes) = reservation {
        let why = "when the machine runs short, those above theirs give first";
        let file = if v1 {
            ("memory.soft_limit_in_bytes", bytes.to_string())
        } else {
            ("memory.low", super::v2::max(bytes))
        };
        found.push(Setting::new((MEMORY, RESERVATION), ("reserve memory", why), file));
    }
    found.extend(if v1 { old(memory)? } else { none_of_old(memory).map(|()| Vec::new())? });
    Ok(found)
}

fn said(value: Option<i64>) -> Option<i64> {
    value.filter(|value| *value != 0)
}

/// Memory and swap together. Memory without a limit takes swap's along, as runc has it.
fn sum(limit: Option<i64>, swap: Option<i64>, v1: bool) -> Result<Option<i64>, CgroupError> {
    match (limit, swap) {
        (Some(-1), None) => Ok(Some(-1)),
        (None, Some(sum)) if sum > 0 && !v1 => {
            refuse(SWAP, sum, "it counts memory too: say linux.resources.memory.limit as well")
        }
        (Some(limit), Some(sum)) if sum > 0 && sum < limit => {
            refuse(SWAP, sum, &format!("memory+swap limit should be >= memory limit, which is {limit}"))
        }
        (_, swap) => Ok(swap),
    }
}

/// What only version 1 has.
fn old(memory: &Memory) -> Result<Vec<Setting>, CgroupError> {
    let mut found = Vec::new();
    let mut set = |member, name, why, file: &str, value: i64| {
        found.push(Setting::new((MEMORY, member), (name, why), (file, value)));
    };
    if let Some(bytes) = said(memory.kernel) {
        let why = "kernels from 5.16 on take the number and count kernel memory as memory";
        let name = "limit the kernel's memory for it";
        set("linux.resources.memory.kernel", name, why, "memory.kmem.limit_in_bytes", bytes);
    }
    if let Some(bytes) = said(memory.kernel_tcp) {
        let why = "what waits in sockets is the kernel's memory";
        let name = "limit its buffers for TCP";
        set("linux.resources.memory.kernelTCP", name, why, "memory.kmem.tcp.limit_in_bytes", bytes);
    }
    // runc takes the largest number for -1, and that for nothing said
    if let Some(swappiness) = memory.swappiness.filter(|value| *value != u64::MAX) {
        let member = "linux.resources.memory.swappiness";
        if swappiness > 100 {
            return refuse(member, swappiness, "0 to 100");
        }
        let why = "0: only when nothing else is left; 100: as readily as caches are dropped";
        set(member, "say how readily it is swapped", why, "memory.swappiness", swappiness as i64);
    }
    if memory.disable_oom_killer == Some(true) {
        let why = "over the limit, its processes wait until somebody makes room";
        let member = "linux.resources.memory.disableOOMKiller";
        set(member, "let nobody be killed for memory", why, "memory.oom_control", 1);
    }
    if let Some(count) = memory.use_hierarchy {
        let why = "what is used in cgroups below counts here too";
        let member = "linux.resources.memory.useHierarchy";
        set(member, "count what is below", why, "memory.use_hierarchy", count.into());
    }
    Ok(found)
}

fn none_of_old(memory: &Memory) -> Result<(), CgroupError> {
    let numbers = [
        ("kernel", said(memory.kernel), "memory.limit counts it"),
        ("kernelTCP", said(memory.kernel_tcp), "memory.limit counts it"),
        (
            "swappiness",
            memory.swappiness.filter(|value| *value != u64::MAX).map(u64::cast_signed),
            "leave it out",
        ),
    ];
    for (member, value, instead) in numbers {
        if let Some(value) = value {
            return only(1, &format!("linux.resources.memory.{member}"), value, instead);
        }
    }
    if memory.disable_oom_killer == Some(true) {
        return only(1, "linux.resources.memory.disableOOMKiller", true, "leave it out");
    }
    if memory.use_hierarchy == Some(false) {
        return only(1, "linux.resources.memory.useHierarchy", false, "what is below always counts");
    }
    Ok(())
}
