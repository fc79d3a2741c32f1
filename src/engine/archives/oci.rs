//! OCI archives: an image layout in a tar. index.json names manifests, manifests name configs and layers, all by digest.
//!
//! ```text
//!   index.json ─> manifest ─> config, layers
//!          └────> list ─> the manifest for this machine
//! ```
//!
//! See the OCI image specification, image-layout.md and annotations.md.

use super::contents::{Contents, path};
use super::error::{ArchiveError, Unfit, unfit};
use super::load::{Layer, Planned};
use super::{CONTAINERD_NAME, INDEX};
use crate::engine::config::{self, Descriptor, Document, Index, Manifest};
use crate::engine::reference::Reference;
use crate::layers::Digest;
use std::collections::{HashMap, HashSet};

/// What an image is made of: its config, and its layers, bottom first.
pub(super) type Parts = (Digest, Vec<Digest>);

/// How deep lists may stand in lists.
const DEPTH: u32 = 4;

/// The images of index.json, everything but their layers checked.
pub(super) fn plan(contents: &Contents) -> Result<Vec<Planned>, ArchiveError> {
    let mut planned: Vec<Planned> = Vec::new();
    for entry in index(contents)?.manifests {
        let name = name(&entry);
        let (descriptor, manifest) = manifest(contents, &entry, 0)?;
        match planned.iter_mut().find(|known| known.descriptor.digest == descriptor.digest) {
            Some(known) => known.names.extend(name),
            None => planned.push(image(contents, name, descriptor, manifest)?),
        }
    }
    Ok(planned)
}

/// The manifests that an archive of Docker's has beside its own list, by config and layers; none where they cannot be
/// read.
pub(super) fn manifests_beside(contents: &Contents) -> HashMap<Parts, (Descriptor, Vec<u8>)> {
    let mut beside = HashMap::new();
    if !contents.has(INDEX) {
        return beside;
    }
    let (entries, mut seen) = (index(contents).map(|index| index.manifests), HashSet::new());
    for entry in entries.unwrap_or_default().iter().filter(|entry| seen.insert(entry.digest)) {
        let Ok((descriptor, bytes)) = manifest(contents, entry, 0) else { continue };
        let Ok(parsed) = serde_json::from_slice::<Manifest>(&bytes) else { continue };
        let layers = parsed.layers.iter().map(|layer| layer.digest).collect();
        beside.entry((parsed.config.digest, layers)).or_insert((descriptor, bytes));
    }
    beside
}

fn index(contents: &Contents) -> Result<Index, ArchiveError> {
    let json = |error| ArchiveError::Json { member: INDEX.to_owned(), error };
    serde_json::from_slice(&contents.document(INDEX)?).map_err(json)
}

/// The name in an entry: containerd's whole one, or what OCI tools write, by Docker's grammar.
fn name(entry: &Descriptor) -> Option<Reference> {
    let names = [CONTAINERD_NAME, config::NAME].into_iter().filter_map(|key| entry.annotations.get(key));
    let mut names = names.filter_map(|name| name.parse::<Reference>().ok());
    names.find(|name| name.tag().is_some() && name.digest().is_none())
}

/// The manifest behind a descriptor, as it stands; of a list, the one for this machine.
fn manifest(
    contents: &Contents,
    descriptor: &Descriptor,
    depth: u32,
) -> Result<(Descriptor, Vec<u8>), ArchiveError> {
    let member = path(descriptor.digest);
    let refuse = |why| Err(unfit(member.as_bytes(), why));
    match descriptor.media_type.as_str() {
        config::MANIFEST | config::DOCKER_MANIFEST => {
            let bytes = contents.blob(descriptor.digest, descriptor.size)?;
            Ok((Descriptor::new(&descriptor.media_type, descriptor.digest, descriptor.size), bytes))
        }
        config::INDEX | config::DOCKER_LIST if depth < DEPTH => {
            let bytes = contents.blob(descriptor.digest, descriptor.size)?;
            let json = |error| ArchiveError::Json { member: member.clone(), error };
            let list: Index = serde_json::from_slice(&bytes).map_err(json)?;
            let ours = |inner: &&Descriptor| {
                let platform = inner.platform.as_ref();
                platform.is_none_or(|it| it.os == "linux" && it.architecture == config::architecture())
            };
            match list.manifests.iter().find(ours) {
                Some(inner) => manifest(contents, inner, depth + 1),
                None => refuse(Unfit::Platform),
            }
        }
        config::INDEX | config::DOCKER_LIST => refuse(Unfit::Deep),
        other => refuse(Unfit::MediaType(other.to_owned())),
    }
}

fn image(
    contents: &Contents,
    name: Option<Reference>,
    descriptor: Descriptor,
    bytes: Vec<u8>,
) -> Result<Planned, ArchiveError> {
    let json = |error| ArchiveError::Json { member: path(descriptor.digest), error };
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(json)?;
    let config = contents.blob(manifest.config.digest, manifest.config.size)?;
    let member = path(manifest.config.digest);
    let diff_ids = Document::of_member(&member, &config)?.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        let why = Unfit::Layers { layers: manifest.layers.len(), diff_ids: diff_ids.len() };
        return Err(unfit(member.as_bytes(), why));
    }
    let mut layers = Vec::new();
    for (layer, diff_id) in manifest.layers.into_iter().zip(diff_ids) {
        let member = path(layer.digest);
        let part = contents.part(&member)?;
        if part.size != layer.size {
            let why = Unfit::Size { expected: layer.size, found: part.size };
            return Err(unfit(member.as_bytes(), why));
        }
        layers.push(Layer { descriptor: layer, diff_id, member, part });
    }
    let names = name.into_iter().collect();
    Ok(Planned { names, id: manifest.config.digest, config, descriptor, manifest: bytes, layers })
}
