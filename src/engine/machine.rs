//! Machine: what this process may do here, and what can be shown of it to a container.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::cgroups::detect;
use crate::kernel::{departure, flags};
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
    /// what a container of ours may hold at most, as bits
    pub capabilities: u64,
    /// a container could write to this program, unless its box leaves that behind
    pub engine_in_reach: bool,
}

impl Machine {
    /// Looks, once: we never become another.
    pub fn look() -> Machine {
        static HERE: OnceLock<Machine> = OnceLock::new();
        *HERE.get_or_init(|| {
            let uid = rustix::process::geteuid();
            let held = rustix::thread::capabilities(None).map(|sets| sets.permitted.bits());
            let setgroups = std::fs::read("/proc/self/setgroups").unwrap_or_default();
            Machine {
                // without root it is root of a user namespace of its own, and holds all of them there
                capabilities: held.ok().filter(|_| uid.is_root()).unwrap_or(flags::ALL_CAPABILITIES),
                uid: uid.as_raw(),
                gid: rustix::process::getegid().as_raw(),
                initial: crate::kernel::users::initial(),
                setgroups: setgroups.trim_ascii() != b"deny",
                engine_in_reach: departure::wanted(),
            }
        })
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
    pub fn cgroup_tree(self, mounts: &[detect::Mount]) -> CgroupTree {
        CgroupTree::of(mounts, self.all_powerful())
    }
}

/// Where each processor below this root tells how often it grew too hot; none where it does not.
pub fn throttles(root: &Path) -> Vec<PathBuf> {
    let below = "sys/devices/system/cpu";
    let entries = std::fs::read_dir(root.join(below)).into_iter().flatten().flatten();
    let number = |name: &str| name.strip_prefix("cpu")?.parse::<u32>().ok();
    let mut numbers: Vec<u32> =
        entries.filter_map(|entry| number(entry.file_name().to_str().unwrap_or_default())).collect();
    numbers.sort_unstable();
    let file = |number: &u32| format!("{below}/cpu{number}/thermal_throttle");
    let there = numbers.iter().map(file).filter(|file| root.join(file).exists());
    there.map(|file| Path::new("/").join(file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_that_tell_how_hot_they_are() {
        let root = tempfile::tempdir().expect("a directory");
        for name in
            ["cpu10/thermal_throttle", "cpu2/thermal_throttle", "cpu3/cache", "cpuidle/thermal_throttle"]
        {
            std::fs::create_dir_all(root.path().join("sys/devices/system/cpu").join(name)).expect("made");
        }
        let found = throttles(root.path());
        let wanted =
            [2, 10].map(|cpu| PathBuf::from(format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle")));
        assert_eq!(found, wanted);
    }
}
