//! Host: the user's own paths, on this side of a copy. Links mean what they mean to him.
//!
//! See docker-container-cp(1).

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::target::{Target, There};
use super::{CopyError, names};
use crate::layers::printable;

/// What is copied into a container.
#[derive(Debug)]
pub enum Source {
    /// an archive on standard input
    Input,
    /// a file or directory
    File {
        /// the directory that it lies in
        parent: OwnedFd,
        /// its name there
        name: Vec<u8>,
        /// the name that it gets
        called: Vec<u8>,
        /// whether it is a directory
        is_directory: bool,
    },
}

/// The file or directory of this path; with `follow`, what a link leads to.
///
/// # Errors
/// [`CopyError::Host`].
pub fn source(path: &Path, follow: bool) -> Result<Source, CopyError> {
    let path = absolute(path)?;
    let called = names::called(&path).to_vec();
    let fail = |error: io::Error| host(&path, &error);
    let (parent, name) = if names::asserts_directory(&path) {
        (path.clone(), b".".to_vec())
    } else {
        let real = if follow { std::fs::canonicalize(as_path(&path)).map_err(fail)? } else { as_path(&path) };
        let bytes = real.into_os_string().into_vec();
        let (directory, name) = names::split(&bytes);
        (directory.to_vec(), name.to_vec())
    };
    let parent = open(&parent).map_err(fail)?;
    let name = if name.is_empty() { b".".to_vec() } else { name };
    let stat = rustix::fs::statat(&parent, name.as_slice(), rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
    let stat = stat.map_err(|errno| host(&path, &errno.into()))?;
    let is_directory = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory;
    Ok(Source::File { parent, name, called, is_directory })
}

/// Where something copied to this path goes: Docker's CopyInfoDestinationPath.
pub(super) fn target(path: &Path) -> Result<Target, CopyError> {
    const LINKS: u32 = 40;
    let asked = absolute(path)?;
    let asserts = names::asserts_directory(&asked);
    let clean = names::clean(&asked);
    let no_parent = |directory: &[u8]| CopyError::NoParent(printable(&names::clean(directory)));
    open(names::split(&clean).0).map_err(|_| no_parent(names::split(&clean).0))?;
    let mut at = asked.clone();
    for _ in 0..LINKS {
        let there = match as_path(&at).symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => There::Nothing,
            Err(error) => return Err(host(&at, &error)),
            Ok(meta) if meta.is_symlink() => {
                let to = std::fs::read_link(as_path(&at)).map_err(|error| host(&at, &error))?;
                let beside = as_path(names::split(&at).0);
                at = names::tidy(beside.join(to).as_os_str().as_bytes());
                continue;
            }
            Ok(meta) if meta.is_dir() => There::Directory(open(&at).map_err(|error| host(&at, &error))?),
            Ok(meta) if meta.file_type().is_char_device() || meta.file_type().is_block_device() => {
                return Err(CopyError::Device(printable(&asked)));
            }
            Ok(_) => There::File,
        };
        if matches!(there, There::Nothing) && names::asks_for_content(&at) {
            return Err(no_parent(&at));
        }
        let clean = names::clean(&at);
        let (directory, base) = names::split(&clean);
        let parent = open(directory).map_err(|_| no_parent(directory))?;
        return Ok(Target { parent, base: base.to_vec(), there, asserts });
    }
    Err(host(&asked, &rustix::io::Errno::LOOP.into()))
}

fn absolute(path: &Path) -> Result<Vec<u8>, CopyError> {
    let bytes = path.as_os_str().as_bytes();
    let here = std::env::current_dir().map_err(|error| host(bytes, &error))?;
    let whole = if bytes.starts_with(b"/") {
        bytes.to_vec()
    } else {
        [here.as_os_str().as_bytes(), b"/", bytes].concat()
    };
    Ok(names::tidy(&whole))
}

fn open(directory: &[u8]) -> io::Result<OwnedFd> {
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(as_path(directory), how, Mode::empty())?)
}

fn as_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

fn host(path: &[u8], error: &io::Error) -> CopyError {
    let what = error.to_string();
    let what = what.split(" (os error").next().unwrap_or_default().to_lowercase();
    CopyError::Host { path: printable(path), what }
}
