//! Pipes: what the box reads and prints, with the engine at their other ends.
//!
//! ```text
//!   engine   pipe2 ─┬─ keeps one end, reads and writes it
//!   box             └─ dup2: the other end is 0, 1 or 2; only its copies are left, so the last one is an end of file
//! ```
//!
//! See pipe(7), dup2(2).

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::linux::dup2;
use super::op::Pipe;

type Result<T> = rustix::io::Result<T>;

/// Both ends of up to three pipes, by the descriptor that the box gets.
#[derive(Debug, Default)]
pub struct Pipes {
    /// the engine's ends
    pub ours: [Option<OwnedFd>; 3],
    theirs: [Option<OwnedFd>; 3],
}

impl Pipes {
    /// When the box has its copies.
    pub(crate) fn of_engine(self) -> Pipes {
        Pipes { ours: self.ours, ..Pipes::default() }
    }
}

pub(super) fn call(op: Pipe, pipes: &mut Pipes) -> Result<i64> {
    match op {
        Pipe::Make { fd } => {
            let (reads, writes) = pipe_with(PipeFlags::CLOEXEC)?;
            let (ours, theirs) = if fd == 0 { (writes, reads) } else { (reads, writes) };
            *pipes.ours.get_mut(fd).ok_or(Errno::BADF)? = Some(ours);
            pipes.theirs[fd] = Some(theirs);
            Ok(0)
        }
        Pipe::Take { fd } => {
            let end = pipes.theirs.get(fd).and_then(Option::as_ref).ok_or(Errno::BADF)?;
            dup2(end.as_fd(), fd as i32)
        }
    }
}
