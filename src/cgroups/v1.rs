//! Version 1: one hierarchy per controller, one directory in each.
//!
//! ```text
//!   /sys/fs/cgroup/memory/stepbox-ID/   memory.limit_in_bytes  memory.memsw.limit_in_bytes  memory.oom_control
//!   /sys/fs/cgroup/cpu/stepbox-ID/      cpu.cfs_quota_us       cpu.stat
//!   /sys/fs/cgroup/pids/stepbox-ID/     pids.max               pids.events
//!   /sys/fs/cgroup/freezer/stepbox-ID/  freezer.state
//!   /sys/fs/cgroup/devices/stepbox-ID/  devices.deny           devices.allow
//! ```
//!
//! See the kernel's cgroup-v1/memory.rst, cgroup-v1/pids.rst, cgroup-v1/freezer-subsystem.rst, sched-bwc.rst.

use super::Controller;
use super::files::Files;
use super::v2::max;

/// The files of version 1.
// ANCHOR: files
pub(super) const FILES: Files = Files {
    memory: |bytes| ("memory.limit_in_bytes", bytes.to_string()),
    // version 1 counts memory and swap as one sum
    swap: |_, sum| ("memory.memsw.limit_in_bytes", sum.to_string()),
    // the period has a file of its own
    cpus: |quota, _| ("cpu.cfs_quota_us", quota.to_string()),
    pids: |most| ("pids.max", max(most)),
    // ANCHOR_END: files
    limits: |controller| match controller {
        Controller::Memory => &["memory.limit_in_bytes"],
        Controller::Cpu => &["cpu.cfs_quota_us", "cpu.cfs_period_us"],
        Controller::Accounting => &["cpuacct.usage"],
        Controller::Pids => &["pids.max", "pids.current"],
        Controller::Freezer => &["freezer.state"],
        Controller::Devices => &["devices.list"],
        Controller::Cpuset => &["cpuset.cpus", "cpuset.mems"],
        _ => &[],
    },
    bites: |controller| match controller {
        Controller::Memory => &[("memory.oom_control", "oom_kill")],
        Controller::Cpu => &[("cpu.stat", "nr_throttled")],
        Controller::Pids => &[("pids.events", "max")],
        _ => &[],
    },
    freeze: ("freezer.state", "FROZEN", "THAWED"),
    // a process that is born while the others stop can be missed: then it stays FREEZING until it is told again
    frozen: ("freezer.state", "FROZEN", true),
};
