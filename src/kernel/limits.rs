//! Limits: what a process may use of the machine by itself, when its turn comes, and its keyring.
//!
//! See getrlimit(2), sched_setattr(2), ioprio_set(2), personality(2), session-keyring(7).

use rustix::io::Errno;

use super::linux::{Context, check};
use super::op::{Op, Scheduling};

type Result<T> = rustix::io::Result<T>;

/// In the host's lane a limit is the box's.
pub(super) fn call(op: &Op, context: &Context) -> Result<i64> {
    match op {
        Op::Setrlimit { resource, soft, hard } => {
            let who = if context.in_box { 0 } else { context.box_pid.unwrap_or(0) };
            let (limit, none) = ([*soft, *hard], std::ptr::null_mut::<u64>());
            // SAFETY: struct rlimit64 is two 64-bit numbers; it outlives the call.
            check(unsafe { libc::syscall(libc::SYS_prlimit64, who, *resource, limit.as_ptr(), none) })
        }
        // SAFETY: takes a number.
        Op::Personality { persona } => check(unsafe { libc::syscall(libc::SYS_personality, *persona) }),
        Op::SchedSetattr(attributes) => schedule(attributes),
        Op::SchedSetaffinity { cpus } => affinity(cpus),
        Op::IoprioSet { class, level } => {
            const WHO_PROCESS: libc::c_int = 1;
            const CLASS_SHIFT: u32 = 13;
            let value = class << CLASS_SHIFT | level;
            // SAFETY: takes three numbers.
            check(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, value) })
        }
        Op::JoinSessionKeyring { name } => {
            let name = name.as_c_str().as_ptr();
            // SAFETY: the name ends in NUL and outlives the call.
            let joined =
                check(unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, name) });
            // its number is another each time, and nobody needs it
            joined.map(|_| 0)
        }
        _ => Err(Errno::NOSYS),
    }
}

fn schedule(attributes: &Scheduling) -> Result<i64> {
    let Scheduling { policy, flags, nice, priority, runtime, deadline, period } = *attributes;
    /// `struct sched_attr` of Linux 3.14, its first version
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    let size = size_of::<Attributes>() as u32;
    let attributes = Attributes { size, policy, flags, nice, priority, runtime, deadline, period };
    // SAFETY: the structure says its own size, and outlives the call.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) })
}

fn affinity(cpus: &[u32]) -> Result<i64> {
    const WORDS: usize = 128;
    let mut mask = [0u64; WORDS];
    for cpu in cpus {
        *mask.get_mut(*cpu as usize / 64).ok_or(Errno::INVAL)? |= 1 << (cpu % 64);
    }
    // SAFETY: a mask of the size given, which outlives the call.
    check(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, size_of_val(&mask), mask.as_ptr()) })
}
