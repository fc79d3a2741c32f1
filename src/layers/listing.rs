//! Listing: what lies in a directory, and which of its names are whiteouts.
//!
//! ```text
//!   getdents64 ─> newfstatat of each, itself and not what it leads to ─> sorted, whiteouts first
//! ```
//!
//! See the kernel's overlayfs.rst. Lab 14-commit, tutorials/14-commit.md.

use super::attributes::{Attributes, Source};
use super::error::{LayerError, Refusal};
use super::printable;
use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// One name in a directory. The derived order puts whiteouts first, as the specification advises.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    pub(super) stays: bool,
    pub(super) name: Vec<u8>,
}

/// The names in a directory, in the order in which they are written.
pub(super) fn list(directory: &OwnedFd, prefix: &[u8]) -> Result<Vec<(Item, Stat)>, LayerError> {
    let fail = |call| move |errno| read(prefix, call, errno);
    let mut items = Vec::new();
    for found in Dir::read_from(directory).map_err(fail("openat"))? {
        let found = found.map_err(fail("getdents64"))?;
        let name = found.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let path = || [prefix, name].concat();
        let stat = match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            // its owner was faster
            Err(Errno::NOENT) => continue,
            other => other.map_err(|errno| read(&path(), "newfstatat", errno))?,
        };
        let stays = match is_whiteout(directory, name, &stat, &path()) {
            Err(LayerError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => continue,
            other => !other?,
        };
        items.push((Item { stays, name: name.to_vec() }, stat));
    }
    items.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(items)
}

/// A character device 0:0, or its other form for where devices cannot be made: an empty file with an attribute.
pub(super) fn is_whiteout(
    directory: &OwnedFd,
    name: &[u8],
    stat: &Stat,
    path: &[u8],
) -> Result<bool, LayerError> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => Ok(stat.st_rdev == 0),
        FileType::RegularFile if stat.st_size == 0 => {
            Ok(attributes(&Source::name(directory.as_fd(), name), path)?.whiteout)
        }
        _ => Ok(false),
    }
}

pub(super) fn attributes(source: &Source<'_>, path: &[u8]) -> Result<Attributes, LayerError> {
    let found = Attributes::read(source).map_err(|errno| read(path, "listxattr", errno))?;
    match found.unwritable {
        Some(reason) => {
            Err(LayerError::Refused { entry: printable(path), why: Refusal::Inexpressible(reason) })
        }
        None => Ok(found),
    }
}

pub(super) fn read(path: &[u8], call: &'static str, errno: Errno) -> LayerError {
    let path = if path.is_empty() { "the top directory".to_owned() } else { printable(path) };
    LayerError::Read { path, call, source: errno.into() }
}
