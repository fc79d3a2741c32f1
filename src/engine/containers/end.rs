//! End: stopping a container, sending it signals, waiting for its end.
//!
//! ```text
//!   stop ── mark it ── TERM ── wait ── KILL ── wait ──> its monitor has written `exited`
//!             └ its monitor will not start it again
//! ```
//!
//! See pidfd_send_signal(2), inotify(7).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::life::{Status, stays, stopped};
use super::start::{StartError, start};
use super::{ContainerError, Record, directory, find, pause, process};
use crate::engine::events::of;
use crate::engine::monitor;
use crate::engine::monitor::frames::Frame;
use crate::engine::state::State;
use crate::kernel::{Errno, process as processes};

/// How often it is looked at whether a container has ended: where its monitor is killed, nobody says so.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Tells of changes in a container's directory.
#[derive(Debug)]
pub struct Watch {
    file: OwnedFd,
}

impl Watch {
    /// From now on.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn new(directory: &Path) -> io::Result<Watch> {
        let file = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let what = inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::CREATE
            | inotify::WatchFlags::DELETE_SELF
            | inotify::WatchFlags::ONLYDIR;
        inotify::add_watch(&file, directory, what)?;
        Ok(Watch { file })
    }

    /// Until something changes, or for so long.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn wait(&self, most: Duration) -> io::Result<()> {
        let most = Timespec { tv_sec: most.as_secs() as i64, tv_nsec: most.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&most)) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            other => other?,
        };
        let mut room = [0u8; 4096];
        while rustix::io::read(&self.file, &mut room).is_ok_and(|count| count > 0) {}
        Ok(())
    }
}

/// Waits until a container does not run any more, or for so long; whether it came to that.
fn ended(state: &State, record: &Record, most: Option<Duration>) -> io::Result<bool> {
    let (path, began) = (directory(state, record), Instant::now());
    let watch = match Watch::new(&path) {
        // it was removed with its end
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        watch => watch?,
    };
    loop {
        match Record::read(&path) {
            Some(now) if now.life.running() && !now.life.orphaned() => {}
            _ => return Ok(true),
        }
        let left = most.map_or(LOOK_AGAIN, |most| most.saturating_sub(began.elapsed()).min(LOOK_AGAIN));
        if left.is_zero() {
            return Ok(false);
        }
        watch.wait(left)?;
    }
}

fn signal(state: &State, record: &Record, number: i32) -> Result<(), ContainerError> {
    let gone = || ContainerError::NotRunning(record.id.clone());
    let peer = process(state, record).map_err(|_| gone())?;
    let pidfd = processes::pidfd_open(peer.pid).map_err(|_| gone())?;
    // the number may have become another's before the descriptor was open
    if process(state, record).ok() != Some(peer) {
        return Err(gone());
    }
    // before its monitor can tell of the end that comes of it
    state.events().tell(&[of::kill(record, number)]);
    match processes::signal(pidfd.as_fd(), number) {
        // it has ended since
        Err(Errno::SRCH) => Err(gone()),
        answer => answer.map_err(|errno| ContainerError::State(errno.into())),
    }
}

/// The signal that asks a container's program to stop.
pub fn stop_signal(record: &Record) -> i32 {
    let named = record.request.stop_signal.as_deref().and_then(crate::kernel::signals::named);
    named.unwrap_or(libc::SIGTERM)
}

/// How long a container's program may take to stop, where nothing else is said; none for as long as it takes.
pub fn stop_timeout(record: &Record) -> Option<Duration> {
    patience(record.request.stop_timeout.unwrap_or(10))
}

