//! Trees: a whole tree of files comes to be out of another one, for where no overlay is to be had.
//!
//! ```text
//!   copy        every file once more: works anywhere
//!   snapshot    btrfs: both share all blocks, until one of them is written to
//! ```
//!
//! See copy_file_range(2), ioctl_list(2), btrfs-subvolume(8) and the kernel's include/uapi/linux/btrfs.h.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use super::CText;
use super::copy_up::copy_tree;
use super::linux::check;
use super::op::Tree;

type Result<T> = rustix::io::Result<T>;

/// _IOW(0x94, 14, struct btrfs_ioctl_vol_args)
const SUBVOL_CREATE: u64 = 0x5000_940e;
/// _IOW(0x94, 23, struct btrfs_ioctl_vol_args_v2)
const SNAP_CREATE_V2: u64 = 0x5000_9417;
/// What statfs(2) says of a btrfs.
const BTRFS: u64 = 0x9123_683e;
/// The longest name that fits in `struct btrfs_ioctl_vol_args`, with its NUL.
const NAME: usize = 4088;

/// `struct btrfs_ioctl_vol_args`
#[repr(C)]
struct Volume {
    fd: i64,
    name: [u8; NAME],
}

/// `struct btrfs_ioctl_vol_args_v2`, which is as long
#[repr(C)]
struct Snapshot {
    fd: i64,
    transaction: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; 4040],
}

/// Performs one of these operations, also for whoever has no plan.
///
/// # Errors
/// What the kernel says; ENOTTY where a subvolume is wanted of another file system than btrfs.
pub fn call(op: &Tree) -> Result<i64> {
    match op {
        Tree::Copy { from, to } => copy_tree(from.as_c_str(), to.as_c_str()).map(|()| 0),
        Tree::Subvolume { path } => {
            let (parent, name) = place(path)?;
            let mut volume = Volume { fd: 0, name: [0; NAME] };
            put(&name, &mut volume.name)?;
            // SAFETY: the descriptor is open; the structure has the kernel's layout and its name ends in NUL.
            check(unsafe {
                libc::syscall(libc::SYS_ioctl, parent.as_raw_fd(), SUBVOL_CREATE, &raw const volume)
            })
        }
        Tree::Snapshot { from, to } => {
            let from = fs::open(from.as_c_str(), DIRECTORY, Mode::empty())?;
            let (parent, name) = place(to)?;
            let fd = i64::from(from.as_raw_fd());
            let mut snapshot = Snapshot { fd, transaction: 0, flags: 0, unused: [0; 4], name: [0; 4040] };
            put(&name, &mut snapshot.name)?;
            // SAFETY: both descriptors are open; the structure has the kernel's layout and its name ends in NUL.
            check(unsafe {
                libc::syscall(libc::SYS_ioctl, parent.as_raw_fd(), SNAP_CREATE_V2, &raw const snapshot)
            })
        }
    }
}

/// Whether this directory lies on a btrfs.
///
/// # Errors
/// What the kernel says.
pub fn is_btrfs(directory: &Path) -> Result<bool> {
    Ok(fs::statfs(directory)?.f_type as u64 == BTRFS)
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The directory in which a new subvolume gets its name.
fn place(path: &CText) -> Result<(OwnedFd, Vec<u8>)> {
    let path = path.as_path();
    let (parent, name) = (path.parent().ok_or(Errno::INVAL)?, path.file_name().ok_or(Errno::INVAL)?);
    Ok((fs::open(parent, DIRECTORY, Mode::empty())?, name.as_encoded_bytes().to_vec()))
}

/// The NUL after the name is left as it is.
fn put(name: &[u8], into: &mut [u8]) -> Result<()> {
    let most = into.len() - 1;
    into[..most].get_mut(..name.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(name);
    Ok(())
}
