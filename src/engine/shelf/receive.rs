//! Receiving: a manifest makes an image of blobs that have arrived; and how images go again.
//!
//! ```text
//!   manifest ─ parse ─> every blob that it leads to: here, and of the size that it says?
//!                          │ yes                              │ no: nothing happens
//!                          v                                  v
//!              store: blobs in place, name first of all     MANIFEST_BLOB_UNKNOWN
//! ```
//!
//! A manifest of an index is pushed by its digest before the index is, and is an entry of its own until then.
//!
//! See the OCI distribution specification, pushing manifests and content management. Lab 16-registry.

use super::names::{self, Repository, Selector, offers};
use super::reading::{DEPTH, is_index};
use super::{Shelf, ShelfError, locked, open};
use crate::engine::config::{self, Descriptor, Index, Manifest, NAME};
use crate::engine::reference::Reference;
use crate::layers::Digest;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Instant;

/// The most blobs that one image may lead to.
const BLOBS: usize = 10_000;

/// Layers that may only be had from their vendor; they are named with their address and never pushed.
const FOREIGN: [&str; 4] = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
];

/// A manifest that has been received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// its name
    pub digest: Digest,
    /// the manifest that it is about
    pub subject: Option<Digest>,
}

/// What an index and a manifest have in common.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    schema_version: u32,
    media_type: Option<String>,
    subject: Option<Descriptor>,
}

/// What a manifest leads to.
#[derive(Default)]
struct Needs {
    blobs: BTreeSet<Digest>,
    absent: Vec<Digest>,
}

impl Shelf {
    /// Receives a manifest and names it `REGISTRY/repository:tag`, or `REGISTRY/repository@digest`. `registry` is
    /// the host and port by which the client knows us.
    ///
    /// # Errors
    /// [`ShelfError::Absent`] where a blob is missing, the others for what is wrong with it; then nothing is there.
    pub fn receive(
        &self,
        registry: &str,
        repository: &Repository,
        selector: &Selector,
        media_type: &str,
        content: &[u8],
    ) -> Result<Received, ShelfError> {
        let bench = self.pushable()?;
        let found = Digest::of(content);
        let (name, tagged) = match selector {
            Selector::Digest(expected) if *expected != found => {
                return Err(ShelfError::Mismatch { expected: *expected, found });
            }
            Selector::Digest(digest) => (format!("{registry}/{repository}@{digest}"), false),
            Selector::Tag(tag) => (format!("{registry}/{repository}:{tag}"), true),
        };
        let reference = named(&name, registry, repository)?;
        let mut needs = Needs::default();
        let subject = self.needs(media_type, content, 0, &mut needs)?;
        if !needs.absent.is_empty() {
            return Err(ShelfError::Absent(needs.absent));
        }
        locked(&self.held).insert(found, Instant::now());
        bench.write(content)?;
        needs.blobs.insert(found);
        let received = Received { digest: found, subject };
        if !tagged && self.has(repository, found)? {
            return Ok(received);
        }
        let entry = Descriptor::new(media_type, found, content.len() as u64);
        let absent = bench.publish(&needs.blobs, entry, &reference, |entries| {
            self.fold(entries, repository, &needs.blobs);
        })?;
        if absent.is_empty() { Ok(received) } else { Err(ShelfError::Absent(absent)) }
    }

    /// Deletes a tag, or a manifest with all its tags in this repository. Blobs stay until they are collected.
    ///
    /// # Errors
    /// [`ShelfError::NoDelete`], [`ShelfError::NameUnknown`], [`ShelfError::ManifestUnknown`],
    /// [`ShelfError::InUse`] for a manifest that an index names, [`ShelfError::Store`].
    pub fn delete(&self, repository: &Repository, selector: &Selector) -> Result<(), ShelfError> {
        self.deletable()?;
        let folder = self.folder.as_deref();
        let taken = self.store.revise(|entries| names::take(entries, folder, repository, selector))?;
        if taken > 0 {
            return Ok(());
        }
        Err(ShelfError::InUse(self.manifest(repository, selector)?.digest))
    }

    /// Deletes a blob that no image has.
    ///
    /// # Errors
    /// [`ShelfError::NoDelete`], [`ShelfError::BlobUnknown`], [`ShelfError::InUse`], [`ShelfError::Store`].
    pub fn delete_blob(&self, digest: Digest) -> Result<(), ShelfError> {
        self.deletable()?;
        self.blob(digest)?;
        if !self.store.remove_blob(digest)? {
            return Err(ShelfError::InUse(digest));
        }
        locked(&self.held).remove(&digest);
        self.pushable()?.discard(digest);
        Ok(())
    }

    fn deletable(&self) -> Result<(), ShelfError> {
        if self.delete { Ok(()) } else { Err(ShelfError::NoDelete) }
    }

