//! Attach: a terminal, or what stands in its place, at a container that has a monitor.
//!
//! ```text
//!   keyboard ── the detach keys? ──> Stdin ──────┐           ┌──> Stdout, Stderr ──> queue ──> our 1 and 2
//!   window, signals ───────> Resize, Signal ─────┴─> monitor ┴──> Exit(code): the last one
//! ```
//!
//! One poll loop; nothing waits for one side alone. Whoever reads us slowly holds up the monitor, and that the program:
//! nothing is lost. The terminal is in raw mode for as long as the loop goes, and given back as it was however it ends.
//!
//! See poll(2), termios(3), "Attach to a container" of Docker's Engine API.

pub mod keys;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use rustix::stdio::stdin;

use self::keys::DetachKeys;
use super::containers::create::Created;
use super::containers::end::{self, how_it_ended};
use super::containers::life::Status;
use super::containers::start::{self, StartError};
use super::containers::{ContainerError, Record, directory, remove};
use super::events::of;
use super::log::Stream;
use super::monitor::frames::Frame;
use super::monitor::here::Part;
use super::monitor::printer::Printer;
use super::state::State;
use crate::attend::{Raw, window_size};
use crate::kernel::signals::Signals;
use crate::kernel::{Errno, hint};

/// What may wait until it is printed, in bytes.
const BEHIND: usize = 256 * 1024;
/// What may wait until the monitor takes it, in bytes.
const TYPED: usize = 64 * 1024;
/// How much is read at once, in bytes.
const PIECE: usize = 16 * 1024;

/// Why nobody is attached, or is no longer.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// it does not run
    #[error("You cannot attach to a stopped container, start it first")]
    Stopped,
    /// its processes are stopped where they are
    #[error("You cannot attach to a paused container, unpause it first")]
    Paused,
    /// its monitor waits before it starts it again
    #[error("You cannot attach to a restarting container, wait until it is running")]
    Restarting,
    /// its program does not run yet
    #[error(
        "container {0} is still being made by the command in whose foreground it runs\nhint: try again when its program runs"
    )]
    NotYet(String),
    /// it cannot be started
    #[error(transparent)]
    Start(#[from] StartError),
    /// it cannot be found
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// what it prints has nowhere to go
    #[error("write /dev/{stream}: {}", hint::errno_text(*errno))]
    Write {
        /// `stdout` or `stderr`
        stream: &'static str,
        /// what the kernel said
        errno: Errno,
    },
    /// a system call of our own
    #[error("whoever is attached was refused a system call: {0}")]
    System(#[from] io::Error),
}

impl From<Errno> for AttachError {
    fn from(errno: Errno) -> AttachError {
        AttachError::System(errno.into())
    }
}

/// How somebody wants to be attached.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// which of the program's input, output and errors are carried
    pub part: Part,
    /// the program has a terminal
    pub terminal: bool,
    /// passes signals on; where the program has a terminal, never: Ctrl-C is typed there
    pub proxy: bool,
    /// end it, where the program has a terminal
    pub keys: DetachKeys,
}

/// How it came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// the program has ended with this code
    Exit(i32),
    /// the detach keys were typed; the container goes on
    Detached,
    /// we were asked to end by this signal; the container goes on
    Signal(i32),
    /// the monitor is gone
    Lost,
}

/// Somebody who is attached.
#[derive(Debug)]
pub struct Attachment {
    wishes: Wishes,
    signals: Signals,
    typing: bool,
    /// for the monitor
    say: VecDeque<u8>,
    /// from the monitor, no whole frame yet
    come: Vec<u8>,
    print: Printer,
    end: Option<End>,
}

/// Attaches somebody to a container that runs, until one of the two ends.
///
/// # Errors
/// [`AttachError`].
pub fn attach(state: &State, record: &Record, mut somebody: Attachment) -> Result<End, AttachError> {
    match record.life.status {
        Status::Created | Status::Exited => return Err(AttachError::Stopped),
        Status::Paused => return Err(AttachError::Paused),
        Status::Restarting => return Err(AttachError::Restarting),
        Status::Running => {}
    }
    let socket = match end::call(&directory(state, record)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(AttachError::NotYet(record.name.clone()));
        }
        // it has just ended
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Err(AttachError::Stopped),
        socket => socket?,
    };
    state.events().tell(&[of::container(record, "attach")]);
    somebody.greet(true);
    settle(state, record, somebody.stay(&socket)?)
}

