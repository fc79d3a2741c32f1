//! A directory becomes a layer: what a container changed, as an archive.
//!
//! ```text
//!   upper/                                      layer.tar, sorted, whiteouts first in each directory
//!     etc/        xattr overlay.opaque=y   ->   etc/  etc/.wh..wh..opq
//!     etc/motd    character device 0:0     ->   etc/.wh.motd
//!     bin/a, b    one inode                ->   bin/a with data, bin/b a hard link to it
//! ```
//!
//! The same directory gives the same bytes: order, owners, times and attributes come from the directory alone.
//! A merged tree has no whiteouts, so the same walk exports a container and copies out of one ([`archive`]). What it
//! walks may change at any moment, and by a hostile hand: every name is looked up in the directory that is open, without
//! following a link, and nothing is opened for reading before it is known to be a regular file.
//!
//! See the OCI image specification, layer.md (Creating), and the kernel's overlayfs.rst. Lab 14-commit,
//! tutorials/14-commit.md.

use super::attributes::{Attributes, Source};
use super::entry::{Entry, Kind, Stamp, printable};
use super::error::{LayerError, Limits, Refusal};
use super::listing::{DIRECTORY, Item, attributes, list, read};
use super::{Compression, Digest, OPAQUE_MARKER, PREFIX, Pack, Tape};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// How a layer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiffOptions {
    /// of the blob; the diff id does not depend on it
    pub compression: Compression,
    /// no time stamp is later than this, in seconds since 1970 (`SOURCE_DATE_EPOCH`)
    pub epoch: Option<i64>,
    /// everything belongs to this owner and group; none writes the owners on disk
    pub owner: Option<(u32, u32)>,
}

impl Default for DiffOptions {
    fn default() -> DiffOptions {
        DiffOptions { compression: Compression::None, epoch: None, owner: None }
    }
}

/// What writing a layer amounted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// of the tar
    pub diff_id: Digest,
    /// of the blob
    pub digest: Digest,
    /// bytes of the blob
    pub size: u64,
    /// bytes of the tar
    pub unpacked: u64,
    /// entries, whiteouts included
    pub entries: u64,
    /// whiteouts and opaque markers
    pub whiteouts: u64,
    /// sockets, which no layer can hold
    pub skipped_sockets: u64,
}

/// Writes an overlay's upper directory (or any tree) as a layer archive. The directory itself is not an entry.
///
/// # Errors
/// [`LayerError`], with the file it was about; among them a file that changed while it was read, and a tree that
/// overlayfs keeps in a form that no layer expresses (`redirect_dir`, `metacopy`).
pub fn diff(upper: &Path, out: impl Write, options: DiffOptions) -> Result<Written, LayerError> {
    diff_without(upper, &BTreeSet::new(), &BTreeSet::new(), out, options)
}

/// The same without the names in `skip` (from the top, no slash in front) and what is below them; those in `gone` get a
/// whiteout, which a tree that is no upper directory does not have.
///
/// # Errors
/// As [`diff`].
pub fn diff_without(
    upper: &Path,
    skip: &BTreeSet<Vec<u8>>,
    gone: &BTreeSet<Vec<u8>>,
    out: impl Write,
    options: DiffOptions,
) -> Result<Written, LayerError> {
    let top = rustix::fs::openat(CWD, upper, DIRECTORY, Mode::empty())
        .map_err(|errno| read(upper.as_os_str().as_encoded_bytes(), "openat", errno))?;
    let selection = Selection { skip: skip.clone(), gone: gone.clone(), ..Selection::default() };
    let mut walk = Walk::new(&selection, out, options);
    let top = Level::open(top, Vec::new(), &selection.gone)?;
    walk.tree(top)?;
    walk.finish()
}

/// What of a tree is archived.
#[derive(Debug, Clone, Default)]
struct Selection {
    /// names that are left out, with what is below them
    skip: BTreeSet<Vec<u8>>,
    /// names that get a whiteout
    gone: BTreeSet<Vec<u8>>,
    /// directories, by device and inode, that are written without what is in them
    closed: BTreeSet<(u64, u64)>,
    /// it is a tree and no layer: a name means itself, and what vanishes meanwhile is left out
    plain: bool,
}

/// Writes a merged tree, or one file, as a plain archive: `name` in the directory `parent`, itself and not what it leads
/// to, under the name `called`. With an empty one, a directory's content gets names that begin with a slash.
///
/// # Errors
/// As [`diff`]; ENOENT where there is no such name.
pub fn archive(
    (parent, name): (BorrowedFd<'_>, &[u8]),
    called: &[u8],
    closed: BTreeSet<(u64, u64)>,
    out: impl Write,
    options: DiffOptions,
) -> Result<Written, LayerError> {
    let selection = Selection { closed, plain: true, ..Selection::default() };
    let mut walk = Walk::new(&selection, out, options);
    let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| read(called, "newfstatat", errno))?;
    if let Some(level) = walk.item(parent, name, called.to_vec(), &stat)? {
        walk.tree(level)?;
    }
    walk.finish()
}

