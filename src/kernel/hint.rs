//! Hints: for an operation and the error it met, the cause and the remedy.

use super::op::Op;
use super::{Errno, flags};

mod network;
mod program;
mod trees;

/// An error's symbol and meaning, as strace prints them: `EBUSY (Device or resource busy)`.
pub fn errno_text(errno: Errno) -> String {
    let message = std::io::Error::from(errno).to_string();
    let message = message.split(" (os error").next().unwrap_or_default();
    match errno_name(errno) {
        Some(name) => format!("{name} ({message})"),
        None => format!("errno {} ({message})", errno.raw_os_error()),
    }
}

/// An error's symbol, as `EBUSY`. Allocates nothing.
pub fn errno_name(errno: Errno) -> Option<&'static str> {
    const NAMES: &[(Errno, &str)] = &[
        (Errno::PERM, "EPERM"),
        (Errno::NOENT, "ENOENT"),
        (Errno::SRCH, "ESRCH"),
        (Errno::INTR, "EINTR"),
        (Errno::IO, "EIO"),
        (Errno::NXIO, "ENXIO"),
        (Errno::TOOBIG, "E2BIG"),
        (Errno::NOEXEC, "ENOEXEC"),
        (Errno::BADF, "EBADF"),
        (Errno::CHILD, "ECHILD"),
        (Errno::AGAIN, "EAGAIN"),
        (Errno::NOMEM, "ENOMEM"),
        (Errno::ACCESS, "EACCES"),
        (Errno::BUSY, "EBUSY"),
        (Errno::EXIST, "EEXIST"),
        (Errno::XDEV, "EXDEV"),
        (Errno::NODEV, "ENODEV"),
        (Errno::NOTDIR, "ENOTDIR"),
        (Errno::ISDIR, "EISDIR"),
        (Errno::INVAL, "EINVAL"),
        (Errno::MFILE, "EMFILE"),
        (Errno::TXTBSY, "ETXTBSY"),
        (Errno::NOSPC, "ENOSPC"),
        (Errno::ROFS, "EROFS"),
        (Errno::NAMETOOLONG, "ENAMETOOLONG"),
        (Errno::NOSYS, "ENOSYS"),
        (Errno::NOTEMPTY, "ENOTEMPTY"),
        (Errno::LOOP, "ELOOP"),
        (Errno::OVERFLOW, "EOVERFLOW"),
        (Errno::USERS, "EUSERS"),
        (Errno::MSGSIZE, "EMSGSIZE"),
        (Errno::OPNOTSUPP, "EOPNOTSUPP"),
        (Errno::AFNOSUPPORT, "EAFNOSUPPORT"),
        (Errno::CONNREFUSED, "ECONNREFUSED"),
        (Errno::PIPE, "EPIPE"),
        (Errno::ADDRINUSE, "EADDRINUSE"),
        (Errno::ADDRNOTAVAIL, "EADDRNOTAVAIL"),
        (Errno::NETDOWN, "ENETDOWN"),
        (Errno::HOSTUNREACH, "EHOSTUNREACH"),
        (Errno::NETUNREACH, "ENETUNREACH"),
        (Errno::TIMEDOUT, "ETIMEDOUT"),
        (Errno::CONNREFUSED, "ECONNREFUSED"),
        (Errno::NOTTY, "ENOTTY"),
        (Errno::DQUOT, "EDQUOT"),
    ];
    NAMES.iter().find(|(known, _)| *known == errno).map(|(_, name)| *name)
}

