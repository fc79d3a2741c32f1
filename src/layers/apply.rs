//! Applying a layer: an archive becomes a directory that overlayfs can stack.
//!
//! ```text
//!   entry ─> clean name ─> parent, by descriptor ─> is it a whiteout? ─> char 0:0, or opaque xattr
//!              │ "..": refused                            │ no
//!              └ "/etc", "./etc": etc                     └─> O_EXCL | O_NOFOLLOW, data, owner, xattrs, mode, time
//! ```
//!
//! Without an overlay there is one tree for all layers, and a layer is applied onto those below it ([`apply_onto`]): then a
//! whiteout removes what it hides.
//!
//! A later entry takes the place of an earlier one of the same name; two directories merge. A layer's whiteout
//! hides what is in the layers below, never what is in the layer itself.
//!
//! See the OCI image specification, layer.md (Applying Changesets). Lab 13-union-image, tutorials/13-union-image.md.

use super::applied::{Applied, Counts};
use super::archive::{Archive, summed};
use super::entry::{Entry, Kind, clean, printable};
use super::error::{LayerError, Limits, Refusal};
use super::fresh::Fresh;
use super::hide::Hiding;
use super::tree::{self, Directory, Fail, Settled, Tree, call, look, split};
use super::{Ownership, Whiteout};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Applies a layer archive, plain, gzip or zstd, to the directory `root`, with the default [`Limits`].
///
/// # Errors
/// [`LayerError`], with the entry it was about. What was made until then is the caller's to remove, see
/// [`super::remove`].
pub fn apply(archive: impl Read, root: BorrowedFd<'_>, ownership: Ownership) -> Result<Applied, LayerError> {
    apply_within(archive, root, ownership, Limits::default())
}

/// The same with other limits.
///
/// # Errors
/// As [`apply`].
pub fn apply_within(
    archive: impl Read,
    root: BorrowedFd<'_>,
    ownership: Ownership,
    limits: Limits,
) -> Result<Applied, LayerError> {
    go(archive, root, ownership, limits, Hiding::Marks)
}

/// Applies a layer to a tree that holds the layers below it: what the layer hides is removed.
///
/// # Errors
/// As [`apply`].
pub fn apply_onto(
    archive: impl Read,
    root: BorrowedFd<'_>,
    ownership: Ownership,
) -> Result<Applied, LayerError> {
    go(archive, root, ownership, Limits::default(), Hiding::Removal(HashSet::new()))
}

fn go(
    archive: impl Read,
    root: BorrowedFd<'_>,
    ownership: Ownership,
    limits: Limits,
    hiding: Hiding,
) -> Result<Applied, LayerError> {
    let (counts, sums) = summed(archive, limits, |archive| unpack(archive, root, ownership, limits, hiding))?;
    Ok(Applied::of(sums, counts))
}

fn unpack(
    archive: &mut Archive,
    root: BorrowedFd<'_>,
    ownership: Ownership,
    limits: Limits,
    hiding: Hiding,
) -> Result<Counts, LayerError> {
    let tree = Tree::new(root, ownership.opaque(), limits).map_err(|fail| blame(b".", fail))?;
    // onto a tree with other layers in it, directories may be set-gid
    let fresh = if matches!(hiding, Hiding::Marks) { Fresh::below(root) } else { None };
    let (skipped, entries, whiteouts, xattrs) = (HashSet::new(), 0, 0, 0);
    let mut layer = Layer { tree, ownership, hiding, fresh, skipped, entries, whiteouts, xattrs };
    while let Some(entry) = archive.next_entry()? {
        layer.entries += 1;
        layer.entry(archive, &entry)?;
    }
    let Layer { tree, skipped, entries, whiteouts, xattrs, .. } = layer;
    tree.settle().map_err(|(name, fail)| blame(&name, fail))?;
    Ok(Counts { entries, whiteouts, skipped_devices: skipped.len() as u64, skipped_xattrs: xattrs })
}

fn blame(name: &[u8], fail: Fail) -> LayerError {
    let entry = printable(name);
    match fail {
        Fail::Call(call, errno) => LayerError::Create { entry, call, source: errno.into() },
        Fail::Refused(why) => LayerError::Refused { entry, why },
        Fail::Limit(what, limit) => LayerError::Limit { entry, what, limit },
    }
}

struct Layer {
    tree: Tree,
    ownership: Ownership,
    hiding: Hiding,
    /// what a new file has by itself, where that is known
    fresh: Option<Fresh>,
    /// names of devices that were not made
    skipped: HashSet<Vec<u8>>,
    entries: u64,
    whiteouts: u64,
    xattrs: u64,
}

impl Layer {
    fn entry(&mut self, archive: &mut Archive, entry: &Entry) -> Result<(), LayerError> {
        match self.place(entry).map_err(|fail| blame(&entry.name, fail))? {
            Some(file) => self.fill(archive, entry, file),
            None => Ok(()),
        }
    }

