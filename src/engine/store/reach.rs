//! Reach: every blob that an image needs, of all the machines that it is for.
//!
//! ```text
//!   index ──> manifest amd64 ──> config, layers      what is not here of other machines' images is passed over
//!        └──> manifest arm64 ──> config, layers
//! ```
//!
//! See the OCI image specification, image-index.md and manifest.md. Lab 13-union-image, tutorials/13-union-image.md.

use super::{Store, StoreError};
use crate::engine::config::{self, Descriptor, Document, Index, Manifest};
use crate::layers::{Digest, chain_ids};
use std::collections::BTreeSet;

/// What images need.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// their blobs, whether they are here or not
    pub(super) blobs: BTreeSet<Digest>,
    /// the chain ids of their layers
    pub(super) chains: BTreeSet<Digest>,
}

impl Store {
    /// Adds what this entry of the index needs.
    pub(super) fn reach(&self, entry: &Descriptor, reached: &mut Reached) -> Result<(), StoreError> {
        self.reach_below(entry, reached, 0)
    }

    fn reach_below(&self, entry: &Descriptor, reached: &mut Reached, depth: u32) -> Result<(), StoreError> {
        reached.blobs.insert(entry.digest);
        match entry.media_type.as_str() {
            config::INDEX | config::DOCKER_LIST if depth < 4 => {
                let index: Index = self.document(entry.digest)?;
                for inner in &index.manifests {
                    reached.blobs.insert(inner.digest);
                    if self.blob_path(inner.digest).exists() {
                        self.reach_below(inner, reached, depth + 1)?;
                    }
                }
                Ok(())
            }
            config::MANIFEST | config::DOCKER_MANIFEST => {
                let manifest: Manifest = self.document(entry.digest)?;
                reached.blobs.insert(manifest.config.digest);
                reached.blobs.extend(manifest.layers.iter().map(|layer| layer.digest));
                // what is no image (a signature, a chart) has a config of its own kind, and is never unpacked
                let is_image =
                    [config::CONFIG, config::DOCKER_CONFIG].contains(&manifest.config.media_type.as_str());
                let here = depth == 0 || self.blob_path(manifest.config.digest).exists();
                if is_image && here {
                    let document: Document = self.document(manifest.config.digest)?;
                    reached.chains.extend(chain_ids(&document.rootfs.diff_ids));
                }
                Ok(())
            }
            found => Err(StoreError::MediaType { blob: entry.digest, found: found.to_owned() }),
        }
    }
}
