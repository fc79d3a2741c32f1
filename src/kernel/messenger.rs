//! Messenger: the child that carries a filter's descriptor to the listener. See seccomp_unotify(2).
//!
//! It shares the box's table of descriptors, so what the filter's load puts into that table it can send; and it was born
//! before the filter, so none of its calls is asked about. Both look at one number in shared memory: to write there
//! takes no system call, which might have to wait for the listener. In the shared table it closes what it has sent.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType,
};

use super::CText;
use super::ctext::BOX;
use super::linux::{Context, check, prctl};
use super::op::Op;
use super::process::leave;

type Result<T> = rustix::io::Result<T>;

/// No descriptor yet.
const WAITING: i32 = -1;
/// There will be none.
const REFUSED: i32 = -2;

/// One of the three steps.
pub(super) fn call(op: &Op, context: &mut Context) -> Result<i64> {
    match op {
        Op::ConnectListener { path } => connect(path.as_path(), context),
        Op::ForkMessenger { message } => fork(message, context),
        Op::WaitMessenger => wait(context),
        _ => Err(Errno::NOSYS),
    }
}

/// A stream to whoever listens there.
fn connect(path: &Path, context: &mut Context) -> Result<i64> {
    let kind = (AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC);
    let socket = rustix::net::socket_with(kind.0, kind.1, kind.2, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    context.listener = Some(socket);
    Ok(0)
}

/// The messenger is born, and waits.
fn fork(message: &CText, context: &mut Context) -> Result<i64> {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    let socket = context.listener.as_ref().ok_or(Errno::BADF)?;
    let (size, how) = (size_of::<AtomicI32>(), ProtFlags::READ | ProtFlags::WRITE);
    // SAFETY: a new mapping at no address of ours.
    let page = unsafe { mmap_anonymous(std::ptr::null_mut(), size, how, MapFlags::SHARED)? };
    // SAFETY: the mapping is zeroed, aligned to a page, and stays until this process executes a program or ends.
    let word: &'static AtomicI32 = unsafe { &*page.cast() };
    word.store(WAITING, Ordering::Release);
    let parent = rustix::process::getpid();
    let flags = libc::CLONE_FILES | libc::SIGCHLD;
    // SAFETY: no CLONE_VM and no stack: the child goes on in a copy of this one, allocates nothing and leaves by _exit.
    match check(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })? {
        0 => {
            let _ = prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64);
            while rustix::process::getppid() == Some(parent) {
                match word.load(Ordering::Acquire) {
                    WAITING => pause(),
                    REFUSED => leave(0),
                    fd => {
                        // SAFETY: the table is shared, and this descriptor is nobody's but ours: the box never uses it.
                        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
                        let pid = context.box_pid.unwrap_or_default();
                        let sent = send(socket.as_fd(), fd.as_fd(), message, pid);
                        // while the box had one itself, its calls would wait for a listener that has died
                        drop(fd);
                        leave(sent.map_or_else(Errno::raw_os_error, |()| 0))
                    }
                }
            }
            leave(0)
        }
        pid => {
            context.messenger = Some(word);
            Ok(pid)
        }
    }
}

fn pause() {
    let moment = rustix::thread::Timespec { tv_sec: 0, tv_nsec: 50_000 };
    let _ = rustix::thread::nanosleep(&moment);
}

/// Tells the messenger how loading the filter went.
pub(super) fn tell(loaded: Result<i64>, context: &mut Context) {
    if let Some(word) = context.messenger {
        word.store(loaded.map_or(REFUSED, |fd| fd as i32), Ordering::Release);
    }
}

/// Waits until it has sent the descriptor, or says why not.
fn wait(context: &mut Context) -> Result<i64> {
    context.messenger.take().ok_or(Errno::CHILD)?;
    let (_, status) = rustix::process::wait(rustix::process::WaitOptions::empty())?.ok_or(Errno::CHILD)?;
    // not earlier: the table is shared
    context.listener = None;
    match status.exit_status() {
        Some(0) => Ok(0),
        Some(errno) => Err(Errno::from_raw_os_error(errno)),
        None => Err(Errno::PIPE),
    }
}

/// The message with our process id wherever `[BOX]` stands, and the descriptor. One write, so that a stream's reader
/// finds both together.
fn send(socket: BorrowedFd<'_>, fd: BorrowedFd<'_>, message: &CText, pid: i32) -> Result<()> {
    const PLACES: usize = 4;
    let mut space = [0u8; 11];
    let digits = decimal(pid, &mut space);
    let mut parts = [IoSlice::new(b""); 2 * PLACES + 1];
    let (mut rest, mut count) = (message.as_c_str().to_bytes(), 0);
    while let Some(at) = find(rest, BOX.as_bytes()).filter(|_| count < 2 * PLACES) {
        parts[count] = IoSlice::new(&rest[..at]);
        parts[count + 1] = IoSlice::new(digits);
        (rest, count) = (&rest[at + BOX.len()..], count + 2);
    }
    parts[count] = IoSlice::new(rest);
    let whole: usize = parts.iter().map(|part| part.len()).sum();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    match rustix::net::sendmsg(socket, &parts[..=count], &mut control, SendFlags::NOSIGNAL)? {
        sent if sent == whole => Ok(()),
        _ => Err(Errno::MSGSIZE),
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// The number's digits, at the end of the space.
fn decimal(number: i32, space: &mut [u8; 11]) -> &[u8] {
    let (mut rest, mut at) = (number.unsigned_abs(), space.len());
    loop {
        at -= 1;
        space[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return &space[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 7, 10, 4_194_304, i32::MAX] {
            assert_eq!(decimal(number, &mut [0; 11]), number.to_string().as_bytes());
        }
    }
}
