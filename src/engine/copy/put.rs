//! Put: an archive's entries into a directory that others may be changing.
//!
//! ```text
//!   entry "NAME/x/y"  ─> new name ─> parent, by descriptor ─> what is there goes ─> O_EXCL | O_NOFOLLOW ─> owner, mode, time
//! ```
//!
//! Nothing is ever written through a name that is there already: a file is made anew. What has been made is named again
//! only by its descriptor, for a name may have become a link meanwhile. A directory stays a directory and a file no
//! directory, as Docker has it. See openat2(2), CVE-2018-15664.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags, Timespec, Timestamps,
    Uid, XattrFlags,
};
use rustix::io::Errno;

use super::CopyError;
use crate::kernel::apart::IN_ROOT;
use crate::layers::{Archive, Entry, Kind, printable};

/// Who owns what is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// whom the archive names, as far as that can be
    Kept,
    /// this user and group
    Of(u32, u32),
    /// whoever puts it, of this number
    Ours(u32, u32),
}

/// The directory into which entries are put, and what they are called there.
pub(super) struct Put {
    /// the directory
    pub(super) into: OwnedFd,
    /// in a container: its root, and the directory's name from there; links in names are then followed as it would
    pub(super) root: Option<(OwnedFd, Vec<u8>)>,
    /// a name's first bytes that are to be replaced, and by what
    pub(super) renamed: Option<(Vec<u8>, Vec<u8>)>,
    /// who owns it
    pub(super) owner: Owner,
    /// directories, by their new names, and what they get when they are filled
    pub(super) settle: Vec<(Vec<u8>, Entry)>,
}

type Answer<T> = Result<T, Errno>;

