//! Operations: one variant per kernel operation, plain data, printed as strace prints it.
//!
//! An `Op` touches nothing. [`super::linux::call`] performs it; the journal keeps it as JSON; a plan snapshot
//! keeps its text. There is never a variant per feature: a feature is a list of these.

use serde::{Deserialize, Serialize};

mod display;
mod program;

use super::bpf::Instruction;
use super::ctext::CText;
use super::ebpf;
use super::netlink::Request;
use super::nft::Batch;
pub use program::{Exec, Hook};

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

    // cgroups
    /// rmdir(2) of a cgroup; where it has cgroups in it, of those first
    RemoveCgroup {
        path: CText,
    },
    /// rmdir(2) of a cgroup that may be others' too: one in which somebody is stays
    LeaveCgroup {
        path: CText,
    },
    /// `+NAME` for each controller into `cgroup.subtree_control`; what the kernel refuses stays as it was
    HandDown {
        path: CText,
        controllers: Vec<CText>,
    },
    /// read(2) and write(2): a setting of a parent, where the cgroup itself has none yet
    Inherit {
        from: CText,
        to: CText,
    },
    /// write(2) into the first of these files that there is
    WriteFirst {
        choices: Vec<(CText, CText)>,
    },
    /// read(2) until the file holds this text; between two looks, this is written into it
    AwaitText {
        path: CText,
        text: CText,
        again: Option<CText>,
    },
    /// kill(2) for each process of a cgroup and of those below it
    SignalCgroup {
        path: CText,
        signal: i32,
    },
    /// the cgroup that the box will be born in: see [`super::flags::INTO_CGROUP`]
    OpenCgroup {
        path: CText,
    },
    /// bpf(2): a program that is asked before a device is opened or made
    LoadDeviceFilter {
        program: Vec<ebpf::Instruction>,
    },
    /// bpf(2): from now on it is asked for everybody in this cgroup; instead of those before it, if so wanted
    AttachDeviceFilter {
        cgroup: CText,
        replace: bool,
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
    /// a detached copy of a mount, alone or with all below it, kept by number until it is moved
    OpenTree {
        source: CText,
        slot: usize,
        recursive: bool,
    },
    /// the attributes of a mount
    MountSetattr {
        on: MountAt,
        set: u64,
        clear: u64,
        recursive: bool,
    },
    /// the copy takes its place
    PlaceTree {
        slot: usize,
        target: CText,
    },
    /// newfstatat(2) without following a link: EINVAL where it is not this character device
    IsDevice {
        path: CText,
        major: u32,
        minor: u32,
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
    /// the same, and leave it to be waited for: a zombie
    PeekBox,
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

    // the life of a container that outlives its engine
    /// fork, execve and wait: a program that has to succeed
    Spawn(Box<Hook>),
    /// the fifo at which the box will wait, kept by both sides of the clone
    OpenFifo {
        path: CText,
    },
    /// faccessat2(2) for each place where the program may lie
    LookUp {
        paths: Vec<CText>,
    },
    /// closes all descriptors from the first on, but for the fifo, and reads a byte from it
    AwaitStart {
        first: u32,
    },
    /// writes that byte; fails where nobody waits for it
    LetGo {
        path: CText,
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
    NoNewPrivs,
    /// every later call passes this program first
    Seccomp {
        program: Vec<Instruction>,
    },
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

/// Which mount an operation speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountAt {
    /// a copy that hangs nowhere yet, by its number
    Slot(usize),
    /// the one at this path
    Path(CText),
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
