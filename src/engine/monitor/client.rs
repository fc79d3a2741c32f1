//! Client: one that is attached, as its monitor sees it.
//!
//! ```text
//!   socket ──> what has come ──> frames          queue ──> socket, as much as it takes now
//! ```
//!
//! See unix(7), send(2).

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::SendFlags;

use super::frames::Frame;
use crate::spec::WindowSize;

/// How much is read at once, in bytes.
const PIECE: usize = 16 * 1024;

/// One that is attached.
#[derive(Debug)]
pub struct Client {
    /// non-blocking
    pub(super) socket: OwnedFd,
    /// what has come and is no whole frame yet
    pub(super) come: Vec<u8>,
    /// what it has not taken yet
    pub(super) queue: VecDeque<u8>,
    /// types, reads, reads errors; nothing until it has said so
    pub(super) part: [bool; 3],
    /// it has closed its end, or made no sense
    pub(super) gone: bool,
}

impl Client {
    /// At the other end of this socket, which does not block.
    pub fn new(socket: OwnedFd) -> Client {
        let (come, queue) = (Vec::new(), VecDeque::new());
        Client { socket, come, queue, part: [false; 3], gone: false }
    }

    /// How large its window is, if it has said that among its first words.
    pub(super) fn window(&mut self) -> Option<WindowSize> {
        self.listen();
        let mut come = self.come.clone();
        std::iter::from_fn(|| Frame::take(&mut come).ok().flatten()).find_map(|frame| match frame {
            Frame::Resize { rows, columns } => Some(WindowSize { rows, columns }),
            _ => None,
        })
    }

    /// Sends what the socket takes now.
    pub(super) fn send(&mut self) {
        while !self.queue.is_empty() {
            let (bytes, _) = self.queue.as_slices();
            match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => drop(self.queue.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.gone = true;
                    self.queue.clear();
                }
            }
        }
    }

    /// Reads what has come; false at the end.
    pub(super) fn listen(&mut self) -> bool {
        let mut piece = [0u8; PIECE];
        match rustix::io::read(&self.socket, &mut piece) {
            Ok(0) => false,
            Ok(count) => {
                self.come.extend_from_slice(&piece[..count]);
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }
}
