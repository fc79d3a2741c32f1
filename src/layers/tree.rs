//! The directory that a layer is applied to: every parent is found by descriptor, and never outside the root.
//!
//! ```text
//!   "lib/x/y"  ─ openat2(root, "lib/x", BENEATH | NO_SYMLINKS | NO_MAGICLINKS | NO_XDEV)
//!       │            works: this is the directory                         (nearly always)
//!       └─ ELOOP     lib is a link: read it, take its target from the root as a chroot would, try again
//!          ENOENT    make what is missing
//! ```
//!
//! The kernel never follows a link of the archive for us: links are read and walked here, part by part, where `..`
//! ends at the root. So no archive, whatever order its links come in, reaches a file outside (CVE-2018-15664 and its
//! kin). Modes and times of directories are set at the end: a closed directory could not be filled, and every
//! file made in it would change its time.
//!
//! See openat2(2), path_resolution(7). Lab 13-union-image, tutorials/13-union-image.md.

use super::entry::Stamp;
use super::error::{Limits, Refusal};
use super::printable;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// How many links one name may go through; the kernel's own limit.
const LINKS: u32 = 40;
/// How many directories stay open.
const OPEN: usize = 64;

/// Why an entry could not be made; the caller adds which.
#[derive(Debug)]
pub(super) enum Fail {
    Call(&'static str, Errno),
    Refused(Refusal),
    Limit(String, u64),
}

/// Tells which call an errno belongs to.
pub(super) fn call(name: &'static str) -> impl Fn(Errno) -> Fail {
    move |errno| Fail::Call(name, errno)
}

/// An open directory under the root.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) fd: OwnedFd,
    /// its name from the root, free of links
    pub(super) real: Vec<u8>,
}

/// What a directory gets once it is filled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled {
    pub(super) mode: u32,
    pub(super) mtime: Stamp,
}

/// The root, and what was made under it.
pub(super) struct Tree {
    root: Rc<Directory>,
    limits: Limits,
    opaque: &'static str,
    open: HashMap<Vec<u8>, Rc<Directory>>,
    settle: BTreeMap<Vec<u8>, Settled>,
}

impl Tree {
    /// A tree at this directory; `opaque` is the xattr that makes a directory opaque.
    pub(super) fn new(root: BorrowedFd<'_>, opaque: &'static str, limits: Limits) -> Result<Tree, Fail> {
        let fd = rustix::fs::openat(root, ".", directory_flags(), Mode::empty()).map_err(call("openat"))?;
        let root = Rc::new(Directory { fd, real: Vec::new() });
        Ok(Tree { root, limits, opaque, open: HashMap::new(), settle: BTreeMap::new() })
    }

    /// The directory of this clean name, made where it is missing.
    pub(super) fn directory(&mut self, path: &[u8]) -> Result<Rc<Directory>, Fail> {
        self.walk(path, true, &mut 0)
    }

    /// The directory of this clean name, if it is there.
    pub(super) fn existing(&mut self, path: &[u8]) -> Result<Rc<Directory>, Fail> {
        self.walk(path, false, &mut 0)
    }

