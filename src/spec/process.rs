//! Process: the program, where it starts, and what the kernel is told about it.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use crate::kernel::op::{Exec, Scheduling};

/// The program, where it starts, and what the kernel is told about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// the program, its arguments and environment
    pub exec: Exec,
    /// the working directory
    pub cwd: PathBuf,
    /// a terminal of its own, and who gets the other end
    pub console: Option<Console>,
    /// standard input, where it has no terminal
    pub input: Input,
    /// what it prints, where it has no terminal, goes to the engine, and what it reads comes from there
    pub piped: bool,
    /// standard input, output and error become its user's
    pub own_stdio: bool,
    /// descriptors from 3 on that stay open
    pub preserve_fds: u32,
    /// somebody stands before it who passes signals on and reaps orphans
    pub init: bool,
    /// the bits that the modes of new files lack
    pub umask: u32,
    /// what it may use by itself: setrlimit(2)
    pub rlimits: Vec<Rlimit>,
    /// how soon it is killed when memory runs out, from -1000 to 1000: proc(5)
    pub oom_score_adj: Option<i32>,
    /// what kernel it sees: personality(2)
    pub personality: Option<u32>,
    /// when it is given the CPU: sched_setattr(2)
    pub scheduler: Option<Scheduling>,
    /// when it is given the disk: ioprio_set(2)
    pub io_priority: Option<IoPriority>,
    /// on which cpus it runs, where it joins a container; nothing for a container's own process
    pub affinity: Affinity,
    /// the Unix socket of whoever wants its pidfd
    pub pidfd_socket: Option<PathBuf>,
    /// the name of its session keyring; `None` for the one of whoever calls us: keyrings(7)
    pub keyring: Option<String>,
    /// it could reach the engine's program if that were what it executes itself by: CVE-2019-5736
    pub engine_in_reach: bool,
}

/// Nothing to execute yet; otherwise what a program gets that asks for nothing.
impl Default for Process {
    fn default() -> Process {
        Process {
            exec: Exec { paths: Vec::new(), argv: Vec::new(), env: Vec::new() },
            cwd: "/".into(),
            console: None,
            input: Input::Null,
            piped: false,
            own_stdio: false,
            preserve_fds: 0,
            init: false,
            umask: 0o022,
            rlimits: Vec::new(),
            oom_score_adj: None,
            personality: None,
            scheduler: None,
            io_priority: None,
            affinity: Affinity::default(),
            pidfd_socket: None,
            keyring: None,
            engine_in_reach: false,
        }
    }
}

/// Where standard input comes from, and where what is printed goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// from wherever ours comes
    Ours,
    /// from nowhere
    Null,
    /// from nowhere, and what is printed goes there
    Silence,
}

/// A terminal of the container's own devpts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// the Unix socket that gets the controlling end; `None`: the engine keeps it
    pub socket: Option<PathBuf>,
    /// how large it is
    pub size: Option<WindowSize>,
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSize {
    /// how high
    pub rows: u16,
    /// how wide
    pub columns: u16,
}

/// One limit of setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// RLIMIT_NOFILE and so on
    pub resource: u32,
    /// the limit that counts
    pub soft: u64,
    /// how far the process itself may raise that
    pub hard: u64,
}

/// When a process is given the disk: ioprio_set(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoPriority {
    /// IOPRIO_CLASS_RT 1, IOPRIO_CLASS_BE 2, IOPRIO_CLASS_IDLE 3
    pub class: u32,
    /// from 0, the first, to 7
    pub level: u32,
}

/// On which cpus a process runs that joins a container: sched_setaffinity(2). Nothing leaves it to the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affinity {
    /// until it is in the container's cgroup
    pub initial: Option<Vec<u32>>,
    /// from then on
    pub finally: Option<Vec<u32>>,
}
