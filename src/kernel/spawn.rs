//! Spawn: a program that is run beside the box and waited for, as the hooks of the runtime specification.
//!
//! ```text
//!   text ──> memfd ──> 0 ┐
//!   our 2 ──────> 1, 2   │ child: default signals, none blocked, umask 022, nothing else open ──> execve
//!   pidfd <──────────────┘                                           └── errno, where that fails
//! ```
//!
//! The text waits in a file of memory instead of a pipe: whoever does not read it blocks nobody, and whoever closes it
//! raises no SIGPIPE. Either lane runs this, so nothing here allocates. See memfd_create(2), pidfd_open(2).

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, Mode, SeekFrom};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::linux::{Prepared, dup2, execute};
use super::op::Hook;
use super::process::{Cloned, Exit, clone, leave, signal, wait};
use super::signals;

type Result<T> = rustix::io::Result<T>;

/// Runs the program and waits for its end. `box_pid` is what `[BOX]` in its input becomes.
///
/// # Errors
/// What execve(2) said, or ETIMEDOUT after the hook's time, when it has been killed.
pub fn spawn(hook: &Hook, prepared: &Prepared, box_pid: i32) -> Result<Exit> {
    let text = text(hook, box_pid)?;
    let (refusal, refused) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let Cloned::Host(_, pidfd) = clone(0)? else {
        let errno = become_hook(hook, prepared, &text);
        let _ = rustix::io::write(&refused, &errno.raw_os_error().to_ne_bytes());
        leave(127)
    };
    drop(refused);
    let in_time = ended_within(&pidfd, hook.timeout)?;
    if !in_time {
        signal(pidfd.as_fd(), libc::SIGKILL)?;
    }
    let exit = wait(pidfd.as_fd())?;
    let mut errno = [0u8; 4];
    match rustix::io::read(&refusal, &mut errno[..]) {
        Ok(4) => Err(Errno::from_raw_os_error(i32::from_ne_bytes(errno))),
        _ if !in_time => Err(Errno::TIMEDOUT),
        _ => Ok(exit),
    }
}

fn text(hook: &Hook, box_pid: i32) -> Result<OwnedFd> {
    let name = c"hook";
    let file = match rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL) {
        // before Linux 6.3
        Err(Errno::INVAL) => rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?,
        other => other?,
    };
    hook.stdin.pieces(box_pid, |mut piece| {
        while !piece.is_empty() {
            piece = &piece[rustix::io::write(&file, piece)?..];
        }
        Ok(())
    })?;
    rustix::fs::seek(&file, SeekFrom::Start(0))?;
    Ok(file)
}

/// Returns only where the program could not be executed.
fn become_hook(hook: &Hook, prepared: &Prepared, text: &OwnedFd) -> Errno {
    let prepare = || {
        signals::default_all()?;
        signals::unblock_all()?;
        dup2(text.as_fd(), 0)?;
        dup2(rustix::stdio::stderr(), 1)?;
        rustix::process::umask(Mode::from_raw_mode(0o022));
        super::start::close_at_exec(3)
    };
    match prepare() {
        Ok(_) => execute(&hook.exec, prepared),
        Err(errno) => errno,
    }
}

/// Waits until the process has ended, or for so many seconds.
fn ended_within(pidfd: &OwnedFd, seconds: Option<u32>) -> Result<bool> {
    let Some(seconds) = seconds else { return Ok(true) };
    let mut end = clock_gettime(ClockId::Monotonic);
    end.tv_sec += i64::from(seconds);
    loop {
        let now = clock_gettime(ClockId::Monotonic);
        let mut left = Timespec { tv_sec: end.tv_sec - now.tv_sec, tv_nsec: end.tv_nsec - now.tv_nsec };
        if left.tv_nsec < 0 {
            left = Timespec { tv_sec: left.tv_sec - 1, tv_nsec: left.tv_nsec + 1_000_000_000 };
        }
        if left.tv_sec < 0 {
            return Ok(false);
        }
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
