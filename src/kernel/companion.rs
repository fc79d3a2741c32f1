//! Companion: a process of ours that stays beside a box for as long as we do, and can do nothing but its work.
//!
//! ```text
//!   engine                           companion
//!   fork ──────────────────────────> a session of its own, nothing at 0, 1 and 2, open only what it was handed
//!                                    the box's network, if it is to work there
//!                                    nobody, without a capability, seen into by nobody, killed with the engine
//!   0, or an errno <──────────────── ready
//!   goes on                          works
//!   dropped: SIGKILL, waited for
//! ```
//!
//! It is a copy of the engine, which costs pages only where one of the two writes. Signals that can be blocked are blocked
//! as they were; its session has no terminal. See fork(2), setns(2), capabilities(7), PR_SET_PDEATHSIG(2const).

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::DumpableBehavior;

use super::flags::{NEWNET, NEWUSER};
use super::linux::{check, dup2, prctl};
use super::op::Op;
use super::process::{Cloned, clone, leave, signal, wait};
use super::{credentials, orphans, start};

type Result<T> = rustix::io::Result<T>;

/// The user that owns nothing.
const NOBODY: u32 = 65534;

/// A process that works beside us. It ends when this is dropped.
#[derive(Debug)]
pub struct Companion {
    pid: i32,
    pidfd: OwnedFd,
}

impl Companion {
    /// Starts this work in a process of this name. Of what we have open it has `kept` alone, under the same numbers. It
    /// works in the network of the process behind `network`, where that is given. The caller must have one thread only.
    ///
    /// # Errors
    /// What the kernel answers, also to what is done before the work begins: ESRCH where the process of that network has
    /// ended.
    pub fn begin(
        name: &CStr,
        kept: &[BorrowedFd<'_>],
        network: Option<BorrowedFd<'_>>,
        work: impl FnOnce(),
    ) -> Result<Companion> {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let engine = rustix::process::getpid();
        match clone(0)? {
            Cloned::Box => {
                let ready = settle(name, kept, network, &writer).and_then(|()| part(engine));
                let errno = ready.err().map_or(0, Errno::raw_os_error);
                let _ = rustix::io::write(&writer, &errno.to_ne_bytes());
                if errno != 0 {
                    leave(1)
                }
                drop(writer);
                let worked = catch_unwind(AssertUnwindSafe(work)).is_ok();
                leave(if worked { 0 } else { 101 })
            }
            Cloned::Host(pid, pidfd) => {
                drop(writer);
                let companion = Companion { pid, pidfd };
                let mut errno = [0u8; 4];
                match rustix::io::retry_on_intr(|| rustix::io::read(&reader, &mut errno[..]))? {
                    4 if errno == [0; 4] => Ok(companion),
                    4 => Err(Errno::from_raw_os_error(i32::from_ne_bytes(errno))),
                    _ => Err(Errno::CHILD),
                }
            }
        }
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        let _ = signal(self.pidfd.as_fd(), libc::SIGKILL);
        // whoever reaps all his children may have done it already
        let _ = wait(self.pidfd.as_fd());
    }
}

/// What is the engine's goes, and what is needed for the work is taken.
fn settle(
    name: &CStr,
    kept: &[BorrowedFd<'_>],
    network: Option<BorrowedFd<'_>>,
    writer: &OwnedFd,
) -> Result<()> {
    rustix::process::setsid()?;
    rustix::process::chdir(c"/")?;
    // before anybody of the box could look in: it joins the box's users
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    orphans::rename(&orphans::own_words(), name);
    if let Some(network) = network {
        join(network)?;
    }
    let null = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    (0..3).try_for_each(|fd| dup2(null.as_fd(), fd).map(|_| ()))?;
    let mut open: Vec<RawFd> = kept.iter().map(AsRawFd::as_raw_fd).chain([writer.as_raw_fd()]).collect();
    // it is closed with the others
    std::mem::forget(null);
    open.sort_unstable();
    let mut next = 3;
    for fd in open.into_iter().map(RawFd::cast_unsigned) {
        if fd > next {
            start::close(next, fd - 1)?;
        }
        next = next.max(fd + 1);
    }
    start::close(next, u32::MAX)
}

/// The users first where they are others than ours: they give the right to join the rest.
fn join(process: BorrowedFd<'_>) -> Result<()> {
    let setns = |kinds: u64| {
        // SAFETY: an open descriptor and a number; this process has one thread.
        check(unsafe { libc::syscall(libc::SYS_setns, process.as_raw_fd(), kinds as libc::c_int) }).map(drop)
    };
    match setns(NEWUSER | NEWNET) {
        // they are ours
        Err(Errno::INVAL) => setns(NEWNET),
        other => other,
    }
}

/// Gives up what the work does not need, and stays for as long as the engine does.
fn part(engine: rustix::process::Pid) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        credentials::drop_bounding(0)?;
        // in a user namespace of one user, nobody else can be had
        for op in
            [Op::Setgroups { gids: Vec::new() }, Op::Setresgid { gid: NOBODY }, Op::Setresuid { uid: NOBODY }]
        {
            match credentials::identity(&op) {
                Err(Errno::INVAL | Errno::PERM) => {}
                other => other.map(drop)?,
            }
        }
    }
    credentials::ambient(0)?;
    credentials::capset(0, 0, 0)?;
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    // who becomes somebody else can be looked into again, and is not killed with his parent any more
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64)?;
    match rustix::process::getppid() == Some(engine) {
        true => Ok(()),
        false => Err(Errno::SRCH),
    }
}
