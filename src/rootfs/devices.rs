//! Devices: a small /dev of the container's own.

use super::{Bind, Devices};
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

/// Directories of /dev that are mounted on.
const ROOMS: [(&str, &str); 3] = [
    ("/dev/pts", "make room for terminals"),
    ("/dev/mqueue", "make room for message queues"),
    ("/dev/shm", "make room for shared memory"),
];

/// The host's nodes, for a user namespace that may not make its own.
pub(super) fn binds() -> Vec<Bind> {
    let bind = |(name, ..): &(&str, u32, u32, &str, &str)| {
        let path: std::path::PathBuf = format!("/dev/{name}").into();
        Bind { source: path.clone(), target: path, read_only: false, directory: false }
    };
    NODES.iter().map(bind).collect()
}

/// /dev, its nodes and links, and the file systems below it.
pub(super) fn steps(devices: Devices, terminal: bool) -> Vec<Step> {
    let (nosuid, noexec) = (libc::MS_NOSUID, libc::MS_NOSUID | libc::MS_NOEXEC);
    let safe = noexec | libc::MS_NODEV;
    let mut steps = super::directory("/dev");
    let op = Op::mount("tmpfs", "/dev", "tmpfs", nosuid | libc::MS_STRICTATIME, "mode=755,size=65536k");
    steps.push(Step::new("mount /dev", op).why("a few nodes of our own instead of the machine's devices"));
    let room = |(path, name)| Step::new(name, Op::mkdir(path)).why("a mount needs a directory to hang on");
    steps.extend(ROOMS.map(room));
    // group tty is 5 everywhere, but a user namespace knows only the groups mapped into it
    let tty = if devices == Devices::Make { ",gid=5" } else { "" };
    let options = format!("newinstance,ptmxmode=0666,mode=0620{tty}");
    let op = Op::mount("devpts", "/dev/pts", "devpts", noexec, &options);
    steps.push(
        Step::new("mount devpts", op).why("terminals of the box's own: none of the host's can be opened"),
    );
    let op = Op::mount("mqueue", "/dev/mqueue", "mqueue", safe, "");
    steps.push(Step::new("mount mqueue", op).why("POSIX message queues of the IPC namespace"));
    let op = Op::mount("shm", "/dev/shm", "tmpfs", safe, "mode=1777,size=65536k");
    steps.push(Step::new("mount shm", op).why("POSIX shared memory, at most 64 MiB"));
    if devices == Devices::Make {
        for (node, major, minor, name, why) in NODES {
            let op = Op::Mknod { path: format!("/dev/{node}").into(), mode: 0o666, major, minor };
            steps.push(Step::new(name, op).why(why));
        }
    }
    for (target, path, name, why) in LINKS {
        let op = Op::Symlink { target: target.into(), path: path.into() };
        steps.push(Step::new(name, op).why(why));
    }
    if terminal {
        steps.push(
            Step::new("open a terminal", Op::OpenPty)
                .why("in the box's devpts, so that it belongs to the box"),
        );
        steps.push(
            Step::new("hand it to the host", Op::SendPty).why("the host reads and writes its other end"),
        );
        steps.push(
            Step::new("make a place for the console", Op::Touch { path: "/dev/console".into() })
                .why("a file is bound onto a file"),
        );
        steps.push(
            Step::new("bind the console", Op::bind("/dev/pts/0", "/dev/console", 0))
                .why("programs that write to the console reach this terminal"),
        );
    }
    steps
}
