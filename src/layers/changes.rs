//! Changes: what a container did to its image, name by name.
//!
//! ```text
//!   upper          lower, merged                    A /new        not there before
//!     new            -                              C /etc        changed, or something in it is
//!     etc/motd       etc/motd                       C /etc/motd
//!     old  0:0       old                            D /old        hidden by a whiteout, or by an opaque directory
//! ```
//!
//! The rules are Docker's: what counts is mode, owner, device and, but for directories, size and time; a directory is
//! named where something in it is. Lower layers are looked through as the kernel does, by descriptors; nothing is
//! mounted. See the kernel's overlayfs.rst. Lab 14-commit, tutorials/14-commit.md.

use super::attributes::Source;
use super::error::LayerError;
use super::listing::{DIRECTORY, attributes, is_whiteout, list, read};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What became of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// it was not there
    Added,
    /// it is another, or something in it is
    Changed,
    /// it is there no longer
    Deleted,
}

impl What {
    /// Docker's letter.
    pub fn letter(self) -> char {
        match self {
            What::Added => 'A',
            What::Changed => 'C',
            What::Deleted => 'D',
        }
    }
}

/// A name and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// what
    pub what: What,
    /// from the root of the container, with a slash in front
    pub path: Vec<u8>,
}

/// What an upper directory says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// a directory before what is in it, names in the order of their bytes
    pub list: Vec<Change>,
    /// what lies in upper and is no change: places for mounts, and directories copied up for these alone. Names from the
    /// top, no slash in front: [`super::diff_without`]
    pub not_theirs: BTreeSet<Vec<u8>>,
    /// whether there is anything else
    pub any: bool,
}

impl Changes {
    /// What is there no longer, in the names of [`super::diff_without`].
    pub fn gone(&self) -> BTreeSet<Vec<u8>> {
        let gone = self.list.iter().filter(|change| change.what == What::Deleted);
        gone.map(|change| change.path[1..].to_vec()).collect()
    }
}

/// Compares an upper directory with the layers below it, the topmost first. `places` are names that are made in each
/// container so that something can be mounted there (no slash in front): new ones are not the container's doing.
///
/// # Errors
/// [`LayerError`], with the file it was about.
pub fn changes(upper: &Path, lower: &[PathBuf], places: &[&str]) -> Result<Changes, LayerError> {
    compare(upper, lower, places, false)
}

/// The same for a whole tree and the one that it began as, where no overlay keeps them apart: what is missing is gone,
/// and what is the same is not the container's doing.
///
/// # Errors
/// As [`changes`].
pub fn changes_of_trees(tree: &Path, began: &Path, places: &[&str]) -> Result<Changes, LayerError> {
    compare(tree, &[began.to_owned()], places, true)
}

fn compare(upper: &Path, lower: &[PathBuf], places: &[&str], whole: bool) -> Result<Changes, LayerError> {
    let open = |path: &PathBuf| {
        rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty())
            .map_err(|errno| read(path.as_os_str().as_encoded_bytes(), "openat", errno))
    };
    let layers = lower.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let upper = open(&upper.to_owned())?;
    let mut compare = Compare { layers, places, whole, found: Changes::default() };
    let all: Vec<usize> = (0..compare.layers.len()).collect();
    let any = compare.directory(&upper, &[], &all, false)?;
    let Changes { mut list, not_theirs, .. } = compare.found;
    // part by part: "/a/b" stands before "/a-b"
    list.sort_by(|one, other| {
        one.path.split(|byte| *byte == b'/').cmp(other.path.split(|byte| *byte == b'/'))
    });
    Ok(Changes { list, not_theirs, any })
}

struct Compare<'a> {
    layers: Vec<OwnedFd>,
    places: &'a [&'a str],
    /// upper is a tree of its own
    whole: bool,
    found: Changes,
}

/// What the layers have under a name.
#[derive(Default)]
struct Below {
    /// what shows; none where nothing does
    stat: Option<Stat>,
    /// the layers whose directories of this name are merged
    merged: Vec<usize>,
    /// the topmost layer in which it lies
    top: usize,
}

