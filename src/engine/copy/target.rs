//! Target: what a path in a container means while somebody may be changing it, and where something copied goes.
//!
//! ```text
//!                 the source is a directory      a file
//!   a directory   DIRECTORY/NAME                 DIRECTORY/NAME
//!   a file        error                          takes its place
//!   nothing       is made, with its content      is made; after a slash: error
//! ```
//!
//! See docker-container-cp(1), openat2(2).

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::put::retry;
use super::{CopyError, names};
use crate::kernel::apart::IN_ROOT;

/// As many links as the kernel itself follows.
const LINKS: u32 = 40;

/// A name in an open directory; `.` for the directory itself.
pub(super) type Found = (OwnedFd, Vec<u8>);

/// What the names of an archive begin with, and what with instead.
pub(super) type Renamed = (Vec<u8>, Vec<u8>);

/// What is at the destination.
#[derive(Debug)]
pub(super) enum There {
    /// nothing yet
    Nothing,
    /// this directory
    Directory(OwnedFd),
    /// a file
    File,
}

/// A destination.
#[derive(Debug)]
pub(super) struct Target {
    /// the directory that it lies in
    pub(super) parent: OwnedFd,
    /// its name there
    pub(super) base: Vec<u8>,
    /// what is there
    pub(super) there: There,
    /// the user said that it is a directory
    pub(super) asserts: bool,
}

impl Target {
    /// Into which directory an archive goes whose names begin with `called`, and by what that is replaced: Docker's
    /// PrepareArchiveCopy.
    pub(super) fn choose(
        self,
        is_directory: bool,
        called: &[u8],
    ) -> Result<(OwnedFd, Option<Renamed>), CopyError> {
        match self.there {
            There::Directory(directory) => Ok((directory, None)),
            There::File if is_directory => Err(CopyError::DirectoryOntoFile),
            There::Nothing if self.asserts && !is_directory => Err(CopyError::NoSuchDirectory),
            There::File | There::Nothing => Ok((self.parent, Some((called.to_vec(), self.base)))),
        }
    }
}

// ANCHOR: find
/// The name that a path means: itself and not what it leads to, unless links are to be followed to the end. The path is
/// tidy, from the root.
pub(super) fn find(root: BorrowedFd<'_>, path: &[u8], follow: bool) -> Result<Found, Errno> {
    let mut path = path.to_vec();
    for _ in 0..LINKS {
        let (directory, base) = names::split(&path);
        // `..` as a last part would lead up from wherever the directory is by then
        if names::asserts_directory(&path) || matches!(base, b"" | b"..") {
            return Ok((open(root, &path)?, b".".to_vec()));
        }
        let parent = open(root, directory)?;
        let stat = rustix::fs::statat(&parent, base, AtFlags::SYMLINK_NOFOLLOW)?;
        if !follow || FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            return Ok((parent, base.to_vec()));
        }
        path = aimed(&parent, directory, base)?;
    }
    Err(Errno::LOOP)
}
// ANCHOR_END: find

/// Where something copied to this path goes. The path is tidy, from the root.
pub(super) fn target(root: BorrowedFd<'_>, path: &[u8]) -> Result<Target, Errno> {
    let mut path = path.to_vec();
    for _ in 0..LINKS {
        let asserts = names::asserts_directory(&path);
        let (directory, base) = names::split(&path);
        if asserts || matches!(base, b"" | b"..") {
            let clean = names::clean(&path);
            let (above, name) = names::split(&clean);
            let there = match open(root, &path) {
                Ok(directory) => There::Directory(directory),
                Err(Errno::NOENT | Errno::NOTDIR) => There::Nothing,
                Err(errno) => return Err(errno),
            };
            return Ok(Target { parent: open(root, above)?, base: name.to_vec(), there, asserts });
        }
        let parent = open(root, directory)?;
        let there = match rustix::fs::statat(&parent, base, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => There::Nothing,
            Err(errno) => return Err(errno),
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    path = aimed(&parent, directory, base)?;
                    continue;
                }
                FileType::Directory => {
                    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    There::Directory(rustix::fs::openat(&parent, base, how, Mode::empty())?)
                }
                FileType::CharacterDevice | FileType::BlockDevice => return Err(Errno::NXIO),
                _ => There::File,
            },
        };
        return Ok(Target { parent, base: base.to_vec(), there, asserts });
    }
    Err(Errno::LOOP)
}

/// The path that a link aims at, from the root. It is not made clean: a directory before a `..` may be a link.
fn aimed(parent: &OwnedFd, directory: &[u8], base: &[u8]) -> Result<Vec<u8>, Errno> {
    let target = rustix::fs::readlinkat(parent, base, Vec::new())?.into_bytes();
    Ok(if target.starts_with(b"/") { target } else { [directory, &target].concat() })
}

fn open(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    retry(|| rustix::fs::openat2(root, path, how, Mode::empty(), IN_ROOT))
}

/// Directories that the engine has mounted and that are no files of the container's: a copy of what lies above them does
/// not go into them.
pub(super) fn closed(root: BorrowedFd<'_>, (parent, name): &Found) -> BTreeSet<(u64, u64)> {
    let of = |directory: BorrowedFd<'_>, name: &[u8]| {
        let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some((stat.st_dev, stat.st_ino))
    };
    let (top, start) = (of(root, b"."), of(parent.as_fd(), name));
    let places = [&b"dev"[..], b"proc", b"sys"].into_iter().filter_map(|name| of(root, name));
    places.filter(|place| Some(*place) != start && Some(place.0) != top.map(|top| top.0)).collect()
}
