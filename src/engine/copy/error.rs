//! Why something could not be copied: Docker's words where it has some. They cross from one process to another.

use serde::{Deserialize, Serialize};

use crate::engine::view::ViewError;
use crate::kernel::Errno;
use crate::kernel::hint::errno_text;
use crate::layers::{LayerError, printable};

/// Why something could not be copied.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub enum CopyError {
    /// no such path in the container; Docker's words
    #[error("No such container:path: {0}")]
    Missing(
        /// container and path
        String,
    ),
    /// no path
    #[error("{0} can not be empty")]
    Empty(
        /// which
        String,
    ),
    /// nothing of this name on the host
    #[error("lstat {path}: {what}")]
    Host {
        /// the path
        path: String,
        /// what the system said
        what: String,
    },
    /// the directory that it shall go to is not there
    #[error("invalid output path: directory {0:?} does not exist")]
    NoParent(
        /// the directory
        String,
    ),
    /// neither a directory nor a regular file
    #[error("invalid output path: {0:?} must be a directory or a regular file: got a device")]
    Device(
        /// the path
        String,
    ),
    /// neither a directory nor a regular file, in the container
    #[error("destination {0:?} must be a directory or a regular file: got a device")]
    DeviceInside(
        /// container and path
        String,
    ),
    /// an archive goes into a directory
    #[error("destination {0:?} must be a directory")]
    NoDirectory(
        /// container and path
        String,
    ),
    /// a directory onto a file
    #[error("cannot copy directory: the destination is a file")]
    DirectoryOntoFile,
    /// a file into a directory that is not there
    #[error("no such directory: a destination that ends in / must exist, or be made by copying a directory")]
    NoSuchDirectory,
    /// a directory is there, and something else comes
    #[error("cannot overwrite directory {0:?} with non-directory")]
    OverDirectory(
        /// the name
        String,
    ),
    /// something else is there, and a directory comes
    #[error("cannot overwrite non-directory {0:?} with directory")]
    OverFile(
        /// the name
        String,
    ),
    /// an archive whose name leads out of the directory
    #[error("{0:?} leads out of the directory that it is to be put into")]
    Outside(
        /// the name
        String,
    ),
    /// `--read-only`
    #[error("container rootfs is marked read-only")]
    ReadOnly,
    /// `-v …:ro`
    #[error("mounted volume is marked read-only")]
    VolumeReadOnly,
    /// an entry could not be made
    #[error("{path}: {call}: {}", errno_text(Errno::from_raw_os_error(*errno)))]
    Put {
        /// its name
        path: String,
        /// the system call
        call: String,
        /// what the kernel answered
        errno: i32,
    },
    /// the container's files could not be reached
    #[error(transparent)]
    View(#[from] ViewError),
    /// an archive could not be read or written
    #[error("{0}")]
    Layer(
        /// where and why
        String,
    ),
    /// the output
    #[error("cannot write the archive: {0}")]
    Output(
        /// what the system said
        String,
    ),
}

impl CopyError {
    /// Docker's answer to a path that is not there.
    pub(super) fn missing(container: &str, path: &[u8]) -> CopyError {
        CopyError::Missing(format!("{container}:{}", printable(path)))
    }

    /// A call about a path that failed.
    pub(super) fn call(path: &[u8], call: &str, errno: Errno) -> CopyError {
        CopyError::Put { path: printable(path), call: call.to_owned(), errno: errno.raw_os_error() }
    }
}

impl From<LayerError> for CopyError {
    fn from(error: LayerError) -> CopyError {
        CopyError::Layer(error.to_string())
    }
}