/// Seconds, as Docker counts them: below 0 means as long as it takes.
pub fn patience(seconds: i64) -> Option<Duration> {
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// Stops a container: its signal, and SIGKILL after so long. One that does not run is fine.
///
/// # Errors
/// What the kernel answers.
pub fn stop(state: &State, record: &Record, most: Option<Duration>) -> Result<(), ContainerError> {
    if !record.running() {
        return Ok(());
    }
    std::fs::write(stopped(&directory(state, record)), "")?;
    if record.life.status == Status::Restarting {
        wake(record);
    }
    let (mut number, mut most) = (stop_signal(record), most);
    loop {
        let heard = match signal(state, record, number) {
            Ok(()) => true,
            // between two runs, or at its end
            Err(ContainerError::NotRunning(_)) => false,
            Err(error) => return Err(error),
        };
        if !heard {
            wake(record);
        }
        pause::wake(state, record)?;
        // whoever is started in this very moment has not heard that he is to die
        let patience = if number == libc::SIGKILL && !heard { Some(LOOK_AGAIN) } else { most };
        if ended(state, record, patience)? {
            break;
        }
        (number, most) = (libc::SIGKILL, None);
    }
    state.events().tell(&[of::container(record, "stop")]);
    Ok(())
}

/// Stops a container and starts it again. One that was to be removed at its end stays for that.
///
/// # Errors
/// As [`stop`] and [`start`].
pub fn restart(state: &State, record: &Record, most: Option<Duration>) -> Result<(), StartError> {
    let stays = stays(&directory(state, record));
    if record.running() && record.request.remove {
        std::fs::write(&stays, "")?;
    }
    stop(state, record, most)?;
    let record = find(state, &record.id)?;
    start(state, &record, None)?;
    state.events().tell(&[of::container(&record, "restart")]);
    Ok(())
}

/// A monitor that waits before it starts its container again looks whether it still is to.
fn wake(record: &Record) {
    let Some(owner) = &record.life.owner else { return };
    if let Ok(pidfd) = processes::pidfd_open(owner.pid)
        && owner.lives()
    {
        let _ = processes::signal(pidfd.as_fd(), libc::SIGTERM);
    }
}

/// Whether a container is not started again after this signal. As Docker: whoever kills does not want it back, unless
/// it has a signal of its own for that.
pub fn ends_for_good(record: &Record, number: i32) -> bool {
    record.request.stop_signal.is_none() || [stop_signal(record), libc::SIGKILL].contains(&number)
}

/// Sends a signal to a container's program. SIGKILL is waited for.
///
/// # Errors
/// [`ContainerError::NotRunning`], and what the kernel answers.
pub fn kill(state: &State, record: &Record, number: i32) -> Result<(), ContainerError> {
    let ends = ends_for_good(record, number);
    if record.running() && ends {
        std::fs::write(stopped(&directory(state, record)), "")?;
    }
    signal(state, record, number)?;
    if ends {
        pause::wake(state, record)?;
    }
    if number == libc::SIGKILL {
        ended(state, record, None)?;
    }
    Ok(())
}

/// Waits for a container's next end; its exit code.
///
/// # Errors
/// A container that was removed, and what the kernel answers.
pub fn wait(state: &State, record: &Record) -> Result<i32, ContainerError> {
    if record.running()
        && let Ok(code) = told(&directory(state, record))
    {
        return Ok(code);
    }
    how_it_ended(state, record)
}

/// Waits until a container does not run any more, without its monitor's word; its exit code.
///
/// # Errors
/// As [`wait`].
pub fn how_it_ended(state: &State, record: &Record) -> Result<i32, ContainerError> {
    ended(state, record, None)?;
    super::settled(state, &directory(state, record))
        .map(|record| record.life.exit_code)
        .ok_or_else(|| ContainerError::NoSuch(record.name.clone()))
}

/// What a monitor tells everybody who is attached at the end; so also of a container that it removes.
fn told(directory: &Path) -> io::Result<i32> {
    let socket = call(directory)?;
    let (mut said, mut come) = (Vec::new(), [0u8; 64]);
    Frame::Hello { stdin: false, stdout: false, stderr: false }.put(&mut said);
    rustix::io::write(&socket, &said)?;
    let mut heard = Vec::new();
    loop {
        let count = match rustix::io::read(&socket, &mut come) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        heard.extend_from_slice(&come[..count]);
        match Frame::take(&mut heard).map_err(io::Error::other)? {
            Some(Frame::Exit(code)) => return Ok(code),
            _ if count == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    }
}

/// Calls a container's monitor. One that is the command in whose foreground the container is made listens a moment after
/// the container is written down: until its program runs there is nobody.
///
/// # Errors
/// As [`attach`].
pub fn call(directory: &Path) -> io::Result<OwnedFd> {
    const MOST: Duration = Duration::from_secs(2);
    let began = Instant::now();
    loop {
        match attach(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && began.elapsed() < MOST => {
                Watch::new(directory)?.wait(Duration::from_millis(20))?;
            }
            other => return other,
        }
    }
}

/// Calls a container's monitor.
///
/// # Errors
/// What the kernel answers: `NotFound`, `ConnectionRefused` where there is none.
pub fn attach(directory: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let (_held, name) = monitor::socket::socket_name(directory)?;
    rustix::net::connect(&socket, &name)?;
    Ok(socket)
}

/// Where the log of a container is.
pub fn log(state: &State, record: &Record) -> PathBuf {
    crate::engine::log::file(&directory(state, record), &record.id)
}
