//! Extended attributes of a file in an upper directory: the file's own, and those in which overlayfs keeps books.
//!
//! ```text
//!   user.*  security.capability  trusted.*  system.posix_acl_*   the file's own: into the layer
//!   security.selinux  security.ima  security.evm                 this machine's: left out
//!   {trusted,user}.overlay.opaque = y, .whiteout                 become .wh. names
//!   {trusted,user}.overlay.redirect, .metacopy                   the file's data is elsewhere: refused
//!   {trusted,user}.overlay.origin, .impure, …                    book-keeping: left out
//! ```
//!
//! See xattr(7) and the kernel's overlayfs.rst. Lab 14-commit, tutorials/14-commit.md.

use rustix::io::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The longest list of names, and the longest value, that the kernel knows (XATTR_LIST_MAX, XATTR_SIZE_MAX).
const MOST: usize = 64 * 1024;

/// Where attributes are read.
pub(super) enum Source<'a> {
    /// an open file or directory
    Open(BorrowedFd<'a>),
    /// a name that cannot be opened without side effects: a link, pipe or device
    Path(Vec<u8>),
}

impl Source<'_> {
    /// The file of this name in a directory, itself and not what it leads to.
    pub(super) fn name(directory: BorrowedFd<'_>, name: &[u8]) -> Source<'static> {
        let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
        path.extend_from_slice(name);
        Source::Path(path)
    }

    fn list(&self, into: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Source::Open(fd) => rustix::fs::flistxattr(fd, into),
            Source::Path(path) => rustix::fs::llistxattr(path.as_slice(), into),
        }
    }

    fn get(&self, name: &[u8], into: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Source::Open(fd) => rustix::fs::fgetxattr(fd, name, into),
            Source::Path(path) => rustix::fs::lgetxattr(path.as_slice(), name, into),
        }
    }
}

/// What the attributes of a file say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// the file's own, sorted by name
    pub(super) kept: Vec<(Vec<u8>, Vec<u8>)>,
    /// nothing below the directory shows through
    pub(super) opaque: bool,
    /// the file stands for "gone"
    pub(super) whiteout: bool,
    /// why no layer can hold the file as it is
    pub(super) unwritable: Option<&'static str>,
}

impl Attributes {
    /// Reads all attributes; none where the file system has none.
    pub(super) fn read(source: &Source<'_>) -> Result<Attributes, Errno> {
        let mut found = Attributes::default();
        let mut names = vec![0; MOST];
        let length = match source.list(&mut names) {
            Ok(0) | Err(Errno::NOTSUP) => return Ok(found),
            other => other?,
        };
        let mut value = vec![0; MOST];
        for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let own = name.strip_prefix(b"trusted.overlay.").or_else(|| name.strip_prefix(b"user.overlay."));
            match own {
                Some(b"opaque") => {
                    found.opaque |= source.get(name, &mut value).map(|size| &value[..size] == b"y")?
                }
                Some(b"whiteout") => found.whiteout = true,
                Some(b"redirect") => {
                    found.unwritable = Some("overlayfs moved it, mount with redirect_dir=off")
                }
                Some(b"metacopy") => {
                    found.unwritable = Some("overlayfs left its data below, mount with metacopy=off")
                }
                Some(_) => {}
                None if matches!(name, b"security.selinux" | b"security.ima" | b"security.evm") => {}
                None => {
                    let size = source.get(name, &mut value)?;
                    found.kept.push((name.to_vec(), value[..size].to_vec()));
                }
            }
        }
        found.kept.sort();
        Ok(found)
    }
}
