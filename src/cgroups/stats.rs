//! Stats: what a cgroup has used, in the shape of `runc events --stats`, which engines read.
//!
//! ```text
//!   {"cpu": {"usage": {"total": 1234…}, "throttling": {…}, "psi": …}, "memory": {"usage": {…}, "raw": {…}}, "pids": …,
//!    "blkio": …, "hugetlb": {"2MB": …}, …}
//! ```
//!
//! The shape was made for version 1; version 2 fills it as runc does. Numbers that are 0 are left out where runc leaves
//! them out.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Cgroup, CgroupError, Controller};
use crate::kernel::Errno;

mod old;
mod text;
mod unified;

/// Everything that is counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)] // each member is named after what it counts
pub struct Stats {
    pub cpu: CpuStats,
    pub cpuset: CpusetStats,
    pub memory: MemoryStats,
    pub pids: PidsStats,
    pub blkio: BlkioStats,
    pub hugetlb: BTreeMap<String, HugetlbStats>,
    /// always empty: resctrl is not used
    pub intel_rdt: BTreeMap<String, u64>,
    /// to be filled by whoever knows the links
    pub network_interfaces: Vec<NetworkInterface>,
}

/// Cpu time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct CpuStats {
    pub usage: CpuUsage,
    pub throttling: Throttling,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// In nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct CpuUsage {
    #[serde(skip_serializing_if = "is_default")]
    pub total: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_kernel: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_user: Vec<u64>,
    pub kernel: u64,
    pub user: u64,
}

/// How often and how long, in nanoseconds, the quota was used up.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Throttling {
    #[serde(skip_serializing_if = "is_default")]
    pub periods: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub throttled_periods: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub throttled_time: u64,
}

/// How long somebody, and how long everybody, had to wait: the kernel's accounting/psi.rst.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Pressure {
    pub some: Waiting,
    pub full: Waiting,
}

/// In percent of the last so many seconds; in all, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Waiting {
    pub avg10: f64,
    pub avg60: f64,
    pub avg300: f64,
    pub total: u64,
}

/// Version 1's cpuset.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct CpusetStats {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u16>,
    pub cpu_exclusive: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mems: Vec<u16>,
    pub mem_hardwall: u64,
    pub mem_exclusive: u64,
    pub memory_migrate: u64,
    pub memory_spread_page: u64,
    pub memory_spread_slab: u64,
    pub memory_pressure: u64,
    pub sched_load_balance: u64,
    pub sched_relax_domain_level: i64,
}

/// In bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct MemoryStats {
    #[serde(skip_serializing_if = "is_default")]
    pub cache: u64,
    pub usage: MemoryEntry,
    pub swap: MemoryEntry,
    pub kernel: MemoryEntry,
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: MemoryEntry,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// One kind of memory; swap is both together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct MemoryEntry {
    pub limit: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub usage: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub max: u64,
    pub failcnt: u64,
}

/// Processes and threads; limit 0 is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct PidsStats {
    #[serde(skip_serializing_if = "is_default")]
    pub current: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub limit: u64,
}

/// What went to and came from the disks, with what is below the cgroup.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct BlkioStats {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_bytes_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_serviced_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_queue_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_service_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_wait_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_merged_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub io_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sectors_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// One number for one disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct BlkioEntry {
    #[serde(skip_serializing_if = "is_default")]
    pub major: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub minor: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    #[serde(skip_serializing_if = "is_default")]
    pub value: u64,
}

/// Huge pages of one size, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct HugetlbStats {
    #[serde(skip_serializing_if = "is_default")]
    pub usage: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub max: u64,
    pub failcnt: u64,
}

/// What went through one link.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct NetworkInterface {
    pub name: String,
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Cgroup {
    /// What has been used so far. What this kernel does not count is 0.
    ///
    /// # Errors
    /// Where the cgroup does not exist.
    pub fn stats(&self) -> Result<Stats, CgroupError> {
        let mut stats = Stats::default();
        let directories = self.directories();
        let Some((_, first)) = directories.first() else { return Ok(stats) };
        if !directories.iter().any(|(_, directory)| directory.exists()) {
            return Err(CgroupError::Unreadable(first.clone(), Errno::NOENT));
        }
        if let Some(directory) = self.unified() {
            unified::fill(&mut stats, &text::Files(directory));
        }
        for controller in Controller::EVERY.into_iter().filter(|one| self.in_v1(*one)) {
            if let Some(directory) = self.directory(controller) {
                old::fill(&mut stats, controller, &text::Files(directory));
            }
        }
        Ok(stats)
    }

    /// Whether the kernel counts something of it, and we can read it: without, it is 0 in [`Cgroup::stats`].
    pub fn counts(&self, controller: Controller) -> bool {
        let file = match (controller, self.in_v1(controller)) {
            (Controller::Accounting, true) => "cpuacct.usage",
            (Controller::Accounting, false) => "cpu.stat",
            (Controller::Memory, true) => "memory.usage_in_bytes",
            (Controller::Memory, false) => "memory.current",
            (Controller::Block, true) => "blkio.throttle.io_service_bytes",
            (Controller::Block, false) => "io.stat",
            (Controller::Pids, _) => "pids.current",
            _ => return false,
        };
        self.directory(controller).is_some_and(|directory| directory.join(file).exists())
    }
}
