//! Copy up: everything below a directory into another, as it is.
//!
//! ```text
//!   /var/lib  drwxr-x--- 101:102     the new file system, not placed yet
//!   ├── a     -rw-r-----         ──> a      text, mode, owner, times, extended attributes
//!   ├── b ──> /etc/passwd        ──> b      the link itself: it is not followed
//!   └── c/                       ──> c/     and all below
//! ```
//!
//! Runs in the box: one buffer a level on the stack, no allocation. What others change meanwhile can fail the copy,
//! not lead it away: each name is looked up in an open directory, and no link is followed.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    self, AtFlags, CWD, FileType, Gid, Mode, OFlags, RawDir, Stat, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use super::linux::Context;

type Result<T> = rustix::io::Result<T>;

/// Two descriptors a level, and a process has 1024 of them at least.
const LEVELS: usize = 200;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Room for extended attributes: their names, and one value.
struct Room {
    names: [u8; 16384],
    value: [u8; 65536],
}

/// Copies what lies below a directory into the file system that is not placed yet.
pub(super) fn fill(from: &CStr, context: &Context) -> Result<i64> {
    let to = context.mnt.as_ref().ok_or(Errno::BADF)?;
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let from = fs::openat2(CWD, from, how, Mode::empty(), fs::ResolveFlags::NO_MAGICLINKS)?;
    // what fsmount(2) gives is an O_PATH descriptor
    let to = fs::openat(to, c".", DIRECTORY, Mode::empty())?;
    let mut room = Room { names: [0; 16384], value: [0; 65536] };
    below(from.as_fd(), to.as_fd(), &mut room, LEVELS).map(|()| 0)
}

fn below(from: BorrowedFd<'_>, to: BorrowedFd<'_>, room: &mut Room, levels: usize) -> Result<()> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(from, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        match entry.file_name() {
            name if name == c"." || name == c".." => {}
            name => one(from, to, name, room, levels)?,
        }
    }
    Ok(())
}

fn one(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, room: &mut Room, levels: usize) -> Result<()> {
    let is = fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(is.st_mode) {
        FileType::Directory => {
            let levels = levels.checked_sub(1).ok_or(Errno::NAMETOOLONG)?;
            fs::mkdirat(to, name, Mode::RWXU)?;
            let from = fs::openat(from, name, DIRECTORY, Mode::empty())?;
            let to = fs::openat(to, name, DIRECTORY, Mode::empty())?;
            below(from.as_fd(), to.as_fd(), room, levels)?;
            attributes(&from, &to, &is, room)
        }
        FileType::RegularFile => {
            let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let from = fs::openat(from, name, how, Mode::empty())?;
            let is = fs::fstat(&from)?;
            if FileType::from_raw_mode(is.st_mode) != FileType::RegularFile {
                return Err(Errno::AGAIN);
            }
            let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let to = fs::openat(to, name, how, Mode::RUSR | Mode::WUSR)?;
            while fs::sendfile(&to, &from, None, 1 << 30)? > 0 {}
            attributes(&from, &to, &is, room)
        }
        FileType::Symlink => {
            let mut text = [MaybeUninit::<u8>::uninit(); libc::PATH_MAX as usize];
            let (text, _) = fs::readlinkat_raw(from, name, &mut text)?;
            let mut link = [0u8; libc::PATH_MAX as usize + 1];
            link[..text.len()].copy_from_slice(text);
            let link = CStr::from_bytes_until_nul(&link).map_err(|_| Errno::NAMETOOLONG)?;
            fs::symlinkat(link, to, name)?;
            let (uid, gid) = owner(&is);
            fs::chownat(to, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
            fs::utimensat(to, name, &times(&is), AtFlags::SYMLINK_NOFOLLOW)
        }
        kind => {
            let mode = Mode::from_raw_mode(is.st_mode & 0o7777);
            fs::mknodat(to, name, kind, mode, is.st_rdev)?;
            let (uid, gid) = owner(&is);
            fs::chownat(to, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
            fs::chmodat(to, name, mode, AtFlags::empty())?;
            fs::utimensat(to, name, &times(&is), AtFlags::SYMLINK_NOFOLLOW)
        }
    }
}

fn owner(is: &Stat) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(is.st_uid)), Some(Gid::from_raw(is.st_gid)))
}

fn times(is: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds| fs::Timespec { tv_sec: seconds as _, tv_nsec: nanoseconds as _ };
    Timestamps {
        last_access: time(is.st_atime, is.st_atime_nsec),
        last_modification: time(is.st_mtime, is.st_mtime_nsec),
    }
}

/// The owner before the mode and the capabilities, which a new owner takes away; the times last.
fn attributes(from: &OwnedFd, to: &OwnedFd, is: &Stat, room: &mut Room) -> Result<()> {
    let (uid, gid) = owner(is);
    fs::fchown(to, uid, gid)?;
    fs::fchmod(to, Mode::from_raw_mode(is.st_mode & 0o7777))?;
    extended(from, to, room)?;
    fs::futimens(to, &times(is))
}

/// Extended attributes, as far as the new file system has them.
fn extended(from: &OwnedFd, to: &OwnedFd, room: &mut Room) -> Result<()> {
    let length = match fs::flistxattr(from, &mut room.names[..]) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        other => other?,
    };
    let mut rest = &room.names[..length];
    while let Ok(name) = CStr::from_bytes_until_nul(rest) {
        rest = &rest[name.count_bytes() + 1..];
        let length = match fs::fgetxattr(from, name, &mut room.value[..]) {
            Err(Errno::NODATA) => continue,
            other => other?,
        };
        match fs::fsetxattr(to, name, &room.value[..length], XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            other => other?,
        }
    }
    Ok(())
}
