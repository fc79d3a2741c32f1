//! Operations: one variant per kernel operation, plain data, printed as strace prints it.
//!
//! An `Op` touches nothing. [`super::linux::call`] performs it; the journal keeps it as JSON; a plan snapshot
//! keeps its text. There is never a variant per feature: a feature is a list of these.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ctext::{CText, quote};
use super::flags::{self, decode};
use super::netlink::Request;
use super::nft::Batch;

/// One kernel operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // each variant is named after its system call, each field after the call's argument
pub enum Op {
    // files
    Mkdir {
        path: CText,
        mode: u32,
    },
    Rmdir {
        path: CText,
    },
    /// open(O_CREAT|O_TRUNC), write, close
    Create {
        path: CText,
        mode: u32,
        data: Vec<u8>,
    },
    /// open(O_CREAT), close: the file exists, whatever it holds
    Touch {
        path: CText,
    },
    /// open(O_WRONLY), write, close: how files of /proc, /sys and cgroups are written
    Write {
        path: CText,
        data: CText,
    },
    /// open(O_APPEND), write, close
    Append {
        path: CText,
        data: Vec<u8>,
    },
    /// copy_file_range(2), the mode kept
    Copy {
        from: CText,
        to: CText,
    },
    Symlink {
        target: CText,
        path: CText,
    },
    Link {
        from: CText,
        to: CText,
    },
    Rename {
        from: CText,
        to: CText,
    },
    Unlink {
        path: CText,
    },
    /// the one undo that is many calls: unlinkat(2) on everything below and including the path
    RemoveTree {
        path: CText,
    },
    /// a character device
    Mknod {
        path: CText,
        mode: u32,
        major: u32,
        minor: u32,
    },
    Chmod {
        path: CText,
        mode: u32,
    },
    /// open(2) and dup2(2): what the descriptor is from now on
    Redirect {
        path: CText,
        fd: i32,
    },
    CloseRange {
        first: u32,
    },

    // the tree a process sees
    Chdir {
        path: CText,
    },
    Chroot {
        path: CText,
    },
    PivotRoot {
        new: CText,
        old: CText,
    },
    Mount {
        source: CText,
        target: CText,
        kind: CText,
        flags: u64,
        data: CText,
    },
    Umount {
        target: CText,
        flags: u64,
    },
    Fsopen {
        kind: CText,
    },
    FsconfigString {
        key: CText,
        value: CText,
    },
    FsconfigFlag {
        key: CText,
    },
    FsconfigCreate,
    Fsmount,
    MoveMount {
        target: CText,
    },
    /// a detached copy of a mount, kept by number until it is moved
    OpenTree {
        source: CText,
        slot: usize,
    },
    /// the copy becomes read-only, with everything below it
    MountSetattrReadOnly {
        slot: usize,
    },
    /// the copy takes its place
    PlaceTree {
        slot: usize,
        target: CText,
    },

    // namespaces
    Clone {
        flags: u64,
    },
    Unshare {
        flags: u64,
    },
    Setns {
        path: CText,
        flags: u64,
    },
    Sethostname {
        name: CText,
    },

    // processes
    Exec(Exec),
    Exit {
        code: i32,
    },
    /// a child that leaves at once
    Fork {
        code: i32,
    },
    /// reap that child
    WaitFork,
    /// wait until the box's process has ended
    WaitBox,
    /// a signal for the box, through its pidfd
    KillBox {
        signal: i32,
    },
    Nanosleep {
        milliseconds: u64,
    },
    Setsid,
    /// getcwd(2): ENOENT where the working directory lies outside the root
    Getcwd,
    Umask {
        mask: u32,
    },
    UnblockSignals,
    DefaultSignal {
        signal: i32,
    },

    // identity and privilege
    Setgroups {
        gids: Vec<u32>,
    },
    Setresgid {
        gid: u32,
    },
    Setresuid {
        uid: u32,
    },
    /// prctl(PR_CAPBSET_DROP) for every capability that is not kept
    DropBounding {
        keep: u64,
    },
    /// permitted and effective set; inheritable and ambient become empty
    Capset {
        keep: u64,
    },
    KeepCaps {
        on: bool,
    },
    NoNewPrivs,
    ParentDeathSignal {
        signal: i32,
    },

    // terminal
    OpenPty,
    SendPty,
    AttachPty,

    // network
    Netlink(Request),
    /// nftables, taken whole or not at all
    Nft(Box<Batch>),
}

/// A program to execute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exec {
    /// where the program may lie, in order: one path, or one for each directory of `PATH`
    pub paths: Vec<CText>,
    /// its arguments, the first its name
    pub argv: Vec<CText>,
    /// its environment, `NAME=value`
    pub env: Vec<CText>,
}

