//! Mounts: what is mounted in a container, and what every container of the engine has. Data only.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

use crate::kernel::op::Peer;
use crate::userns::Range;

/// Something that is mounted in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// its name in the container
    pub target: PathBuf,
    /// what is mounted
    pub source: Source,
    /// how
    pub options: Options,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// a part of a directory of the host in which containers make links: none of them leads out of it
    Within {
        /// the directory
        root: PathBuf,
        /// the part's name below it
        part: PathBuf,
        /// it is a directory
        directory: bool,
    },
    /// what another container has there
    Theirs {
        /// a process of it
        peer: Peer,
        /// its users are others than ours
        user: bool,
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
    /// no mount: a symbolic link to this
    Link(PathBuf),
}

/// How it is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// how mounts below it travel, in order: MS_SHARED and so on, perhaps with MS_REC
    pub propagation: Vec<u64>,
    /// it begins with a copy of what it hides; for a tmpfs, or a volume that is empty
    pub copy_up: bool,
    /// its owners have other numbers here; for a bind
    pub idmap: Option<Idmap>,
}

/// Other numbers for the owners of what is mounted: mount_setattr(2), MOUNT_ATTR_IDMAP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idmap {
    /// which number is which
    pub users: MappedBy,
    /// also for what is mounted below it
    pub recursive: bool,
}

/// Where a mapping of users is kept: a user namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MappedBy {
    /// a new one, with these ranges for users and for groups
    Ranges(Vec<Range>, Vec<Range>),
    /// the one that this file names
    File(PathBuf),
}

/// Which cgroup tree the container sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CgroupTree {
    /// none
    None,
    /// cgroup2
    V2,
    /// these v1 hierarchies, each by its directory's name and its mount options
    V1(Vec<(String, String)>),
    /// these directories of the host, each by the name it gets; the one of version 2 has none
    Bound(Vec<(String, PathBuf)>),
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

    /// What another container has at the same place.
    pub fn of_another(peer: Peer, user: bool, target: impl Into<PathBuf>) -> Mount {
        let source = Source::Theirs { peer, user };
        Mount { target: target.into(), source, options: Options::default() }
    }

    /// A symbolic link instead of a mount.
    pub fn link(to: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Mount {
        let source = Source::Link(to.into());
        Mount { target: target.into(), source, options: Options::default() }
    }

    /// Only the flags of what is mounted there already are changed.
    pub(super) fn is_remount(&self) -> bool {
        self.options.flags & libc::MS_REMOUNT != 0
    }

    /// It is made writable, because things have to be made on it, and closed last of all.
    pub(super) fn closes_late(&self) -> bool {
        let room = matches!(&self.source, Source::New { kind, .. } if kind == "tmpfs" || self.target == Path::new("/dev"));
        room && self.options.flags & libc::MS_RDONLY != 0
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
