//! Machine: what this process may do here, and what can be shown of it to a container.

use std::path::Path;

use crate::cgroups::detect;
use crate::rootfs::CgroupTree;

/// What this process may do on this machine.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// the effective user
    pub uid: u32,
    /// the effective group
    pub gid: u32,
    /// the initial user namespace: its root may make devices and mount with trusted attributes
    pub initial: bool,
    /// the kernel lets us set supplementary groups
    pub setgroups: bool,
}

impl Machine {
    /// Looks.
    pub fn look() -> Machine {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
        let whole = |map: String| map.split_whitespace().eq(["0", "0", "4294967295"]);
        Machine {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            initial: whole(read("uid_map")),
            setgroups: read("setgroups").trim() != "deny",
        }
    }

    /// Whether we are root, if only of a user namespace.
    pub fn root(self) -> bool {
        self.uid == 0
    }

    /// Whether we may do what only root of the whole machine may.
    pub fn all_powerful(self) -> bool {
        self.root() && self.initial
    }

    /// Which cgroup tree a container can be shown. Version 1 can be mounted by root of the machine only.
    pub fn cgroup_tree(self) -> CgroupTree {
        let mounts = detect::mounted(Path::new("/")).unwrap_or_default();
        CgroupTree::of(&mounts, self.all_powerful())
    }
}
