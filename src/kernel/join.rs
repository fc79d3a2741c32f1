//! Join: a box that is born in namespaces that exist already.
//!
//! ```text
//!   engine                     go-between                    box
//!   opens what it names
//!   clone ──────────────────>  setns … setns
//!                              clone3(CLONE_PARENT) ──────>  born in them, a child of the engine
//!   pidfd_open <── its number, exits
//! ```
//!
//! A process cannot enter a PID namespace itself, only its children are born in it; and who has joined a user namespace
//! or a mount namespace does not find back. So somebody else goes there, and the engine never leaves where it is. All
//! files are opened before the first namespace is joined: afterwards, names mean what the container wants. The box holds
//! what the engine held until it executes its program, and processes of the container can see it from its birth on: the
//! engine must not be dumpable, so that they cannot look into it (ptrace(2), CVE-2016-9962). See setns(2), clone(2).

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::flags::NEWUSER;
use super::linux::check;
use super::op::Join;
use super::process::{Cloned, clone, leave, pidfd_open, start_time, wait};

type Result<T> = rustix::io::Result<T>;

/// The process of this number, if it is the one that was started then: ESRCH if not. Looked at after it is open: what
/// is open stays one process, whoever is given the number, and is not that one's unless the number still was.
pub(super) fn open(pid: i32, start: u64) -> Result<OwnedFd> {
    let pidfd = pidfd_open(pid)?;
    match start_time(pid) == Some(start) {
        true => Ok(pidfd),
        false => Err(Errno::SRCH),
    }
}

/// Makes a box in these namespaces, and in new ones of the kinds in `flags`. `target` is whose they are, where they are
/// named by process. The caller must have one thread only.
pub fn clone_through(join: &[Join], flags: u64, target: Option<BorrowedFd<'_>>) -> Result<Cloned> {
    let files = join.iter().map(|join| match join {
        Join::OfProcess(_) => target.ok_or(Errno::SRCH)?.try_clone_to_owned().map_err(|_| Errno::MFILE),
        Join::OfPeer(peer, _) => open(peer.pid, peer.start),
        Join::File(path, _) => {
            rustix::fs::open(path.as_c_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        }
    });
    let files: Vec<OwnedFd> = files.collect::<Result<_>>()?;
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let Cloned::Host(_, between) = clone(0)? else {
        let born = enter(join, &files).and_then(|()| sibling(flags));
        let report = match born {
            Ok(0) => return Ok(Cloned::Box),
            Ok(pid) => pid,
            Err(errno) => -errno.raw_os_error(),
        };
        let _ = rustix::io::write(&writer, &report.to_ne_bytes());
        leave(0)
    };
    drop(writer);
    let mut report = [0u8; 4];
    let count = rustix::io::retry_on_intr(|| rustix::io::read(&reader, &mut report[..]));
    wait(between.as_fd())?;
    match (count?, i32::from_ne_bytes(report)) {
        (4, pid) if pid > 0 => Ok(Cloned::Host(pid, pidfd_open(pid)?)),
        (4, errno) => Err(Errno::from_raw_os_error(-errno)),
        _ => Err(Errno::CHILD),
    }
}

/// What the engine may join as it is, it joins as it is: root has rights in every user namespace, and loses those
/// outside with the first that it joins. What belongs to the user namespace alone is joined after that.
fn enter(join: &[Join], files: &[OwnedFd]) -> Result<()> {
    let setns = |file: &OwnedFd, kinds: u64| {
        // SAFETY: an open descriptor and a number; this process has one thread.
        check(unsafe { libc::syscall(libc::SYS_setns, file.as_raw_fd(), kinds as libc::c_int) }).map(|_| ())
    };
    let user = |join: &Join| join.kinds() & NEWUSER;
    let others = |join: &Join| join.kinds() & !NEWUSER;
    let every_user = join.iter().fold(0, |all, join| all | user(join));
    let mut joined = vec![false; join.len()];
    for ((join, file), joined) in
        join.iter().zip(files).zip(&mut joined).filter(|((join, _), _)| others(join) != 0)
    {
        match setns(file, others(join)) {
            Ok(()) => *joined = true,
            Err(Errno::PERM) if every_user != 0 => {}
            Err(errno) => return Err(errno),
        }
    }
    for (_, file) in join.iter().zip(files).filter(|(join, _)| user(join) != 0) {
        setns(file, NEWUSER)?;
    }
    for ((join, file), joined) in join.iter().zip(files).zip(&joined) {
        if !joined && others(join) != 0 {
            setns(file, others(join))?;
        }
    }
    Ok(())
}

/// A child of our parent; 0 in the child itself. Its number is the one that our parent knows, because our own PID
/// namespace is still our parent's.
fn sibling(flags: u64) -> Result<i32> {
    // SAFETY: clone_args is plain data, for which zero means "none".
    let mut args: libc::clone_args = unsafe { MaybeUninit::zeroed().assume_init() };
    // the signal at its end is the one that we would send at ours
    args.flags = flags | libc::CLONE_PARENT as u64;
    // SAFETY: no CLONE_VM and no stack: the child goes on in a copy of this stack, as after fork(2).
    let pid = match check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) }) {
        // SAFETY: as above. A seccomp filter knows no clone3.
        Err(Errno::NOSYS) => check(unsafe { libc::syscall(libc::SYS_clone, args.flags, 0, 0, 0, 0) })?,
        other => other?,
    };
    Ok(pid as i32)
}
