//! Remove: a tree, however deep, closed or crafted, without following a link.
//!
//! ```text
//!   top/a/b/c/…      one descriptor a level, down to 128 levels
//!   top/a/…/z/deep   deeper: renamed to top/.deep-1, removed in the next round
//! ```
//!
//! A program in a container can nest directories until neither path names nor descriptors reach the last one, and
//! can take its own permissions away. Neither may keep its layer from being removed.
//!
//! See unlinkat(2), renameat(2). Labs 13-union-image and 14-commit, tutorials/14-commit.md.

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const LEVELS: usize = 128;
/// How often a directory is emptied that others fill meanwhile.
const TRIES: u32 = 16;

/// Removes the file, link or whole tree at this path; nothing there is fine.
///
/// # Errors
/// What the kernel answers, with the tree removed as far as possible.
pub fn remove(path: &Path) -> io::Result<()> {
    Ok(remove_at(CWD, path.as_os_str().as_bytes())?)
}

/// The same for a name in an open directory.
pub fn remove_at(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    let top = match open(parent, name) {
        Err(Errno::NOENT) => return Ok(()),
        top => top?,
    };
    let mut removal = Removal { top: top.as_fd(), moved: 0 };
    for _ in 0..TRIES {
        loop {
            let before = removal.moved;
            removal.empty(top.as_fd(), 0)?;
            if removal.moved == before {
                break;
            }
        }
        match gone(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)) {
            // somebody who still knew the name has put something there
            Err(Errno::NOTEMPTY) => {}
            other => return other,
        }
    }
    Err(Errno::NOTEMPTY)
}

/// Two may remove the same: what the other one has removed is removed.
fn gone(answer: Result<(), Errno>) -> Result<(), Errno> {
    match answer {
        Err(Errno::NOENT) => Ok(()),
        answer => answer,
    }
}

struct Removal<'a> {
    top: BorrowedFd<'a>,
    moved: u64,
}

impl Removal<'_> {
    fn empty(&mut self, directory: BorrowedFd<'_>, level: usize) -> Result<(), Errno> {
        for item in Dir::read_from(directory)? {
            let item = item?;
            let name = item.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::ISDIR | Errno::PERM) => {}
                Err(errno) => return Err(errno),
            }
            let inner = match open(directory, name.to_bytes()) {
                Err(Errno::NOENT) => continue,
                inner => inner?,
            };
            if level >= LEVELS {
                self.moved += 1;
                rustix::fs::renameat(directory, name, self.top, format!(".deep-{}", self.moved))?;
                continue;
            }
            self.empty(inner.as_fd(), level + 1)?;
            drop(inner);
            gone(rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR))?;
        }
        Ok(())
    }
}

/// Opens a directory to be emptied, giving its owner back the right to do so.
fn open(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            rustix::fs::openat(parent, name, flags, Mode::empty())?
        }
        other => other?,
    };
    let mode = rustix::fs::fstat(&directory)?.st_mode;
    if mode & 0o700 != 0o700 {
        rustix::fs::fchmod(&directory, Mode::RWXU)?;
    }
    Ok(directory)
}
