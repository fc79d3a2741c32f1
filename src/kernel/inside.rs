//! Inside: names in the box, where an image has a say in what they lead to.
//!
//! ```text
//!   /data ──> /proc/1/root/etc        a link of the kernel's: it leads to another root, maybe the host's
//!   /data ──> /proc/self/attr         a mount there would feign what the kernel says
//! ```
//!
//! When the old root is gone an ordinary link can lead nowhere but into the container. The links of /proc/PID can:
//! they do not spell a path, they hold a place. So nothing is made through one, and nothing is mounted onto /proc by
//! a name that does not say so. See openat2(2), CVE-2019-16884 and CVE-2025-52881.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::linux::Context;
use super::op::{Device, Within};

type Result<T> = rustix::io::Result<T>;

const PLAIN: ResolveFlags = ResolveFlags::NO_MAGICLINKS;

/// Something new under a name: its directory is looked up first, without any link of the kernel's. On the host names
/// are taken as they are.
pub(super) fn create(
    path: &CStr,
    context: &Context,
    make: impl FnOnce(BorrowedFd<'_>, &CStr) -> Result<()>,
) -> Result<i64> {
    let bytes = path.to_bytes();
    let slash = bytes.iter().rposition(|byte| *byte == b'/').filter(|slash| *slash > 0);
    let (true, Some(slash)) = (context.in_box, slash) else { return make(CWD, path).map(|()| 0) };
    let mut parent = [0u8; libc::PATH_MAX as usize];
    parent.get_mut(..=slash).ok_or(Errno::NAMETOOLONG)?[..slash].copy_from_slice(&bytes[..slash]);
    let parent = CStr::from_bytes_until_nul(&parent).map_err(|_| Errno::NAMETOOLONG)?;
    let name = CStr::from_bytes_with_nul(&path.to_bytes_with_nul()[slash + 1..]).map_err(|_| Errno::INVAL)?;
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = fs::openat2(CWD, parent, how, Mode::empty(), PLAIN)?;
    make(directory.as_fd(), name).map(|()| 0)
}

/// A name onto which a file can be bound. What is there is not opened: it may be a device, or a fifo that blocks.
pub(super) fn room(path: &CStr) -> Result<i64> {
    match fs::openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), PLAIN) {
        Err(Errno::NOENT) => {
            let how = OFlags::WRONLY | OFlags::CREATE | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            fs::openat2(CWD, path, how, Mode::from_raw_mode(0o644), PLAIN).map(|_| 0)
        }
        other => other.map(|_| 0),
    }
}

/// What a mount shall cover.
fn target(path: &CStr) -> Result<OwnedFd> {
    let found = fs::openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), PLAIN)?;
    if fs::fstatfs(&found)?.f_type == PROC_SUPER_MAGIC && !path.to_bytes().starts_with(b"/proc") {
        return Err(Errno::LOOP);
    }
    Ok(found)
}

/// Whether a new file system may be mounted here: not over / or /proc by another name.
pub(super) fn may_cover(path: &CStr) -> Result<()> {
    let found = match target(path) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()), // mount(2) will say so
        other => fs::fstat(other?)?,
    };
    let root = fs::stat(c"/")?;
    match (found.st_dev, found.st_ino) == (root.st_dev, root.st_ino) && path != c"/" {
        true => Err(Errno::LOOP),
        false => Ok(()),
    }
}

/// A copy of a mount takes its place.
pub(super) fn place(tree: BorrowedFd<'_>, path: &CStr, context: &Context) -> Result<i64> {
    if !context.in_box {
        let how = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
        return move_mount(tree, c"", CWD, path, how).map(|()| 0);
    }
    let target = target(path)?;
    let (covered, root) = (fs::fstat(&target)?, fs::stat(c"/")?);
    if (covered.st_dev, covered.st_ino) == (root.st_dev, root.st_ino) {
        return Err(Errno::LOOP);
    }
    let how = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, c"", target, c"", how).map(|()| 0)
}

/// Devices by what they are, not by their name.
pub(super) fn device(op: &Device, context: &mut Context) -> Result<i64> {
    match op {
        Device::Open { path, mode, major, minor } => {
            let how = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let found = fs::openat2(CWD, path.as_c_str(), how, Mode::empty(), PLAIN)?;
            let is = fs::fstat(&found)?;
            let kind = FileType::from_raw_mode(is.st_mode);
            let numbered = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
            let same = !numbered || is.st_rdev == fs::makedev(*major, *minor);
            if kind != FileType::from_raw_mode(*mode) || !same {
                return Err(Errno::INVAL);
            }
            context.device = Some(found);
        }
        Device::Place { target } => {
            let device = context.device.as_ref().ok_or(Errno::BADF)?;
            let covered =
                fs::openat2(CWD, target.as_c_str(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), PLAIN)?;
            // move_mount(2) answers EINVAL, as to many other things
            if FileType::from_raw_mode(fs::fstat(&covered)?.st_mode).is_dir() {
                return Err(Errno::NOTDIR);
            }
            let tree = copy(device.as_fd())?;
            let how = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
            move_mount(tree, c"", CWD, target.as_c_str(), how)?;
        }
        Device::Terminal { slot } => {
            let ptmx = context.ptmx.as_ref().ok_or(Errno::BADF)?;
            let how = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
            let terminal = rustix::pty::ioctl_tiocgptpeer(ptmx, how | rustix::pty::OpenptFlags::CLOEXEC)?;
            let tree = copy(terminal.as_fd())?;
            *context.trees.get_mut(*slot).ok_or(Errno::MFILE)? = Some(tree);
        }
    }
    Ok(0)
}

/// A copy of the mount that an open file lies on, with that file as its root.
fn copy(file: BorrowedFd<'_>) -> Result<OwnedFd> {
    let how = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(file, c"", how | OpenTreeFlags::AT_EMPTY_PATH)
}

/// A part of a directory whose links are somebody else's.
pub(super) fn open_within(within: &Within, context: &mut Context) -> Result<i64> {
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = fs::open(within.root.as_c_str(), how, Mode::empty())?;
    let part = part_of(root.as_fd(), within.part.as_c_str())?;
    *context.trees.get_mut(within.slot).ok_or(Errno::MFILE)? = Some(copy(part.as_fd())?);
    Ok(0)
}

/// What this name means to whoever has the directory as his root.
pub(super) fn part_of(root: BorrowedFd<'_>, part: impl rustix::path::Arg) -> Result<OwnedFd> {
    fs::openat2(root, part, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), PLAIN | ResolveFlags::IN_ROOT)
}
