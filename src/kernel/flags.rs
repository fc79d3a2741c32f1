//! Flags and their names, decoded the way strace decodes them.

use std::fmt::Write;

/// Flags of mount(2).
pub const MOUNT: &[(u64, &str)] = &[
    (libc::MS_RDONLY, "MS_RDONLY"),
    (libc::MS_NOSUID, "MS_NOSUID"),
    (libc::MS_NODEV, "MS_NODEV"),
    (libc::MS_NOEXEC, "MS_NOEXEC"),
    (libc::MS_SYNCHRONOUS, "MS_SYNCHRONOUS"),
    (libc::MS_MANDLOCK, "MS_MANDLOCK"),
    (libc::MS_DIRSYNC, "MS_DIRSYNC"),
    (libc::MS_NOATIME, "MS_NOATIME"),
    (libc::MS_NODIRATIME, "MS_NODIRATIME"),
    (libc::MS_SILENT, "MS_SILENT"),
    (libc::MS_LAZYTIME, "MS_LAZYTIME"),
    (libc::MS_REMOUNT, "MS_REMOUNT"),
    (libc::MS_BIND, "MS_BIND"),
    (libc::MS_MOVE, "MS_MOVE"),
    (libc::MS_REC, "MS_REC"),
    (libc::MS_UNBINDABLE, "MS_UNBINDABLE"),
    (libc::MS_PRIVATE, "MS_PRIVATE"),
    (libc::MS_SLAVE, "MS_SLAVE"),
    (libc::MS_SHARED, "MS_SHARED"),
    (libc::MS_RELATIME, "MS_RELATIME"),
    (libc::MS_STRICTATIME, "MS_STRICTATIME"),
    (libc::MS_NOSYMFOLLOW, "MS_NOSYMFOLLOW"),
];

