//! Version 2: one hierarchy, one directory, every controller in it; a parent hands controllers down.
//!
//! ```text
//!   /sys/fs/cgroup/              cgroup.controllers      what this cgroup was given
//!                                cgroup.subtree_control  what it hands down: "+memory +pids"
//!   /sys/fs/cgroup/stepbox-ID/   memory.max  memory.swap.max  memory.events  cpu.max  cpu.stat
//!                                pids.max  pids.events  cgroup.freeze  cgroup.kill
//! ```
//!
//! See the kernel's cgroup-v2.rst.

use super::files::Files;
use super::{Controller, PERIOD};

/// The files of version 2.
// ANCHOR: files
pub(super) const FILES: Files = Files {
    memory: |bytes| ("memory.max", max(bytes)),
    // version 2 counts swap apart from memory
    swap: |memory, sum| ("memory.swap.max", if memory < 0 || sum < 0 { max(sum) } else { max(sum - memory) }),
    cpus: |quota, period| ("cpu.max", format!("{} {}", max(quota), period.unwrap_or(PERIOD))),
    pids: |most| ("pids.max", max(most)),
    // ANCHOR_END: files
    limits: |controller| match controller {
        Controller::Memory => &["memory.max"],
        Controller::Cpu => &["cpu.max"],
        Controller::Accounting => &["cpu.stat"],
        Controller::Pids => &["pids.max", "pids.current"],
        Controller::Freezer => &["cgroup.freeze"],
        Controller::Cpuset => &["cpuset.cpus", "cpuset.mems"],
        _ => &[],
    },
    bites: |controller| match controller {
        Controller::Memory => &[("memory.events", "oom_kill")],
        Controller::Cpu => &[("cpu.stat", "nr_throttled")],
        Controller::Pids => &[("pids.events", "max")],
        _ => &[],
    },
    freeze: ("cgroup.freeze", "1", "0"),
    frozen: ("cgroup.events", "frozen 1", false),
};

/// A number, or the word for no limit.
pub(super) fn max(number: i64) -> String {
    if number < 0 { "max".into() } else { number.to_string() }
}