/// The cause and the remedy, for every error that can be foreseen.
pub fn hint(op: &Op, errno: Errno) -> Option<&'static str> {
    if let Some(hint) = program::hint(op, errno).or_else(|| network::hint(op, errno)) {
        return Some(hint);
    }
    Some(match (op, errno) {
        (Op::Clone { flags }, Errno::ACCESS | Errno::BUSY | Errno::OPNOTSUPP | Errno::NODEV)
            if flags & flags::INTO_CGROUP != 0 =>
        {
            return birth(errno);
        }
        (Op::Clone { flags } | Op::Unshare { flags }, errno) => return namespaces(*flags, errno),
        (Op::LoadDeviceFilter(_), Errno::PERM) => {
            "only root of the machine closes devices on cgroup version 2 (CAP_BPF and CAP_NET_ADMIN); in a container, \
             start that with --privileged"
        }
        (Op::LoadDeviceFilter(_) | Op::AttachDeviceFilter { .. }, Errno::INVAL | Errno::NOSYS) => {
            "this kernel runs no programs for cgroups (CONFIG_CGROUP_BPF), so devices cannot be closed here"
        }
        (Op::AwaitText { path, .. }, Errno::TIMEDOUT) if in_cgroups(path) => {
            "a process in it does not stop: it waits for a disk or a network file system (state D in ps)"
        }
        (Op::PidfdOpen { .. }, Errno::SRCH) => "the container has stopped: its first process is gone",
        (Op::CloneThrough { flags, .. }, Errno::NOSPC | Errno::USERS | Errno::NOMEM | Errno::AGAIN) => {
            return namespaces(*flags, errno);
        }
        (Op::CloneThrough { .. }, Errno::NOENT) => {
            "no such file: a namespace lives as long as a process in it, a mount of its file, or an open descriptor"
        }
        (Op::Setns { .. } | Op::CloneThrough { .. }, Errno::PERM) => {
            "joining a namespace needs CAP_SYS_ADMIN in the user namespace that owns it"
        }
        (Op::Setns { .. } | Op::CloneThrough { .. }, Errno::INVAL) => {
            "the file is not a namespace of that kind, or the process has several threads"
        }
        (Op::Mount { kind, .. }, errno) => {
            return mounts(kind.as_path().to_str()?, errno).or_else(|| trees::hint(op, errno));
        }
        (Op::PivotRoot { .. }, Errno::BUSY) => {
            "the new root must be a mount point of its own: bind it onto itself"
        }
        (Op::PivotRoot { .. }, Errno::INVAL) => {
            "the new root is not a mount, or the mount above it is shared: bind it onto itself, and make the whole \
             tree private first (mount --make-rprivate /)"
        }
        (Op::Umount { .. }, Errno::BUSY) => {
            "somebody still uses it: MNT_DETACH takes it out of the tree at once"
        }
        (
            Op::Mkdir { path, .. }
            | Op::Rmdir { path }
            | Op::RemoveCgroup { path }
            | Op::LeaveCgroup { path }
            | Op::Write { path, .. }
            | Op::Inherit { to: path, .. }
            | Op::AttachDeviceFilter { cgroup: path, .. }
            | Op::OpenCgroup(path),
            errno,
        ) if in_cgroups(path) => {
            return cgroups(path.as_path().to_str()?, errno);
        }
        (Op::WriteFirst { .. }, Errno::NOENT) => {
            "this kernel weighs no disk time (neither BFQ nor CONFIG_BLK_CGROUP_IOCOST), or the io controller is not \
             handed down"
        }
        (Op::Write { path, .. }, errno) => return writes(path.as_path().to_str()?, errno),
        (Op::Spawn(_), Errno::NOENT) => {
            "a hook's path is looked up where the hook runs: prestart, createRuntime and createContainer on the host, \
             startContainer in the container"
        }
        (Op::Spawn(_), Errno::TIMEDOUT) => {
            "it ran longer than its `timeout` allows, and was killed: give it more seconds, or none for no end"
        }
        (Op::LetGo { .. }, Errno::NXIO) => {
            "nobody waits to be started: the container has stopped, or was started before"
        }
        (Op::LookUp { .. }, Errno::NOENT) => {
            "the program is in none of the directories of the container's PATH, or is not there"
        }
        (Op::LookUp { .. }, Errno::ACCESS) => {
            "the file may not be executed by the container's user: check its mode, its owner and the mount's noexec"
        }
        (Op::LookUp { .. }, Errno::ISDIR) => "a directory cannot be executed: name the program in it",
        (Op::Exec(_), Errno::NOENT) => {
            "the program, or the loader named in it, does not exist inside the container"
        }
        (Op::Exec(_), Errno::ACCESS) => "the file may not be executed: check its mode and the mount's noexec",
        (Op::Exec(_), Errno::NOEXEC) => {
            "not a program for this machine: another architecture, or a script without #!"
        }
        (Op::Fork { .. }, Errno::NOMEM) => {
            "the PID namespace's process 1 has died: nothing can be born in it again"
        }
        (Op::Fork { .. } | Op::Exec(_), Errno::AGAIN) => {
            "a limit on processes is reached: pids.max or RLIMIT_NPROC"
        }
        (Op::Seccomp { .. }, Errno::ACCESS) => {
            "a filter needs CAP_SYS_ADMIN, or no_new_privs: --security-opt no-new-privileges"
        }
        (Op::Seccomp { program, .. }, Errno::INVAL) if program.len() > super::bpf::MOST => {
            "the profile makes a longer program than the kernel takes (4096 instructions): give it fewer rules with args"
        }
        (Op::Seccomp { flags: 1.., .. }, Errno::INVAL) => {
            "this kernel does not know one of the filter's flags: take the newest out of the profile"
        }
        (Op::Seccomp { .. }, Errno::BUSY) => {
            "a filter with a listener is loaded already, and a process can have only one"
        }
        (Op::ConnectListener { .. }, Errno::NOENT | Errno::CONNREFUSED) => {
            "nobody listens on the profile's listenerPath: start the agent first"
        }
        (Op::Seccomp { .. }, Errno::INVAL | Errno::NOSYS) => {
            "this kernel has no seccomp filters: --security-opt seccomp=unconfined runs without one"
        }
        (Op::Capset { .. }, Errno::PERM) => {
            "nobody can give away a capability that he has not: --cap-add less, or run as root"
        }
        (Op::Mkdir { .. }, Errno::EXIST) => {
            "left by an earlier run that was killed? stepbox clean removes it"
        }
        (Op::Mkdir { .. }, Errno::ROFS) => "the file system is read-only: choose another with STEPBOX_ROOT",
        (Op::Mknod { .. }, Errno::PERM) => {
            "devices can be made only by root of the initial user namespace; whiteouts (0:0) by everybody"
        }
        (Op::Setrlimit { .. } | Op::SchedSetattr(_) | Op::SchedSetaffinity { .. }, errno)
        | (Op::IoprioSet { .. } | Op::Personality { .. } | Op::JoinSessionKeyring { .. }, errno) => {
            return resources(op, errno);
        }
        (Op::Ambient { .. }, Errno::PERM) => {
            "only what is both permitted and inheritable can be ambient, and only before a secure bit forbids it"
        }
        (Op::OpenPty, Errno::NOTTY | Errno::LOOP) => {
            "/dev/pts/ptmx of the container is not the kernel's: somebody in it has put another file there"
        }
        (Op::OpenPty, Errno::NOENT) => "a terminal needs a devpts mounted at /dev/pts",
        (Op::ConnectConsole { .. }, Errno::CONNREFUSED | Errno::NOENT) => {
            "nobody listens at --console-socket: it is made by whoever will carry the terminal, before the container"
        }
        (Op::Watcher(super::op::Watcher::Call { .. }), Errno::CONNREFUSED | Errno::NOENT) => {
            "nobody listens at --pidfd-socket: it is made by whoever will watch the process, before that is made"
        }
        (Op::CopyUp { .. } | Op::Fill(_) | Op::Tree(_), _) => return trees::hint(op, errno),
        (_, Errno::NOSPC) => "the disk, its inodes or a limit of the kernel is used up: df -h, df -i",
        (_, Errno::MFILE) => "too many open descriptors: raise ulimit -n",
        _ => return trees::hint(op, errno),
    })
}

