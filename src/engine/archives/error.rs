//! What can be wrong with an archive of images, with the member that it is about.

use crate::engine::reference::ReferenceError;
use crate::engine::store::StoreError;
use crate::layers::{Digest, LayerError};
use std::io;
use std::path::PathBuf;

/// Why a member cannot be what it is taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// a name that begins with a slash
    #[error("its name is absolute")]
    Absolute,
    /// `..` in a name
    #[error("'..' in its name leads out of the archive")]
    Escapes,
    /// a link that leads out of the archive
    #[error("it is a link to '{0}', out of the archive")]
    LinkOut(String),
    /// links that lead to each other
    #[error("it goes through too many links")]
    Loop,
    /// a directory or device where a file must be
    #[error("it is no file")]
    NoFile,
    /// a file with holes, whose data is not in one piece
    #[error("it is stored as a sparse file: make the archive without tar's -S")]
    Sparse,
    /// it is not there
    #[error("it is not in the archive")]
    Missing,
    /// a document that is too long to be one
    #[error("it has {0} bytes, more than a document may have")]
    Long(u64),
    /// documents again and again
    #[error("with it, more than {0} bytes of documents would have to be read: load the archive in parts")]
    Documents(u64),
    /// a blob that is not what its name says
    #[error("its content is {0}")]
    Digest(Digest),
    /// a blob that is longer or shorter than its descriptor says
    #[error("it has {found} bytes, the manifest says {expected}")]
    Size {
        /// bytes by the descriptor
        expected: u64,
        /// bytes in the archive
        found: u64,
    },
    /// a config and a manifest that disagree
    #[error("it has {diff_ids} diff ids, the image has {layers} layers")]
    Layers {
        /// layers of the image
        layers: usize,
        /// diff ids in the config
        diff_ids: usize,
    },
    /// an image without a system that runs here
    #[error("it is an image for {0}, and only linux runs here")]
    System(String),
    /// a name in manifest.json that is none
    #[error("invalid tag {0:?}")]
    Tag(String),
    /// a descriptor of something that is no image
    #[error("it is {0:?}, which is no image")]
    MediaType(String),
    /// lists in lists, in lists
    #[error("it is a list of lists of lists")]
    Deep,
    /// a list without an image for this machine
    #[error("it has no image for linux/{arch}", arch = crate::engine::config::architecture())]
    Platform,
}

/// Why an archive cannot be loaded or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A member that is hostile, or makes no sense.
    #[error("member '{member}' refused: {why}")]
    Member {
        /// its name
        member: String,
        /// the reason
        why: Unfit,
    },
    /// A member that is not the JSON it should be.
    #[error("member '{member}' cannot be read: {error}")]
    Json {
        /// its name
        member: String,
        /// where it goes wrong
        error: serde_json::Error,
    },
    /// A layer that is not what the image's documents say.
    #[error("member '{member}' refused: {error}")]
    Layer {
        /// its name
        member: String,
        /// what is wrong
        error: Box<StoreError>,
    },
    /// The archive is damaged, or no tar at all.
    #[error(transparent)]
    Broken(#[from] LayerError),
    /// The archive cannot be read.
    #[error("read the archive: {0}")]
    Read(io::Error),
    /// An archive that cannot be read in place has no room.
    #[error("unpack the archive in {}: {source}", directory.display())]
    Spool {
        /// where it was to lie meanwhile
        directory: PathBuf,
        /// what the kernel answered
        source: io::Error,
    },
    /// It is a bomb, or more than anybody sends.
    #[error("the archive is refused: {what} is over the limit of {limit}")]
    Limit {
        /// what is over
        what: &'static str,
        /// the limit
        limit: u64,
    },
    /// There is nothing in it, not even an end.
    #[error("the archive is empty")]
    Empty,
    /// A tar of something else.
    #[error(
        "the archive holds no images, it has neither manifest.json nor index.json: \
         a root file system is brought in with: stepbox import FILE NAME"
    )]
    NoImages,
    /// What docker save wrote before 2016.
    #[error(
        "the archive was written by docker before 1.10: load it into a docker up to 25, and save it there again"
    )]
    Legacy,
    /// A name of nothing that can be saved.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive cannot be written.
    #[error("write the archive: {0}")]
    Write(io::Error),
}

/// A [`ArchiveError::Member`].
pub(super) fn unfit(member: &[u8], why: Unfit) -> ArchiveError {
    ArchiveError::Member { member: crate::layers::printable(member), why }
}