/// Writes what is in a merged tree, without an entry for its top.
///
/// # Errors
/// As [`diff`].
pub fn archive_content(top: OwnedFd, out: impl Write, options: DiffOptions) -> Result<Written, LayerError> {
    let selection = Selection { plain: true, ..Selection::default() };
    let mut walk = Walk::new(&selection, out, options);
    let top = Level::open(top, Vec::new(), &selection.gone)?;
    walk.tree(top)?;
    walk.finish()
}

/// An open directory and what of it is still to be written.
struct Level {
    directory: OwnedFd,
    prefix: Vec<u8>,
    items: std::vec::IntoIter<(Item, Stat)>,
}

impl Level {
    fn open(directory: OwnedFd, prefix: Vec<u8>, gone: &BTreeSet<Vec<u8>>) -> Result<Level, LayerError> {
        let depth = prefix.iter().filter(|byte| **byte == b'/').count();
        let limits = Limits::default();
        if depth > limits.depth || prefix.len() > limits.path {
            let what = format!("a depth of {depth} directories and {} bytes", prefix.len());
            return Err(LayerError::Limit { entry: printable(&prefix), what, limit: limits.depth as u64 });
        }
        let mut items = list(&directory, &prefix)?;
        let from = gone.range(prefix.clone()..).take_while(|name| name.starts_with(&prefix));
        for name in from.map(|name| &name[prefix.len()..]).filter(|name| !name.contains(&b'/')) {
            let item = Item { stays: false, name: name.to_vec() };
            let stat = rustix::fs::fstat(&directory).map_err(|errno| read(&prefix, "fstat", errno))?;
            if let Err(at) = items.binary_search_by(|(other, _)| other.cmp(&item)) {
                items.insert(at, (item, stat));
            }
        }
        Ok(Level { directory, prefix, items: items.into_iter() })
    }
}

#[derive(Default)]
struct Counts {
    entries: u64,
    whiteouts: u64,
    sockets: u64,
}

struct Walk<'a, W: Write> {
    tape: Tape<Pack<BufWriter<W>>>,
    options: DiffOptions,
    selection: &'a Selection,
    /// the first name of each inode that has several
    links: HashMap<(u64, u64), Vec<u8>>,
    counts: Counts,
    last: Vec<u8>,
}

