//! Root file system: what a container finds below `/` besides its image.
//!
//! ```text
//!   host's names                          container's names
//!   the layers become one tree                                                      assemble
//!   open_tree(volume) ─────────┐
//!   ─────────── pivot_root: the old root lies on the new one ───────────
//!                              │          /proc and /sys, no link followed          views
//!   ─────────── the old root is detached ───────────────────────────────
//!                              │          /dev and what is below, /sys/fs/cgroup    furnish
//!                              └────────> move_mount onto /data
//!                                         parts of /proc and /sys                   cover
//! ```
//!
//! Sources are opened before the pivot, targets are looked up after it, so that no link in an image or a volume can
//! lead a mount, a mkdir or a mask out of the container (CVE-2018-15664, CVE-2021-30465, CVE-2025-31133). The old
//! root stays until proc and sysfs are mounted, because a user namespace may mount them only while it still has ones
//! that are fully visible. It is stacked on `/` then, and a `..` at `/` steps onto it: so until it is gone no link of
//! the image is followed at all.

use std::path::{Path, PathBuf};

use crate::kernel::{Errno, Op};
use crate::overlay::Overlay;
use crate::probe::{Probe, Who};
use crate::step::Step;

mod binds;
mod cover;
mod devices;

pub use cover::cover;

/// To change the flags of the mount at `/`.
const ROOT: u64 = libc::MS_REMOUNT | libc::MS_BIND;

/// What a container's root file system is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Rootfs {
    /// the image's layers and the writable one
    pub overlay: Overlay,
    /// what is written goes with the container: it need not reach the disk
    pub throw_away: bool,
    /// directories and files of the host
    pub binds: Vec<Bind>,
    /// how device nodes come to be
    pub devices: Devices,
    /// the cgroup tree to show
    pub cgroups: CgroupTree,
    /// sysfs belongs to a network namespace: with the host's, in a user namespace, it can only be bound
    pub bind_sysfs: bool,
    /// a terminal is wanted
    pub terminal: bool,
    /// directories to make where they are missing, as the working directory
    pub directories: Vec<PathBuf>,
}

/// A directory or file of the host, seen inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// its name on the host
    pub source: PathBuf,
    /// its name in the container
    pub target: PathBuf,
    /// it may not be written
    pub read_only: bool,
    /// it is a directory
    pub directory: bool,
}

/// How device nodes come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// by mknod(2): needs root of the initial user namespace
    Make,
    /// by binding the host's
    Bind,
}

/// Which cgroup tree the container sees at /sys/fs/cgroup, read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CgroupTree {
    /// none
    None,
    /// cgroup2
    V2,
    /// these v1 hierarchies, each by its directory's name and its mount options
    V1(Vec<(String, String)>),
}

/// In the box, before the pivot: the layers become one tree, and the host's things are opened by their host names.
pub fn assemble(rootfs: &Rootfs) -> Vec<Step> {
    let mut steps = vec![
        Step::new("keep mounts to ourselves", Op::remount("/", libc::MS_REC | libc::MS_PRIVATE))
            .why("otherwise what the box mounts would appear on the host"),
    ];
    // the box's mounts die with its namespace: the host has nothing to take back
    let mount = if rootfs.throw_away { rootfs.overlay.mount_volatile() } else { rootfs.overlay.mount() };
    let mount = mount.into_iter().map(|step| Step { undo: None, ..step });
    steps.extend(mount.map(|step| {
        let merged = rootfs.overlay.merged.display().to_string();
        if matches!(step.op, Op::Mount { .. } | Op::MoveMount { .. }) {
            return step.show(Probe::Mounts(Who::Box, merged));
        }
        step
    }));
    let binds = all_binds(rootfs);
    steps.extend(binds.iter().enumerate().flat_map(|(slot, bind)| binds::open(slot, bind)));
    steps
}

/// In the box, after the pivot, while the old root is still there: proc and sysfs, by names that are no links.
pub fn views(rootfs: &Rootfs) -> Vec<Step> {
    let safe = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let mut steps = vec![
        Step::new("follow no link", Op::remount("/", ROOT | libc::MS_NOSYMFOLLOW))
            .why("a link with enough .. in it would step from / onto the old root, which is stacked there"),
    ];
    steps.extend(directory("/proc"));
    steps.push(
        Step::new("mount proc", Op::mount("proc", "/proc", "proc", safe, ""))
            .why("a /proc of the box's own PID namespace: it shows the box's processes only")
            .show(Probe::Processes("/proc/[BOX]/root/proc".into())),
    );
    steps.extend(sysfs(rootfs, safe));
    steps
}

