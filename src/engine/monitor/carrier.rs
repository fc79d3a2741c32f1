//! Carrier: everything that a container's program reads and writes goes through here, once.
//!
//! ```text
//!   pipes or ptmx ──> read a piece ──> log
//!                                 ├──> each client that reads: into its queue ──> its socket
//!                                 └──> whoever is here: into his queue ──> our own 1 and 2
//!   client's socket ──> frames ──> the queue of the program ──> pipe or ptmx
//!   our own 0 ────────────────────────┘
//! ```
//!
//! Nothing is lost: while a client's queue is full, no more is read from the program, which then waits as for any full
//! pipe; a client that goes away takes its queue with it. Nothing waits for one side alone: every descriptor is
//! non-blocking, and only poll(2) sleeps.
//!
//! See poll(2), pipe(7), pty(7).

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use rustix::stdio::stdin;

use super::client::Client;
pub use super::ends::Ends;
use super::frames::Frame;
use super::here::Here;
use crate::engine::log::{Log, Stream};

/// What a client that reads slowly may be behind, in bytes.
const BEHIND: usize = 256 * 1024;
/// What may wait for a program that reads slowly, in bytes.
const TYPED: usize = 64 * 1024;
/// How much is read at once, in bytes.
const PIECE: usize = 16 * 1024;
/// What a pipe holds at most, in bytes: pipe(7). A terminal holds less.
const PIPE: usize = 1 << 20;

/// What clients ask of whoever is in charge of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// another size of the terminal
    Resize {
        /// in characters
        rows: u16,
        /// in characters
        columns: u16,
    },
    /// a signal for the program
    Signal(i32),
}

/// Carries between a program, its log and its clients.
#[derive(Debug)]
pub struct Carrier {
    ends: Ends,
    log: Option<Log>,
    clients: Vec<Client>,
    here: Option<Here>,
    typed: VecDeque<u8>,
    /// the end of what is typed ends the program's standard input
    stdin_once: bool,
    closing: bool,
}

/// Which descriptor a place in the list of poll(2) is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Output(Stream),
    Input,
    Client(usize),
    /// our own standard input
    Typed,
    /// our own standard output or error
    Print,
}

