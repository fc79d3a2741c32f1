//! Printer: what is to appear at our own standard output and error, in order, and never so that we wait for it.
//!
//! A descriptor that others have, too, is not made non-blocking: that would be theirs as well. So it is asked first whether
//! it takes something, and given no more than a pipe surely takes then. See poll(2), pipe(7).

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::stdio::{stderr, stdout};

use crate::engine::log::Stream;

/// A pipe that poll(2) calls writable takes that much without a wait: pipe(7), PIPE_BUF.
const PIPE_BUF: usize = 4096;

/// What is to be printed.
#[derive(Debug, Default)]
pub struct Printer {
    queue: VecDeque<(Stream, Vec<u8>)>,
}

impl Printer {
    /// After everything that is there already.
    pub fn push(&mut self, stream: Stream, bytes: Vec<u8>) {
        self.queue.push_back((stream, bytes));
    }

    /// How much is not printed yet, in bytes.
    pub fn behind(&self) -> usize {
        self.queue.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Whether everything is printed.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What it waits for.
    pub fn wait_for(&self) -> Option<(BorrowedFd<'static>, PollFlags)> {
        self.queue.front().map(|(stream, _)| (descriptor(*stream), PollFlags::OUT))
    }

    /// Writes as much as surely does not block.
    ///
    /// # Errors
    /// Where it does not go any more; what was to go there is forgotten.
    pub fn print(&mut self) -> Result<(), (Stream, Errno)> {
        let Some((stream, bytes)) = self.queue.front_mut() else { return Ok(()) };
        match rustix::io::write(descriptor(*stream), &bytes[..bytes.len().min(PIPE_BUF)]) {
            Ok(count) => drop(bytes.drain(..count)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => {
                let broken = *stream;
                self.queue.retain(|(stream, _)| *stream != broken);
                return Err((broken, errno));
            }
        }
        if bytes.is_empty() {
            self.queue.pop_front();
        }
        Ok(())
    }
}

fn descriptor(stream: Stream) -> BorrowedFd<'static> {
    match stream {
        Stream::Stdout => stdout(),
        Stream::Stderr => stderr(),
    }
}
