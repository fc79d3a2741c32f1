//! Copy: files into a container and out of it.
//!
//! ```text
//!   this process                          a process apart, with the container's root open
//!   host's file ── archive ──> pipe ────> put into the container's directory
//!   put into the host's directory <─ pipe <──── archive of the container's file
//! ```
//!
//! Nobody opens a name of the other side. What a program in the container does to its links meanwhile decides which of
//! the container's files are meant, and never one of the host's. Paths mean what they mean to Docker.
//!
//! See docker-container-cp(1), openat2(2); CVE-2018-15664, CVE-2019-14271. Lab 14-commit, tutorials/14-commit.md.

mod error;
mod host;
pub mod names;
mod put;
mod target;

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;

use super::containers::Record;
use super::events::of;
use super::state::State;
use super::view::{Extent, View};
use crate::layers::{self, DiffOptions, Kind, LayerError, Limits};
use put::{Owner, Put};
use target::Target;

pub use error::CopyError;
pub use host::{Source, source};

/// How it is copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// `-a`: owners come along
    pub archive: bool,
    /// `-L`: what a link leads to, instead of the link
    pub follow: bool,
}

/// A container, and what the user called it.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    /// where it is kept
    pub state: &'a State,
    /// what is kept
    pub record: &'a Record,
    /// the user's word for it
    pub name: &'a str,
}

impl Container<'_> {
    fn tell(self, action: &str) {
        self.state.events().tell(&[of::container(self.record, action)]);
    }
}

/// Writes a file or directory of a container as an archive; returns its length in bytes.
///
/// # Errors
/// [`CopyError::Missing`] in Docker's words, [`CopyError`].
pub fn out_to(
    container: Container<'_>,
    path: &[u8],
    options: Options,
    mut out: impl Write,
) -> Result<u64, CopyError> {
    let (sent, carried) = send(container, path, options, |mut pipe| io::copy(&mut pipe, &mut out))?;
    carried.and_then(|_| out.flush()).map_err(|error| CopyError::Output(error.to_string()))?;
    Ok(sent)
}

/// Copies a file or directory of a container to a path of the host; returns the length of the archive in between.
///
/// # Errors
/// As [`out_to`], and for the path on the host.
pub fn out(container: Container<'_>, path: &[u8], options: Options, to: &Path) -> Result<u64, CopyError> {
    let target = host::target(to)?;
    let called = names::called(&absolute(path)).to_vec();
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let owner = if options.archive { Owner::Kept } else { Owner::Ours(uid, gid) };
    let (sent, put) = send(container, path, options, |pipe| {
        receive(pipe, |is_directory| {
            let (into, renamed) = target.choose(is_directory, &called)?;
            Ok(Put { into, root: None, renamed, owner, settle: Vec::new() })
        })
    })?;
    put.map(|()| sent)
}

/// A process apart archives a file or directory of the container into a pipe, which is read here.
fn send<U>(
    container: Container<'_>,
    path: &[u8],
    options: Options,
    read: impl FnOnce(File) -> U,
) -> Result<(u64, U), CopyError> {
    let view = View::of(container.state, container.record)?;
    if path.is_empty() {
        return Err(CopyError::Empty("path".into()));
    }
    let asked = absolute(path);
    let missing = || CopyError::missing(container.name, path);
    let (reader, writer) = pipe()?;
    let not_for_it = [reader.as_raw_fd()];
    let writer = RefCell::new(Some(writer));
    let work = |root: OwnedFd| -> Result<u64, CopyError> {
        let Some(pipe) = writer.take() else { return Ok(0) };
        let found = target::find(root.as_fd(), &asked, options.follow).map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => missing(),
            errno => CopyError::call(path, "openat2", errno),
        })?;
        let closed = target::closed(root.as_fd(), &found);
        let from = (found.0.as_fd(), found.1.as_slice());
        match layers::archive(from, names::called(&asked), closed, File::from(pipe), DiffOptions::default()) {
            Ok(written) => Ok(written.unpacked),
            Err(LayerError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(missing())
            }
            // whoever reads has stopped, and says why
            Err(LayerError::Write { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Ok(0),
            Err(other) => Err(other.into()),
        }
    };
    let looked = view.look(Extent::Everything { write: false }, &not_for_it, work, || {
        drop(writer.take());
        read(File::from(reader))
    })?;
    container.tell("archive-path");
    Ok(looked)
}