impl Put {
    /// Puts one entry and its data.
    pub(super) fn entry(&mut self, archive: &mut Archive, entry: &Entry) -> Result<(), CopyError> {
        let fail = |call: &str| {
            let (path, call) = (printable(&entry.name), call.to_owned());
            move |errno: Errno| CopyError::Put { path, call, errno: errno.raw_os_error() }
        };
        let path = self.place(&entry.name)?;
        let (parent, base) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b""[..], path.as_slice()),
        };
        let parent = self.parent(parent).map_err(fail("openat2"))?;
        if base.is_empty() {
            // the directory itself, as in an archive of "."
            return Ok(());
        }
        self.make_room(&parent, base, entry)?;
        match entry.kind {
            Kind::Directory => {
                let directory = directory(&parent, base).map_err(fail("mkdirat"))?;
                self.own(&directory, entry).map_err(fail("fchown"))?;
                // mode and time at the end: it is still to be filled
                self.settle.push((path, entry.clone()));
            }
            Kind::File => {
                let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let opened = rustix::fs::openat(&parent, base, how, Mode::RUSR | Mode::WUSR);
                let mut file = File::from(opened.map_err(fail("openat"))?);
                fill(archive, entry, &mut file)?;
                self.own(&file, entry).map_err(fail("fchown"))?;
                self.dress(&file, entry).map_err(fail("fchmod"))?;
            }
            Kind::HardLink => self.link(&parent, base, entry).map_err(fail("linkat"))?,
            Kind::Symlink => {
                rustix::fs::symlinkat(entry.link.as_slice(), &parent, base).map_err(fail("symlinkat"))?;
                let held = hold(&parent, base, FileType::Symlink).map_err(fail("openat"))?;
                self.own_held(&held, entry).map_err(fail("fchownat"))?;
            }
            Kind::Fifo | Kind::Character | Kind::Block => {
                let kind = match entry.kind {
                    Kind::Fifo => FileType::Fifo,
                    Kind::Character => FileType::CharacterDevice,
                    _ => FileType::BlockDevice,
                };
                let device = rustix::fs::makedev(entry.device.0, entry.device.1);
                rustix::fs::mknodat(&parent, base, kind, Mode::RUSR | Mode::WUSR, device)
                    .map_err(fail("mknodat"))?;
                let held = hold(&parent, base, kind).map_err(fail("openat"))?;
                self.own_held(&held, entry).map_err(fail("fchownat"))?;
                let name = format!("/proc/self/fd/{}", held.as_raw_fd());
                let mode = Mode::from_raw_mode(self.mode(entry));
                rustix::fs::chmod(name.as_str(), mode).map_err(fail("chmod"))?;
                rustix::fs::utimensat(rustix::fs::CWD, name.as_str(), &times(entry), AtFlags::empty())
                    .map_err(fail("utimensat"))?;
            }
        }
        Ok(())
    }

    /// What the directories are in the end, the innermost first.
    pub(super) fn finish(self) -> Result<(), CopyError> {
        for (path, entry) in self.settle.iter().rev() {
            let fail = |errno: Errno| CopyError::Put {
                path: printable(&entry.name),
                call: "fchmod".into(),
                errno: errno.raw_os_error(),
            };
            let directory = self.existing(path).map_err(fail)?;
            self.dress(&directory, entry).map_err(fail)?;
        }
        Ok(())
    }

    /// Where an entry goes, from the directory on: its new name, without anything that leads up.
    fn place(&self, name: &[u8]) -> Result<Vec<u8>, CopyError> {
        let name = match &self.renamed {
            Some((old, new)) if name.starts_with(old) => [new.as_slice(), &name[old.len()..]].concat(),
            _ => name.to_vec(),
        };
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in name.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    let outside = CopyError::Outside(printable(&name));
                    parts.pop().ok_or(outside)?;
                }
                part => parts.push(part),
            }
        }
        Ok(parts.join(&b'/'))
    }

    /// The directory of this name. A link on the way is followed in a container only, where it can lead nowhere else.
    fn existing(&self, path: &[u8]) -> Answer<OwnedFd> {
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if path.is_empty() {
            return rustix::fs::openat(&self.into, ".", how, Mode::empty());
        }
        let strict = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match retry(|| rustix::fs::openat2(&self.into, path, how, Mode::empty(), strict)) {
            Err(Errno::LOOP) => {
                let (root, directory) = self.root.as_ref().ok_or(Errno::LOOP)?;
                let path = [directory.as_slice(), b"/", path].concat();
                retry(|| rustix::fs::openat2(root, path.as_slice(), how, Mode::empty(), IN_ROOT))
            }
            other => other,
        }
    }

    /// The same, made where it is missing.
    fn parent(&self, path: &[u8]) -> Answer<OwnedFd> {
        match self.existing(path) {
            Err(Errno::NOENT) => {
                let (above, name) = match path.iter().rposition(|byte| *byte == b'/') {
                    Some(slash) => (&path[..slash], &path[slash + 1..]),
                    None => (&b""[..], path),
                };
                let made = directory(&self.parent(above)?, name)?;
                rustix::fs::fchmod(&made, Mode::from_raw_mode(0o755))?;
                Ok(made)
            }
            other => other,
        }
    }

    /// Docker's rule: a directory merges with a directory, anything else takes the place of what is none.
    fn make_room(&self, parent: &OwnedFd, base: &[u8], entry: &Entry) -> Result<(), CopyError> {
        let how = (AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
        let Ok(stat) = rustix::fs::statx(parent, base, how.0, how.1) else { return Ok(()) };
        let is_directory = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory;
        // seen from another mount namespace, what is mounted on a name goes when the name does
        let is_mounted = stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
        let path = printable(&entry.name);
        match (is_directory, entry.kind == Kind::Directory) {
            (true, true) => Ok(()),
            (true, false) => Err(CopyError::OverDirectory(path)),
            (false, true) => Err(CopyError::OverFile(path)),
            (false, false) if is_mounted => {
                let (call, errno) = ("unlinkat".into(), Errno::BUSY.raw_os_error());
                Err(CopyError::Put { path, call, errno })
            }
            (false, false) => rustix::fs::unlinkat(parent, base, AtFlags::empty()).map_err(|errno| {
                CopyError::Put { path, call: "unlinkat".into(), errno: errno.raw_os_error() }
            }),
        }
    }

    /// Another name of a file that this archive has brought.
    fn link(&self, parent: &OwnedFd, base: &[u8], entry: &Entry) -> Answer<()> {
        let target = self.place(&entry.link).map_err(|_| Errno::XDEV)?;
        let (above, name) = match target.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&target[..slash], &target[slash + 1..]),
            None => (&b""[..], target.as_slice()),
        };
        let above = self.parent(above)?;
        // without AT_SYMLINK_FOLLOW a link to a link is another link, and leads nowhere new
        rustix::fs::linkat(&above, name, parent, base, AtFlags::empty())
    }

    fn ids(&self, entry: &Entry) -> Option<(u32, u32)> {
        match self.owner {
            Owner::Kept => Some((entry.uid, entry.gid)),
            Owner::Of(uid, gid) => Some((uid, gid)),
            Owner::Ours(..) => None,
        }
    }

    fn own(&self, file: impl AsFd, entry: &Entry) -> Answer<()> {
        let Some((uid, gid)) = self.ids(entry) else { return Ok(()) };
        without_users(rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))))
    }

    /// The same for what was opened as a place only.
    fn own_held(&self, held: &OwnedFd, entry: &Entry) -> Answer<()> {
        let Some((uid, gid)) = self.ids(entry) else { return Ok(()) };
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        without_users(rustix::fs::chownat(held, "", uid, gid, AtFlags::EMPTY_PATH))
    }

    /// The mode. A program that becomes its owner becomes nobody else than before: where the owner is another now, it
    /// does so no longer.
    fn mode(&self, entry: &Entry) -> u32 {
        let (uid, gid) = match self.owner {
            Owner::Kept => (entry.uid, entry.gid),
            Owner::Of(uid, gid) | Owner::Ours(uid, gid) => (uid, gid),
        };
        let mut mode = entry.mode;
        if uid != entry.uid {
            mode &= !0o4000;
        }
        if gid != entry.gid && entry.kind != Kind::Directory {
            mode &= !0o2000;
        }
        mode
    }

    /// The attributes that come along: what grants something (capabilities) only with the owner.
    fn attributes(&self, entry: &Entry) -> Vec<(Vec<u8>, Vec<u8>)> {
        let keeps = |name: &[u8]| name.starts_with(b"user.") || self.owner == Owner::Kept;
        entry.xattrs.iter().filter(|(name, _)| keeps(name)).cloned().collect()
    }

    /// Attributes, mode and time of what is open, in this order: a change of the owner clears capabilities.
    fn dress(&self, file: impl AsFd, entry: &Entry) -> Answer<()> {
        for (name, value) in self.attributes(entry) {
            match rustix::fs::fsetxattr(&file, name.as_slice(), &value, XattrFlags::empty()) {
                // this file system has none of the kind, or they are not ours to give
                Ok(()) | Err(Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => {}
                Err(errno) => return Err(errno),
            }
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(self.mode(entry)))?;
        rustix::fs::futimens(&file, &times(entry))
    }
}