    /// Makes the entry; a regular file comes back open, to be filled.
    fn place(&mut self, entry: &Entry) -> Result<Option<File>, Fail> {
        let path = clean(&entry.name).map_err(Fail::Refused)?;
        self.tree.within(&path)?;
        let (parent, base) = split(&path);
        let whiteout = Whiteout::parse(base).map_err(Fail::Refused)?;
        if whiteout != Whiteout::No && self.hiding.hides_all_of(&self.tree, parent)? {
            self.whiteouts += 1;
            return Ok(None);
        }
        match whiteout {
            Whiteout::Opaque => {
                let directory = self.tree.directory(parent)?;
                self.whiteouts += 1;
                self.hiding.opaque(&mut self.tree, &directory)?;
            }
            Whiteout::Of(name) => {
                let parent = self.tree.directory(parent);
                self.whiteouts += 1;
                self.hiding.whiteout(&mut self.tree, parent, name)?;
            }
            Whiteout::No if entry.kind == Kind::Directory => self.directory(parent, base, entry)?,
            Whiteout::No if base.is_empty() => return Err(Fail::Refused(Refusal::Root)),
            Whiteout::No => {
                let parent = self.tree.directory(parent)?;
                self.hiding.made(&parent, base);
                return match self.make(&parent, base, &path, entry) {
                    Err(Fail::Call(_, Errno::EXIST)) => {
                        self.tree.clear(&parent, base)?;
                        self.make(&parent, base, &path, entry)
                    }
                    made => made,
                };
            }
        }
        Ok(None)
    }

