//! Controllers: the parts of the kernel that each count or limit one thing.

use serde::{Deserialize, Serialize};

/// A part of the kernel that counts or limits one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the kernel's own names; Accounting is cpuacct, Block blkio or io, Systemd name=systemd
pub enum Controller {
    Memory,
    Cpu,
    Accounting,
    Pids,
    Freezer,
    Devices,
    Cpuset,
    Block,
    Hugetlb,
    NetClass,
    NetPriority,
    PerfEvent,
    Rdma,
    Misc,
    Systemd,
}

impl Controller {
    /// Every controller that a box of the engine is put under.
    pub const ALL: [Controller; 6] = [
        Controller::Memory,
        Controller::Cpu,
        Controller::Accounting,
        Controller::Pids,
        Controller::Freezer,
        Controller::Devices,
    ];

    /// Every controller that there is: a container of an OCI runtime is put under all of them.
    pub const EVERY: [Controller; 15] = [
        Controller::Memory,
        Controller::Cpu,
        Controller::Accounting,
        Controller::Pids,
        Controller::Freezer,
        Controller::Devices,
        Controller::Cpuset,
        Controller::Block,
        Controller::Hugetlb,
        Controller::NetClass,
        Controller::NetPriority,
        Controller::PerfEvent,
        Controller::Rdma,
        Controller::Misc,
        Controller::Systemd,
    ];

    /// The kernel's name for it under version 1: what mount(2) and /proc/PID/cgroup call its hierarchy.
    pub fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
            Controller::Accounting => "cpuacct",
            Controller::Pids => "pids",
            Controller::Freezer => "freezer",
            Controller::Devices => "devices",
            Controller::Cpuset => "cpuset",
            Controller::Block => "blkio",
            Controller::Hugetlb => "hugetlb",
            Controller::NetClass => "net_cls",
            Controller::NetPriority => "net_prio",
            Controller::PerfEvent => "perf_event",
            Controller::Rdma => "rdma",
            Controller::Misc => "misc",
            Controller::Systemd => "name=systemd",
        }
    }

    /// Its name in cgroup.controllers of version 2.
    pub(super) fn unified_name(self) -> &'static str {
        if self == Controller::Block { "io" } else { self.name() }
    }

    /// Whether every version 2 cgroup has this, handed down or not: devices are a program's matter there.
    pub(super) fn built_in(self) -> bool {
        matches!(self, Controller::Accounting | Controller::Freezer | Controller::Devices)
    }

    /// What the step is called that makes a version 1 cgroup for it.
    pub(super) fn make(self) -> &'static str {
        match self {
            Controller::Memory => "make a memory cgroup",
            Controller::Cpu => "make a cpu cgroup",
            Controller::Accounting => "make a cgroup that counts cpu time",
            Controller::Pids => "make a cgroup for processes",
            Controller::Freezer => "make a cgroup that can be frozen",
            Controller::Devices => "make a cgroup for devices",
            Controller::Cpuset => "make a cgroup for chosen cpus",
            Controller::Block => "make a cgroup for disks",
            Controller::Hugetlb => "make a cgroup for huge pages",
            Controller::NetClass | Controller::NetPriority => "make a cgroup that marks packets",
            Controller::PerfEvent => "make a cgroup that can be measured",
            Controller::Rdma => "make a cgroup for RDMA",
            Controller::Misc => "make a cgroup for scarce things",
            Controller::Systemd => "make a cgroup that only names",
        }
    }
}
