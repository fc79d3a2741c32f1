//! Programs: what is executed, in place of the box's process or beside it.

use serde::{Deserialize, Serialize};

use crate::kernel::ctext::CText;

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

/// A program that is run on the way and has to succeed, as the runtime specification's hooks
/// (config.md, POSIX-platform Hooks).
///
/// An argument that is `[BOX]` and nothing else becomes the box's process id, in the host's lane. It gets a text on standard
/// input, standard error for all its output, no other descriptor, no blocked or ignored
/// signal, umask 022.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// the program
    pub exec: Exec,
    /// what it reads; `[BOX]` stands for the box's process id, as whoever runs the hook sees it
    pub stdin: CText,
    /// seconds, after which it is killed and has failed
    pub timeout: Option<u32>,
}

/// How the kernel schedules a process: sched_setattr(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scheduling {
    /// the number of `SCHED_OTHER` and the others
    pub policy: u32,
    /// `SCHED_FLAG_…`
    pub flags: u64,
    /// -20 to 19, for SCHED_OTHER and SCHED_BATCH
    pub nice: i32,
    /// 1 to 99, for SCHED_FIFO and SCHED_RR
    pub priority: u32,
    /// nanoseconds, for SCHED_DEADLINE
    pub runtime: u64,
    /// nanoseconds, for SCHED_DEADLINE
    pub deadline: u64,
    /// nanoseconds, for SCHED_DEADLINE
    pub period: u64,
}

/// How whoever lets a box go learns that its program runs: the box has the fifo open until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Begun {
    /// open(2) for reading, while the box still waits
    Listen {
        /// the fifo
        path: CText,
    },
    /// poll(2) until the box has closed it; ECANCELED where it says that a hook has failed
    Await,
}

/// What is done with whoever will watch the box by a pidfd of their own: they listen at a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watcher {
    /// a stream to them, kept by the host
    Call {
        /// where they listen
        path: CText,
    },
    /// the box's pidfd goes to them, and the stream is closed
    Tell {
        /// what comes with it
        text: CText,
    },
}

/// A pipe between the engine and the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pipe {
    /// pipe2(2): one end for the engine, the other for this descriptor of the box
    Make {
        /// 0, 1 or 2
        fd: usize,
    },
    /// dup2(2), in the box: its end becomes that descriptor
    Take {
        /// 0, 1 or 2
        fd: usize,
    },
}

/// A process of another container, so named that no other is ever meant: its number is given to somebody else one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// its number
    pub pid: i32,
    /// when it was started, in clock ticks since boot
    pub start: u64,
}

/// Namespaces that exist already, for a box to be born in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Join {
    /// these kinds, of the process that was opened by its number
    OfProcess(u64),
    /// these kinds, of this process: ESRCH where its number is another's by now
    OfPeer(Peer, u64),
    /// one of this kind, by the file that names it
    File(CText, u64),
}

impl Join {
    /// Which kinds, as `CLONE_NEW…` flags.
    pub fn kinds(&self) -> u64 {
        match self {
            Join::OfProcess(kinds) | Join::OfPeer(_, kinds) | Join::File(_, kinds) => *kinds,
        }
    }
}

/// Processes whose parent has died, and whoever is asked to look after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Orphans {
    /// prctl(PR_SET_CHILD_SUBREAPER): those of our descendants become our children
    Adopt,
    /// kill(2) and wait4(2) for each child, until there is none
    End,
    /// clone(2): the child goes on in the box's place; the parent stays, passes signals on, reaps everybody, and ends as
    /// the child ends
    Init,
}
