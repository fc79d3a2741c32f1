//! Zstd as plain: layers of zstd become the tar itself where an archive is to be read by every Docker.
//!
//! ```text
//!   store      manifest ─> layer.tar.zst     docker load before 23 does not read it
//!   archive    manifest' ─> layer.tar        the same diff id, and so the same image id
//! ```
//!
//! An OCI archive keeps them: there the manifest's digest is the image's name.

use super::error::ArchiveError;
use crate::engine::config::{Descriptor, Manifest};
use crate::engine::store::{Store, StoreError};
use crate::layers::{Compression, Digest, Inflate};
use std::fs::File;
use std::io;

/// A layer that is written in another form than the store has it in.
pub(super) struct Plain {
    /// the blob in the store
    pub(super) from: Digest,
    /// what is written
    pub(super) descriptor: Descriptor,
}

/// The manifest for an archive, with the layers that change; none where none does.
pub(super) fn plain(
    store: &Store,
    manifest: &Manifest,
    diff_ids: &[Digest],
) -> Result<Option<(Manifest, Vec<Plain>)>, ArchiveError> {
    let mut changed = manifest.clone();
    let mut plain = Vec::new();
    for (layer, diff_id) in changed.layers.iter_mut().zip(diff_ids) {
        let mut inflate = open(store, layer.digest)?;
        if inflate.compression() != Compression::Zstd {
            continue;
        }
        // a header says how long its file is before the file comes
        let size = io::copy(&mut inflate, &mut io::sink()).map_err(|source| failed(layer.digest, source))?;
        let descriptor = Descriptor::new(Compression::None.media_type(), *diff_id, size);
        plain.push(Plain { from: layer.digest, descriptor: descriptor.clone() });
        *layer = descriptor;
    }
    Ok((!plain.is_empty()).then_some((changed, plain)))
}

/// A blob of the store, inflated.
pub(super) fn open(store: &Store, blob: Digest) -> Result<Inflate<File>, ArchiveError> {
    let file = File::open(store.blob_path(blob)).map_err(|source| failed(blob, source))?;
    Inflate::new(file).map_err(|source| failed(blob, source))
}

fn failed(blob: Digest, source: io::Error) -> ArchiveError {
    ArchiveError::Store(StoreError::Fetch { blob, source })
}
