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

use super::{Controller, Files, PERIOD};

/// The files of version 2.
// ANCHOR: files
pub(super) const FILES: Files = Files {
    memory: |bytes| ("memory.max", bytes.to_string()),
    // version 2 counts swap apart from memory
    swap: |_, swap| ("memory.swap.max", swap.to_string()),
    cpus: |thousandths| ("cpu.max", format!("{} {PERIOD}", thousandths.saturating_mul(PERIOD / 1000))),
    pids: |most| ("pids.max", most.to_string()),
    // ANCHOR_END: files
    limits: |controller| match controller {
        Controller::Memory => &["memory.max"],
        Controller::Cpu => &["cpu.max"],
        Controller::Accounting => &["cpu.stat"],
        Controller::Pids => &["pids.max", "pids.current"],
        Controller::Freezer => &["cgroup.freeze"],
    },
    bites: |controller| match controller {
        Controller::Memory => &[("memory.events", "oom_kill")],
        Controller::Cpu => &[("cpu.stat", "nr_throttled")],
        Controller::Pids => &[("pids.events", "max")],
        Controller::Accounting | Controller::Freezer => &[],
    },
    freeze: ("cgroup.freeze", "1", "0"),
};

/// Whether every v2 cgroup has this, handed down or not.
pub(super) fn built_in(controller: Controller) -> bool {
    matches!(controller, Controller::Accounting | Controller::Freezer)
}
