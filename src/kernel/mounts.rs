//! Mounts: mount(2), and the new mount API with the descriptors it keeps between two calls.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::CWD;
use rustix::io::Errno;

use super::CText;
use super::linux::{Context, check};
use super::op::{MountAt, Op};

type Result<T> = rustix::io::Result<T>;

pub(super) fn mount(source: &CStr, target: &CText, kind: &CText, flags: u64, data: &CText) -> Result<i64> {
    let or_null = |text: &CStr| match text.is_empty() {
        true => std::ptr::null(),
        false => text.as_ptr(),
    };
    // SAFETY: every pointer is NULL or a NUL-terminated string that outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount,
            or_null(source),
            target.as_c_str().as_ptr(),
            or_null(kind.as_c_str()),
            flags,
            or_null(data.as_c_str()),
        )
    })
}

/// Sets and clears attributes of the mount that `path` names below a directory, or of the directory itself
/// (`AT_EMPTY_PATH`); of all mounts below as well with `AT_RECURSIVE`. See mount_setattr(2).
pub(super) fn set_attributes(
    directory: BorrowedFd<'_>,
    path: &CStr,
    how: i32,
    attributes: &libc::mount_attr,
) -> Result<()> {
    let (fd, path, attributes) = (directory.as_raw_fd(), path.as_ptr(), &raw const *attributes);
    let size = size_of::<libc::mount_attr>();
    // SAFETY: the descriptor is open or AT_FDCWD, the path ends in NUL, the attributes are of the size given.
    check(unsafe { libc::syscall(libc::SYS_mount_setattr, fd, path, how, attributes, size) }).map(|_| ())
}

/// The attributes of a mount that cannot be written.
pub(super) fn read_only() -> libc::mount_attr {
    libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 }
}

/// The new mount API, one call at a time: a file system is opened, told its options, created, mounted, moved.
pub(super) fn build(op: &Op, context: &mut Context) -> Result<i64> {
    use rustix::mount as m;
    match op {
        Op::Fsopen { kind } => {
            context.fs = Some(m::fsopen(kind.as_c_str(), m::FsOpenFlags::FSOPEN_CLOEXEC)?);
        }
        Op::FsconfigString { key, value } => {
            let fs = context.fs.as_ref().ok_or(Errno::BADF)?;
            m::fsconfig_set_string(fs.as_fd(), key.as_c_str(), value.as_c_str())?;
        }
        Op::FsconfigFlag { key } => {
            let fs = context.fs.as_ref().ok_or(Errno::BADF)?;
            m::fsconfig_set_flag(fs.as_fd(), key.as_c_str())?;
        }
        Op::FsconfigCreate => m::fsconfig_create(context.fs.as_ref().ok_or(Errno::BADF)?.as_fd())?,
        Op::Fsmount => {
            let fs = context.fs.take().ok_or(Errno::BADF)?;
            let (how, attributes) = (m::FsMountFlags::FSMOUNT_CLOEXEC, m::MountAttrFlags::empty());
            context.mnt = Some(m::fsmount(fs.as_fd(), how, attributes)?);
        }
        Op::MoveMount { target } => {
            let mnt = context.mnt.take().ok_or(Errno::BADF)?;
            let how = m::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            m::move_mount(mnt.as_fd(), c"", CWD, target.as_c_str(), how)?;
        }
        _ => return Err(Errno::NOSYS),
    }
    Ok(0)
}

/// A copy of a mount is taken by name on the host's side of the pivot and placed by name on the container's: so
/// neither name can be led to the other side.
pub(super) fn tree(op: &Op, context: &mut Context) -> Result<i64> {
    use rustix::mount as m;
    match op {
        Op::OpenTree { source, slot, recursive } => {
            let all = if *recursive { m::OpenTreeFlags::AT_RECURSIVE } else { m::OpenTreeFlags::empty() };
            let how = m::OpenTreeFlags::OPEN_TREE_CLONE | m::OpenTreeFlags::OPEN_TREE_CLOEXEC | all;
            let tree = m::open_tree(CWD, source.as_c_str(), how)?;
            *context.trees.get_mut(*slot).ok_or(Errno::MFILE)? = Some(tree);
        }
        Op::MountSetattr { on, set, clear, propagation, recursive } => {
            let attributes = libc::mount_attr {
                attr_set: *set,
                attr_clr: *clear,
                propagation: *propagation,
                userns_fd: 0,
            };
            let all = if *recursive { libc::AT_RECURSIVE } else { 0 };
            match on {
                MountAt::Slot(slot) => {
                    let tree = context.trees.get(*slot).and_then(Option::as_ref).ok_or(Errno::BADF)?;
                    set_attributes(tree.as_fd(), c"", libc::AT_EMPTY_PATH | all, &attributes)?;
                }
                MountAt::Path(path) => set_attributes(CWD, path.as_c_str(), all, &attributes)?,
            }
        }
        Op::PlaceTree { slot, target } => {
            let tree = context.trees.get_mut(*slot).and_then(Option::take).ok_or(Errno::BADF)?;
            super::inside::place(tree.as_fd(), target.as_c_str(), context)?;
        }
        _ => return Err(Errno::NOSYS),
    }
    Ok(0)
}
