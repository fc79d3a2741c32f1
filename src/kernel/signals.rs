//! Signals: the host takes them from a descriptor and passes them on; the box begins with none blocked.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::linux::check;

type Result<T> = rustix::io::Result<T>;

/// rt_sigprocmask(2) takes the kernel's set: 64 bits.
const SET: usize = 8;

/// Every signal that can be blocked, waiting in a descriptor from now on.
#[derive(Debug)]
pub struct Signals {
    file: OwnedFd,
}

impl Signals {
    /// Blocks all signals of this thread, which is the only one, and opens their descriptor. What was ignored is
    /// ignored no longer.
    pub fn block_all() -> Result<Signals> {
        // faults of our own must still end us: a blocked SIGSEGV would loop or be lost
        let faults = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS];
        let faults = faults.iter().fold(0u64, |set, signal| set | 1 << (signal - 1));
        let set = !faults;
        mask(&set)?;
        // a shell's `&` and nohup hand down signals that are ignored, which exec would pass on to the program, and
        // with SIGCHLD ignored nobody can be waited for. Rust's own choice, SIGPIPE, is the box's to undo
        let fixed = [libc::SIGKILL, libc::SIGSTOP, libc::SIGPIPE];
        for signal in (1..=31).filter(|signal| set & 1 << (signal - 1) != 0 && !fixed.contains(signal)) {
            default(signal)?;
        }
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: -1 asks for a new descriptor; the set outlives the call.
        let fd = check(unsafe { libc::syscall(libc::SYS_signalfd4, -1, &raw const set, SET, flags) })?;
        // SAFETY: just opened, owned by nobody else.
        Ok(Signals { file: unsafe { OwnedFd::from_raw_fd(fd as RawFd) } })
    }

    /// The next signal that waits, if one does.
    pub fn next(&self) -> Option<i32> {
        // SAFETY: signalfd_siginfo is plain data, for which zero is a value.
        let mut info: libc::signalfd_siginfo = unsafe { MaybeUninit::zeroed().assume_init() };
        let size = size_of_val(&info);
        // SAFETY: the buffer is writable and of the size given.
        let count =
            check(unsafe { libc::syscall(libc::SYS_read, self.file.as_raw_fd(), &raw mut info, size) });
        (count == Ok(size as i64)).then(|| info.ssi_signo.cast_signed())
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn mask(set: &u64) -> Result<()> {
    let none = std::ptr::null_mut::<u64>();
    // SAFETY: the set outlives the call and has the kernel's size.
    check(unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, std::ptr::from_ref(set), none, SET)
    })
    .map(|_| ())
}

/// Every signal that can be blocked waits from now on, for [`wait_for_one`].
pub(super) fn block_all() -> Result<()> {
    mask(&!0)
}

/// The next signal of those that are blocked, however long it takes. None where the wait was interrupted.
pub(super) fn wait_for_one() -> Option<i32> {
    let (all, none) = (!0u64, std::ptr::null::<u64>());
    // SAFETY: the set outlives the call and has the kernel's size; without a place for more, only the number comes.
    let signal = check(unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, &raw const all, none, none, SET) });
    signal.ok().map(|signal| signal as i32)
}

/// No signal is blocked any more.
pub fn unblock_all() -> Result<()> {
    mask(&0)
}

/// A signal does again what it does by default. Rust programs ignore SIGPIPE, and exec keeps that.
pub fn default(signal: i32) -> Result<()> {
    act(signal, libc::SIG_DFL)
}

/// Every signal does what it does by default.
pub fn default_all() -> Result<()> {
    let fixed = [libc::SIGKILL, libc::SIGSTOP];
    (1..=64).filter(|signal| !fixed.contains(signal)).try_for_each(default)
}

/// A signal does nothing from now on, as SIGTTOU for whoever hands the terminal on.
pub fn ignore(signal: i32) -> Result<()> {
    act(signal, libc::SIG_IGN)
}

fn act(signal: i32, how: libc::sighandler_t) -> Result<()> {
    // the kernel's own struct sigaction: handler, flags, restorer, mask
    let action = [how as u64, 0, 0, 0];
    let none = std::ptr::null_mut::<u64>();
    // SAFETY: a sigaction of the kernel's layout that outlives the call; it runs no code of ours.
    check(unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), none, SET) }).map(|_| ())
}

/// The signals by their names, in the order of their numbers: signal(7).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// A signal by its number or its name, with or without `SIG`, in any case; `RTMIN+n` and `RTMAX-n` too.
pub fn named(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        // 0 asks whether the process is there; beyond 64 the kernel would answer EINVAL
        return (0..=64).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let aliases = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31), ("RTMIN", 34), ("RTMAX", 64)];
    let named = NAMES.iter().position(|other| *other == name).map(|at| at as i32 + 1);
    let named = named.or_else(|| aliases.iter().find(|(other, _)| *other == name).map(|(_, number)| *number));
    let real_time = || {
        let offset = |text: &str| text.parse::<i32>().ok().filter(|offset| (0..=30).contains(offset));
        let up = name.strip_prefix("RTMIN+").and_then(offset).map(|offset| 34 + offset);
        up.or_else(|| name.strip_prefix("RTMAX-").and_then(offset).map(|offset| 64 - offset))
    };
    named.or_else(real_time)
}
