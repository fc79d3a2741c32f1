//! Copy: everything below a directory into another, as it is.
//!
//! ```text
//!   /var/lib  drwxr-x--- 101:102     the new file system, not placed yet
//!   ├── a     -rw-r-----         ──> a      text, mode, owner, times, extended attributes
//!   ├── b ──> /etc/passwd        ──> b      the link itself: it is not followed
//!   └── c/                       ──> c/     and all below
//! ```
//!
//! In the box it runs with one buffer a level on the stack, and without allocation, so files with several names become
//! several files there; on the host they stay one. What others change meanwhile can fail the copy, not lead it away:
//! each name is looked up in an open directory, and no link is followed.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    self, AtFlags, CWD, FileType, Gid, Mode, OFlags, RawDir, Stat, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use super::linux::Context;
use super::op::Fill;

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
pub(super) fn beneath(from: &CStr, context: &Context) -> Result<i64> {
    let to = context.mnt.as_ref().ok_or(Errno::BADF)?;
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let from = fs::openat2(CWD, from, how, Mode::empty(), fs::ResolveFlags::NO_MAGICLINKS)?;
    // what fsmount(2) gives is an O_PATH descriptor
    let to = fs::openat(to, c".", DIRECTORY, Mode::empty())?;
    let mut copy = Copy::new(Forgotten);
    copy.below(from.as_fd(), to.as_fd(), LEVELS).map(|()| 0)
}

/// Makes what a copy of a mount shows the same as a directory: what lies below it, its owner, mode, attributes and time.
/// Nobody else needs that copy any more.
pub(super) fn fill(fill: &Fill, context: &mut Context) -> Result<i64> {
    let to = context.trees.get_mut(fill.slot).and_then(Option::take).ok_or(Errno::BADF)?;
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let from = fs::openat2(CWD, fill.from.as_c_str(), how, Mode::empty(), fs::ResolveFlags::NO_MAGICLINKS)?;
    let to = fs::openat(to, c".", DIRECTORY, Mode::empty())?;
    let is = fs::fstat(&from)?;
    let mut copy = Copy::new(Forgotten);
    copy.below(from.as_fd(), to.as_fd(), LEVELS)?;
    copy.attributes(&from, &to, &is).map(|()| 0)
}

/// Copies a directory, with all that lies below it, to where nothing is yet. On the host only.
pub(super) fn copy_tree(from: &CStr, to: &CStr) -> Result<()> {
    let from = fs::open(from, DIRECTORY, Mode::empty())?;
    fs::mkdir(to, Mode::RWXU)?;
    let to = fs::open(to, DIRECTORY, Mode::empty())?;
    let is = fs::fstat(&from)?;
    let names =
        Names { root: to.try_clone().map_err(|_| Errno::MFILE)?, path: Vec::new(), first: HashMap::new() };
    let mut copy = Copy::new(names);
    copy.below(from.as_fd(), to.as_fd(), LEVELS)?;
    copy.attributes(&from, &to, &is)
}

/// What is remembered of files with several names.
trait Links {
    /// Gives the copy of this file one more name; false where this is the first.
    fn link(&mut self, is: &Stat, to: BorrowedFd<'_>, name: &CStr) -> Result<bool>;
    /// From now on names are those of a directory further down.
    fn enter(&mut self, name: &CStr);
    /// Back up again.
    fn leave(&mut self, name: &CStr);
}

/// Nothing.
struct Forgotten;

impl Links for Forgotten {
    fn link(&mut self, _: &Stat, _: BorrowedFd<'_>, _: &CStr) -> Result<bool> {
        Ok(false)
    }

    fn enter(&mut self, _: &CStr) {}

    fn leave(&mut self, _: &CStr) {}
}

/// Each one's first name.
struct Names {
    root: OwnedFd,
    path: Vec<u8>,
    first: HashMap<(u64, u64), CString>,
}

impl Links for Names {
    fn link(&mut self, is: &Stat, to: BorrowedFd<'_>, name: &CStr) -> Result<bool> {
        if is.st_nlink < 2 {
            return Ok(false);
        }
        if let Some(first) = self.first.get(&(is.st_dev, is.st_ino)) {
            return fs::linkat(&self.root, first, to, name, AtFlags::empty()).map(|()| true);
        }
        let path = [self.path.as_slice(), name.to_bytes()].concat();
        self.first.insert((is.st_dev, is.st_ino), CString::new(path).map_err(|_| Errno::INVAL)?);
        Ok(false)
    }

