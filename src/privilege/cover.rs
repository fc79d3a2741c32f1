//! Cover: files of /proc and /sys that belong to the whole machine, hidden from the box or closed for writing.
//!
//! ```text
//!   /proc/interrupts  <── bind ── /dev/null            a file that is empty
//!   /proc/sys         <── bind ── /proc/sys, then remounted read-only
//! ```
//!
//! A cover is a mount, and who may mount may take it away: it holds only for a box without CAP_SYS_ADMIN. See proc(5).

use crate::kernel::Op;
use crate::step::Step;

/// The file reads as empty.
pub fn mask(path: &str) -> Step {
    Step::new("mask the file", Op::bind("/dev/null", path, 0)).why("an empty file lies over it now")
}

/// Nothing is written at or below the path.
pub fn read_only(path: &str) -> [Step; 2] {
    let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY;
    let safe = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    [
        Step::new("make it a mount", Op::bind(path, path, libc::MS_REC))
            .why("flags belong to mounts, so it is bound onto itself"),
        Step::new("make it read-only", Op::remount(path, flags | safe))
            .why("for every user, also for root: it is the mount that refuses"),
    ]
}
