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

/// Permitted and effective set; the inheritable one becomes empty.
pub(super) fn capset(keep: u64) -> Result<i64> {
    #[repr(C)]
    struct Set {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header: [u32; 2] = [VERSION_3, 0];
    let half = |bits: u64| Set { effective: bits as u32, permitted: bits as u32, inheritable: 0 };
    let sets = [half(keep), half(keep >> 32)];
    // SAFETY: header and data have the layout of capset(2), version 3, and outlive the call.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) })
}
