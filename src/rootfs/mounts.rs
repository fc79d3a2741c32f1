//! Mounts: the host's directories and files, opened by the host's names and placed by the container's; and file
//! systems of the container's own.

use std::path::{Path, PathBuf};

use super::Made;
use crate::kernel::Op;
use crate::kernel::op::MountAt;
use crate::probe::{Probe, Who};
use crate::step::Step;

/// Something that is mounted in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// its name in the container
    pub target: PathBuf,
    /// what is mounted
    pub source: Source,
    /// how
    pub options: Options,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// a directory or file of the host
    Bind {
        /// its name on the host
        path: PathBuf,
        /// it is a directory
        directory: bool,
        /// with everything that is mounted below it
        recursive: bool,
    },
    /// a file system of its own
    New {
        /// what mount(2) calls its type
        kind: String,
        /// what it calls its source
        device: String,
        /// options of this file system
        data: String,
    },
    /// its own cgroups
    Cgroup(CgroupTree),
}

/// How it is mounted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// flags of mount(2) for a new file system: MS_RDONLY, MS_NOSUID and so on
    pub flags: u64,
    /// attributes of mount_setattr(2) that a bind gets
    pub set: u64,
    /// attributes that it loses
    pub clear: u64,
    /// the same for everything below it, where it differs
    pub set_below: u64,
    /// attributes that everything below it loses
    pub clear_below: u64,
    /// how mounts below it travel: MS_SHARED and so on, perhaps with MS_REC
    pub propagation: u64,
}

/// Which cgroup tree the container sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CgroupTree {
    /// none
    None,
    /// cgroup2
    V2,
    /// these v1 hierarchies, each by its directory's name and its mount options
    V1(Vec<(String, String)>),
}

impl Mount {
    /// A directory or file of the host with all that is mounted below it.
    pub fn bind(path: impl Into<PathBuf>, target: impl Into<PathBuf>, directory: bool) -> Mount {
        let source = Source::Bind { path: path.into(), directory, recursive: true };
        Mount { target: target.into(), source, options: Options::default() }
    }

    /// The same, and nothing of it can be written.
    pub fn read_only(mut self) -> Mount {
        self.options.set_below |= libc::MOUNT_ATTR_RDONLY;
        self
    }

    /// A file system of the container's own: its type, flags of mount(2), its own options.
    pub fn new(kind: &str, target: impl Into<PathBuf>, flags: u64, data: &str) -> Mount {
        let target = target.into();
        let device = if target == Path::new("/dev/shm") { "shm" } else { kind };
        let source = Source::New { kind: kind.into(), device: device.into(), data: data.into() };
        Mount { target, source, options: Options { flags, ..Options::default() } }
    }
}

const SAFE: u64 = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;

/// What every container of the engine has. `bind_sysfs`: sysfs belongs to a network namespace, and with the host's, in
/// a user namespace, it can only be bound. `tty`: group 5 is mapped.
pub fn mounts_by_default(cgroups: &CgroupTree, bind_sysfs: bool, tty: bool) -> Vec<Mount> {
    let sysfs = match bind_sysfs {
        true => Mount::bind("/sys", "/sys", true).read_only(),
        false => Mount::new("sysfs", "/sys", SAFE | libc::MS_RDONLY, ""),
    };
    // group tty is 5 everywhere, but a user namespace knows only the groups mapped into it
    let terminals = format!("newinstance,ptmxmode=0666,mode=0620{}", if tty { ",gid=5" } else { "" });
    let room = libc::MS_NOSUID | libc::MS_STRICTATIME;
    let mut mounts = vec![
        Mount::new("proc", "/proc", SAFE, ""),
        sysfs,
        Mount::new("tmpfs", "/dev", room, "mode=755,size=65536k"),
        Mount::new("devpts", "/dev/pts", libc::MS_NOSUID | libc::MS_NOEXEC, &terminals),
        Mount::new("mqueue", "/dev/mqueue", SAFE, ""),
        Mount::new("tmpfs", "/dev/shm", SAFE, "mode=1777,size=65536k"),
    ];
    if *cgroups != CgroupTree::None {
        let options = Options { flags: SAFE | libc::MS_RDONLY, ..Options::default() };
        let source = Source::Cgroup(cgroups.clone());
        mounts.push(Mount { target: "/sys/fs/cgroup".into(), source, options });
    }
    mounts
}

/// How a reader is told of a bind: opened, given a place, placed.
struct Names {
    open: &'static str,
    room: &'static str,
    place: &'static str,
}

/// The names for a target that nearly every container has.
macro_rules! known {
    ($path:literal) => {
        (
            $path,
            Names {
                open: concat!("open what becomes ", $path),
                room: concat!("make a place for ", $path),
                place: concat!("bind ", $path),
            },
        )
    };
}

const KNOWN: [(&str, Names); 10] = [
    known!("/dev/null"),
    known!("/dev/zero"),
    known!("/dev/full"),
    known!("/dev/random"),
    known!("/dev/urandom"),
    known!("/dev/tty"),
    known!("/etc/hostname"),
    known!("/etc/hosts"),
    known!("/etc/resolv.conf"),
    known!("/sys"),
];
const OTHER: Names = Names { open: "open what will be bound", room: "make a place for it", place: "bind it" };

fn names(target: &Path) -> &'static Names {
    KNOWN.iter().find(|(path, _)| Path::new(path) == target).map_or(&OTHER, |(_, names)| names)
}