impl Op {
    /// mkdir(2) with mode 0755.
    pub fn mkdir(path: impl Into<CText>) -> Op {
        Op::Mkdir { path: path.into(), mode: 0o755 }
    }

    /// A file with this text and mode 0644.
    pub fn create(path: impl Into<CText>, text: &str) -> Op {
        Op::Create { path: path.into(), mode: 0o644, data: text.into() }
    }

    /// write(2) into a file of /proc, /sys or a cgroup.
    pub fn write(path: impl Into<CText>, data: impl Into<CText>) -> Op {
        Op::Write { path: path.into(), data: data.into() }
    }

    /// mount(2) of a file system.
    pub fn mount(source: &str, target: impl Into<CText>, kind: &str, flags: u64, data: &str) -> Op {
        let (source, kind, data) = (source.into(), kind.into(), data.into());
        Op::Mount { source, target: target.into(), kind, flags, data }
    }

    /// mount(2) with `MS_BIND`: a tree (`MS_REC`) or a file seen in a second place.
    pub fn bind(source: impl Into<CText>, target: impl Into<CText>, flags: u64) -> Op {
        let (kind, data) = ("".into(), "".into());
        Op::Mount { source: source.into(), target: target.into(), kind, flags: libc::MS_BIND | flags, data }
    }

    /// mount(2) that only changes the flags or the propagation of a mount.
    pub fn remount(target: impl Into<CText>, flags: u64) -> Op {
        Op::mount("", target, "", flags, "")
    }

    /// umount2(2) with `MNT_DETACH`: out of the tree at once, gone when nobody uses it.
    pub fn detach(target: impl Into<CText>) -> Op {
        Op::Umount { target: target.into(), flags: libc::MNT_DETACH as u64 }
    }

    /// The name of the system call that matters, as strace prints it.
    pub fn call(&self) -> String {
        let text = self.to_string();
        text.split('(').next().unwrap_or_default().to_string()
    }
}

/// The signal's name, as `SIGKILL`.
pub fn signal_name(signal: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    match usize::try_from(signal - 1).ok().and_then(|index| NAMES.get(index)) {
        Some(name) => format!("SIG{name}"),
        None => format!("SIGRT{signal}"),
    }
}

struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 48;
        quote(f, &self.0[..self.0.len().min(MOST)])?;
        if self.0.len() > MOST { f.write_str("...") } else { Ok(()) }
    }
}

fn optional(text: &CText) -> String {
    if text.as_c_str().is_empty() { "NULL".into() } else { text.to_string() }
}

fn list(items: &[CText]) -> String {
    let items: Vec<String> = items.iter().map(CText::to_string).collect();
    format!("[{}]", items.join(", "))
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Op::*;
        match self {
            Mkdir { path, mode } => write!(f, "mkdir({path}, {mode:04o})"),
            Rmdir { path } => write!(f, "rmdir({path})"),
            Create { path, data, .. } | Append { path, data } => write!(f, "write({path}, {})", Quoted(data)),
            Touch { path } => write!(f, "openat(AT_FDCWD, {path}, O_WRONLY|O_CREAT, 0644)"),
            Write { path, data } => write!(f, "write({path}, {data})"),
            Copy { from, to } => write!(f, "copy_file_range({from}, {to})"),
            Symlink { target, path } => write!(f, "symlink({target}, {path})"),
            Link { from, to } => write!(f, "link({from}, {to})"),
            Rename { from, to } => write!(f, "rename({from}, {to})"),
            Unlink { path } => write!(f, "unlink({path})"),
            RemoveTree { path } => write!(f, "unlinkat({path}, and all below)"),
            Mknod { path, mode, major, minor } => {
                write!(f, "mknod({path}, S_IFCHR|{mode:04o}, makedev({major}, {minor}))")
            }
            Chmod { path, mode } => write!(f, "chmod({path}, {mode:04o})"),
            Redirect { path, fd } => write!(f, "dup2({path}, {fd})"),
            CloseRange { first } => write!(f, "close_range({first}, ~0U, 0)"),
            Chdir { path } => write!(f, "chdir({path})"),
            Chroot { path } => write!(f, "chroot({path})"),
            PivotRoot { new, old } => write!(f, "pivot_root({new}, {old})"),
            Mount { source, target, kind, flags, data } => {
                let flags = decode(*flags, flags::MOUNT);
                let (source, kind, data) = (optional(source), optional(kind), optional(data));
                write!(f, "mount({source}, {target}, {kind}, {flags}, {data})")
            }
            Umount { target, flags } => write!(f, "umount2({target}, {})", decode(*flags, flags::UMOUNT)),
            Fsopen { kind } => write!(f, "fsopen({kind}, FSOPEN_CLOEXEC)"),
            FsconfigString { key, value } => {
                write!(f, "fsconfig(fs, FSCONFIG_SET_STRING, {key}, {value}, 0)")
            }
            FsconfigFlag { key } => write!(f, "fsconfig(fs, FSCONFIG_SET_FLAG, {key}, NULL, 0)"),
            FsconfigCreate => f.write_str("fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0)"),
            Fsmount => f.write_str("fsmount(fs, FSMOUNT_CLOEXEC, 0)"),
            MoveMount { target } => {
                write!(f, "move_mount(mnt, \"\", AT_FDCWD, {target}, MOVE_MOUNT_F_EMPTY_PATH)")
            }
            OpenTree { source, .. } => {
                write!(f, "open_tree(AT_FDCWD, {source}, OPEN_TREE_CLONE|AT_RECURSIVE)")
            }
            MountSetattrReadOnly { .. } => f.write_str(
                "mount_setattr(tree, \"\", AT_EMPTY_PATH|AT_RECURSIVE, {attr_set=MOUNT_ATTR_RDONLY})",
            ),
            PlaceTree { target, .. } => {
                write!(f, "move_mount(tree, \"\", AT_FDCWD, {target}, MOVE_MOUNT_F_EMPTY_PATH)")
            }
            other => other.fmt_process(f),
        }
    }
}

