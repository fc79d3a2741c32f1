//! Ends: the engine's ends of what a program has as its standard input, output and error.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::pty::OpenptFlags;

use crate::engine::log::Stream;
use crate::launch::Running;

/// The engine's ends.
#[derive(Debug)]
pub enum Ends {
    /// its terminal
    Terminal {
        /// the controlling end
        ptmx: OwnedFd,
        /// the other end, held open: else a terminal that no program has open just now counts as hung up
        other: OwnedFd,
    },
    /// pipes
    Pipes {
        /// to its standard input, if it has one
        stdin: Option<OwnedFd>,
        /// from its standard output
        stdout: Option<OwnedFd>,
        /// from its standard error
        stderr: Option<OwnedFd>,
    },
}

impl Ends {
    /// Of a container that was launched.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn of(running: &mut Running<'_>) -> Result<Ends, Errno> {
        if let Some(ptmx) = running.take_terminal() {
            return Ends::terminal(ptmx);
        }
        let [stdin, stdout, stderr] = running.take_pipes();
        Ok(Ends::Pipes { stdin, stdout, stderr })
    }

    /// Of a terminal, by its controlling end.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn terminal(ptmx: OwnedFd) -> Result<Ends, Errno> {
        let how = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let other = rustix::pty::ioctl_tiocgptpeer(&ptmx, how)?;
        Ok(Ends::Terminal { ptmx, other })
    }

    /// All that are open.
    pub(super) fn all(&self) -> Vec<&OwnedFd> {
        match self {
            Ends::Terminal { ptmx, .. } => vec![ptmx],
            Ends::Pipes { stdin, stdout, stderr } => [stdin, stdout, stderr].into_iter().flatten().collect(),
        }
    }

    /// Where what it prints there comes out, unless that is over.
    pub(super) fn output(&self, stream: Stream) -> Option<BorrowedFd<'_>> {
        match (self, stream) {
            (Ends::Terminal { ptmx, .. }, Stream::Stdout) => Some(ptmx.as_fd()),
            (Ends::Terminal { .. }, Stream::Stderr) => None,
            (Ends::Pipes { stdout, .. }, Stream::Stdout) => stdout.as_ref().map(AsFd::as_fd),
            (Ends::Pipes { stderr, .. }, Stream::Stderr) => stderr.as_ref().map(AsFd::as_fd),
        }
    }

    /// Where what is typed goes in, unless that is over.
    pub(super) fn input(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Ends::Terminal { ptmx, .. } => Some(ptmx.as_fd()),
            Ends::Pipes { stdin, .. } => stdin.as_ref().map(AsFd::as_fd),
        }
    }

    /// Nothing is read there any more; what a terminal shows goes on.
    pub(super) fn close_output(&mut self, stream: Stream) {
        if let Ends::Pipes { stdout, stderr, .. } = self {
            match stream {
                Stream::Stdout => *stdout = None,
                Stream::Stderr => *stderr = None,
            }
        }
    }

    /// Its standard input ends; that of a terminal does not.
    pub(super) fn close_input(&mut self) {
        if let Ends::Pipes { stdin, .. } = self {
            *stdin = None;
        }
    }
}