impl<'a, W: Write> Walk<'a, W> {
    fn new(selection: &'a Selection, out: W, options: DiffOptions) -> Walk<'a, W> {
        let pack = Pack::new(BufWriter::with_capacity(128 * 1024, out), options.compression);
        let (links, counts, last) = (HashMap::new(), Counts::default(), Vec::new());
        Walk { tape: Tape::new(pack), options, selection, links, counts, last }
    }

    fn finish(self) -> Result<Written, LayerError> {
        let Walk { tape, counts, last, .. } = self;
        let packed =
            tape.finish().and_then(Pack::finish).and_then(|(packed, mut out)| out.flush().map(|()| packed));
        let packed = packed.map_err(|source| LayerError::Write { entry: printable(&last), source })?;
        Ok(Written {
            diff_id: packed.diff_id,
            digest: packed.digest,
            size: packed.size,
            unpacked: packed.unpacked,
            entries: counts.entries,
            whiteouts: counts.whiteouts,
            skipped_sockets: counts.sockets,
        })
    }

    /// Walks the tree; its own stack, because a thread's may be smaller than the tree is deep.
    fn tree(&mut self, top: Level) -> Result<(), LayerError> {
        let mut levels = vec![top];
        while let Some(level) = levels.last_mut() {
            let Some((item, stat)) = level.items.next() else {
                levels.pop();
                continue;
            };
            let path = [level.prefix.as_slice(), &item.name].concat();
            if self.selection.skip.contains(&path) {
                continue;
            }
            if self.selection.plain {
                let inner = match self.item(level.directory.as_fd(), &item.name, path, &stat) {
                    Err(LayerError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
                    other => other?,
                };
                levels.extend(inner);
            } else if !item.stays {
                let name = [level.prefix.as_slice(), PREFIX.as_bytes(), &item.name].concat();
                self.whiteout(name)?;
            } else if item.name.starts_with(PREFIX.as_bytes()) {
                let why = Refusal::Inexpressible("its name would be read as a whiteout");
                return Err(LayerError::Refused { entry: printable(&path), why });
            } else {
                let inner = self.item(level.directory.as_fd(), &item.name, path, &stat)?;
                levels.extend(inner);
            }
        }
        Ok(())
    }

    fn whiteout(&mut self, name: Vec<u8>) -> Result<(), LayerError> {
        self.counts.whiteouts += 1;
        let mut entry = Entry::new(name, Kind::File, 0);
        (entry.uid, entry.gid) = self.options.owner.unwrap_or((0, 0));
        self.append(&entry, io::empty())
    }

    /// Writes one entry; a directory comes back, to be entered.
    fn item(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: Vec<u8>,
        stat: &Stat,
    ) -> Result<Option<Level>, LayerError> {
        let Some(kind) = kind(stat) else {
            self.counts.sockets += 1;
            return Ok(None);
        };
        let mut entry = self.described(path, kind, stat);
        if kind == Kind::Directory {
            return self.inner(parent, name, entry);
        }
        if stat.st_nlink > 1 {
            let inode = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&inode) {
                (entry.kind, entry.link, entry.size) = (Kind::HardLink, first.clone(), 0);
                return self.append(&entry, io::empty()).map(|()| None);
            }
            self.links.insert(inode, entry.name.clone());
        }
        if kind == Kind::File {
            return self.file(parent, name, entry).map(|()| None);
        }
        if kind == Kind::Symlink {
            let target = rustix::fs::readlinkat(parent, name, Vec::new());
            entry.link = target.map_err(|errno| read(&entry.name, "readlinkat", errno))?.into_bytes();
        }
        entry.xattrs = attributes(&Source::name(parent, name), &entry.name)?.kept;
        self.append(&entry, io::empty()).map(|()| None)
    }

    fn inner(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        mut entry: Entry,
    ) -> Result<Option<Level>, LayerError> {
        let opened = rustix::fs::openat(parent, name, DIRECTORY, Mode::empty());
        let directory = opened.map_err(|errno| read(&entry.name, "openat", errno))?;
        let Attributes { kept, opaque, .. } = attributes(&Source::Open(directory.as_fd()), &entry.name)?;
        entry.xattrs = kept;
        entry.name.push(b'/');
        self.append(&entry, io::empty())?;
        if opaque && !self.selection.plain {
            self.whiteout([&entry.name, OPAQUE_MARKER.as_bytes()].concat())?;
        }
        if !self.selection.closed.is_empty() {
            let stat = rustix::fs::fstat(&directory).map_err(|errno| read(&entry.name, "fstat", errno))?;
            if self.selection.closed.contains(&(stat.st_dev, stat.st_ino)) {
                return Ok(None);
            }
        }
        Level::open(directory, entry.name, &self.selection.gone).map(Some)
    }

    fn file(&mut self, parent: BorrowedFd<'_>, name: &[u8], mut entry: Entry) -> Result<(), LayerError> {
        // should it have become a device or a pipe since it was looked at, to open it would already be an act
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(parent, name, flags, Mode::empty());
        let held = opened.map_err(|errno| read(&entry.name, "openat", errno))?;
        let stat = rustix::fs::fstat(&held).map_err(|errno| read(&entry.name, "fstat", errno))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            let why = Refusal::Inexpressible("it changed its type while it was read");
            return Err(LayerError::Refused { entry: printable(&entry.name), why });
        }
        let again = format!("/proc/self/fd/{}", held.as_raw_fd());
        let file = rustix::fs::open(again, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| read(&entry.name, "openat", errno))?;
        entry.size = stat.st_size as u64;
        entry.xattrs = attributes(&Source::Open(file.as_fd()), &entry.name)?.kept;
        self.append(&entry, File::from(file))
    }

    fn described(&self, path: Vec<u8>, kind: Kind, stat: &Stat) -> Entry {
        let mut entry = Entry::new(path, kind, stat.st_mode & 0o7777);
        (entry.uid, entry.gid) = self.options.owner.unwrap_or((stat.st_uid, stat.st_gid));
        entry.mtime = Stamp { seconds: stat.st_mtime, nanos: stat.st_mtime_nsec as u32 };
        if let Some(epoch) = self.options.epoch {
            entry.mtime = entry.mtime.min(Stamp { seconds: epoch, nanos: 0 });
        }
        if matches!(kind, Kind::Character | Kind::Block) {
            entry.device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        }
        entry
    }

    fn append(&mut self, entry: &Entry, data: impl io::Read) -> Result<(), LayerError> {
        self.counts.entries += 1;
        self.last.clone_from(&entry.name);
        self.tape
            .append(entry, data)
            .map_err(|source| LayerError::Write { entry: printable(&entry.name), source })
    }
}

fn kind(stat: &Stat) -> Option<Kind> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Some(Kind::File),
        FileType::Directory => Some(Kind::Directory),
        FileType::Symlink => Some(Kind::Symlink),
        FileType::Fifo => Some(Kind::Fifo),
        FileType::CharacterDevice => Some(Kind::Character),
        FileType::BlockDevice => Some(Kind::Block),
        _ => None,
    }
}
