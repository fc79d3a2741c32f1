//! Processes: the clone, what the two lanes say to each other, waiting, signals.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketFlags, SocketType,
};

use super::flags::{INTO_CGROUP, NAMESPACES};
use super::linux::{Context, check};
use super::op::Op;

type Result<T> = rustix::io::Result<T>;

/// How the box's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// by exit(2), with this code
    Code(i32),
    /// by this signal
    Signal(i32),
}

impl Exit {
    // ANCHOR: code
    /// The exit code that a shell, and Docker, would report: 128 + n for signal n.
    pub fn code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
    // ANCHOR_END: code
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exited {code}"),
            Exit::Signal(signal) => write!(f, "killed by {}", super::op::signal_name(*signal)),
        }
    }
}

/// The two sides of a clone.
#[derive(Debug)]
pub enum Cloned {
    /// this process is the host; the box has this id
    Host(i32, OwnedFd),
    /// this process is the box
    Box,
}

// ANCHOR: clone
/// clone3(2) with these namespace flags and a pidfd; clone(2) where a seccomp filter answers ENOSYS to clone3.
///
/// The caller must have one thread only: the new process is a copy of the calling thread, and a lock that
/// another thread holds would stay locked in it for ever.
pub fn clone(flags: u64) -> Result<Cloned> {
    clone_into(flags, None)
}

/// The same; with [`super::flags::INTO_CGROUP`], the child is born in this version 2 cgroup.
pub fn clone_into(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned> {
    let mut pidfd: RawFd = -1;
    // SAFETY: clone_args is plain data, for which zero means "none".
    let mut args: libc::clone_args = unsafe { MaybeUninit::zeroed().assume_init() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    let into = (flags & INTO_CGROUP != 0).then_some(cgroup).flatten();
    args.cgroup = into.map_or(0, |cgroup| cgroup.as_raw_fd() as u64);
    // SAFETY: no CLONE_VM and no stack: the child goes on in a copy of this stack, as after fork(2).
    let answer = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) };
    let pid = match check(answer) {
        // a seccomp filter knows no clone3, or the kernel no cgroup in it
        Err(Errno::NOSYS | Errno::TOOBIG) => {
            let flags = (args.flags & !INTO_CGROUP) | libc::SIGCHLD as u64;
            // SAFETY: as above; clone(2) takes the pidfd's place in its third argument.
            check(unsafe { libc::syscall(libc::SYS_clone, flags, 0, &raw mut pidfd, 0, 0) })?
        }
        other => other?,
    };
    if pid == 0 {
        return Ok(Cloned::Box);
    }
    // SAFETY: the kernel has just opened it for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    if let (Some(cgroup), true) = (into, answer < 0) {
        super::cgroup::adopt(cgroup, pid as i32).inspect_err(|_| {
            let _ = signal(pidfd.as_fd(), libc::SIGKILL);
            let _ = wait(pidfd.as_fd());
        })?;
    }
    Ok(Cloned::Host(pid as i32, pidfd))
}
// ANCHOR_END: clone

/// A child that leaves at once; its id comes back.
pub(super) fn fork_and_exit(code: i32) -> Result<i32> {
    // SAFETY: as in `clone`; the child calls _exit and nothing else.
    match check(unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) })? {
        0 => unsafe { libc::_exit(code) },
        pid => Ok(pid as i32),
    }
}

pub(super) fn wait_any() -> Result<()> {
    rustix::process::wait(rustix::process::WaitOptions::empty()).map(|_| ())
}

