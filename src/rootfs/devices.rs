//! Devices: a small /dev of the container's own.

use std::path::{Path, PathBuf};

use super::{Devices, Made, Mount, Rootfs};
use crate::kernel::linux::TREES;
use crate::kernel::{Errno, Op, op};
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

impl Device {
    /// One of the six.
    fn of_every_container(node: &str, major: u32, minor: u32) -> Device {
        let path = format!("/dev/{node}").into();
        Device { path, mode: libc::S_IFCHR | 0o666, major, minor, uid: 0, gid: 0 }
    }

    /// A pipe with a name: no driver is behind it, so everybody may make one.
    fn is_fifo(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFIFO
    }
}

/// Nodes that nobody asked for in a way of his own.
fn ours(more: &[Device]) -> impl Iterator<Item = (Device, &'static str, &'static str)> {
    let node = |(node, major, minor, name, why): (&str, u32, u32, _, _)| {
        (Device::of_every_container(node, major, minor), name, why)
    };
    let asked: Vec<PathBuf> = more.iter().map(|device| device.path.clone()).collect();
    NODES.into_iter().map(node).filter(move |(device, ..)| !asked.contains(&device.path))
}

/// Nodes that somebody asked for; /dev/ptmx is always a link to the container's own.
fn asked(more: &[Device]) -> impl Iterator<Item = &Device> {
    more.iter().filter(|device| device.path != Path::new("/dev/ptmx"))
}

/// The host's nodes, for a user namespace that may not make its own.
pub(super) fn binds(more: &[Device]) -> Vec<Mount> {
    let asked = asked(more).filter(|device| !device.is_fifo()).cloned();
    let paths = ours(more).map(|(device, ..)| device).chain(asked).map(|device| device.path);
    paths.map(|path| Mount::bind(path.clone(), path, false)).collect()
}

/// The nodes, where we can make them, and the links.
pub(super) fn steps(rootfs: &Rootfs, made: &mut Made) -> Vec<Step> {
    let fresh = rootfs.has_new_dev();
    let can_make = rootfs.make == Devices::Make;
    let mut steps = Vec::new();
    for (device, name, why) in ours(&rootfs.devices).filter(|_| can_make) {
        steps.extend(node(&device, name, why, fresh));
    }
    for device in asked(&rootfs.devices).filter(|device| can_make || device.is_fifo()) {
        steps.extend(device.path.parent().map(|parent| made.directory(parent)).unwrap_or_default());
        let why = "somebody asked for it: only its driver and its numbers count, not where it lies";
        steps.extend(node(device, "make a device", why, false));
    }
    if !fresh {
        let step = Step::new("remove the old ptmx", Op::Unlink { path: "/dev/ptmx".into() })
            .why("it may stand for terminals of the host");
        steps.push(step.or_else(Errno::NOENT));
    }
    for (target, path, name, why) in LINKS {
        let op = Op::Symlink { target: target.into(), path: path.into() };
        let step = Step::new(name, op).why(why);
        steps.push(if fresh { step } else { step.or_else(Errno::EXIST) });
    }
    steps
}

/// One node. Where something may be there already it must be the same.
fn node(device: &Device, name: &'static str, why: &'static str, fresh: bool) -> Vec<Step> {
    let Device { path, mode, major, minor, uid, gid } = device;
    let op = Op::Mknod { path: path.into(), mode: *mode, major: *major, minor: *minor };
    let step = Step::new(name, op).why(why);
    let mut steps = vec![if fresh { step } else { step.or_else(Errno::EXIST) }];
    if !fresh {
        let op = Op::Device(op::Device::Open {
            path: path.into(),
            mode: mode & libc::S_IFMT,
            major: *major,
            minor: *minor,
        });
        steps.push(Step::new("look at it", op).why("what was there before must be the same, and no link"));
    }
    if (*uid, *gid) != (0, 0) {
        let op = Op::Chown { path: path.into(), uid: *uid, gid: *gid };
        steps.push(Step::new("give it its owner", op).why("whoever makes a node owns it"));
    }
    steps
}

/// Where the terminal waits for its place; no mount of a container has this number.
const TERMINAL: usize = TREES - 1;

/// A terminal of the box's own devpts.
pub fn open_terminal() -> Step {
    Step::new("open a terminal", Op::OpenPty).why("in the box's devpts, so that it belongs to the box")
}

/// The same, and its console.
pub(super) fn terminal() -> [Step; 4] {
    [
        open_terminal(),
        Step::new("open its other end", Op::Device(op::Device::Terminal { slot: TERMINAL }))
            .why("from the descriptor, not by a name that somebody could have changed (CVE-2025-52565)"),
        Step::new("make a place for the console", Op::Room { path: "/dev/console".into() })
            .why("a file is bound onto a file"),
        Step::new("bind the console", Op::PlaceTree { slot: TERMINAL, target: "/dev/console".into() })
            .why("programs that write to the console reach this terminal"),
    ]
}
