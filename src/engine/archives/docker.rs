//! Docker's archives: manifest.json says which members are an image's config and layers.
//!
//! ```text
//!   [{"Config": "blobs/sha256/C", "RepoTags": ["busybox:1.37"], "Layers": ["blobs/sha256/L0", …]}]
//!   [{"Config": "C.json",         …                             "Layers": ["ID/layer.tar", …]}]     before Docker 25
//! ```
//!
//! A layer is mostly the tar itself, so that its diff id is its digest. Where the archive has an OCI manifest of the
//! same config and layers, that one is kept, and with it the image's digest.

use super::contents::{Contents, Part, called};
use super::error::{ArchiveError, Unfit, unfit};
use super::load::{Layer, Planned};
use super::oci::{self, Parts};
use super::{Item, MANIFEST};
use crate::engine::config::{self, Descriptor, Document, Manifest};
use crate::engine::reference::Reference;
use crate::layers::{Compression, Digest};
use std::collections::HashMap;

/// The images of manifest.json, everything but their layers checked.
pub(super) fn plan(contents: &Contents) -> Result<Vec<Planned>, ArchiveError> {
    let json = |error| ArchiveError::Json { member: MANIFEST.to_owned(), error };
    let items: Vec<Item> = serde_json::from_slice(&contents.document(MANIFEST)?).map_err(json)?;
    let manifests = oci::manifests_beside(contents);
    let mut blobs = HashMap::new();
    items.iter().map(|item| image(contents, item, &manifests, &mut blobs)).collect()
}

fn image(
    contents: &Contents,
    item: &Item,
    manifests: &HashMap<Parts, (Descriptor, Vec<u8>)>,
    blobs: &mut HashMap<u64, Descriptor>,
) -> Result<Planned, ArchiveError> {
    let names = item.repo_tags.iter().flatten().map(|tag| name(tag)).collect::<Result<_, _>>()?;
    let config = contents.document(&item.config)?;
    let id = Digest::of(&config);
    if called(&item.config).is_some_and(|digest| digest != id) {
        return Err(unfit(item.config.as_bytes(), Unfit::Digest(id)));
    }
    let document = Document::of_member(&item.config, &config)?;
    let members = item.layers.as_deref().unwrap_or_default();
    let diff_ids = &document.rootfs.diff_ids;
    if members.len() != diff_ids.len() {
        let why = Unfit::Layers { layers: members.len(), diff_ids: diff_ids.len() };
        return Err(unfit(item.config.as_bytes(), why));
    }
    let mut layers = Vec::new();
    for (member, diff_id) in members.iter().zip(diff_ids) {
        let part = contents.part(member)?;
        let descriptor = match blobs.get(&part.offset) {
            Some(known) => known.clone(),
            None => describe(contents, member, part, *diff_id).map_err(ArchiveError::Read)?,
        };
        blobs.insert(part.offset, descriptor.clone());
        layers.push(Layer { descriptor, diff_id: *diff_id, member: member.clone(), part });
    }
    let parts = (id, layers.iter().map(|layer| layer.descriptor.digest).collect());
    let (descriptor, manifest) = match manifests.get(&parts) {
        Some((descriptor, bytes)) => (descriptor.clone(), bytes.clone()),
        None => manifest(Descriptor::new(config::CONFIG, id, config.len() as u64), &layers),
    };
    Ok(Planned { names, id, config, descriptor, manifest, layers })
}

fn name(tag: &str) -> Result<Reference, ArchiveError> {
    let name = tag.parse::<Reference>().ok().filter(|name| name.tag().is_some() && name.digest().is_none());
    name.ok_or_else(|| unfit(MANIFEST.as_bytes(), Unfit::Tag(tag.to_owned())))
}

/// The descriptor of a layer: its digest is in its name, or is its diff id, or must be computed.
fn describe(contents: &Contents, member: &str, part: Part, diff_id: Digest) -> std::io::Result<Descriptor> {
    let compression = contents.compression(part)?;
    let digest = match (called(member), compression) {
        (Some(digest), _) => digest,
        (None, Compression::None) => diff_id,
        (None, _) => Digest::read(contents.reader(part))?,
    };
    Ok(Descriptor::new(compression.media_type(), digest, part.size))
}

/// A manifest for an archive that has none.
fn manifest(config: Descriptor, layers: &[Layer]) -> (Descriptor, Vec<u8>) {
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(config::MANIFEST.to_owned()),
        config,
        layers: layers.iter().map(|layer| layer.descriptor.clone()).collect(),
        rest: serde_json::Map::new(),
    };
    let bytes = serde_json::to_vec(&manifest).expect("a manifest is texts and numbers");
    (Descriptor::new(config::MANIFEST, Digest::of(&bytes), bytes.len() as u64), bytes)
}

impl Document {
    /// The config in a member: it must have layers, and be for a system that runs here.
    pub(super) fn of_member(member: &str, bytes: &[u8]) -> Result<Document, ArchiveError> {
        let json = |error| ArchiveError::Json { member: member.to_owned(), error };
        let document: Document = serde_json::from_slice(bytes).map_err(json)?;
        match document.os.as_str() {
            "linux" | "" => Ok(document),
            other => Err(unfit(member.as_bytes(), Unfit::System(other.to_owned()))),
        }
    }
}