/// Waits until the process has ended, and reaps it.
pub fn wait(pidfd: BorrowedFd<'_>) -> Result<Exit> {
    loop {
        let options = rustix::process::WaitIdOptions::EXITED;
        match rustix::process::waitid(rustix::process::WaitId::PidFd(pidfd), options) {
            Ok(Some(status)) => {
                return Ok(match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Exit::Code(code),
                    (None, signal) => Exit::Signal(signal.unwrap_or(libc::SIGKILL)),
                });
            }
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Waits until the process has ended, and leaves it to be reaped.
pub(super) fn peek(pidfd: BorrowedFd<'_>) -> Result<()> {
    let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
    loop {
        match rustix::process::waitid(rustix::process::WaitId::PidFd(pidfd), options) {
            Ok(Some(_)) => return Ok(()),
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Sends a signal to the process that the pidfd stands for.
pub fn signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    // SAFETY: a descriptor that is open, and numbers.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, 0, 0) }).map(|_| ())
}

/// A pidfd for a process that is not our child.
pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid).ok_or(Errno::SRCH)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
}

/// This process's number, as itself sees it: 1 for the first of a PID namespace.
pub fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// When a process was started, in clock ticks since boot: with its number, a name that is never given twice.
pub fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Whether a process has begun to end: the first one of a PID namespace does so long before it has, because it waits for
/// all others there to end first.
pub fn is_ending(pid: i32) -> bool {
    const PF_EXITING: u64 = 0x4;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let flags =
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(6)?.parse::<u64>().ok());
    flags.is_none_or(|flags| flags & PF_EXITING != 0)
}

/// The kinds of namespaces in which a process is not in ours, as `CLONE_NEW…` flags.
///
/// # Errors
/// The file below /proc that could not be read, and why.
pub fn differing(pid: i32) -> std::result::Result<u64, (PathBuf, Errno)> {
    const FILES: [&str; 8] = ["user", "mnt", "pid", "uts", "ipc", "net", "cgroup", "time"];
    let look = |path: &Path| rustix::fs::readlink(path, Vec::new());
    let mut found = 0;
    for ((flag, _), file) in NAMESPACES.iter().zip(FILES) {
        let path = PathBuf::from(format!("/proc/{pid}/ns/{file}"));
        match (look(&path), look(&Path::new("/proc/self/ns").join(file))) {
            (Ok(theirs), Ok(own)) if theirs != own => found |= flag,
            // a kernel without this kind
            (Err(_), Err(_)) | (Ok(_), _) => {}
            (Err(errno), Ok(_)) => return Err((path, errno)),
        }
    }
    Ok(found)
}

/// Leaves without running destructors or exit handlers: they belong to the host's process.
pub fn leave(code: i32) -> ! {
    // SAFETY: ends this process, touches nothing.
    unsafe { libc::_exit(code) }
}

/// Closes what our caller left open besides 0, 1 and 2. Must be the first thing that a process does: what it has
/// opened by itself would be closed under its owner.
pub fn close_inherited() -> Result<()> {
    close_inherited_from(3)
}

/// The same, from a number on: those below are to be handed on. Where one of them is not open, nothing comes to stand
/// there, so that nothing of ours is handed on instead.
pub fn close_inherited_from(first: u32) -> Result<()> {
    // SAFETY: by the contract above no descriptor from 3 on has an owner in this process.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) })?;
    for fd in 3..first {
        // SAFETY: takes two numbers and changes nothing.
        if check(unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFD, 0) }).is_err() {
            // the lowest number that is free is this one; exec closes it
            let file = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
            std::mem::forget(file);
        }
    }
    Ok(())
}

/// Whether the host died before its death could be signalled: then its end of the loan is closed. A parent outside of
/// the PID namespace has number 0 at all times, so getppid(2) does not tell.
pub(super) fn abandoned(context: &Context) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let Some(loan) = &context.loan else { return false };
    let mut fds = [PollFd::new(loan, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::HUP)
}

/// The two ends of the loan, both closed by exec.
pub fn loan_pair() -> Result<(OwnedFd, OwnedFd)> {
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// One message of the loan: how many bytes came, and a descriptor where one came along.
pub fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        let mut slices = [IoSliceMut::new(bytes)];
        match rustix::net::recvmsg(socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            // the other end was closed with our message unread: it is gone all the same
            Err(Errno::CONNRESET) => return Ok((0, None)),
            other => break other?,
        }
    };
    let mut fd = None;
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut fds) = part {
            fd = fds.next();
        }
    }
    Ok((message.bytes, fd))
}

/// Sends one message of the loan.
pub fn transmit(socket: BorrowedFd<'_>, bytes: &[u8]) -> Result<()> {
    rustix::net::send(socket, bytes, SendFlags::NOSIGNAL).map(|_| ())
}