/// A user that does not exist here cannot own anything here: as without root, where there is only one.
fn without_users(owned: Answer<()>) -> Answer<()> {
    match owned {
        Err(Errno::INVAL | Errno::PERM | Errno::OVERFLOW) => Ok(()),
        other => other,
    }
}

/// A directory of this name, made unless it is there; never what a link leads to.
fn directory(parent: &OwnedFd, base: &[u8]) -> Answer<OwnedFd> {
    match rustix::fs::mkdirat(parent, base, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, base, how, Mode::empty())
}

/// What was just made, if it is still of this kind.
fn hold(parent: &OwnedFd, base: &[u8], kind: FileType) -> Answer<OwnedFd> {
    let how = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = rustix::fs::openat(parent, base, how, Mode::empty())?;
    match FileType::from_raw_mode(rustix::fs::fstat(&held)?.st_mode) == kind {
        true => Ok(held),
        false => Err(Errno::STALE),
    }
}

/// EAGAIN says that something was renamed at the same moment. Who renames without end shall not keep us for ever.
pub(super) fn retry<T>(mut call: impl FnMut() -> Answer<T>) -> Answer<T> {
    for _ in 0..10_000 {
        match call() {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

fn times(entry: &Entry) -> Timestamps {
    let time = Timespec { tv_sec: entry.mtime.seconds, tv_nsec: i64::from(entry.mtime.nanos) as _ };
    Timestamps { last_access: time, last_modification: time }
}

fn fill(archive: &mut Archive, entry: &Entry, file: &mut File) -> Result<(), CopyError> {
    let write = |error: io::Error| CopyError::Put {
        path: printable(&entry.name),
        call: "write".into(),
        errno: error.raw_os_error().unwrap_or(libc::EIO),
    };
    let whole = [(0, entry.size)];
    for (offset, length) in entry.extents.as_deref().unwrap_or(&whole) {
        file.seek(SeekFrom::Start(*offset)).map_err(write)?;
        let mut left = *length;
        while left > 0 {
            let piece = archive.piece()?;
            let count = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.write_all(&piece[..count]).map_err(write)?;
            archive.consume(count);
            left -= count as u64;
        }
    }
    file.set_len(entry.size).map_err(write)
}
