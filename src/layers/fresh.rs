//! Fresh files: what a new file has from the beginning need not be set again.
//!
//! ```text
//!   open(O_CREAT, mode) ─> owner: ours            unless the directory is set-gid
//!                          mode:  mode & ~umask   unless the directory has a default ACL
//! ```
//!
//! Most files of an image belong to root and have mode 644 or 755: for them two of six calls are left out, and the
//! file system writes down an inode once instead of three times.
//!
//! See open(2), umask(2), acl(5). Lab 13-union-image, tutorials/13-union-image.md.

use super::Entry;
use rustix::fs::Mode;
use rustix::io::Errno;
use std::os::fd::BorrowedFd;

/// Set-uid, set-gid and sticky: a write or a change of the owner takes them away, so they are set last.
const SPECIAL: u32 = 0o7000;
const SET_GID: u32 = 0o2000;

/// What a new file below a directory gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fresh {
    owner: (u32, u32),
    umask: u32,
}

impl Fresh {
    /// Looks at a directory in which everything is to be made; none where it has a say in what a new file gets.
    pub(super) fn below(root: BorrowedFd<'_>) -> Option<Fresh> {
        let stat = rustix::fs::fstat(root).ok()?;
        let list = rustix::fs::fgetxattr(root, "system.posix_acl_default", &mut [0u8; 0][..]);
        let own = matches!(list, Err(Errno::NODATA | Errno::NOTSUP)) && stat.st_mode & SET_GID == 0;
        // umask(2) can only be asked by changing it, for all threads
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
        let umask = u32::from_str_radix(umask.trim(), 8).ok()?;
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        own.then_some(Fresh { owner, umask })
    }

    /// Whether a file has its owner without being told.
    pub(super) fn owns(&self, entry: &Entry) -> bool {
        self.owner == (entry.uid, entry.gid)
    }

    /// The mode with which a file can be made for good.
    pub(super) fn mode(&self, entry: &Entry) -> Option<Mode> {
        // without root, an attribute can be set only on what may be written
        let plain = entry.mode & (SPECIAL | self.umask) == 0 && entry.xattrs.is_empty();
        plain.then(|| Mode::from_raw_mode(entry.mode))
    }
}