/// Runs a function in namespaces of another process, in a forked child, and brings its bytes back: the caller
/// itself never leaves its own. For probes only; the caller must be single-threaded.
pub fn inside(pid: i32, wanted: u64, look: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>> {
    let pidfd = pidfd_open(pid)?;
    let same_user = namespace(pid, "user").is_some() && namespace(pid, "user") == namespace_of_self("user");
    let wanted = if same_user { wanted } else { wanted | super::flags::NEWUSER };
    fork_for_bytes(|| {
        // SAFETY: an open descriptor and a number; the child is single-threaded.
        let joined = check(unsafe { libc::syscall(libc::SYS_setns, pidfd.as_raw_fd(), wanted as i32) });
        joined.map(|_| look())
    })
}

/// As [`inside`], for the one namespace that a file names.
pub fn inside_file(path: &std::ffi::CStr, look: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    fork_for_bytes(|| {
        // SAFETY: an open descriptor and a number; the child is single-threaded.
        check(unsafe { libc::syscall(libc::SYS_setns, file.as_raw_fd(), 0) }).map(|_| look())
    })
}

fn fork_for_bytes(work: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    match clone(0)? {
        Cloned::Box => {
            drop(reader);
            let code = match work() {
                Ok(bytes) => {
                    std::io::Write::write_all(&mut std::fs::File::from(writer), &bytes).is_err().into()
                }
                Err(errno) => errno.raw_os_error(),
            };
            leave(code)
        }
        Cloned::Host(_, pidfd) => {
            drop(writer);
            let mut bytes = Vec::new();
            let read = std::io::Read::read_to_end(&mut std::fs::File::from(reader), &mut bytes);
            match wait(pidfd.as_fd())? {
                Exit::Code(0) if read.is_ok() => Ok(bytes),
                Exit::Code(errno) if errno != 0 => Err(Errno::from_raw_os_error(errno)),
                _ => Err(Errno::IO),
            }
        }
    }
}

fn namespace(pid: i32, kind: &str) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()
}

fn namespace_of_self(kind: &str) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/self/ns/{kind}")).ok()
}

/// Runs a program where another process is: in its namespaces, its root and its working directory. With no process
/// given, right here. For the reader who wants to look around; the caller must be single-threaded.
pub fn visit(pid: Option<i32>, program: &super::op::Exec) -> Result<Exit> {
    let op = Op::Exec(program.clone());
    let prepared = super::linux::Prepared::new(&op, None)?;
    let Cloned::Host(_, visitor) = clone(0)? else {
        if let Some(pid) = pid
            && enter(pid).is_err()
        {
            leave(125)
        }
        // a PID namespace that is joined holds only children born from now on
        match clone(0) {
            Ok(Cloned::Box) => {
                // a shell controls jobs only where it is in front, in a group that it can see
                take_foreground();
                let _ = super::linux::call(&op, &prepared, &mut Context::default());
                leave(127)
            }
            Ok(Cloned::Host(_, child)) => leave(wait(child.as_fd()).map_or(125, Exit::code)),
            Err(_) => leave(125),
        }
    };
    let exit = wait(visitor.as_fd());
    take_foreground();
    exit
}

/// Makes this process the leader of a group of its own, and its terminal's foreground. Without a terminal, nothing.
pub fn take_foreground() {
    use super::signals;
    let terminal = std::io::stdin();
    let _ = rustix::process::setpgid(None, None);
    // who is in the background and hands the terminal on is stopped by SIGTTOU, unless that is ignored
    let _ = signals::ignore(libc::SIGTTOU);
    let _ = rustix::termios::tcsetpgrp(&terminal, rustix::process::getpgrp());
    let _ = signals::default(libc::SIGTTOU);
}

fn enter(pid: i32) -> Result<()> {
    const KINDS: [(&str, u64); 7] = [
        ("user", super::flags::NEWUSER),
        ("mnt", super::flags::NEWNS),
        ("pid", super::flags::NEWPID),
        ("net", super::flags::NEWNET),
        ("uts", super::flags::NEWUTS),
        ("ipc", super::flags::NEWIPC),
        ("cgroup", super::flags::NEWCGROUP),
    ];
    let how = OFlags::PATH | OFlags::CLOEXEC;
    let open = |link: &str| rustix::fs::open(format!("/proc/{pid}/{link}"), how, Mode::empty());
    let (pidfd, root, cwd) = (pidfd_open(pid)?, open("root")?, open("cwd")?);
    let differs = |kind: &str| namespace(pid, kind) != namespace_of_self(kind);
    let wanted = KINDS.iter().filter(|(kind, _)| differs(kind)).fold(0, |all, (_, flag)| all | flag);
    if wanted != 0 {
        // SAFETY: an open descriptor and a number; the child is single-threaded.
        check(unsafe { libc::syscall(libc::SYS_setns, pidfd.as_raw_fd(), wanted as i32) })?;
    }
    rustix::process::fchdir(&root)?;
    rustix::process::chroot(c".")?;
    rustix::process::fchdir(&cwd)
}
