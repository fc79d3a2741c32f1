//! Devices: a small /dev of the container's own.

use super::{Bind, Devices};
use crate::kernel::Op;
use crate::step::Step;

/// The nodes that every container has: name, major, minor.
const NODES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const LINKS: [(&str, &str); 6] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("/proc/kcore", "/dev/core"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// The host's nodes, for a user namespace that may not make its own.
pub(super) fn binds() -> Vec<Bind> {
    let bind = |(name, _, _): &(&str, u32, u32)| {
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
    for name in ["pts", "mqueue", "shm"] {
        steps.push(Step::new("make room", Op::mkdir(format!("/dev/{name}"))));
    }
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
        for (name, major, minor) in NODES {
            let path = format!("/dev/{name}");
            let op = Op::Mknod { path: path.clone().into(), mode: 0o666, major, minor };
            steps.push(Step::new("make a device node", op).why("a name for a driver of the kernel"));
        }
    }
    for (target, path) in LINKS {
        let op = Op::Symlink { target: target.into(), path: path.into() };
        steps.push(Step::new("make a link", op));
    }
    if terminal {
        steps.push(
            Step::new("open a terminal", Op::OpenPty)
                .why("in the box's devpts, so that it belongs to the box"),
        );
        steps.push(
            Step::new("hand it to the host", Op::SendPty).why("the host reads and writes its other end"),
        );
        steps.push(Step::new("make a console", Op::Touch { path: "/dev/console".into() }));
        steps.push(
            Step::new("bind the console", Op::bind("/dev/pts/0", "/dev/console", 0))
                .why("programs that write to the console reach this terminal"),
        );
    }
    steps
}