/// Starts a container with somebody attached to it, who misses nothing. To one that runs, he is attached as he comes.
///
/// # Errors
/// [`AttachError`].
pub fn start(state: &State, record: &Record, mut somebody: Attachment) -> Result<End, AttachError> {
    let (ours, theirs) = somebody.before_all()?;
    if !record.running() {
        state.events().tell(&[of::container(record, "attach")]);
    }
    match start::start(state, record, Some(theirs))? {
        true => settle(state, record, somebody.stay(&ours)?),
        false => {
            somebody.say.clear();
            attach(state, record, somebody)
        }
    }
}

/// The same for a container that was made just now. One that cannot be started and was to be removed at its end is
/// removed.
///
/// # Errors
/// [`AttachError`].
pub fn start_new(state: &State, created: Created, mut somebody: Attachment) -> Result<End, AttachError> {
    let Created { record, lock, .. } = created;
    let (ours, theirs) = somebody.before_all()?;
    state.events().tell(&[of::container(&record, "attach")]);
    let started = start::start_locked(state, &record, &lock, Some(theirs));
    if started.is_err() && record.request.remove {
        remove::take_away(state, &record, true).map_err(ContainerError::from)?;
    }
    started?;
    drop(lock);
    settle(state, &record, somebody.stay(&ours)?)
}

/// Where the monitor was killed, the container is cleaned up after.
fn settle(state: &State, record: &Record, end: End) -> Result<End, AttachError> {
    match end {
        End::Lost => Ok(End::Exit(how_it_ended(state, record)?)),
        other => Ok(other),
    }
}