    fn directory(&mut self, parent: &[u8], base: &[u8], entry: &Entry) -> Result<(), Fail> {
        let parent = self.tree.directory(parent)?;
        self.hiding.made(&parent, base);
        let directory = match (base, look(&parent, if base.is_empty() { b"." } else { base })?) {
            (b"", _) => parent,
            (_, None) => self.tree.make(&parent, base)?,
            (_, Some(stat)) if tree::is_whiteout(&stat) => self.tree.make_opaque(&parent, base)?,
            (_, Some(stat)) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                let real = if parent.real.is_empty() {
                    base.to_vec()
                } else {
                    [&parent.real, &b"/"[..], base].concat()
                };
                self.tree.directory(&real)?
            }
            (_, Some(_)) => {
                self.tree.clear(&parent, base)?;
                self.tree.make(&parent, base)?
            }
        };
        if self.ownership == Ownership::Root {
            let (uid, gid) = owner(entry);
            rustix::fs::fchown(&directory.fd, Some(uid), Some(gid)).map_err(call("fchown"))?;
        }
        for (name, value) in &entry.xattrs {
            let set = rustix::fs::fsetxattr(&directory.fd, name.as_slice(), value, XattrFlags::empty());
            self.xattr(set, entry.kind, "fsetxattr")?;
            if name == b"system.posix_acl_default" {
                // from now on it has a say in what a new file gets
                self.fresh = None;
            }
        }
        self.tree.settle_as(&directory, Settled { mode: entry.mode, mtime: entry.mtime });
        Ok(())
    }

    fn make(
        &mut self,
        parent: &Directory,
        base: &[u8],
        path: &[u8],
        entry: &Entry,
    ) -> Result<Option<File>, Fail> {
        match entry.kind {
            Kind::File | Kind::Directory => {
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mode = self.fresh.and_then(|fresh| fresh.mode(entry));
                let mode = mode.unwrap_or(Mode::RUSR | Mode::WUSR);
                let fd = rustix::fs::openat(&parent.fd, base, flags, mode);
                return Ok(Some(File::from(fd.map_err(call("openat"))?)));
            }
            Kind::HardLink => return self.hard_link(parent, base, path, entry).map(|()| None),
            Kind::Symlink => {
                rustix::fs::symlinkat(entry.link.as_slice(), &parent.fd, base).map_err(call("symlinkat"))?
            }
            Kind::Fifo => rustix::fs::mknodat(&parent.fd, base, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
                .map_err(call("mknodat"))?,
            Kind::Character | Kind::Block if self.skips(entry) => {
                self.skipped.insert(path.to_vec());
                return Ok(None);
            }
            Kind::Character | Kind::Block => {
                let block = entry.kind == Kind::Block;
                let kind = if block { FileType::BlockDevice } else { FileType::CharacterDevice };
                let device = rustix::fs::makedev(entry.device.0, entry.device.1);
                rustix::fs::mknodat(&parent.fd, base, kind, Mode::RUSR | Mode::WUSR, device)
                    .map_err(call("mknodat"))?;
            }
        }
        self.dress(parent, base, entry)?;
        Ok(None)
    }

    fn skips(&self, entry: &Entry) -> bool {
        let whiteout = entry.kind == Kind::Character && entry.device == (0, 0);
        self.ownership == Ownership::User && !whiteout
    }

    fn hard_link(&mut self, parent: &Directory, base: &[u8], path: &[u8], entry: &Entry) -> Result<(), Fail> {
        let target = clean(&entry.link).map_err(Fail::Refused)?;
        self.tree.within(&target)?;
        let refused = |why: fn(String) -> Refusal| Fail::Refused(why(printable(&entry.link)));
        if self.skipped.contains(&target) {
            self.skipped.insert(path.to_vec());
            return Ok(());
        }
        let (directory, name) = split(&target);
        if name.is_empty() {
            return Err(refused(Refusal::TargetDirectory));
        }
        let directory = match self.tree.existing(directory) {
            Err(Fail::Call(_, Errno::NOENT)) => return Err(refused(Refusal::TargetMissing)),
            other => other?,
        };
        let stat = look(&directory, name)?.ok_or_else(|| refused(Refusal::TargetMissing))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Err(refused(Refusal::TargetDirectory));
        }
        if look(parent, base)?.is_some_and(|there| there.st_ino == stat.st_ino && there.st_dev == stat.st_dev)
        {
            return Ok(());
        }
        // without AT_SYMLINK_FOLLOW a link to a link is another link, and leads nowhere new
        rustix::fs::linkat(&directory.fd, name, &parent.fd, base, AtFlags::empty()).map_err(call("linkat"))
    }

    /// Owner, attributes, mode and time of what has no descriptor of its own.
    fn dress(&mut self, parent: &Directory, base: &[u8], entry: &Entry) -> Result<(), Fail> {
        if self.ownership == Ownership::Root {
            let (uid, gid) = owner(entry);
            rustix::fs::chownat(&parent.fd, base, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(call("fchownat"))?;
        }
        let mut path = format!("/proc/self/fd/{}/", parent.fd.as_raw_fd()).into_bytes();
        path.extend_from_slice(base);
        for (name, value) in &entry.xattrs {
            let set = rustix::fs::lsetxattr(path.as_slice(), name.as_slice(), value, XattrFlags::empty());
            self.xattr(set, entry.kind, "lsetxattr")?;
        }
        if entry.kind != Kind::Symlink {
            rustix::fs::chmodat(&parent.fd, base, Mode::from_raw_mode(entry.mode), AtFlags::empty())
                .map_err(call("fchmodat"))?;
        }
        rustix::fs::utimensat(&parent.fd, base, &tree::times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(call("utimensat"))
    }

    /// Data, owner, attributes, mode and time of a regular file, in this order: a write clears set-uid, a change of
    /// owner clears capabilities.
    fn fill(&mut self, archive: &mut Archive, entry: &Entry, mut file: File) -> Result<(), LayerError> {
        let write = |source| LayerError::Create { entry: printable(&entry.name), call: "write", source };
        match &entry.extents {
            None => copy(archive, &mut file, entry.size, write)?,
            Some(extents) => {
                for (offset, length) in extents {
                    file.seek(SeekFrom::Start(*offset)).map_err(write)?;
                    copy(archive, &mut file, *length, write)?;
                }
                file.set_len(entry.size).map_err(write)?;
            }
        }
        let finish = |layer: &mut Layer| {
            let owned = layer.fresh.is_some_and(|fresh| fresh.owns(entry));
            if layer.ownership == Ownership::Root && !owned {
                let (uid, gid) = owner(entry);
                rustix::fs::fchown(&file, Some(uid), Some(gid)).map_err(call("fchown"))?;
            }
            for (name, value) in &entry.xattrs {
                let set = rustix::fs::fsetxattr(&file, name.as_slice(), value, XattrFlags::empty());
                layer.xattr(set, entry.kind, "fsetxattr")?;
            }
            if layer.fresh.and_then(|fresh| fresh.mode(entry)).is_none() {
                rustix::fs::fchmod(&file, Mode::from_raw_mode(entry.mode)).map_err(call("fchmod"))?;
            }
            rustix::fs::futimens(&file, &tree::times(entry.mtime)).map_err(call("utimensat"))
        };
        finish(self).map_err(|fail| blame(&entry.name, fail))
    }

    /// An attribute that cannot be here is counted; any other failure is one.
    fn xattr(&mut self, set: Result<(), Errno>, kind: Kind, name: &'static str) -> Result<(), Fail> {
        let special = !matches!(kind, Kind::File | Kind::Directory);
        match set {
            Ok(()) => Ok(()),
            Err(Errno::NOTSUP) => {
                self.xattrs += 1;
                Ok(())
            }
            // without root only user.* may be set, and user.* stands on files and directories only
            Err(Errno::PERM | Errno::ACCESS) if special || self.ownership == Ownership::User => {
                self.xattrs += 1;
                Ok(())
            }
            Err(errno) => Err(Fail::Call(name, errno)),
        }
    }
}

fn owner(entry: &Entry) -> (Uid, Gid) {
    (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid))
}

fn copy(
    archive: &mut Archive,
    file: &mut File,
    mut length: u64,
    error: impl Fn(std::io::Error) -> LayerError,
) -> Result<(), LayerError> {
    while length > 0 {
        let piece = archive.piece()?;
        let count = piece.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        file.write_all(&piece[..count]).map_err(&error)?;
        archive.consume(count);
        length -= count as u64;
    }
    Ok(())
}