fn namespaces(wanted: u64, errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::PERM if wanted & flags::NEWUSER == 0 => {
            "new namespaces need CAP_SYS_ADMIN: run as root, or add a user namespace"
        }
        Errno::PERM => {
            "user namespaces are refused here: on Ubuntu sysctl kernel.apparmor_restrict_unprivileged_userns=0, \
             on older Debian sysctl kernel.unprivileged_userns_clone=1, in a container --security-opt seccomp=unconfined"
        }
        Errno::NOSPC | Errno::USERS => {
            "too many namespaces, or nested too deeply: see /proc/sys/user/max_*_namespaces"
        }
        Errno::INVAL => "this kernel lacks one of these namespaces, or the process has several threads",
        Errno::NOMEM => "the PID namespace's process 1 has died: nothing can be born in it again",
        Errno::AGAIN => "a limit on processes is reached: pids.max or RLIMIT_NPROC",
        _ => return None,
    })
}

fn mounts(kind: &str, errno: Errno) -> Option<&'static str> {
    Some(match (kind, errno) {
        ("proc", Errno::PERM) => {
            "a new /proc needs one that is fully visible: in a container, run it with --security-opt systempaths=unconfined"
        }
        ("sysfs", Errno::PERM) => "sysfs needs a network namespace that the same user namespace owns",
        ("overlay", Errno::PERM) => "overlay in a user namespace needs Linux 5.11 or newer",
        ("overlay", Errno::NODEV) => "this kernel has no overlayfs: modprobe overlay",
        ("overlay", Errno::INVAL) => {
            "upper and work must lie on one file system that knows extended attributes, and not be an overlay themselves"
        }
        ("overlay", Errno::LOOP) => "too many overlays stacked on each other: at most two",
        (_, Errno::PERM) => {
            "mounting needs CAP_SYS_ADMIN in the user namespace that owns this mount namespace"
        }
        (_, Errno::NOENT) => "source or target does not exist",
        (_, Errno::NOTDIR) => "a directory can be bound only onto a directory, a file only onto a file",
        (_, Errno::NODEV) => "this kernel does not know that file system",
        (_, Errno::INVAL) => "the target is not a mount point, or an option is not known to this file system",
        (_, Errno::BUSY) => "the target is in use, or is mounted already with other options",
        _ => return None,
    })
}