impl Attachment {
    /// Takes all signals of this process from now on.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn new(wishes: Wishes) -> io::Result<Attachment> {
        let typing = wishes.part.stdin;
        let (say, come, print) = (VecDeque::new(), Vec::new(), Printer::default());
        Ok(Attachment { wishes, signals: Signals::block_all()?, typing, say, come, print, end: None })
    }

    /// A socket for us and one for a monitor that is still to be: what we are is already in it.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn before_all(&mut self) -> Result<(OwnedFd, OwnedFd), Errno> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        self.greet(false);
        self.send(&ours);
        Ok((ours, theirs))
    }

    /// Says what we want to be part of, and how large our window is. `anew` has the program draw it again: it hears of
    /// a change only.
    fn greet(&mut self, anew: bool) {
        let Part { stdin, stdout, stderr } = self.wishes.part;
        Frame::Hello { stdin, stdout, stderr }.put(&mut self.say);
        if anew {
            self.resized(1);
        }
        self.resized(0);
    }

    fn resized(&mut self, more: u16) {
        if let Some(size) = window_size().filter(|_| self.wishes.terminal) {
            let (rows, columns) = (size.ws_row.saturating_add(more), size.ws_col.saturating_add(more));
            Frame::Resize { rows, columns }.put(&mut self.say);
        }
    }

    /// Carries until one of the two ends.
    ///
    /// # Errors
    /// What is printed cannot be written, and what the kernel answers.
    pub fn stay(mut self, socket: &OwnedFd) -> Result<End, AttachError> {
        let _raw = if self.wishes.terminal && self.wishes.part.stdin { Raw::begin() } else { None };
        rustix::io::ioctl_fionbio(socket, true)?;
        self.send(socket);
        loop {
            match self.end {
                // what it has printed comes first
                Some(End::Exit(_) | End::Lost) if !self.print.is_empty() => {}
                Some(end) => return Ok(end),
                None => {}
            }
            let [signalled, called, typed, printable] = self.wait(socket)?;
            if signalled {
                self.signalled();
            }
            if printable {
                self.print()?;
            }
            if called {
                self.hear(socket);
            }
            if typed {
                self.typed();
            }
            self.send(socket);
            if self.wishes.part.only_types() && !self.typing && self.say.is_empty() {
                self.end = self.end.or(Some(End::Detached));
            }
        }
    }

    /// Sleeps until there is something to do: signals, the monitor, what is typed, what can be printed.
    fn wait(&self, socket: &OwnedFd) -> Result<[bool; 4], Errno> {
        let goes_on = self.end.is_none();
        let mut call = PollFlags::empty();
        call.set(PollFlags::IN, goes_on && self.print.behind() < BEHIND);
        call.set(PollFlags::OUT, goes_on && !self.say.is_empty());
        let wanted: [Option<(BorrowedFd<'_>, PollFlags)>; 4] = [
            Some((self.signals.as_fd(), PollFlags::IN)),
            (!call.is_empty()).then(|| (socket.as_fd(), call)),
            (goes_on && self.typing && self.say.len() < TYPED).then(|| (stdin(), PollFlags::IN)),
            self.print.wait_for(),
        ];
        let mut fds: Vec<PollFd<'_>> =
            wanted.iter().flatten().map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        match poll(&mut fds, None) {
            Err(Errno::INTR) => return Ok([false; 4]),
            other => other?,
        };
        let mut found = fds.iter().map(|fd| !fd.revents().is_empty());
        Ok(wanted.map(|one| one.is_some() && found.next() == Some(true)))
    }

    /// SIGCHLD, SIGURG and SIGPIPE are about us, and to stop only ourselves would leave a dead terminal; everything else
    /// is for the program, or ends us.
    fn signalled(&mut self) {
        while let Some(signal) = self.signals.next() {
            match signal {
                libc::SIGWINCH => self.resized(0),
                libc::SIGCHLD | libc::SIGURG | libc::SIGPIPE => {}
                libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => {}
                _ if self.wishes.proxy && !self.wishes.terminal => Frame::Signal(signal).put(&mut self.say),
                libc::SIGCONT => {}
                _ => self.end = Some(End::Signal(signal)),
            }
        }
    }

    fn print(&mut self) -> Result<(), AttachError> {
        self.print.print().map_err(|(stream, errno)| AttachError::Write { stream: stream.name(), errno })
    }

    /// Takes what the monitor says.
    fn hear(&mut self, socket: &OwnedFd) {
        let mut piece = [0u8; PIECE];
        match rustix::io::read(socket, &mut piece) {
            Err(Errno::AGAIN | Errno::INTR) => return,
            Ok(count @ 1..) => self.come.extend_from_slice(&piece[..count]),
            Ok(_) | Err(_) => self.end = self.end.or(Some(End::Lost)),
        }
        while self.end.is_none() {
            match Frame::take(&mut self.come) {
                Ok(None) => break,
                Ok(Some(Frame::Stdout(bytes))) => self.print.push(Stream::Stdout, bytes),
                Ok(Some(Frame::Stderr(bytes))) => self.print.push(Stream::Stderr, bytes),
                Ok(Some(Frame::Exit(code))) => self.end = Some(End::Exit(code)),
                Ok(Some(_)) | Err(_) => self.end = Some(End::Lost),
            }
        }
    }

    /// Takes what is typed.
    fn typed(&mut self) {
        let mut piece = [0u8; PIECE];
        let (bytes, detached) = match rustix::io::read(stdin(), &mut piece) {
            Err(Errno::AGAIN | Errno::INTR) => return,
            Ok(count @ 1..) if self.wishes.terminal => self.wishes.keys.typed(&piece[..count]),
            Ok(count @ 1..) => (piece[..count].to_vec(), false),
            // a terminal that is gone answers EIO
            Ok(_) | Err(_) => {
                self.typing = false;
                (self.wishes.keys.rest(), false)
            }
        };
        if !bytes.is_empty() {
            Frame::Stdin(bytes).put(&mut self.say);
        }
        if !self.typing {
            Frame::Stdin(Vec::new()).put(&mut self.say);
        }
        if detached {
            self.end = Some(End::Detached);
        }
    }

    /// Sends what the monitor takes now. One that has gone is noticed by what it has said last.
    fn send(&mut self, socket: &OwnedFd) {
        while !self.say.is_empty() {
            let (bytes, _) = self.say.as_slices();
            match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => drop(self.say.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.say.clear(),
            }
        }
    }
}
