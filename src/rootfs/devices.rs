//! Devices: a small /dev of the container's own.

use std::path::PathBuf;

use super::{Devices, Mount, Rootfs};
use crate::kernel::Op;
use crate::step::Step;

/// The nodes that every container has: name, major, minor, and what a reader is told.
const NODES: [(&str, u32, u32, &str, &str); 6] = [
    ("null", 1, 3, "make /dev/null", "what is written to it is gone"),
    ("zero", 1, 5, "make /dev/zero", "zeros without end"),
    ("full", 1, 7, "make /dev/full", "a disk that is always full, for tests"),
    ("random", 1, 8, "make /dev/random", "the kernel's random numbers"),
    ("urandom", 1, 9, "make /dev/urandom", "the same, under the name that most programs use"),
    ("tty", 5, 0, "make /dev/tty", "whatever terminal controls the process that opens it"),
];

/// Target and path of each link, and what a reader is told.
const LINKS: [(&str, &str, &str, &str); 6] = [
    ("/proc/self/fd", "/dev/fd", "link /dev/fd", "each process finds its own open files in it"),
    ("/proc/self/fd/0", "/dev/stdin", "link /dev/stdin", "for programs that want a path, not a descriptor"),
    ("/proc/self/fd/1", "/dev/stdout", "link /dev/stdout", "so that a log file can be standard output"),
    ("/proc/self/fd/2", "/dev/stderr", "link /dev/stderr", "and an error log standard error"),
    ("/proc/kcore", "/dev/core", "link /dev/core", "an old name; what it leads to will be masked"),
    ("pts/ptmx", "/dev/ptmx", "link /dev/ptmx", "who opens it gets a terminal of the box's own devpts"),
];

/// A node that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// its name in the container; also on the host, where it is bound
    pub path: PathBuf,
    /// S_IFCHR, S_IFBLK or S_IFIFO, and the mode
    pub mode: u32,
    /// which driver
    pub major: u32,
    /// which of its devices
    pub minor: u32,
    /// its owner
    pub uid: u32,
    /// its group
    pub gid: u32,
}

/// The host's nodes, for a user namespace that may not make its own.
pub(super) fn binds(more: &[Device]) -> Vec<Mount> {
    let ours = NODES.iter().map(|(name, ..)| PathBuf::from(format!("/dev/{name}")));
    let paths = ours.chain(more.iter().map(|device| device.path.clone()));
    paths.map(|path| Mount::bind(path.clone(), path, false)).collect()
}

/// The nodes, where we can make them, and the links.
pub(super) fn steps(rootfs: &Rootfs) -> Vec<Step> {
    let mut steps = Vec::new();
    if rootfs.make == Devices::Make {
        for (node, major, minor, name, why) in NODES {
            let op = Op::Mknod { path: format!("/dev/{node}").into(), mode: 0o666, major, minor };
            steps.push(Step::new(name, op).why(why));
        }
    }
    for (target, path, name, why) in LINKS {
        let op = Op::Symlink { target: target.into(), path: path.into() };
        steps.push(Step::new(name, op).why(why));
    }
    steps
}

/// A terminal of the box's own devpts, and its console.
pub(super) fn terminal() -> [Step; 4] {
    [
        Step::new("open a terminal", Op::OpenPty).why("in the box's devpts, so that it belongs to the box"),
        Step::new("hand it to the host", Op::SendPty).why("the host reads and writes its other end"),
        Step::new("make a place for the console", Op::Touch { path: "/dev/console".into() })
            .why("a file is bound onto a file"),
        Step::new("bind the console", Op::bind("/dev/pts/0", "/dev/console", 0))
            .why("programs that write to the console reach this terminal"),
    ]
}
