//! A stream that goes through us: what one side says, the other hears, until both have said their last.
//!
//! ```text
//!   client ── read ──> [what is left over] ── write ──> box
//!          <── write ── [what is left over] <── read ──
//!   end of file on one side: shutdown(2) of the other's writing half, when it has everything
//!   an error on one side: both are reset
//! ```
//!
//! See tcp(7), shutdown(2), SO_LINGER in socket(7).

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::net::sockopt::{set_socket_keepalive, set_socket_linger};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use crate::kernel::Errno;

/// How much is read at once, in bytes.
const PIECE: usize = 32 << 10;
/// How often one side is read before others have their turn.
const TURN: usize = 4;

/// Who calls, and whom.
#[derive(Debug)]
pub(super) struct Stream {
    sides: [Side; 2],
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Open,
    Over,
}

/// The place of whoever is called.
const CALLED: usize = 1;

#[derive(Debug)]
struct Side {
    socket: TcpStream,
    /// what the other has said and this one has not taken yet
    left: Vec<u8>,
    /// it has said its last
    silent: bool,
    /// it has been told that the other has
    told: bool,
}

impl Side {
    fn new(socket: TcpStream) -> io::Result<Side> {
        socket.set_nonblocking(true)?;
        // what is small is not to wait here for more
        socket.set_nodelay(true)?;
        // who has gone without a word is noticed, one day
        set_socket_keepalive(&socket, true)?;
        Ok(Side { socket, left: Vec::new(), silent: false, told: false })
    }

    /// What it takes of this now; the rest is kept.
    fn give(&mut self, bytes: &[u8]) -> io::Result<()> {
        let taken = self.write(bytes)?;
        self.left.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    /// The same of what was kept.
    fn give_left(&mut self) -> io::Result<()> {
        let left = std::mem::take(&mut self.left);
        self.give(&left)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.socket.write(&bytes[taken..]) {
                Ok(count) => taken += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }
}

impl Stream {
    /// For somebody who has called.
    ///
    /// # Errors
    /// What the kernel answers; then he is hung up on.
    pub(super) fn begin(client: TcpStream, inside: SocketAddrV4) -> io::Result<Stream> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let called = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        let stage = match connect(&called, &inside) {
            Ok(()) => Stage::Open,
            Err(Errno::INPROGRESS) => Stage::Connecting,
            Err(errno) => {
                hang_up(&client);
                return Err(errno.into());
            }
        };
        Ok(Stream { sides: [Side::new(client)?, Side::new(called.into())?], stage })
    }

    /// Whether there is nothing more to carry.
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// What poll(2) is to wait for, by side. One that hears no more and is not to be read now is not looked at: where it
    /// has said its last, too, poll(2) would find it closed again and again.
    pub(super) fn wait_for(&self) -> impl Iterator<Item = (usize, PollFd<'_>)> {
        let connecting = self.stage == Stage::Connecting;
        (0..2).filter_map(move |at| {
            let (side, other) = (&self.sides[at], &self.sides[1 - at]);
            if connecting {
                return (at == CALLED).then(|| (at, PollFd::new(&side.socket, PollFlags::OUT)));
            }
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, !side.silent && other.left.is_empty());
            flags.set(PollFlags::OUT, !side.left.is_empty());
            let idle = flags.is_empty() && side.told;
            (!idle).then(|| (at, PollFd::new(&side.socket, flags)))
        })
    }

    /// Does what there is to do where poll(2) has found this of a side.
    pub(super) fn turn(&mut self, at: usize, found: PollFlags, room: &mut [u8]) {
        if self.is_over() {
            return;
        }
        if self.carry(at, found, room).is_err() {
            self.sides.iter().for_each(|side| hang_up(&side.socket));
            self.stage = Stage::Over;
        } else if self.sides.iter().all(|side| side.silent && side.told) {
            self.stage = Stage::Over;
        }
    }

    fn carry(&mut self, at: usize, found: PollFlags, room: &mut [u8]) -> io::Result<()> {
        if self.stage == Stage::Connecting {
            if let Some(error) = self.sides[CALLED].socket.take_error()? {
                return Err(error);
            }
            self.stage = Stage::Open;
        }
        if found.contains(PollFlags::OUT) {
            self.sides[at].give_left()?;
            self.tell(at)?;
        }
        if found.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.hear(at, room)?;
            self.tell(1 - at)?;
        }
        // a reset of what is not to be read now
        self.sides[at].socket.take_error()?.map_or(Ok(()), Err)
    }

    /// Reads from one side, for as long as the other takes it.
    fn hear(&mut self, at: usize, room: &mut [u8]) -> io::Result<()> {
        let [client, called] = &mut self.sides;
        let (side, other) = if at == CALLED { (called, client) } else { (client, called) };
        for _ in 0..TURN {
            if side.silent || !other.left.is_empty() {
                break;
            }
            match side.socket.read(&mut room[..PIECE]) {
                Ok(0) => side.silent = true,
                Ok(count) => other.give(&room[..count])?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Tells one side that the other has said its last, when it has everything.
    fn tell(&mut self, at: usize) -> io::Result<()> {
        let last = self.sides[1 - at].silent;
        let side = &mut self.sides[at];
        if last && side.left.is_empty() && !side.told {
            side.told = true;
            side.socket.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }
}

/// Whoever is at the other end hears of it at once, as if there was nobody: ECONNRESET.
fn hang_up(socket: impl AsFd) {
    let _ = set_socket_linger(socket, Some(Duration::ZERO));
}