fn writes(path: &str, errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ACCESS | Errno::PERM if path.ends_with("oom_score_adj") => {
            "a score below our own needs CAP_SYS_RESOURCE on the machine: run as root, or ask for no less than \
             /proc/self/oom_score_adj holds"
        }
        Errno::ACCESS | Errno::PERM if path.starts_with("/proc/sys") => {
            "this setting is the machine's, or no user namespace's: set it outside, as root, with sysctl -w"
        }
        Errno::NOENT if path.starts_with("/proc/sys") => {
            "this kernel, or the container's namespace, has no such setting: look for it below /proc/sys"
        }
        Errno::PERM if path.ends_with("gid_map") => "write deny to setgroups first: user_namespaces(7)",
        Errno::PERM if path.ends_with("uid_map") => {
            "a map is written once, by the owner, for its own id; other ids need newuidmap and /etc/subuid"
        }
        Errno::ACCESS if path.ends_with("id_map") => {
            "the process is not dumpable: write the map before changing ids"
        }
        Errno::ROFS if path.starts_with("/proc/sys") => {
            "/proc/sys is read-only, as in a container: set it outside, with sysctl -w"
        }
        Errno::INVAL => "the kernel does not accept this value",
        _ => return None,
    })
}

fn resources(op: &Op, errno: Errno) -> Option<&'static str> {
    Some(match (op, errno) {
        (Op::Setrlimit { .. }, Errno::PERM) => {
            "raising a hard limit needs CAP_SYS_RESOURCE on the host; and nobody may open more files than fs.nr_open"
        }
        (Op::Setrlimit { .. }, Errno::INVAL) => "the soft limit is above the hard one",
        (Op::SchedSetattr(_), Errno::PERM) => {
            "this policy needs CAP_SYS_NICE on the host, or RLIMIT_NICE and RLIMIT_RTPRIO that allow it"
        }
        (Op::SchedSetattr(_), Errno::INVAL) => {
            "the kernel knows no such policy, or a value is out of its range: see sched(7)"
        }
        (Op::SchedSetattr(_), Errno::BUSY) => "there is not so much processor time left to promise",
        (Op::SchedSetaffinity { .. }, Errno::INVAL) => {
            "the machine, or the container's cpuset, has none of these"
        }
        (Op::IoprioSet { .. }, Errno::PERM) => "real-time disk priority needs CAP_SYS_NICE or CAP_SYS_ADMIN",
        (Op::IoprioSet { .. }, Errno::INVAL) => "a level of disk priority is 0 to 7, and of the idle class 0",
        (Op::Personality { .. }, Errno::INVAL) => "this kernel cannot behave like that",
        (Op::JoinSessionKeyring { .. }, Errno::DQUOT) => {
            "the user has too many keys: see /proc/sys/kernel/keys/maxkeys, or use --no-new-keyring"
        }
        (Op::JoinSessionKeyring { .. }, Errno::PERM | Errno::ACCESS | Errno::NOSYS) => {
            "keyrings are refused here, as in a container with a seccomp filter: --no-new-keyring"
        }
        _ => return None,
    })
}

