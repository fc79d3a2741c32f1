//! Credentials: from identity and capability operations to the system calls. See credentials(7), capabilities(7).

use rustix::io::Errno;

use super::flags;
use super::linux::{check, prctl};
use super::op::Op;

type Result<T> = rustix::io::Result<T>;

/// Groups, group id or user id: real, effective and saved at once.
pub(super) fn identity(op: &Op) -> Result<i64> {
    // SAFETY: numbers, and a list that outlives the call. Raw calls: libc's would signal threads we do not have.
    check(unsafe {
        match op {
            Op::Setgroups { gids } => libc::syscall(libc::SYS_setgroups, gids.len(), gids.as_ptr()),
            Op::Setresgid { gid } => libc::syscall(libc::SYS_setresgid, *gid, *gid, *gid),
            Op::Setresuid { uid } => libc::syscall(libc::SYS_setresuid, *uid, *uid, *uid),
            _ => return Err(Errno::NOSYS),
        }
    })
}

/// Takes every capability but these out of the bounding set.
pub(super) fn drop_bounding(keep: u64) -> Result<i64> {
    for bit in 0..64 {
        if keep >> bit & 1 == 0 {
            match prctl(libc::PR_CAPBSET_DROP, bit) {
                Ok(_) => {}
                Err(Errno::INVAL) if bit as usize >= flags::CAPABILITIES.len() - 4 => break,
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(0)
}

/// Permitted, effective and inheritable set. What is not inheritable leaves the ambient set as well.
pub(super) fn capset(permitted: u64, effective: u64, inheritable: u64) -> Result<i64> {
    #[repr(C)]
    struct Set {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header: [u32; 2] = [VERSION_3, 0];
    let half = |shift: u32| Set {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: (inheritable >> shift) as u32,
    };
    let sets = [half(0), half(32)];
    // SAFETY: header and data have the layout of capset(2), version 3, and outlive the call.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) })
}

/// Exactly these are ambient from now on: what a program gets that is no set-uid file and whose user is not root.
pub(super) fn ambient(raise: u64) -> Result<i64> {
    let call = |what: libc::c_int, bit: u64| {
        // SAFETY: takes numbers only.
        check(unsafe { libc::syscall(libc::SYS_prctl, libc::PR_CAP_AMBIENT, what, bit, 0, 0) })
    };
    call(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
    for bit in (0..64).filter(|bit| raise >> bit & 1 == 1) {
        call(libc::PR_CAP_AMBIENT_RAISE, bit)?;
    }
    Ok(0)
}

/// A program that opens /dev/stderr, a link to /proc/self/fd/2, opens the file anew and must be allowed to. The group
/// stays: a terminal's is tty. Of what cannot be owned (a read-only mount, an id that is mapped to nobody), nothing is
/// said: the program can still use the descriptor.
pub(super) fn own_stdio(uid: u32) -> Result<i64> {
    let null = rustix::fs::makedev(1, 3);
    for fd in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        let file = match rustix::fs::fstat(fd) {
            Err(Errno::BADF) => continue,
            other => other?,
        };
        // the host's /dev/null stays root's
        if file.st_uid == uid || file.st_rdev == null {
            continue;
        }
        match rustix::fs::fchown(fd, Some(rustix::fs::Uid::from_raw(uid)), None) {
            Ok(()) | Err(Errno::PERM | Errno::INVAL | Errno::ROFS) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(0)
}
