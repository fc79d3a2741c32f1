//! Operations: one variant per kernel operation, plain data, printed as strace prints it.
//!
//! An `Op` touches nothing. [`super::linux::call`] performs it; the journal keeps it as JSON; a plan snapshot
//! keeps its text. There is never a variant per feature: a feature is a list of these.

use serde::{Deserialize, Serialize};

mod display;
mod make;
mod mounts;
mod network;
mod program;

use super::{bpf::Instruction, ctext::CText, ebpf, netlink::Request, nft::Batch};
pub use make::signal_name;
pub use mounts::{Device, Fill, MountAt, Theirs, Tree, Users, Within};
pub use network::{Listen, Protocol};
pub use program::{Begun, Exec, Hook, Join, Orphans, Peer, Pipe, Scheduling, Watcher};

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
    /// a device, a fifo or an empty file; a character device where the mode does not say
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
    /// fchownat(2), of a link itself and not of what it leads to
    Chown {
        path: CText,
        uid: u32,
        gid: u32,
    },
    /// a name onto which a file can be bound: opened, and made where nothing is there
    Room {
        path: CText,
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
    OpenCgroup(CText),
    /// bpf(2): a program that is asked before a device is opened or made
    LoadDeviceFilter(Vec<ebpf::Instruction>),
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
        /// MS_PRIVATE and so on, or nothing
        propagation: u64,
        recursive: bool,
    },
    /// other numbers for the owners of what is in a copy
    Users(Users),
    /// a tree of files out of another one
    Tree(Tree),
    OpenTheirs(Theirs),
    /// the copy takes its place
    PlaceTree {
        slot: usize,
        target: CText,
    },
    /// a device by what it is, not by its name
    Device(Device),
    /// the tree below a directory goes into the file system that is not placed yet: many calls
    CopyUp(CText),
    Fill(Fill),
    OpenWithin(Within),

    // namespaces
    Clone {
        flags: u64,
    },
    /// pidfd_open(2) of a container's process, if it is the one that was started then
    PidfdOpen {
        pid: i32,
        start: u64,
    },
    /// a child that joins namespaces and makes the box, which becomes ours: clone3(2) with CLONE_PARENT
    CloneThrough {
        join: Vec<Join>,
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
    Setdomainname {
        name: CText,
    },

    // processes
    Exec(Exec),
    Depart,
    Exit {
        code: i32,
    },
    /// a child that leaves at once
    Fork {
        code: i32,
    },
    Orphans(Orphans),
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
    // a container that outlives its engine
    /// fork, execve and wait: a program that has to succeed
    Spawn(Box<Hook>),
    /// the fifo at which the box will wait
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
    Begun(Begun),
    Pipe(Pipe),
    Watcher(Watcher),

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
    Capset {
        permitted: u64,
        effective: u64,
        inheritable: u64,
    },
    /// prctl(PR_CAP_AMBIENT_RAISE) for each, after PR_CAP_AMBIENT_CLEAR_ALL
    Ambient {
        raise: u64,
    },
    /// prctl(PR_SET_KEEPCAPS): permitted capabilities outlive the change to another user
    KeepCapabilities {
        keep: bool,
    },
    /// prctl(PR_SET_DUMPABLE): whether others may look into this process
    Dumpable {
        dumpable: bool,
    },
    /// fchown(2) of 0, 1 and 2, where they are not the user's yet
    OwnStdio {
        uid: u32,
    },
    NoNewPrivs,
    /// every later call passes this program first
    Seccomp {
        program: Vec<Instruction>,
        flags: u64,
    },
    /// a stream to the process that will decide about calls
    ConnectListener {
        path: CText,
    },
    /// a child that will send it the filter's descriptor, with this message; see `super::messenger`
    ForkMessenger {
        message: CText,
    },
    /// reap that child
    WaitMessenger,
    ParentDeathSignal {
        signal: i32,
    },

    // what the process may use, and when its turn comes
    /// of the box; the host may raise what the box may not
    Setrlimit {
        resource: u32,
        soft: u64,
        hard: u64,
    },
    Personality {
        persona: u64,
    },
    SchedSetattr(Scheduling),
    SchedSetaffinity {
        cpus: Vec<u32>,
    },
    IoprioSet {
        class: u32,
        level: u32,
    },
    /// keyctl(KEYCTL_JOIN_SESSION_KEYRING): a new session keyring of this name
    JoinSessionKeyring {
        name: CText,
    },
    // terminal
    OpenPty,
    /// hands it to the engine
    SendPty,
    AttachPty,
    /// the socket to whoever will carry the terminal, kept by both sides of the clone
    ConnectConsole {
        path: CText,
    },
    /// hands the terminal to him
    SendConsole,
    WindowSize {
        rows: u16,
        columns: u16,
    },
    Netlink(Request),
    /// nftables, taken whole or not at all
    Nft(Box<Batch>),
    Listen(Listen),
}