/// Attributes of mount_setattr(2).
pub const MOUNT_ATTRIBUTES: &[(u64, &str)] = &[
    (libc::MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY"),
    (libc::MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID"),
    (libc::MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV"),
    (libc::MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC"),
    (libc::MOUNT_ATTR__ATIME, "MOUNT_ATTR__ATIME"),
    (libc::MOUNT_ATTR_NOATIME, "MOUNT_ATTR_NOATIME"),
    (libc::MOUNT_ATTR_STRICTATIME, "MOUNT_ATTR_STRICTATIME"),
    (libc::MOUNT_ATTR_NODIRATIME, "MOUNT_ATTR_NODIRATIME"),
    (libc::MOUNT_ATTR_IDMAP, "MOUNT_ATTR_IDMAP"),
    (libc::MOUNT_ATTR_NOSYMFOLLOW, "MOUNT_ATTR_NOSYMFOLLOW"),
];

/// Flags of umount2(2).
pub const UMOUNT: &[(u64, &str)] =
    &[(libc::MNT_FORCE as u64, "MNT_FORCE"), (libc::MNT_DETACH as u64, "MNT_DETACH")];

/// Flags of seccomp(2)'s SECCOMP_SET_MODE_FILTER.
pub const SECCOMP: &[(u64, &str)] = &[
    (libc::SECCOMP_FILTER_FLAG_TSYNC, "SECCOMP_FILTER_FLAG_TSYNC"),
    (libc::SECCOMP_FILTER_FLAG_LOG, "SECCOMP_FILTER_FLAG_LOG"),
    (libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
    (libc::SECCOMP_FILTER_FLAG_NEW_LISTENER, "SECCOMP_FILTER_FLAG_NEW_LISTENER"),
    (libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH"),
    (libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"),
];

/// Namespace flags of clone3(2), unshare(2) and setns(2), in the order in which the kernel's documents list them.
pub const NAMESPACES: &[(u64, &str)] = &[
    (NEWUSER, "CLONE_NEWUSER"),
    (NEWNS, "CLONE_NEWNS"),
    (NEWPID, "CLONE_NEWPID"),
    (NEWUTS, "CLONE_NEWUTS"),
    (NEWIPC, "CLONE_NEWIPC"),
    (NEWNET, "CLONE_NEWNET"),
    (NEWCGROUP, "CLONE_NEWCGROUP"),
    (NEWTIME, "CLONE_NEWTIME"),
];

/// Flags of clone3(2): the namespaces, and where the child is born.
pub const CLONE: &[(u64, &str)] = &[
    (INTO_CGROUP, "CLONE_INTO_CGROUP"),
    (NEWUSER, "CLONE_NEWUSER"),
    (NEWNS, "CLONE_NEWNS"),
    (NEWPID, "CLONE_NEWPID"),
    (NEWUTS, "CLONE_NEWUTS"),
    (NEWIPC, "CLONE_NEWIPC"),
    (NEWNET, "CLONE_NEWNET"),
    (NEWCGROUP, "CLONE_NEWCGROUP"),
    (NEWTIME, "CLONE_NEWTIME"),
];

/// The child is born in a version 2 cgroup that was opened before, instead of its parent's: clone3(2), since 5.7.
pub const INTO_CGROUP: u64 = 0x2_0000_0000;

/// A new user namespace: user_namespaces(7).
pub const NEWUSER: u64 = libc::CLONE_NEWUSER as u64;
/// A new mount namespace: mount_namespaces(7).
pub const NEWNS: u64 = libc::CLONE_NEWNS as u64;
/// A new PID namespace: pid_namespaces(7).
pub const NEWPID: u64 = libc::CLONE_NEWPID as u64;
/// A new UTS namespace: uts_namespaces(7).
pub const NEWUTS: u64 = libc::CLONE_NEWUTS as u64;
/// A new IPC namespace: ipc_namespaces(7).
pub const NEWIPC: u64 = libc::CLONE_NEWIPC as u64;
/// A new network namespace: network_namespaces(7).
pub const NEWNET: u64 = libc::CLONE_NEWNET as u64;
/// A new cgroup namespace: cgroup_namespaces(7).
pub const NEWCGROUP: u64 = libc::CLONE_NEWCGROUP as u64;
/// A new time namespace: time_namespaces(7).
pub const NEWTIME: u64 = 0x80;

/// The names of the flags that are set, joined by `|`; `0` where none is.
pub fn decode(flags: u64, names: &[(u64, &str)]) -> String {
    let mut text = String::new();
    let mut rest = flags;
    for (bit, name) in names {
        if *bit != 0 && rest & bit == *bit {
            rest &= !bit;
            if !text.is_empty() {
                text.push('|');
            }
            text.push_str(name);
        }
    }
    if rest != 0 || text.is_empty() {
        let separator = if text.is_empty() { "" } else { "|" };
        let number = if rest == 0 { "0".to_string() } else { format!("{rest:#x}") };
        let _ = write!(text, "{separator}{number}");
    }
    text
}

/// What `RLIMIT_` names in getrlimit(2), by number.
pub const RLIMITS: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

/// What `SCHED_` names in sched(7), by number; 4 was never used.
pub const POLICIES: [&str; 8] = ["OTHER", "FIFO", "RR", "BATCH", "ISO", "IDLE", "DEADLINE", "EXT"];

/// What `IOPRIO_CLASS_` names in ioprio_set(2), by number.
pub const IO_CLASSES: [&str; 4] = ["NONE", "RT", "BE", "IDLE"];

/// The capabilities of capabilities(7), by number.
pub const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// All of them, as bits.
pub const ALL_CAPABILITIES: u64 = (1 << CAPABILITIES.len()) - 1;

/// A set of capabilities as text: `all`, `none`, or the names without `CAP_`, joined by `|`.
pub fn capabilities(set: u64) -> String {
    if set & ALL_CAPABILITIES == ALL_CAPABILITIES {
        return "all".into();
    }
    if set == 0 {
        return "none".into();
    }
    let names = CAPABILITIES.iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1);
    names.map(|(_, name)| *name).collect::<Vec<_>>().join("|")
}

/// The number of a capability's bit, from its name with or without `CAP_`, in any case.
pub fn capability(name: &str) -> Option<u32> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    CAPABILITIES.iter().position(|known| *known == name).map(|bit| bit as u32)
}