impl Carrier {
    /// For these ends. With `stdin_once` the program's standard input ends when the first client that types says so.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn new(ends: Ends, log: Option<Log>, stdin_once: bool) -> Result<Carrier, Errno> {
        ends.all().into_iter().try_for_each(|fd| rustix::io::ioctl_fionbio(fd, true))?;
        let (clients, here, typed) = (Vec::new(), None, VecDeque::new());
        Ok(Carrier { ends, log, clients, here, typed, stdin_once, closing: false })
    }

    /// With somebody here from the first byte on.
    pub fn with(self, here: Here) -> Carrier {
        Carrier { here: Some(here), ..self }
    }

    /// Whoever is here.
    pub fn here(&self) -> Option<&Here> {
        self.here.as_ref()
    }

    /// Somebody attaches.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn attach(&mut self, listener: impl AsFd) -> Result<(), Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = match rustix::net::accept_with(listener, flags) {
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return Ok(()),
            socket => socket?,
        };
        self.clients.push(Client::new(socket));
        Ok(())
    }

    /// Lets somebody in who was there before the program. What it has said is heard before anything is carried: it
    /// misses nothing.
    pub fn admit(&mut self, client: Client) -> Vec<Asked> {
        let mut asked = Vec::new();
        self.clients.push(client);
        self.heard(self.clients.len() - 1, &mut asked);
        self.clients.retain(|client| !client.gone);
        asked
    }

    /// How many are attached.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Whether nobody else can be let in: whoever calls waits, and the container has descriptors left for its own needs.
    pub fn full(&self) -> bool {
        let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        most.is_some_and(|most| 2 * self.clients.len() as u64 >= most)
    }

    /// The program's terminal, if it has one.
    pub fn terminal(&self) -> Option<&OwnedFd> {
        match &self.ends {
            Ends::Terminal { ptmx, .. } => Some(ptmx),
            Ends::Pipes { .. } => None,
        }
    }

    /// What poll(2) is to wait for, to be handed to [`Carrier::carry`] afterwards with what it found, in this order.
    pub fn wait_for(&self) -> Vec<PollFd<'_>> {
        self.places().into_iter().map(|(_, fd)| fd).collect()
    }

    fn places(&self) -> Vec<(Place, PollFd<'_>)> {
        let here_too = self.here.as_ref().is_none_or(|here| here.printer.behind() < BEHIND);
        let keeps_up = here_too && self.clients.iter().all(|client| client.queue.len() < BEHIND);
        let read = if keeps_up { PollFlags::IN } else { PollFlags::empty() };
        let write = if self.typed.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        let mut places = Vec::with_capacity(4 + self.clients.len());
        let mut watch = |place, fd, flags: PollFlags| {
            if !flags.is_empty() {
                places.push((place, PollFd::from_borrowed_fd(fd, flags)));
            }
        };
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Some(fd) = self.ends.output(stream) {
                watch(Place::Output(stream), fd, read);
            }
        }
        if let Some(fd) = self.ends.input() {
            watch(Place::Input, fd, write);
        }
        if let Some(here) = &self.here {
            if here.typing && self.typed.len() < TYPED {
                watch(Place::Typed, stdin(), PollFlags::IN);
            }
            if let Some((fd, flags)) = here.printer.wait_for() {
                watch(Place::Print, fd, flags);
            }
        }
        for (number, client) in self.clients.iter().enumerate() {
            let mut flags = if self.typed.len() < TYPED { PollFlags::IN } else { PollFlags::RDHUP };
            if !client.queue.is_empty() {
                flags |= PollFlags::OUT;
            }
            watch(Place::Client(number), client.socket.as_fd(), flags);
        }
        places
    }

    /// Carries what poll(2) has found for [`Carrier::wait_for`], at this time (RFC 3339); what clients ask for comes back.
    pub fn carry(&mut self, found: &[PollFlags], now: &str) -> Vec<Asked> {
        let places: Vec<Place> = self.places().into_iter().map(|(place, _)| place).collect();
        let mut asked = Vec::new();
        for (place, found) in places.into_iter().zip(found).filter(|(_, found)| !found.is_empty()) {
            match place {
                Place::Output(stream) => {
                    self.printed(stream, now);
                }
                Place::Input => self.hand_over(),
                Place::Typed => self.typed_here(),
                Place::Print => {
                    let gone = self.here.as_mut().and_then(Here::print);
                    gone.into_iter().for_each(|stream| self.ends.close_output(stream));
                }
                Place::Client(number) => {
                    if found.contains(PollFlags::OUT) {
                        self.clients[number].send();
                    }
                    if found.intersects(PollFlags::IN | PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
                        self.heard(number, &mut asked);
                    }
                }
            }
        }
        self.clients.retain(|client| !client.gone);
        asked
    }

    /// Reads one piece of what was printed; false where nothing is there now.
    fn printed(&mut self, stream: Stream, now: &str) -> bool {
        let mut piece = [0u8; PIECE];
        match self.ends.output(stream).map_or(Ok(0), |fd| rustix::io::read(fd, &mut piece)) {
            Err(Errno::AGAIN | Errno::INTR) => false,
            Ok(0) | Err(_) => {
                self.ends.close_output(stream);
                false
            }
            Ok(count) => {
                let bytes = &piece[..count];
                if let Some(log) = &mut self.log {
                    log.take(stream, bytes, now);
                }
                let frame = match stream {
                    Stream::Stdout => Frame::Stdout(bytes.to_vec()),
                    Stream::Stderr => Frame::Stderr(bytes.to_vec()),
                };
                for client in self.clients.iter_mut().filter(|client| client.part[1 + stream as usize]) {
                    frame.put(&mut client.queue);
                    client.send();
                }
                if let Some(here) = &mut self.here {
                    here.see(stream, bytes);
                }
                true
            }
        }
    }

    fn typed_here(&mut self) {
        let typed = self.here.as_mut().map_or(Some(Vec::new()), Here::typed);
        match typed {
            Some(bytes) => self.typed.extend(bytes),
            None => self.closing |= self.stdin_once,
        }
        self.hand_over();
    }

    /// Hands over what was typed, as much as the program takes now.
    fn hand_over(&mut self) {
        loop {
            let (bytes, _) = self.typed.as_slices();
            if bytes.is_empty() {
                break;
            }
            match self.ends.input().map_or(Err(Errno::PIPE), |fd| rustix::io::write(fd, bytes)) {
                Ok(count) => drop(self.typed.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => {
                    // nobody reads it any more
                    self.typed.clear();
                    self.closing = true;
                }
            }
        }
        if self.closing && self.typed.is_empty() {
            self.ends.close_input();
            if let Some(here) = &mut self.here {
                here.typing = false;
            }
        }
    }

    fn heard(&mut self, number: usize, asked: &mut Vec<Asked>) {
        let client = &mut self.clients[number];
        if !client.listen() {
            client.gone = true;
        }
        loop {
            match Frame::take(&mut self.clients[number].come) {
                Ok(None) => break,
                Ok(Some(frame)) => self.said(number, frame, asked),
                Err(_) => {
                    self.clients[number].gone = true;
                    break;
                }
            }
        }
        // what a client typed last counts, also when it is gone
        if self.clients[number].gone && self.clients[number].part[0] && self.stdin_once {
            self.closing = true;
        }
        self.hand_over();
    }

    fn said(&mut self, number: usize, frame: Frame, asked: &mut Vec<Asked>) {
        let client = &mut self.clients[number];
        match frame {
            Frame::Hello { stdin, stdout, stderr } => client.part = [stdin, stdout, stderr],
            Frame::Stdin(bytes) if client.part[0] => match bytes.is_empty() {
                true => self.closing |= self.stdin_once,
                false => self.typed.extend(bytes),
            },
            Frame::Resize { rows, columns } => asked.push(Asked::Resize { rows, columns }),
            Frame::Signal(signal) => asked.push(Asked::Signal(signal)),
            Frame::Stdin(_) | Frame::Stdout(_) | Frame::Stderr(_) | Frame::Exit(_) => client.gone = true,
        }
    }

    /// The program has ended: what it printed last is read, as far as it is there, and its clients are told. What stays
    /// in their queues is still to be carried, see [`Carrier::owes`].
    pub fn end(&mut self, code: i32, now: &str) {
        self.drain(now);
        self.tell(code);
    }

    /// The program has ended: what it printed last is read, as far as it is there. What others print who have its pipe,
    /// too, and outlive it for a moment, has no end.
    pub fn drain(&mut self, now: &str) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let _ = (0..PIPE / PIECE).all(|_| self.printed(stream, now));
        }
        if let Some(log) = &mut self.log {
            log.end(now);
        }
    }

    /// How many lines of the log found no room.
    pub fn lost(&self) -> u64 {
        self.log.as_ref().map_or(0, Log::lost)
    }

    /// Everybody who is attached is told how the program has ended, after all that it printed.
    pub fn tell(&mut self, code: i32) {
        if let Some(here) = &mut self.here {
            // what nobody takes any more is the next one's to read
            here.typing = false;
        }
        for client in &mut self.clients {
            Frame::Exit(code).put(&mut client.queue);
            client.send();
        }
    }

    /// Whether somebody has not read everything yet.
    pub fn owes(&self) -> bool {
        let here = self.here.as_ref().is_some_and(|here| !here.printer.is_empty());
        here || self.clients.iter().any(|client| !client.gone && !client.queue.is_empty())
    }

    /// Another program takes the place of the one that ended: the log and the clients stay.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn begin_again(self, ends: Ends) -> Result<Carrier, Errno> {
        let Carrier { log, clients, here, stdin_once, .. } = self;
        Ok(Carrier { clients, here, ..Carrier::new(ends, log, stdin_once)? })
    }
}
