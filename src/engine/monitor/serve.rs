//! Serve: carry, listen and pass on until a container's program has ended. The one poll loop of every monitor.
//!
//! ```text
//!   pidfd      its end           signals    ours: each monitor has its own mind about them
//!   listener   who attaches      carrier    what is printed and typed, and what is asked for
//! ```
//!
//! See poll(2), pidfd_open(2), signalfd(2).

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::carrier::{Asked, Carrier};
use crate::engine::containers::life;
use crate::kernel::Errno;
use crate::kernel::orphans::reap_but;
use crate::kernel::process::Exit;
use crate::kernel::signals::Signals;
use crate::launch::Running;

/// What a monitor hears besides what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// a signal for the monitor itself
    Signal(i32),
    /// what somebody who is attached asks for
    Asked(Asked),
}

/// Who does something about what is heard, and may have more to wait for.
pub trait Mind {
    /// Something is heard.
    fn heed(&mut self, heard: Heard, running: &Running<'_>, carrier: &Carrier);

    /// What poll(2) is to wait for besides, to be handed to [`Mind::turn`] with what it found, in this order.
    fn wait_for(&self) -> Vec<PollFd<'_>> {
        Vec::new()
    }

    /// How long it may wait.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// Does what is to be done now.
    fn turn(&mut self, _found: &[PollFlags]) {}
}

/// Most have nothing to wait for.
impl<H: FnMut(Heard, &Running<'_>, &Carrier)> Mind for H {
    fn heed(&mut self, heard: Heard, running: &Running<'_>, carrier: &Carrier) {
        self(heard, running, carrier);
    }
}

/// Carries until the program has ended; whatever else is heard is for `mind`.
///
/// # Errors
/// What the kernel answers.
pub fn serve(
    running: &mut Running<'_>,
    carrier: &mut Carrier,
    signals: &Signals,
    listener: Option<&OwnedFd>,
    mind: &mut impl Mind,
) -> Result<Exit, Errno> {
    loop {
        let pidfd = running.pidfd().ok_or(Errno::CHILD)?;
        let mut fds =
            vec![PollFd::from_borrowed_fd(pidfd, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        let calls = if carrier.full() { PollFlags::empty() } else { PollFlags::IN };
        fds.extend(listener.map(|listener| PollFd::new(listener, calls)));
        let minds = fds.len();
        fds.extend(mind.wait_for());
        let own = fds.len();
        fds.extend(carrier.wait_for());
        let most = mind.patience().map(timespec);
        match poll(&mut fds, most.as_ref()) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let found: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        drop(fds);
        mind.turn(&found[minds..own]);
        if !found[1].is_empty() {
            while let Some(signal) = signals.next() {
                // where the box shares the host's processes, those whose parent has died are ours
                if signal == libc::SIGCHLD {
                    reap_but(running.box_pid().unwrap_or_default())?;
                }
                mind.heed(Heard::Signal(signal), running, carrier);
            }
        }
        if found[own..].iter().any(|found| !found.is_empty()) {
            for asked in carrier.carry(&found[own..], &life::now()) {
                mind.heed(Heard::Asked(asked), running, carrier);
            }
        }
        if let Some(listener) = listener.filter(|_| !found[2].is_empty()) {
            carrier.attach(listener)?;
        }
        if !found[0].is_empty() {
            return running.wait();
        }
    }
}

/// Until everybody who is attached has read everything, or for so long, or until one of these signals would end us.
///
/// # Errors
/// What the kernel answers.
pub fn linger(carrier: &mut Carrier, signals: Option<&Signals>, most: Option<Duration>) -> Result<(), Errno> {
    const END: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
    let began = Instant::now();
    while carrier.owes() && most.is_none_or(|most| began.elapsed() < most) {
        let mut fds = carrier.wait_for();
        let carried = fds.len();
        fds.extend(signals.map(|signals| PollFd::new(signals, PollFlags::IN)));
        let wait = most.map(|most| timespec(most.saturating_sub(began.elapsed())));
        match poll(&mut fds, wait.as_ref()) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let found: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        drop(fds);
        if signals.is_some_and(|signals| std::iter::from_fn(|| signals.next()).any(|one| END.contains(&one)))
        {
            break;
        }
        carrier.carry(&found[..carried], &life::now());
    }
    Ok(())
}

pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: duration.subsec_nanos().into() }
}