    fn enter(&mut self, name: &CStr) {
        self.path.extend_from_slice(name.to_bytes());
        self.path.push(b'/');
    }

    fn leave(&mut self, name: &CStr) {
        self.path.truncate(self.path.len() - name.count_bytes() - 1);
    }
}

struct Copy<L> {
    room: Room,
    links: L,
}

impl<L: Links> Copy<L> {
    fn new(links: L) -> Copy<L> {
        Copy { room: Room { names: [0; 16384], value: [0; 65536] }, links }
    }

    fn below(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, levels: usize) -> Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(from, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            match entry.file_name() {
                name if name == c"." || name == c".." => {}
                name => self.one(from, to, name, levels)?,
            }
        }
        Ok(())
    }

    fn one(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, levels: usize) -> Result<()> {
        let is = fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(is.st_mode) {
            FileType::Directory => {
                let levels = levels.checked_sub(1).ok_or(Errno::NAMETOOLONG)?;
                fs::mkdirat(to, name, Mode::RWXU)?;
                let from = open(from, name, DIRECTORY, Mode::RWXU, &is)?;
                let to = fs::openat(to, name, DIRECTORY, Mode::empty())?;
                self.links.enter(name);
                self.below(from.as_fd(), to.as_fd(), levels)?;
                self.links.leave(name);
                self.attributes(&from, &to, &is)
            }
            _ if self.links.link(&is, to, name)? => Ok(()),
            FileType::RegularFile => {
                let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
                let from = open(from, name, how | OFlags::CLOEXEC, Mode::RUSR, &is)?;
                if FileType::from_raw_mode(fs::fstat(&from)?.st_mode) != FileType::RegularFile {
                    return Err(Errno::AGAIN);
                }
                let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let to = fs::openat(to, name, how, Mode::RUSR | Mode::WUSR)?;
                content(&from, &to)?;
                self.attributes(&from, &to, &is)
            }
            FileType::Symlink => symlink(from, to, name, &is),
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

    /// The owner before the mode and the capabilities, which a new owner takes away; the times last.
    fn attributes(&mut self, from: &OwnedFd, to: &OwnedFd, is: &Stat) -> Result<()> {
        let (uid, gid) = owner(is);
        fs::fchown(to, uid, gid)?;
        fs::fchmod(to, Mode::from_raw_mode(is.st_mode & 0o7777))?;
        extended(from, to, &mut self.room)?;
        fs::futimens(to, &times(is))
    }
}

/// Opens what may be closed even to its owner, who may open it again.
fn open(parent: BorrowedFd<'_>, name: &CStr, how: OFlags, needed: Mode, is: &Stat) -> Result<OwnedFd> {
    let mode = Mode::from_raw_mode(is.st_mode & 0o7777);
    match fs::openat(parent, name, how, Mode::empty()) {
        Err(Errno::ACCESS) if !mode.contains(needed) => {
            fs::chmodat(parent, name, mode | needed, AtFlags::empty())?;
            let opened = fs::openat(parent, name, how, Mode::empty());
            let back = fs::chmodat(parent, name, mode, AtFlags::empty());
            opened.and_then(|file| back.map(|()| file))
        }
        other => other,
    }
}

/// The file system may give both files the same blocks until one is written to, as btrfs and XFS do.
fn content(from: &OwnedFd, to: &OwnedFd) -> Result<()> {
    loop {
        match fs::copy_file_range(from, None, to, None, 1 << 30) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // not between these two, or not here at all: what was copied stays where the descriptors stand
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => break,
            Err(errno) => return Err(errno),
        }
    }
    while fs::sendfile(to, from, None, 1 << 30)? > 0 {}
    Ok(())
}

fn symlink(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, is: &Stat) -> Result<()> {
    let mut text = [MaybeUninit::<u8>::uninit(); libc::PATH_MAX as usize];
    let (text, _) = fs::readlinkat_raw(from, name, &mut text)?;
    let mut link = [0u8; libc::PATH_MAX as usize + 1];
    link[..text.len()].copy_from_slice(text);
    let link = CStr::from_bytes_until_nul(&link).map_err(|_| Errno::NAMETOOLONG)?;
    fs::symlinkat(link, to, name)?;
    let (uid, gid) = owner(is);
    fs::chownat(to, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    fs::utimensat(to, name, &times(is), AtFlags::SYMLINK_NOFOLLOW)
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
