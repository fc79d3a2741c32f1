//! Here: whoever has started a container and waits, where no other process stands between: our own 0, 1 and 2.
//!
//! ```text
//!   carrier ──> printer ──> 1, 2         0 ──> carrier, where somebody is to type
//! ```
//!
//! Whoever reads us and goes away is what a reader of the program itself would be: its pipe is closed, and it hears so.

use rustix::io::Errno;
use rustix::stdio::stdin;
use serde::{Deserialize, Serialize};

use super::printer::Printer;
use crate::engine::log::Stream;

/// How much is read at once, in bytes.
const PIECE: usize = 16 * 1024;

/// Which of the program's input, output and errors are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// what we read goes in
    pub stdin: bool,
    /// what it prints comes out
    pub stdout: bool,
    /// what it prints as errors comes out
    pub stderr: bool,
}

impl Part {
    /// Everything that the program prints, and what is typed where that is wanted.
    pub fn of_all(stdin: bool) -> Part {
        Part { stdin, stdout: true, stderr: true }
    }

    /// None of them.
    pub fn none() -> Part {
        Part { stdin: false, stdout: false, stderr: false }
    }

    /// Nothing comes back: who has typed everything has done everything.
    pub fn only_types(self) -> bool {
        !self.stdout && !self.stderr
    }
}

/// Whoever is here.
#[derive(Debug)]
pub struct Here {
    part: Part,
    pub(super) typing: bool,
    pub(super) printer: Printer,
    /// where what was printed had nowhere to go, and why
    broken: Vec<(Stream, Errno)>,
}

impl Here {
    /// Takes these parts.
    pub fn new(part: Part) -> Here {
        Here { part, typing: part.stdin, printer: Printer::default(), broken: Vec::new() }
    }

    /// What the program has printed.
    pub(super) fn see(&mut self, stream: Stream, bytes: &[u8]) {
        let mine = match stream {
            Stream::Stdout => self.part.stdout,
            Stream::Stderr => self.part.stderr,
        };
        if mine {
            self.printer.push(stream, bytes.to_vec());
        }
    }

    /// What is typed; none at its end.
    pub(super) fn typed(&mut self) -> Option<Vec<u8>> {
        let mut piece = [0u8; PIECE];
        match rustix::io::read(stdin(), &mut piece) {
            Err(Errno::AGAIN | Errno::INTR) => Some(Vec::new()),
            Ok(count @ 1..) => Some(piece[..count].to_vec()),
            // a terminal that is gone answers EIO
            Ok(_) | Err(_) => {
                self.typing = false;
                None
            }
        }
    }

    /// Prints; the stream whose reader is gone comes back.
    pub(super) fn print(&mut self) -> Option<Stream> {
        let (stream, errno) = self.printer.print().err()?;
        match stream {
            Stream::Stdout => self.part.stdout = false,
            Stream::Stderr => self.part.stderr = false,
        }
        self.broken.push((stream, errno));
        Some(stream)
    }

    /// Where what was printed had nowhere to go, but for readers who have gone away.
    pub fn broken(&self) -> impl Iterator<Item = (Stream, Errno)> + '_ {
        self.broken.iter().copied().filter(|(_, errno)| *errno != Errno::PIPE)
    }
}