fn in_cgroups(path: &super::CText) -> bool {
    path.as_path().starts_with("/sys/fs/cgroup")
}

fn birth(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ACCESS => {
            "to be born in another cgroup, a child needs the right to move there: the cgroup above both must be ours"
        }
        Errno::BUSY => "the cgroup hands controllers down, so it can hold no process itself",
        Errno::NODEV => "the cgroup was removed meanwhile",
        _ => "the cgroup is threaded, or lies below one that is: only threads can be there",
    })
}

fn cgroups(path: &str, errno: Errno) -> Option<&'static str> {
    const CPUSET: &str =
        "the list is to name cpus or memory nodes that the cgroup above has, as 0-3,7: see its cpuset.cpus";
    Some(match errno {
        Errno::ACCESS | Errno::INVAL | Errno::NODEV | Errno::RANGE if path.contains("cpuset.") => CPUSET,
        Errno::ACCESS | Errno::PERM => {
            "this cgroup is root's: run as root or, on cgroup v2, in one that systemd has delegated to you: \
             systemd-run --user --scope -p Delegate=yes COMMAND"
        }
        Errno::ROFS => {
            "the cgroup tree is mounted read-only, as in a container: start that with --privileged, or run on its host"
        }
        Errno::BUSY if path.ends_with("subtree_control") || path.ends_with("/cgroup") => {
            "a v2 cgroup that holds processes hands nothing down: move them to a child first: \
             mkdir /sys/fs/cgroup/init && xargs -rn1 < /sys/fs/cgroup/cgroup.procs > /sys/fs/cgroup/init/cgroup.procs"
        }
        Errno::BUSY if path.ends_with(".max") || path.ends_with("limit_in_bytes") => {
            "more than that is in use already, and cannot be taken back"
        }
        Errno::BUSY => "the cgroup still has processes or children: kill them, then remove it",
        Errno::EXIST => "left by an earlier run that was killed? stepbox clean removes it",
        Errno::NOENT if path.ends_with("cgroup.procs") => {
            "the cgroup is gone, or lies outside of this cgroup namespace"
        }
        Errno::NOENT if path.contains("/hugetlb.") => {
            "this kernel has no pages of that size: ls /sys/kernel/mm/hugepages"
        }
        Errno::NOENT if path.contains(".bfq.") => {
            "this kernel weighs no disk time on version 1: modprobe bfq"
        }
        Errno::NOENT => {
            "the parent does not hand this controller down: write +NAME to its cgroup.subtree_control"
        }
        Errno::NODEV if path.contains("io.") || path.contains("blkio.") => {
            "no disk has that number: see lsblk; partitions cannot be limited"
        }
        Errno::INVAL if path.contains("cpu.rt_") => {
            "the cgroups above, or other cgroups beside it, leave no real-time runtime: see their cpu.rt_runtime_us"
        }
        Errno::INVAL | Errno::RANGE => {
            "the value is out of range: a cpu quota has at least 1000 microseconds, memory whole bytes"
        }
        Errno::OPNOTSUPP => {
            "the cgroup is threaded, or holds a kind of process that this controller cannot take"
        }
        Errno::SRCH => "the process is gone already",
        Errno::AGAIN => "cgroup.max.descendants or cgroup.max.depth of a cgroup above is reached",
        Errno::NOMEM => "the kernel has no room for another cgroup",
        _ => return None,
    })
}