    /// Whether the repository has an entry of this digest.
    fn has(&self, repository: &Repository, digest: Digest) -> Result<bool, ShelfError> {
        let entries = self.store.entries()?;
        let mut offers = offers(&entries, self.folder.as_deref());
        Ok(offers.any(|offer| offer.repository == repository.as_str() && offer.entry.digest == digest))
    }

    /// Takes entries away that only kept what the first one now has: manifests by digest in the same repository.
    fn fold(&self, entries: &mut Vec<Descriptor>, repository: &Repository, reached: &BTreeSet<Digest>) {
        let folder = self.folder.as_deref();
        let first = entries.first().and_then(|entry| entry.annotations.get(NAME)).cloned();
        let spare: BTreeSet<String> = offers(entries, folder)
            .filter(|offer| offer.repository == repository.as_str() && offer.tag.is_none())
            .filter(|offer| reached.contains(&offer.entry.digest) && Some(offer.name) != first.as_deref())
            .map(|offer| offer.name.to_owned())
            .collect();
        entries.retain(|entry| entry.annotations.get(NAME).is_none_or(|name| !spare.contains(name)));
    }

    /// Walks from a manifest to all that it needs; returns the manifest that it is about.
    fn needs(
        &self,
        media_type: &str,
        content: &[u8],
        depth: u32,
        needs: &mut Needs,
    ) -> Result<Option<Digest>, ShelfError> {
        let is_manifest = [config::MANIFEST, config::DOCKER_MANIFEST].contains(&media_type);
        if !is_manifest && !is_index(media_type) {
            return Err(ShelfError::MediaType(media_type.to_owned()));
        }
        let head: Head = serde_json::from_slice(content).map_err(ShelfError::Json)?;
        if head.schema_version != 2 {
            return Err(ShelfError::Schema(head.schema_version));
        }
        if let Some(body) = head.media_type.filter(|body| body != media_type) {
            return Err(ShelfError::MediaTypes { body, header: media_type.to_owned() });
        }
        if is_manifest {
            let manifest: Manifest = serde_json::from_slice(content).map_err(ShelfError::Json)?;
            self.need(&manifest.config, needs)?;
            for layer in manifest.layers.iter().filter(|it| !FOREIGN.contains(&it.media_type.as_str())) {
                self.need(layer, needs)?;
            }
        } else {
            if depth == DEPTH {
                return Err(ShelfError::TooMuch("four indexes one in another"));
            }
            let index: Index = serde_json::from_slice(content).map_err(ShelfError::Json)?;
            for inner in &index.manifests {
                if self.need(inner, needs)? {
                    let content = self.document(inner.digest)?;
                    self.needs(&inner.media_type, &content, depth + 1, needs)?;
                }
            }
        }
        Ok(head.subject.map(|subject| subject.digest))
    }

    /// Notes a blob; true the first time, if it is here.
    fn need(&self, descriptor: &Descriptor, needs: &mut Needs) -> Result<bool, ShelfError> {
        let digest = descriptor.digest;
        let Ok((_, found)) = self.blob(digest) else {
            needs.absent.push(digest);
            return Ok(false);
        };
        if found != descriptor.size {
            return Err(ShelfError::Size { blob: digest, said: descriptor.size, found });
        }
        // whatever is collected meanwhile: it stays
        self.hold(digest);
        if needs.blobs.len() >= BLOBS {
            return Err(ShelfError::TooMuch("10000 blobs"));
        }
        Ok(needs.blobs.insert(digest))
    }

    /// A manifest of an index, from the store or from the bench.
    fn document(&self, digest: Digest) -> Result<Vec<u8>, ShelfError> {
        use std::io::Read;
        if self.store.blob_path(digest).exists() {
            return Ok(self.store.blob(digest)?);
        }
        let bench = self.pushable()?;
        let (file, size) = open(&bench.path(digest)).ok_or(ShelfError::BlobUnknown(digest))?;
        if size > super::MANIFEST {
            return Err(ShelfError::TooMuch("4 MiB of a manifest"));
        }
        let mut content = Vec::new();
        let read = file.take(size).read_to_end(&mut content);
        read.map_err(|source| ShelfError::Write { id: digest.to_string(), source })?;
        Ok(content)
    }
}

/// The image's name: as the client says it, or not at all.
fn named(name: &str, registry: &str, repository: &Repository) -> Result<Reference, ShelfError> {
    let reference = name.parse::<Reference>().ok();
    let same = |reference: &Reference| {
        reference.registry() == registry && reference.repository() == repository.as_str()
    };
    reference.filter(same).ok_or_else(|| ShelfError::Unnameable(name.to_owned()))
}
