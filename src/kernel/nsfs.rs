//! Nsfs: the files that name namespaces, and what they say of themselves. See ioctl_nsfs(2).

use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use super::linux::check;

/// What statfs(2) calls the file system of /proc/PID/ns.
const NSFS_MAGIC: u64 = 0x6e73_6673;
/// Which kind of namespace a file names.
const NS_GET_NSTYPE: libc::c_ulong = 0xb703;

/// A namespace, as its file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// CLONE_NEWNET and so on
    pub kind: u64,
    /// device and inode: the same for every file of the same namespace
    pub file: (u64, u64),
}

/// Which namespace this file names; `None` where it names none.
///
/// # Errors
/// Those of open(2); nothing that could block is waited for.
pub fn identity(path: &Path) -> rustix::io::Result<Option<Identity>> {
    let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = fs::open(path, how, Mode::empty())?;
    if fs::fstatfs(&file)?.f_type as u64 != NSFS_MAGIC {
        return Ok(None);
    }
    // SAFETY: the descriptor is open, and the request takes nothing.
    let kind = match check(unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE) }.into()) {
        // files of nsfs that are not namespaces: pidfds of new kernels
        Err(Errno::NOTTY) => return Ok(None),
        other => other?,
    };
    let stat = fs::fstat(&file)?;
    Ok(Some(Identity { kind: kind as u64, file: (stat.st_dev, stat.st_ino) }))
}
