//! What can go wrong with a store, with what it was about and what to do.
//!
//! Lab 13-union-image, tutorials/13-union-image.md.

use crate::engine::reference::ReferenceError;
use crate::layers::{Digest, LayerError};
use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No image has this name or id. The words are Docker's, because people search for them.
    #[error(
        "Unable to find image '{0}' locally: bring one in with: stepbox pull NAME, or stepbox import ROOTFS.tar NAME"
    )]
    Missing(
        /// the name
        String,
    ),
    /// Several images have ids that begin so.
    #[error("multiple images have an id that begins with {0}: give more digits")]
    Ambiguous(
        /// the digits
        String,
    ),
    /// Not the name of an image.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A file of the store.
    #[error("{}: {call}: {source}", path.display())]
    File {
        /// which
        path: PathBuf,
        /// what was tried
        call: &'static str,
        /// what the kernel answered
        source: io::Error,
    },
    /// A document that is not the JSON it should be.
    #[error("{what} cannot be read: {source}")]
    Json {
        /// which
        what: String,
        /// where it goes wrong
        source: serde_json::Error,
    },
    /// A blob whose content is not what its name says.
    #[error("blob {blob} is damaged: its content is {found}; remove the image and get it again")]
    Corrupt {
        /// its name
        blob: Digest,
        /// the digest of its content
        found: Digest,
    },
    /// A blob that is longer or shorter than its descriptor says.
    #[error("blob {blob} has {}, the manifest says {expected}", bytes(*expected, *found))]
    Size {
        /// its name
        blob: Digest,
        /// bytes by the descriptor
        expected: u64,
        /// bytes that came
        found: u64,
    },
    /// A blob that could not be had.
    #[error("blob {blob}: {source}")]
    Fetch {
        /// its name
        blob: Digest,
        /// what its source answered
        source: io::Error,
    },
    /// A layer whose tar is not what the image's config says.
    #[error("layer {blob} unpacks to {found}, the image's config says {expected}")]
    DiffId {
        /// the layer
        blob: Digest,
        /// what the config says
        expected: Digest,
        /// what it is
        found: Digest,
    },
    /// A manifest and a config that disagree.
    #[error("image {image} has {layers} layers and {diff_ids} diff ids")]
    Layers {
        /// the image
        image: Digest,
        /// layers in the manifest
        layers: usize,
        /// diff ids in the config
        diff_ids: usize,
    },
    /// A blob that is no image.
    #[error("{blob} is {found:?}, which is no image")]
    MediaType {
        /// the blob
        blob: Digest,
        /// its media type
        found: String,
    },
    /// An image for other machines only.
    #[error("image {0} has no variant for linux/{arch}", arch = crate::engine::config::architecture())]
    Platform(
        /// the image
        Digest,
    ),
    /// The storage driver needs another file system.
    #[error(
        "the storage driver btrfs makes snapshots, and {} does not lie on a btrfs: use overlay or vfs, or set STEPBOX_ROOT",
        .0.display()
    )]
    NoBtrfs(
        /// the store
        PathBuf,
    ),
    /// A layer that cannot be unpacked or written.
    #[error(transparent)]
    Layer(#[from] LayerError),
}

/// How many bytes came; of one that is too long only the first byte too many was looked at.
fn bytes(expected: u64, found: u64) -> String {
    if found > expected { format!("more than {expected} bytes") } else { format!("{found} bytes") }
}

/// A [`StoreError::File`].
pub(super) fn file(path: &Path, call: &'static str, source: io::Error) -> StoreError {
    StoreError::File { path: path.to_owned(), call, source }
}