impl Compare<'_> {
    /// One directory of upper; `below` are the layers whose directories of this name it covers. Says whether anything of
    /// the container's lies in it.
    fn directory(
        &mut self,
        upper: &OwnedFd,
        path: &[u8],
        below: &[usize],
        opaque: bool,
    ) -> Result<bool, LayerError> {
        let prefix = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
        let (mut any, mut names) = (opaque, BTreeSet::new());
        for (item, stat) in list(upper, &prefix)? {
            let inner = [prefix.as_slice(), &item.name].concat();
            let lies = self.below(&inner, below)?;
            if item.stays {
                any |= self.item(upper, &item.name, &inner, &stat, lies)?;
            } else {
                any = true;
                if lies.stat.is_some() {
                    self.add(What::Deleted, &inner);
                }
            }
            names.insert(item.name);
        }
        if opaque || self.whole {
            for name in self.names(path, below)?.difference(&names) {
                any = true;
                self.add(What::Deleted, &[prefix.as_slice(), name].concat());
            }
        }
        Ok(any)
    }

    /// One name in upper that is no whiteout. Says whether it is the container's.
    fn item(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        path: &[u8],
        stat: &Stat,
        below: Below,
    ) -> Result<bool, LayerError> {
        let place = below.stat.is_none() && self.places.iter().any(|place| place.as_bytes() == path);
        let what = match &below.stat {
            _ if place => None,
            None => Some(What::Added),
            Some(old) if differ(old, stat) || self.capability_differs(parent, name, path, &below)? => {
                Some(What::Changed)
            }
            Some(_) => None,
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            match what {
                Some(what) => self.add(what, path),
                None if place || self.whole => _ = self.found.not_theirs.insert(path.to_vec()),
                None => {}
            }
            return Ok(what.is_some() || !(place || self.whole));
        }
        let opened = rustix::fs::openat(parent, name, DIRECTORY, Mode::empty());
        let directory = opened.map_err(|errno| read(path, "openat", errno))?;
        let opaque = attributes(&Source::Open(directory.as_fd()), path)?.opaque;
        let before = self.found.list.len();
        let any = self.directory(&directory, path, &below.merged, opaque)?;
        match what {
            Some(what) => self.add(what, path),
            None if self.found.list.len() > before => self.add(What::Changed, path),
            None => {}
        }
        let theirs = any || what.is_some();
        if !theirs {
            self.found.not_theirs.insert(path.to_vec());
        }
        Ok(theirs)
    }

    fn add(&mut self, what: What, path: &[u8]) {
        self.found.list.push(Change { what, path: [b"/", path].concat() });
    }

    /// What shows under a name in these layers, as the kernel looks it up: a whiteout or a file ends the way down, and so
    /// does an opaque directory.
    fn below(&self, path: &[u8], layers: &[usize]) -> Result<Below, LayerError> {
        let mut below = Below::default();
        for layer in layers {
            let Some(stat) = self.look(*layer, path)? else { continue };
            let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if is_whiteout(&self.layers[*layer], path, &stat, path)? || below.stat.is_some() && !directory {
                break;
            }
            if below.stat.is_none() {
                (below.stat, below.top) = (Some(stat), *layer);
            }
            if !directory {
                break;
            }
            below.merged.push(*layer);
            if attributes(&Source::name(self.layers[*layer].as_fd(), path), path)?.opaque {
                break;
            }
        }
        Ok(below)
    }

    fn look(&self, layer: usize, path: &[u8]) -> Result<Option<Stat>, LayerError> {
        let how = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let fail = |call| move |errno| read(path, call, errno);
        let layer = &self.layers[layer];
        let found = match rustix::fs::openat2(layer, path, how, Mode::empty(), resolve) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            // it is a link itself
            Err(Errno::LOOP) => rustix::fs::statat(layer, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW),
            other => rustix::fs::fstat(other.map_err(fail("openat2"))?),
        };
        found.map(Some).map_err(fail("newfstatat"))
    }

    /// The names that show in a directory of the layers.
    fn names(&self, path: &[u8], layers: &[usize]) -> Result<BTreeSet<Vec<u8>>, LayerError> {
        let mut names = BTreeSet::new();
        let top: &[u8] = if path.is_empty() { b"." } else { path };
        for layer in layers {
            let directory = rustix::fs::openat(&self.layers[*layer], top, DIRECTORY, Mode::empty());
            let directory = directory.map_err(|errno| read(path, "openat", errno))?;
            names.extend(list(&directory, path)?.into_iter().map(|(item, _)| item.name));
        }
        let prefix = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
        let mut shown = BTreeSet::new();
        for name in names {
            if self.below(&[prefix.as_slice(), &name].concat(), layers)?.stat.is_some() {
                shown.insert(name);
            }
        }
        Ok(shown)
    }

    fn capability_differs(
        &self,
        parent: &OwnedFd,
        name: &[u8],
        path: &[u8],
        below: &Below,
    ) -> Result<bool, LayerError> {
        let of = |directory: &OwnedFd, name: &[u8]| {
            let mut value = vec![0; 256];
            let path = [format!("/proc/self/fd/{}/", directory.as_raw_fd()).as_bytes(), name].concat();
            match rustix::fs::lgetxattr(path.as_slice(), "security.capability", &mut value[..]) {
                Ok(size) => Ok(Some(value[..size].to_vec())),
                Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
                Err(errno) => Err(read(name, "lgetxattr", errno)),
            }
        };
        Ok(of(parent, name)? != of(&self.layers[below.top], path)?)
    }
}

/// Docker's measure. Copying a file up keeps all of this; a program that puts the time back hides what it did.
fn differ(old: &Stat, new: &Stat) -> bool {
    let same_time = old.st_mtime == new.st_mtime
        && (old.st_mtime_nsec == new.st_mtime_nsec || old.st_mtime_nsec == 0 || new.st_mtime_nsec == 0);
    let directory = FileType::from_raw_mode(new.st_mode) == FileType::Directory;
    old.st_mode != new.st_mode
        || (old.st_uid, old.st_gid, old.st_rdev) != (new.st_uid, new.st_gid, new.st_rdev)
        || !(directory || same_time && old.st_size == new.st_size)
}
