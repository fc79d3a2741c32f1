//! Start: a box that is complete and waits to be let go, while the engine that made it is long gone.
//!
//! ```text
//!   create                     box                            start
//!   open(fifo, O_RDWR) ──┐
//!   clone ───────────────┴──>  has the same descriptor
//!                              …
//!                              close everything else
//!   returns                    read(fifo)  waits …            open(fifo, O_WRONLY|O_NONBLOCK)
//!                                                             ENXIO: nobody waits there
//!                              … read  <───────────────────── write a byte
//!                              a hook fails: write one ─────>  read it
//!                              execve, and it is closed ────>  POLLHUP
//! ```
//!
//! The descriptor is opened by the engine under the host's names, so nothing that the container can change is asked
//! where the fifo is; it is closed by exec, so the program never has it. A box that ended took the only reader with
//! it, and `start` is told so. Who must know when the program runs has opened the fifo for reading before, and waits
//! until nobody can write to it any more. See fifo(7).

use std::os::fd::AsRawFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use super::CText;
use super::linux::{Context, check};
use super::op::{Begun, Op};

type Result<T> = rustix::io::Result<T>;

pub(super) fn call(op: &Op, context: &mut Context) -> Result<i64> {
    match op {
        Op::OpenFifo { path } => {
            // for reading alone, open(2) would wait for somebody who writes
            let how = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            context.fifo = Some(fs::open(path.as_c_str(), how, Mode::empty())?);
            Ok(0)
        }
        Op::AwaitStart { first } => wait(*first, context),
        Op::LetGo { path } => {
            let how = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fifo = fs::open(path.as_c_str(), how, Mode::empty())?;
            rustix::io::write(&fifo, b"\0").map(|count| count as i64)
        }
        _ => Err(Errno::NOSYS),
    }
}

/// What is open of the host would be open for as long as nobody calls `start`.
fn wait(first: u32, context: &mut Context) -> Result<i64> {
    let fifo = context.fifo.take().ok_or(Errno::BADF)?;
    let kept = fifo.as_raw_fd().cast_unsigned();
    // their owners would close them a second time
    let in_box = Context { in_box: true, box_pid: context.box_pid, ..Context::default() };
    std::mem::forget(std::mem::replace(context, in_box));
    close(first, kept.saturating_sub(1))?;
    close(first.max(kept + 1), u32::MAX)?;
    let mut byte = [0u8; 1];
    loop {
        match rustix::io::read(&fifo, &mut byte[..]) {
            Ok(count) => {
                // exec closes it, and whoever waits for that hears so
                context.fifo = Some(fifo);
                return Ok(count as i64);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

pub(super) fn begun(op: &Begun, context: &mut Context) -> Result<i64> {
    match op {
        Begun::Listen { path } => {
            let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            context.fifo = Some(fs::open(path.as_c_str(), how, Mode::empty())?);
            Ok(0)
        }
        Begun::Await => {
            let fifo = context.fifo.as_ref().ok_or(Errno::BADF)?;
            // no event is asked for: the hang-up comes unasked, and the byte that lets the box go is not for us
            rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(fifo, PollFlags::empty())], None))?;
            match rustix::io::read(fifo, &mut [0u8; 1][..])? {
                0 => Ok(0),
                _ => Err(Errno::CANCELED),
            }
        }
    }
}

/// The box's last word to whoever has let it go and still listens.
pub fn say_failed(context: &Context) {
    if let Some(fifo) = &context.fifo {
        let _ = rustix::io::write(fifo, b"\0");
    }
}

/// Closes the numbers from one to another, in a process that leaves without running destructors.
pub(super) fn close(first: u32, last: u32) -> Result<()> {
    if first > last {
        return Ok(());
    }
    // SAFETY: this process ends by exec or _exit, so no destructor will close what is closed here.
    match check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }) {
        Err(_) => (first..=last.min(HIGHEST)).for_each(|fd| {
            // SAFETY: as above.
            unsafe { libc::close(fd.cast_signed()) };
        }),
        other => other.map(drop)?,
    }
    Ok(())
}

/// Lets exec close everything from a number on.
pub(super) fn close_at_exec(first: u32) -> Result<i64> {
    // SAFETY: takes three numbers; the descriptors it marks close at exec, none is closed under an owner.
    match check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) }) {
        Err(_) => (first..=HIGHEST).for_each(|fd| {
            // SAFETY: as above; a number that is not open is refused.
            unsafe { libc::fcntl(fd.cast_signed(), libc::F_SETFD, libc::FD_CLOEXEC) };
        }),
        other => return other,
    }
    Ok(0)
}

/// A filter that was written before Linux 5.9 does not know close_range(2), and answers with any errno: then it is one
/// call for each number, up to the limit that processes have unless somebody raised it far.
const HIGHEST: u32 = 65_535;

/// Whether one of these is a file that we may execute: so that whoever creates a container hears of a missing program,
/// and not whoever starts it. execve(2) decides again.
pub(super) fn look_up(paths: &[CText]) -> Result<i64> {
    let mut reason = Errno::NOENT;
    for path in paths {
        match executable(path) {
            Ok(()) => return Ok(0),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(Errno::ACCESS) => reason = Errno::ACCESS,
            Err(errno) if paths.len() == 1 => return Err(errno),
            Err(_) => {}
        }
    }
    Err(reason)
}

fn executable(path: &CText) -> Result<()> {
    let kind = fs::FileType::from_raw_mode(fs::stat(path.as_c_str())?.st_mode);
    match kind {
        fs::FileType::RegularFile => {}
        fs::FileType::Directory => return Err(Errno::ISDIR),
        _ => return Err(Errno::ACCESS),
    }
    let access = |call: libc::c_long, flags: libc::c_int| {
        let (path, at) = (path.as_c_str().as_ptr(), libc::AT_FDCWD);
        // SAFETY: the path ends in NUL and outlives the call.
        check(unsafe { libc::syscall(call, at, path, libc::X_OK, flags) }).map(|_| ())
    };
    match access(libc::SYS_faccessat2, libc::AT_EACCESS) {
        // a kernel before 5.8, or a filter that does not know the call; real and effective ids are the same by now
        Err(Errno::NOSYS | Errno::PERM) => access(libc::SYS_faccessat, 0),
        other => other,
    }
}