impl Op {
    fn fmt_process(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Op::*;
        match self {
            Clone { flags: 0 } => f.write_str("clone3({flags=CLONE_PIDFD, exit_signal=SIGCHLD})"),
            Clone { flags } => {
                let flags = decode(*flags, flags::NAMESPACES);
                write!(f, "clone3({{flags=CLONE_PIDFD|{flags}, exit_signal=SIGCHLD}})")
            }
            Unshare { flags } => write!(f, "unshare({})", decode(*flags, flags::NAMESPACES)),
            Setns { path, flags } => write!(f, "setns({path}, {})", decode(*flags, flags::NAMESPACES)),
            Sethostname { name } => write!(f, "sethostname({name}, {})", name.as_c_str().count_bytes()),
            Exec(exec) => {
                let path = match exec.paths.as_slice() {
                    [path] => path.to_string(),
                    _ => format!(
                        "\"$PATH/{}\"",
                        exec.argv.first().cloned().unwrap_or_default().as_path().display()
                    ),
                };
                write!(f, "execve({path}, {}, {} vars)", list(&exec.argv), exec.env.len())
            }
            Exit { code } => write!(f, "exit_group({code})"),
            Fork { code } => write!(f, "clone(exit_signal=SIGCHLD) /* the child: exit_group({code}) */"),
            WaitFork => f.write_str("wait4(child)"),
            WaitBox => f.write_str("waitid(P_PIDFD, box, WEXITED)"),
            KillBox { signal } => write!(f, "pidfd_send_signal(box, {})", signal_name(*signal)),
            Nanosleep { milliseconds } => write!(f, "clock_nanosleep(CLOCK_REALTIME, {milliseconds} ms)"),
            Setsid => f.write_str("setsid()"),
            Getcwd => f.write_str("getcwd()"),
            Umask { mask } => write!(f, "umask({mask:03o})"),
            UnblockSignals => f.write_str("rt_sigprocmask(SIG_SETMASK, [])"),
            DefaultSignal { signal } => write!(f, "rt_sigaction({}, SIG_DFL)", signal_name(*signal)),
            Setgroups { gids } => write!(f, "setgroups({}, {gids:?})", gids.len()),
            Setresgid { gid } => write!(f, "setresgid({gid}, {gid}, {gid})"),
            Setresuid { uid } => write!(f, "setresuid({uid}, {uid}, {uid})"),
            DropBounding { keep } => {
                write!(f, "prctl(PR_CAPBSET_DROP, all but {})", flags::capabilities(*keep))
            }
            Capset { keep } => {
                let keep = flags::capabilities(*keep);
                write!(f, "capset({{effective={keep}, permitted={keep}, inheritable=none}})")
            }
            KeepCaps { on } => write!(f, "prctl(PR_SET_KEEPCAPS, {})", u8::from(*on)),
            NoNewPrivs => f.write_str("prctl(PR_SET_NO_NEW_PRIVS, 1)"),
            ParentDeathSignal { signal } => write!(f, "prctl(PR_SET_PDEATHSIG, {})", signal_name(*signal)),
            OpenPty => f.write_str("openat(\"/dev/pts/ptmx\", O_RDWR|O_NOCTTY)"),
            SendPty => f.write_str("sendmsg(host, SCM_RIGHTS [ptmx])"),
            AttachPty => f.write_str("ioctl(0, TIOCSCTTY, 0)"),
            Netlink(request) => write!(f, "{request}"),
            Nft(batch) => write!(f, "{batch}"),
            files => unreachable!("printed by Display: {files:?}"),
        }
    }
}