    /// The first part of this clean name that is a link, if there is one.
    pub(super) fn link_in<'a>(&self, path: &'a [u8]) -> Result<Option<&'a [u8]>, Fail> {
        match self.open_real(path) {
            Err(Errno::LOOP | Errno::NOTDIR) => {}
            _ => return Ok(None),
        }
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for part in slashes.chain([path.len()]).map(|end| &path[..end]) {
            let (parent, base) = split(part);
            let fd = if parent.is_empty() { rustix::io::dup(&self.root.fd) } else { self.open_real(parent) };
            let parent = Directory { fd: fd.map_err(call("openat2"))?, real: parent.to_vec() };
            match look(&parent, base)?.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                Some(FileType::Directory) => {}
                Some(FileType::Symlink) => return Ok(Some(part)),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    fn walk(&mut self, path: &[u8], make: bool, links: &mut u32) -> Result<Rc<Directory>, Fail> {
        if path.is_empty() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some(directory) = self.open.get(path) {
            return Ok(Rc::clone(directory));
        }
        let directory = match self.open_real(path) {
            Ok(fd) => Rc::new(Directory { fd, real: path.to_vec() }),
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => {
                let (parent, base) = split(path);
                let parent = self.walk(parent, make, links)?;
                self.enter(&parent, base, make, links)?
            }
            Err(errno) => return Err(Fail::Call("openat2", errno)),
        };
        if self.open.len() >= OPEN {
            self.open.clear();
        }
        self.open.insert(path.to_vec(), Rc::clone(&directory));
        Ok(directory)
    }

    /// One part of a name: a directory, a link to one, a whiteout to be replaced, or nothing yet.
    fn enter(
        &mut self,
        parent: &Rc<Directory>,
        base: &[u8],
        make: bool,
        links: &mut u32,
    ) -> Result<Rc<Directory>, Fail> {
        let shown = || printable(&join(&parent.real, base));
        match look(parent, base)? {
            None if make => self.make(parent, base),
            None => Err(Fail::Call("openat2", Errno::NOENT)),
            Some(stat) if is_whiteout(&stat) && make => self.make_opaque(parent, base),
            Some(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    let fd = rustix::fs::openat(&parent.fd, base, directory_flags(), Mode::empty());
                    Ok(Rc::new(Directory { fd: fd.map_err(call("openat"))?, real: join(&parent.real, base) }))
                }
                FileType::Symlink => {
                    *links += 1;
                    if *links > LINKS {
                        return Err(Fail::Refused(Refusal::Loop(shown())));
                    }
                    let target = rustix::fs::readlinkat(&parent.fd, base, Vec::new());
                    self.follow(parent, target.map_err(call("readlinkat"))?.as_bytes(), make, links)
                }
                _ => Err(Fail::Refused(Refusal::NotDirectory(shown()))),
            },
        }
    }

    /// Where a link leads, read as a process whose root this is would read it.
    fn follow(
        &mut self,
        from: &Rc<Directory>,
        target: &[u8],
        make: bool,
        links: &mut u32,
    ) -> Result<Rc<Directory>, Fail> {
        let absolute = target.starts_with(b"/");
        let mut at = Rc::clone(if absolute { &self.root } else { from });
        for part in target.split(|byte| *byte == b'/') {
            at = match part {
                b"" | b"." => at,
                b".." => self.walk(split(&at.real).0, make, links)?,
                name => self.walk(&join(&at.real, name), make, links)?,
            };
        }
        Ok(at)
    }

    /// A new directory; open to us alone until [`Tree::settle`].
    pub(super) fn make(&mut self, parent: &Directory, base: &[u8]) -> Result<Rc<Directory>, Fail> {
        let real = join(&parent.real, base);
        self.within(&real)?;
        rustix::fs::mkdirat(&parent.fd, base, Mode::RWXU).map_err(call("mkdirat"))?;
        let fd =
            rustix::fs::openat(&parent.fd, base, directory_flags(), Mode::empty()).map_err(call("openat"))?;
        // a parent that the archive does not name gets what Docker gives it
        self.settle.insert(real.clone(), Settled { mode: 0o755, mtime: Stamp::default() });
        Ok(Rc::new(Directory { fd, real }))
    }

    /// A directory in the place of a whiteout: the one below is still gone, so nothing of it may show through.
    pub(super) fn make_opaque(&mut self, parent: &Directory, base: &[u8]) -> Result<Rc<Directory>, Fail> {
        rustix::fs::unlinkat(&parent.fd, base, AtFlags::empty()).map_err(call("unlinkat"))?;
        let directory = self.make(parent, base)?;
        self.set_opaque(&directory)?;
        Ok(directory)
    }

    /// Makes a directory hide everything below it.
    pub(super) fn set_opaque(&self, directory: &Directory) -> Result<(), Fail> {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::fsetxattr(&directory.fd, self.opaque, b"y", flags).map_err(call("fsetxattr"))
    }

    /// Says what a directory gets in the end.
    pub(super) fn settle_as(&mut self, directory: &Directory, settled: Settled) {
        self.settle.insert(directory.real.clone(), settled);
    }

    /// Removes whatever has this name, so that a later entry can take its place.
    pub(super) fn clear(&mut self, parent: &Directory, base: &[u8]) -> Result<(), Fail> {
        let Some(stat) = look(parent, base)? else { return Ok(()) };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if matches!(kind, FileType::Directory | FileType::Symlink) {
            self.open.clear();
        }
        if kind == FileType::Directory {
            let mut real = join(&parent.real, base);
            self.settle.remove(&real);
            real.push(b'/');
            let inside = self.settle.range(real.clone()..).take_while(|(name, _)| name.starts_with(&real));
            let inside: Vec<Vec<u8>> = inside.map(|(name, _)| name.clone()).collect();
            for name in inside {
                self.settle.remove(&name);
            }
        }
        crate::kernel::remove::remove_at(parent.fd.as_fd(), base).map_err(call("unlinkat"))
    }

    /// Gives every directory its mode and time, the innermost first.
    pub(super) fn settle(self) -> Result<(), (Vec<u8>, Fail)> {
        for (real, settled) in self.settle.iter().rev() {
            let mode = Mode::from_raw_mode(settled.mode);
            let done = || {
                let inner =
                    if real.is_empty() { None } else { Some(self.open_real(real).map_err(call("openat2"))?) };
                let fd = inner.as_ref().unwrap_or(&self.root.fd);
                rustix::fs::fchmod(fd, mode).map_err(call("fchmod"))?;
                rustix::fs::futimens(fd, &times(settled.mtime)).map_err(call("utimensat"))
            };
            done().map_err(|fail| (real.clone(), fail))?;
        }
        Ok(())
    }

    /// Refuses names that nobody could use or remove.
    pub(super) fn within(&self, path: &[u8]) -> Result<(), Fail> {
        let depth = path.iter().filter(|byte| **byte == b'/').count() + 1;
        if depth > self.limits.depth {
            return Err(Fail::Limit(format!("a depth of {depth} directories"), self.limits.depth as u64));
        }
        if path.len() > self.limits.path {
            return Err(Fail::Limit(format!("a path of {} bytes", path.len()), self.limits.path as u64));
        }
        Ok(())
    }

    fn open_real(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        loop {
            match rustix::fs::openat2(&self.root.fd, path, directory_flags(), Mode::empty(), resolve) {
                // a rename elsewhere at the same moment
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
    }
}

/// What has this name in the directory, itself and not what it leads to.
pub(super) fn look(parent: &Directory, base: &[u8]) -> Result<Option<Stat>, Fail> {
    match rustix::fs::statat(&parent.fd, base, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Fail::Call("newfstatat", errno)),
    }
}

/// Whether this is overlayfs's mark for "gone".
pub(super) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Access and modification time of a new file.
pub(super) fn times(mtime: Stamp) -> Timestamps {
    let time = Timespec { tv_sec: mtime.seconds, tv_nsec: i64::from(mtime.nanos) as _ };
    Timestamps { last_access: time, last_modification: time }
}

/// A clean name's directory and last part.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// A name in a directory, from the root.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}