/// Copies into a container; returns the length of the archive in between, where it is ours.
///
/// # Errors
/// [`CopyError`].
pub fn into(container: Container<'_>, from: Source, path: &[u8], options: Options) -> Result<u64, CopyError> {
    let view = View::of(container.state, container.record)?;
    if path.is_empty() {
        return Err(CopyError::Empty("path".into()));
    }
    let asked = absolute(path);
    let owner = if options.archive { Owner::Kept } else { Owner::Of(0, 0) };
    let (reader, writer) = pipe()?;
    let not_for_it = [writer.as_raw_fd()];
    let reader = RefCell::new(Some(reader));
    let what = match &from {
        Source::Input => None,
        Source::File { called, is_directory, .. } => Some((called.clone(), *is_directory)),
    };
    let work = |root: OwnedFd| -> Result<(), CopyError> {
        let target = inside(container, root.as_fd().try_clone_to_owned(), &asked, path)?;
        let (into, renamed) = match &what {
            Some((called, is_directory)) => target.choose(*is_directory, called)?,
            None => match target.there {
                target::There::Directory(directory) => (directory, None),
                _ => return Err(CopyError::NoDirectory(whole(container.name, path))),
            },
        };
        writable(&root, &into)?;
        // a stranger's archive may leave out the directories that it fills, and these may be links
        let root = what.is_none().then(|| (root, asked.clone()));
        let put = Put { into, root, renamed, owner, settle: Vec::new() };
        match (&what, reader.take()) {
            (Some(_), Some(pipe)) => receive(File::from(pipe), |_| Ok(put)),
            _ => receive(io::stdin(), |_| Ok(put)),
        }
    };
    let ((), sent) = view.look(Extent::Everything { write: true }, &not_for_it, work, || {
        drop(reader.take());
        give(from, File::from(writer))
    })?;
    container.tell("extract-to-dir");
    sent
}

/// The host's file or directory as an archive.
fn give(from: Source, pipe: File) -> Result<u64, CopyError> {
    let Source::File { parent, name, called, .. } = from else { return Ok(0) };
    let from = (parent.as_fd(), name.as_slice());
    match layers::archive(from, &called, Default::default(), pipe, DiffOptions::default()) {
        Ok(written) => Ok(written.unpacked),
        // whoever reads has stopped, and says why
        Err(LayerError::Write { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Err(other) => Err(other.into()),
    }
}

/// Where in a container something goes.
fn inside(
    container: Container<'_>,
    root: io::Result<OwnedFd>,
    asked: &[u8],
    path: &[u8],
) -> Result<Target, CopyError> {
    let root = root.map_err(|error| CopyError::Output(error.to_string()))?;
    target::target(root.as_fd(), asked).map_err(|errno| match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => {
            CopyError::missing(container.name, &names::clean(names::split(asked).0))
        }
        Errno::NXIO => CopyError::DeviceInside(whole(container.name, path)),
        errno => CopyError::call(path, "openat2", errno),
    })
}

fn whole(container: &str, path: &[u8]) -> String {
    format!("{container}:{}", layers::printable(path))
}

/// Says early, and in Docker's words, where nothing can be written.
fn writable(root: &OwnedFd, into: &OwnedFd) -> Result<(), CopyError> {
    let fail = |errno| CopyError::call(b"/", "fstatvfs", errno);
    if !rustix::fs::fstatvfs(into).map_err(fail)?.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    let device = |file: &OwnedFd| rustix::fs::fstat(file).map(|stat| stat.st_dev).map_err(fail);
    match device(root)? == device(into)? {
        true => Err(CopyError::ReadOnly),
        false => Err(CopyError::VolumeReadOnly),
    }
}

/// Puts every entry of an archive; where to is decided when the first one is known to be a directory or not.
fn receive(
    archive: impl Read,
    put: impl FnOnce(bool) -> Result<Put, CopyError> + Send,
) -> Result<(), CopyError> {
    layers::read(archive, Limits::default(), |archive| {
        let Some(mut entry) = archive.next_entry()? else { return Ok(()) };
        let mut put = put(entry.kind == Kind::Directory)?;
        loop {
            put.entry(archive, &entry)?;
            match archive.next_entry()? {
                Some(next) => entry = next,
                None => return put.finish(),
            }
        }
    })
}

fn absolute(path: &[u8]) -> Vec<u8> {
    names::tidy(&[b"/", path].concat())
}

fn pipe() -> Result<(OwnedFd, OwnedFd), CopyError> {
    let made = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    made.map_err(|errno| CopyError::call(b"-", "pipe2", errno))
}
