//! Attend: while a container runs in front of somebody. One poll loop.
//!
//! ```text
//!   our terminal ──stdin──> ptmx ──> container         with -t
//!   our stdout  <── ptmx <────────── container
//!   signals ──────────────────────>  container         passed on, but for the window's size, which is set
//!   pidfd   <──────────────────────  it has ended
//! ```
//!
//! Without -t the container has our descriptors, and there is nothing to carry.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{self, OptionalActions, Termios, Winsize};

use crate::kernel::orphans::reap_but;
use crate::kernel::process::{self, Exit};
use crate::kernel::signals::Signals;
use crate::launch::Running;

/// The reader's terminal in raw mode, given back as it was.
#[derive(Debug)]
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// From now on, until it is dropped; none where standard input is no terminal.
    pub fn begin() -> Option<Raw> {
        let before = termios::tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Raw { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Waits until the container's program has ended, carrying what is typed, printed and signalled.
pub fn attend(running: &mut Running<'_>, signals: &Signals, interactive: bool) -> Result<Exit, Errno> {
    let terminal = running.take_terminal();
    let raw = if terminal.is_some() && interactive { Raw::begin() } else { None };
    if let Some(ptmx) = &terminal {
        copy_window_size(ptmx);
    }
    let mut typing = terminal.is_some() && interactive;
    loop {
        let pidfd = running.pidfd().ok_or(Errno::CHILD)?;
        let mut fds = vec![
            PollFd::from_borrowed_fd(pidfd, PollFlags::IN),
            PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
        ];
        if let Some(ptmx) = &terminal {
            fds.push(PollFd::new(ptmx, PollFlags::IN));
        }
        let stdin = io::stdin();
        if typing {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if ready[1] {
            while let Some(signal) = signals.next() {
                // where the box shares the host's processes, those whose parent has died are ours
                if signal == libc::SIGCHLD {
                    reap_but(running.box_pid().unwrap_or_default())?;
                }
                pass_on(signal, running, terminal.as_ref());
            }
        }
        if let Some(ptmx) = &terminal {
            if ready[2] && !ready[0] {
                carry(ptmx, io::stdout());
            }
            if ready.get(3) == Some(&true) {
                typing = carry(io::stdin(), ptmx);
            }
        }
        if ready[0] {
            break;
        }
    }
    let exit = running.wait()?;
    if let Some(ptmx) = &terminal {
        drain(ptmx);
    }
    drop(raw);
    Ok(exit)
}

/// SIGCHLD, SIGURG and SIGPIPE are about us; everything else is for the container, as with docker --sig-proxy. Whether it
/// went there.
pub fn pass_on(signal: i32, running: &Running<'_>, terminal: Option<&OwnedFd>) -> bool {
    match (signal, terminal) {
        (libc::SIGWINCH, Some(ptmx)) => copy_window_size(ptmx),
        (libc::SIGCHLD | libc::SIGURG | libc::SIGPIPE | libc::SIGWINCH, _) => {}
        // stopping only ourselves would leave the container running behind a dead terminal
        (libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU, _) => {}
        (signal, _) => {
            return running.pidfd().is_some_and(|pidfd| process::signal(pidfd, signal).is_ok());
        }
    }
    false
}

/// How large the reader's terminal is; none where there is none.
pub fn window_size() -> Option<Winsize> {
    [io::stdin().as_fd(), io::stdout().as_fd()].into_iter().find_map(|ours| termios::tcgetwinsize(ours).ok())
}

/// The container's terminal becomes as large as the reader's.
pub fn copy_window_size(ptmx: &OwnedFd) {
    if let Some(size) = window_size() {
        let _ = termios::tcsetwinsize(ptmx, size);
    }
}

/// Carries what is there; false at the end of the source, or when the target has gone.
fn carry(from: impl AsFd, to: impl AsFd) -> bool {
    let mut bytes = [0u8; 16 * 1024];
    match rustix::io::read(&from, &mut bytes[..]) {
        Ok(0) => false,
        Ok(count) => write_all(&to, &bytes[..count]),
        Err(Errno::INTR | Errno::AGAIN) => true,
        // a terminal whose other end is closed by all answers EIO: its end of file
        Err(_) => false,
    }
}

fn write_all(to: &impl AsFd, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(to, PollFlags::OUT)], None);
            }
            Err(_) => return false,
        }
    }
    true
}

/// What the program printed last is still in the terminal when it has ended.
fn drain(ptmx: &OwnedFd) {
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        let mut fds = [PollFd::new(ptmx, PollFlags::IN)];
        match poll(&mut fds, Some(&now)) {
            Ok(1) if fds[0].revents().contains(PollFlags::IN) => {
                if !carry(ptmx, io::stdout()) {
                    return;
                }
            }
            _ => return,
        }
    }
}