/// New file systems that nearly every container has: target, the step's name, why.
const NEW: [(&str, &str, &str); 6] = [
    ("/proc", "mount proc", "a /proc of the box's own PID namespace: it shows the box's processes only"),
    ("/sys", "mount sysfs", "read-only: it can change the machine's devices"),
    ("/dev", "mount /dev", "a few nodes of our own instead of the machine's devices"),
    ("/dev/pts", "mount devpts", "terminals of the box's own: none of the host's can be opened"),
    ("/dev/mqueue", "mount mqueue", "POSIX message queues of the IPC namespace"),
    ("/dev/shm", "mount shm", "POSIX shared memory, with a limit of its own"),
];

/// Before the pivot: a source on the host is looked up, and copied as a mount that hangs nowhere yet.
pub(super) fn open(slot: usize, mount: &Mount) -> Vec<Step> {
    let Source::Bind { path, recursive, .. } = &mount.source else { return Vec::new() };
    let why = match mount.target.starts_with("/dev") {
        true => "a user namespace may make no device, so the box borrows the host's",
        false => "the host's name is looked up while it means the host",
    };
    let op = Op::OpenTree { source: path.into(), slot, recursive: *recursive };
    let mut steps = vec![Step::new(names(&mount.target).open, op).why(why)];
    let Options { set, clear, set_below, clear_below, .. } = mount.options;
    for (set, clear, recursive) in [(set_below, clear_below, true), (set, clear, false)] {
        if set | clear != 0 {
            let name = match (set, clear) {
                (libc::MOUNT_ATTR_RDONLY, 0) => "make it read-only",
                _ => "set its attributes",
            };
            let op = Op::MountSetattr { on: MountAt::Slot(slot), set, clear, recursive };
            steps.push(Step::new(name, op).why("the copy, not the host's own mount"));
        }
    }
    steps
}

/// After the pivot: a place is made where there is none, and the mount is hung up.
pub(super) fn place(slot: usize, mount: &Mount, made: &mut Made) -> Vec<Step> {
    let mounts = |step: Step| match mount.target.starts_with("/dev") {
        true => step,
        false => step.show(Probe::Mounts(Who::Box, "/".into())),
    };
    let mut steps = match (&mount.source, mount.target.parent()) {
        (Source::Bind { directory: false, .. }, Some(parent)) => made.directory(parent),
        _ => made.directory(&mount.target),
    };
    match &mount.source {
        Source::Bind { directory, .. } => {
            let names = names(&mount.target);
            if !directory {
                let op = Op::Touch { path: (&mount.target).into() };
                steps.push(mounts(Step::new(names.room, op).why("a file is bound onto a file")));
            }
            let op = Op::PlaceTree { slot, target: (&mount.target).into() };
            let why = "the container's name is looked up where it can only mean the container";
            steps.push(mounts(Step::new(names.place, op).why(why)));
            steps.extend(travel(mount));
        }
        Source::New { .. } => steps.extend(new(mount)),
        Source::Cgroup(tree) => steps.extend(cgroup_tree(tree, mount)),
    }
    made.covered(&mount.target);
    steps
}

/// A new file system at its place.
pub(super) fn new(mount: &Mount) -> Vec<Step> {
    let Source::New { kind, device, data } = &mount.source else { return Vec::new() };
    let known = NEW.iter().find(|(path, ..)| Path::new(path) == mount.target);
    let (name, why) =
        known.map_or(("mount a file system", "a file system of the box's own"), |(_, name, why)| (name, why));
    let op = Op::mount(device, &mount.target, kind, mount.options.flags, data);
    let mut step = Step::new(name, op).why(why);
    if kind == "proc" {
        step = step.show(Probe::Processes(format!("/proc/[BOX]/root{}", mount.target.display())));
    }
    std::iter::once(step).chain(travel(mount)).collect()
}

/// How mounts below it travel, where that was asked for.
fn travel(mount: &Mount) -> Option<Step> {
    let op = Op::remount(&mount.target, mount.options.propagation);
    let step = Step::new("say how mounts travel", op)
        .why("shared: both ways; slave: from the host only; private: not at all");
    (mount.options.propagation != 0).then_some(step)
}

fn cgroup_tree(tree: &CgroupTree, mount: &Mount) -> Vec<Step> {
    let (root, flags) = (&mount.target, mount.options.flags);
    let why = match flags & libc::MS_RDONLY {
        0 => "its own cgroup, and what is left of it",
        _ => "its own cgroup, and what is left of it, read-only",
    };
    match tree {
        CgroupTree::None => Vec::new(),
        CgroupTree::V2 => {
            let op = Op::mount("cgroup", root, "cgroup2", flags, "");
            vec![Step::new("mount the cgroup tree", op).why(why)]
        }
        CgroupTree::V1(hierarchies) => {
            let op = Op::mount("tmpfs", root, "tmpfs", flags & !libc::MS_RDONLY, "mode=755");
            let mut steps =
                vec![Step::new("make room for cgroups", op).why("v1 has one tree per controller")];
            for (name, options) in hierarchies {
                let path = root.join(name);
                let why = "a mount needs a directory to hang on";
                steps.push(Step::new("make room for a controller", Op::mkdir(&path)).why(why));
                let op = Op::mount("cgroup", &path, "cgroup", flags, options);
                steps.push(Step::new("mount a cgroup tree", op).why(why));
            }
            if flags & libc::MS_RDONLY != 0 {
                let op = Op::remount(root, libc::MS_REMOUNT | libc::MS_BIND | flags);
                steps.push(Step::new("close the room", op).why("nothing may be added"));
            }
            steps
        }
    }
}
