//! Version 1: one hierarchy per controller, one directory in each.
//!
//! ```text
//!   /sys/fs/cgroup/memory/stepbox-ID/   memory.limit_in_bytes  memory.memsw.limit_in_bytes  memory.oom_control
//!   /sys/fs/cgroup/cpu/stepbox-ID/      cpu.cfs_quota_us       cpu.stat
//!   /sys/fs/cgroup/pids/stepbox-ID/     pids.max               pids.events
//!   /sys/fs/cgroup/freezer/stepbox-ID/  freezer.state
//! ```
//!
//! See the kernel's cgroup-v1/memory.rst, cgroup-v1/pids.rst, cgroup-v1/freezer-subsystem.rst, sched-bwc.rst.

use super::{Controller, Files, PERIOD};

/// The files of version 1.
// ANCHOR: files
pub(super) const FILES: Files = Files {
    memory: |bytes| ("memory.limit_in_bytes", bytes.to_string()),
    // version 1 counts memory and swap as one sum
    swap: |memory, swap| ("memory.memsw.limit_in_bytes", memory.saturating_add(swap).to_string()),
    // the period is 100 ms unless somebody changes it
    cpus: |thousandths| ("cpu.cfs_quota_us", thousandths.saturating_mul(PERIOD / 1000).to_string()),
    pids: |most| ("pids.max", most.to_string()),
    // ANCHOR_END: files
    limits: |controller| match controller {
        Controller::Memory => &["memory.limit_in_bytes"],
        Controller::Cpu => &["cpu.cfs_quota_us", "cpu.cfs_period_us"],
        Controller::Accounting => &["cpuacct.usage"],
        Controller::Pids => &["pids.max", "pids.current"],
        Controller::Freezer => &["freezer.state"],
    },
    bites: |controller| match controller {
        Controller::Memory => &[("memory.oom_control", "oom_kill")],
        Controller::Cpu => &[("cpu.stat", "nr_throttled")],
        Controller::Pids => &[("pids.events", "max")],
        Controller::Accounting | Controller::Freezer => &[],
    },
    freeze: ("freezer.state", "FROZEN", "THAWED"),
};
