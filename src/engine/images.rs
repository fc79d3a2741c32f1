//! Images: making them from archives.
//!
//! ```text
//!   any root file system as a tar ──import──> one layer + a config = an image
//! ```
//!
//! The archive is stored as it came, compressed or not, while it is unpacked: one pass, nothing held in memory.
//! See docker-import(1) and the OCI image specification. Lab 13-union-image, tutorials/13-union-image.md.

pub mod catalog;
pub mod filter;
pub mod history;
pub mod inspect;
pub mod prune;
pub mod remove;

use super::config::{self, Descriptor, Document, History, ImageConfig, Manifest, RootFs};
use super::events::{Event, of};
use super::reference::Reference;
use super::store::{NewLayer, Store, StoreError};
use crate::layers::Digest;
use serde::Serialize;
use std::io::Read;

/// What an imported image says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// what to run
    pub config: ImageConfig,
    /// why it was made; `Imported from -` where nothing is said
    pub message: Option<String>,
    /// by whom
    pub author: Option<String>,
    /// when, RFC 3339; now where nothing is said
    pub created: Option<String>,
    /// processor, in Go's names; this machine's where nothing is said
    pub architecture: Option<String>,
}

/// Makes a one-layer image of a root file system, a tar, plain or gzip or zstd, as `docker import` does; returns its
/// id.
///
/// # Errors
/// [`StoreError::Layer`] for the archive, [`StoreError::File`] for the store; then nothing is left.
pub fn import<'r>(
    store: &Store,
    archive: impl Read,
    reference: impl Into<Option<&'r Reference>>,
    change: Change,
) -> Result<Digest, StoreError> {
    let mut draft = store.draft(&[])?;
    let layer = draft.layer(archive)?;
    let document = document(&layer, change);
    let config = json("the config", &document)?;
    let id = draft.blob(&config)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(config::MANIFEST.to_owned()),
        config: Descriptor::new(config::CONFIG, id, config.len() as u64),
        layers: vec![layer.descriptor],
        rest: serde_json::Map::new(),
    };
    let manifest = json("the manifest", &manifest)?;
    let digest = draft.blob(&manifest)?;
    let reference = reference.into();
    draft.publish(Descriptor::new(config::MANIFEST, digest, manifest.len() as u64), reference)?;
    let name = id.to_string();
    let tagged = reference.map(|reference| of::image(store, &name, &reference.to_string(), "tag"));
    let told: Vec<Event> = tagged.into_iter().chain([of::image(store, &name, &name, "import")]).collect();
    store.events().tell(&told);
    Ok(id)
}

/// Gives the image that one name or id stands for another name.
///
/// # Errors
/// Those of [`Store::tag`].
pub fn tag(store: &Store, name: &str, reference: &Reference) -> Result<Digest, StoreError> {
    let id = store.tag(name, reference)?;
    store.events().tell(&[of::image(store, &id.to_string(), &reference.to_string(), "tag")]);
    Ok(id)
}

fn document(layer: &NewLayer, change: Change) -> Document {
    let created = change.created.unwrap_or_else(|| jiff::Timestamp::now().to_string());
    let comment = change.message.unwrap_or_else(|| "Imported from -".to_owned());
    let history = History {
        created: Some(created.clone()),
        author: change.author.clone(),
        comment: Some(comment),
        ..History::default()
    };
    Document {
        created: Some(created),
        author: change.author,
        architecture: change.architecture.unwrap_or_else(|| config::architecture().to_owned()),
        os: "linux".to_owned(),
        config: change.config,
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids: vec![layer.applied.diff_id] },
        history: vec![history],
        rest: serde_json::Map::new(),
    }
}

fn json(what: &str, document: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(document).map_err(|source| StoreError::Json { what: what.to_owned(), source })
}
