//! Orphans: processes whose parent has died. The kernel gives them to the nearest ancestor in their PID namespace that has
//! asked for them, else to its process 1.
//!
//! ```text
//!   --pid host, and no cgroup                     --init
//!   engine, which has asked                       1 init ─┬─ the program: its end is init's end
//!     ├─ first process  ── ended                          ├─ orphan
//!     └─ orphan: killed and reaped when that ends         └─ orphan: reaped when it ends
//! ```
//!
//! Where the PID namespace is another container's, its process 1 gets them, and they end with that container.
//!
//! Init is a copy of the engine that has closed everything but 0, 1 and 2 and can be looked into by nobody. What it was
//! called with is not the container's to read in /proc/1/cmdline, so it is wiped. See prctl(2), wait(2), credentials(7).

use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process};

use super::linux::{Prepared, check, prctl};
use super::op::Orphans;
use super::process::{self, Exit, leave};
use super::signals;

type Result<T> = rustix::io::Result<T>;

/// What init is called, as ps(1) shows it.
const NAME: &CStr = c"init";

pub(super) fn call(op: Orphans, prepared: &Prepared) -> Result<i64> {
    match (op, prepared) {
        (Orphans::Adopt, _) => prctl(libc::PR_SET_CHILD_SUBREAPER, 1),
        (Orphans::End, _) => end(),
        (Orphans::Init, Prepared::Words(words)) => stand_before(words),
        (Orphans::Init, _) => Err(Errno::INVAL),
    }
}

/// Kills and reaps until nobody is left: what the killed have started comes to us when they are dead. Whoever forks
/// faster than we look can outrun that; only a cgroup or a PID namespace holds him.
fn end() -> Result<i64> {
    const ROUNDS: u32 = 2500;
    let mut ended = 0;
    for _ in 0..ROUNDS {
        for child in children(process::own_pid()) {
            let _ = kill_process(child, Signal::KILL);
        }
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => ended += 1,
                Ok(None) => break,
                Err(Errno::CHILD) => return Ok(ended),
                Err(errno) => return Err(errno),
            }
        }
        let moment = rustix::thread::Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
        let _ = rustix::thread::nanosleep(&moment);
    }
    Err(Errno::TIMEDOUT)
}

/// A process's children: proc_pid_stat(5), field 4. The number of one of ours stays its own until we have waited for it.
fn children(parent: i32) -> Vec<Pid> {
    let me = parent.to_string();
    let child = |name: String| {
        let stat = std::fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
        let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?;
        (parent == me).then(|| Pid::from_raw(name.parse().ok()?))?
    };
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    names.filter_map(|entry| child(entry.file_name().into_string().ok()?)).collect()
}

/// The program that this init stands before: init lets nobody look in, the program does.
///
/// # Errors
/// ESRCH where it has ended.
pub fn program_of(init: i32) -> Result<OwnedFd> {
    let born = |child: &Pid| process::start_time(child.as_raw_nonzero().get());
    let first = children(init).into_iter().min_by_key(born).ok_or(Errno::SRCH)?;
    let pidfd = process::pidfd_open(first.as_raw_nonzero().get())?;
    // the number may have become another's before the descriptor was open
    match children(init).contains(&first) {
        true => Ok(pidfd),
        false => Err(Errno::SRCH),
    }
}

/// Reaps what has come to us and has ended, but for this one, which somebody waits for.
pub fn reap_but(kept: i32) -> Result<()> {
    loop {
        // SAFETY: siginfo_t is plain data, for which zero is a value.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        let none = std::ptr::null::<libc::rusage>();
        // SAFETY: the kernel writes one siginfo_t, for which there is room.
        check(unsafe { libc::syscall(libc::SYS_waitid, libc::P_ALL, 0, &raw mut info, how, none) })?;
        // SAFETY: waitid(2) has filled in the fields that a child's end has, or left them zero.
        match Pid::from_raw(unsafe { info.si_pid() }) {
            Some(pid) if pid.as_raw_nonzero().get() != kept => {
                rustix::process::waitpid(Some(pid), WaitOptions::NOHANG)?;
            }
            _ => return Ok(()),
        }
    }
}

/// Where the kernel has put this process's arguments and environment: proc_pid_stat(5), fields 48 to 51. Empty where it
/// does not say.
pub(super) fn own_words() -> Range<usize> {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<usize> = stat.rsplit_once(") ").map_or(Vec::new(), |(_, rest)| {
        rest.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect()
    });
    // the first field after the name is number 3
    match (fields.get(45), fields.get(48)) {
        (Some(&start), Some(&end)) if start != 0 && start < end => start..end,
        _ => 0..0,
    }
}

/// The child goes on as the box; the parent never returns.
fn stand_before(words: &Range<usize>) -> Result<i64> {
    // a child that has ended before its parent listens would not be heard
    signals::block_all()?;
    // before there is a child, for its program may look at once; the child's own words come with that program
    rename(words, NAME);
    // SAFETY: no CLONE_VM and no stack: the child goes on in a copy of this stack, as after fork(2).
    match check(unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) })? {
        0 => {
            in_front();
            signals::unblock_all()?;
            Ok(0)
        }
        child => init(child as i32),
    }
}

/// A group of its own, so that what a terminal sends to the group in front does not come twice: from it and from init.
fn in_front() {
    let _ = rustix::process::setpgid(None, None);
    // without a terminal, or with one that is another session's, there is no front
    let _ = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), rustix::process::getpgrp());
}

fn init(child: i32) -> ! {
    let first = rustix::stdio::stderr().as_raw_fd() + 1;
    // SAFETY: this process ends by _exit, so no destructor will close what is closed here.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    loop {
        match signals::wait_for_one() {
            Some(libc::SIGCHLD) => reap(child),
            Some(signal) => {
                // SAFETY: takes two numbers; the child is ours until it is reaped, and then we are gone.
                unsafe { libc::kill(child, signal) };
            }
            None => {}
        }
    }
}

/// Another name for this process. What the engine was called with is nobody's business any more.
pub(super) fn rename(words: &Range<usize>, name: &CStr) {
    let bytes = name.to_bytes_with_nul();
    if words.len() > bytes.len() {
        let start = words.start as *mut u8;
        // SAFETY: the kernel has put the arguments and the environment there, in memory of this process that can be
        // written; nobody in this process reads either of them any more.
        unsafe {
            std::ptr::write_bytes(start, 0, words.len());
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len());
        }
    }
    // SAFETY: a text that ends in NUL and outlives the call.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

/// Waits for everybody who has ended; with the program's own end comes ours.
fn reap(child: i32) {
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid.as_raw_nonzero().get() == child {
            let signal = status.terminating_signal().map(Exit::Signal);
            let exit = signal.unwrap_or(Exit::Code(status.exit_status().unwrap_or_default()));
            leave(exit.code())
        }
    }
}