/// In the box, when the old root is gone: everything else that is mounted by its name in the container.
pub fn furnish(rootfs: &Rootfs) -> Vec<Step> {
    let safe = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let mounts = || Probe::Mounts(Who::Box, "/".into());
    let mut steps = vec![
        Step::new("follow links again", Op::remount("/", ROOT))
            .why("the host is gone: a link of the image can lead nowhere but into the image"),
    ];
    steps.extend(devices::steps(rootfs.devices, rootfs.terminal));
    steps.extend(cgroup_tree(&rootfs.cgroups, safe));
    // where a file was just bound, its neighbour needs no directory; /dev is made above
    let mut known = Some(PathBuf::from("/dev"));
    let placed_already = |bind: &Bind| rootfs.bind_sysfs && bind.target == Path::new("/sys");
    for (slot, bind) in all_binds(rootfs).iter().enumerate().filter(|(_, bind)| !placed_already(bind)) {
        let placed = binds::place(slot, bind, known.as_deref());
        let device = bind.target.starts_with("/dev");
        steps.extend(placed.into_iter().map(|step| if device { step } else { step.show(mounts()) }));
        known = bind.target.parent().filter(|_| !bind.directory).map(Path::to_path_buf);
    }
    for path in &rootfs.directories {
        steps.extend(directory(path));
    }
    steps
}

/// The binds asked for, and those that the kind of devices brings.
fn all_binds(rootfs: &Rootfs) -> Vec<Bind> {
    let mut binds = Vec::new();
    if rootfs.devices == Devices::Bind {
        binds.extend(devices::binds());
    }
    if rootfs.bind_sysfs {
        let (source, target) = ("/sys".into(), "/sys".into());
        binds.push(Bind { source, target, read_only: true, directory: true });
    }
    binds.extend(rootfs.binds.iter().cloned());
    binds
}

/// The directories that every container has.
const KNOWN: [(&str, &str); 4] =
    [("/proc", "make /proc"), ("/dev", "make /dev"), ("/sys", "make /sys"), ("/etc", "make /etc")];

/// A directory and those above it, where they are missing.
fn directory(path: impl AsRef<Path>) -> Vec<Step> {
    let mut above: Vec<&Path> = path.as_ref().ancestors().filter(|path| path.parent().is_some()).collect();
    above.reverse();
    let make = |path: &Path| {
        let known = KNOWN.iter().find(|(known, _)| Path::new(known) == path);
        let name = known.map_or("make a directory", |(_, name)| name);
        Step::new(name, Op::mkdir(path)).why("an image need not have it").or_else(Errno::EXIST)
    };
    above.into_iter().map(make).collect()
}

fn sysfs(rootfs: &Rootfs, safe: u64) -> Vec<Step> {
    let mut steps = directory("/sys");
    if rootfs.bind_sysfs {
        let slot = all_binds(rootfs).iter().position(|bind| bind.target == Path::new("/sys")).unwrap_or(0);
        let op = Op::PlaceTree { slot, target: "/sys".into() };
        steps.push(Step::new("bind sysfs", op).why("a new one needs a network namespace of our own"));
    } else {
        let op = Op::mount("sysfs", "/sys", "sysfs", safe | libc::MS_RDONLY, "");
        steps.push(Step::new("mount sysfs", op).why("read-only: it can change the machine's devices"));
    }
    steps
}

fn cgroup_tree(tree: &CgroupTree, safe: u64) -> Vec<Step> {
    let (root, read_only) = ("/sys/fs/cgroup", safe | libc::MS_RDONLY);
    let why = "its own cgroup, and what is left of it, read-only";
    match tree {
        CgroupTree::None => Vec::new(),
        CgroupTree::V2 => {
            let op = Op::mount("cgroup", root, "cgroup2", read_only, "");
            vec![Step::new("mount the cgroup tree", op).why(why)]
        }
        CgroupTree::V1(hierarchies) => {
            let op = Op::mount("tmpfs", root, "tmpfs", safe, "mode=755");
            let mut steps =
                vec![Step::new("make room for cgroups", op).why("v1 has one tree per controller")];
            for (name, options) in hierarchies {
                let path = format!("{root}/{name}");
                let why = "a mount needs a directory to hang on";
                steps.push(Step::new("make room for a controller", Op::mkdir(&path)).why(why));
                let op = Op::mount("cgroup", &path, "cgroup", read_only, options);
                steps.push(Step::new("mount a cgroup tree", op).why(why));
            }
            let op = Op::remount(root, libc::MS_REMOUNT | libc::MS_BIND | read_only);
            steps.push(Step::new("close the room", op).why("nothing may be added"));
            steps
        }
    }
}
