//! Saving: images of the store become one tar, the same bytes each time.
//!
//! ```text
//!   blobs/  blobs/sha256/  blobs/sha256/HEX…   index.json  manifest.json  oci-layout  repositories
//!   ── sorted; owner root, mode 0644, time 0 ─────────────────────────────────────────────────────>
//! ```
//!
//! Blobs go in as the store has them, and are checked on the way. See docker-save(1) and the OCI image
//! specification, image-layout.md.

use super::contents::path;
use super::error::ArchiveError;
use super::zstd_as_plain::{self, Plain};
use super::{BLOBS, CONTAINERD_NAME, INDEX, Item, LAYOUT, MANIFEST, REPOSITORIES};
use crate::engine::config::{self, Descriptor, Index};
use crate::engine::events::of;
use crate::engine::reference::Reference;
use crate::engine::store::{Store, StoreError, Stored};
use crate::layers::{Digest, Entry, Kind, Tape};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};

/// The form of an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// for docker load, skopeo and OCI tools alike
    #[default]
    Docker,
    /// an OCI layout and nothing more
    Oci,
}

/// An image to be saved, with the names that it gets in the archive.
struct Picked {
    stored: Stored,
    names: Vec<Reference>,
}

/// What a blob is in the archive.
enum Blob {
    /// written here
    Document(Vec<u8>),
    /// in the store, this long
    Stored(u64),
    /// inflated from this one in the store
    Inflated(Digest, u64),
}

/// Writes these images, by name or id, to one archive. A name without a tag means all tags of it; an id comes without
/// names.
///
/// # Errors
/// [`ArchiveError::Store`] for images that are not here or damaged, [`ArchiveError::Write`].
pub fn save(store: &Store, names: &[String], format: Format, out: impl Write) -> Result<(), ArchiveError> {
    let mut archive = Archive::default();
    let mut told = Vec::new();
    for picked in pick(store, names)? {
        archive.add(store, &picked, format)?;
        let id = picked.stored.id.to_string();
        told.push(of::image(store, &id, &id, "save"));
    }
    archive.write(store, format, out)?;
    store.events().tell(&told);
    Ok(())
}

fn pick(store: &Store, names: &[String]) -> Result<Vec<Picked>, ArchiveError> {
    let mut all: Vec<Picked> = Vec::new();
    let mut take = |stored: Stored, name: Option<Reference>| {
        let known = all.iter().position(|known| known.stored.digest == stored.digest);
        let at = known.unwrap_or_else(|| {
            all.push(Picked { stored, names: Vec::new() });
            all.len() - 1
        });
        let new = name.filter(|name| !all[at].names.contains(name));
        all[at].names.extend(new);
    };
    for name in names {
        let tagged = every_tag(store, name)?;
        if tagged.is_empty() {
            let stored = store.find(name)?;
            // an id, and a digest behind a name, stand for the image without its names
            let reference = stored.reference.clone().filter(|known| {
                name.parse::<Reference>().is_ok_and(|asked| asked.canonical() == known.canonical())
            });
            take(stored, reference);
        }
        for reference in tagged {
            take(store.find(&reference.canonical())?, Some(reference));
        }
    }
    Ok(all)
}

/// The names that are meant by one without a tag.
fn every_tag(store: &Store, name: &str) -> Result<Vec<Reference>, ArchiveError> {
    // with a tag of its own it is no name to put a tag behind
    let Ok(asked) = format!("{name}:latest").parse::<Reference>() else { return Ok(Vec::new()) };
    Ok(store.tagged(&asked)?)
}

/// What goes into the file.
#[derive(Default)]
struct Archive {
    blobs: BTreeMap<Digest, Blob>,
    index: Vec<Descriptor>,
    items: Vec<Item>,
    repositories: BTreeMap<String, BTreeMap<String, String>>,
}

impl Archive {
    fn add(&mut self, store: &Store, picked: &Picked, format: Format) -> Result<(), ArchiveError> {
        let Picked { stored, names } = picked;
        let mut manifest = stored.manifest.clone();
        let mut bytes = store.blob(stored.digest)?;
        let diff_ids = store.config(stored)?.rootfs.diff_ids;
        if format == Format::Docker
            && let Some((changed, plain)) = zstd_as_plain::plain(store, &manifest, &diff_ids)?
        {
            for Plain { from, descriptor } in plain {
                self.blobs.insert(descriptor.digest, Blob::Inflated(from, descriptor.size));
            }
            bytes = json("the manifest", &changed)?;
            manifest = changed;
        }
        for layer in &manifest.layers {
            self.blobs.entry(layer.digest).or_insert(Blob::Stored(layer.size));
        }
        self.blobs.insert(stored.id, Blob::Stored(manifest.config.size));
        let digest = Digest::of(&bytes);
        let media_type = manifest.media_type.as_deref().unwrap_or(config::MANIFEST);
        let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
        self.blobs.insert(digest, Blob::Document(bytes));
        self.index.extend(named(&descriptor, names));
        let top = manifest.layers.last().map_or(stored.id, |layer| layer.digest);
        for name in names {
            let tags = self.repositories.entry(name.familiar_name()).or_default();
            tags.extend(name.tag().map(|tag| (tag.to_owned(), top.hex())));
        }
        self.items.push(Item {
            config: path(stored.id),
            repo_tags: (!names.is_empty()).then(|| names.iter().map(Reference::to_string).collect()),
            layers: Some(manifest.layers.iter().map(|layer| path(layer.digest)).collect()),
        });
        Ok(())
    }

    fn write(&self, store: &Store, format: Format, out: impl Write) -> Result<(), ArchiveError> {
        let mut tape = Tape::new(io::BufWriter::with_capacity(128 * 1024, out));
        for directory in ["blobs", BLOBS] {
            let entry = Entry::new(directory, Kind::Directory, 0o755);
            tape.append(&entry, io::empty()).map_err(ArchiveError::Write)?;
        }
        for (digest, blob) in &self.blobs {
            append(&mut tape, store, *digest, blob)?;
        }
        let index = Index {
            schema_version: 2,
            media_type: Some(config::INDEX.to_owned()),
            manifests: self.index.clone(),
            rest: serde_json::Map::new(),
        };
        let mut documents = vec![
            (INDEX, json(INDEX, &index)?),
            (MANIFEST, json(MANIFEST, &self.items)?),
            (LAYOUT, json(LAYOUT, &json!({"imageLayoutVersion": "1.0.0"}))?),
            (REPOSITORIES, json(REPOSITORIES, &self.repositories)?),
        ];
        documents.retain(|(name, _)| format == Format::Docker || [INDEX, LAYOUT].contains(name));
        for (name, bytes) in documents {
            let entry = Entry::new(name, Kind::File, 0o644).sized(bytes.len() as u64);
            tape.append(&entry, bytes.as_slice()).map_err(ArchiveError::Write)?;
        }
        tape.finish().and_then(|mut out| out.flush()).map_err(ArchiveError::Write)
    }
}

/// An entry of the index for each name, or one without.
fn named(descriptor: &Descriptor, names: &[Reference]) -> Vec<Descriptor> {
    let with = |name: &Reference| {
        let mut entry = descriptor.clone();
        for key in [CONTAINERD_NAME, config::NAME] {
            entry.annotations.insert(key.to_owned(), name.canonical());
        }
        entry
    };
    if names.is_empty() { vec![descriptor.clone()] } else { names.iter().map(with).collect() }
}

fn append<W: Write>(
    tape: &mut Tape<W>,
    store: &Store,
    digest: Digest,
    blob: &Blob,
) -> Result<(), ArchiveError> {
    let entry = |size| Entry::new(path(digest), Kind::File, 0o644).sized(size);
    let (size, from): (u64, Box<dyn Read>) = match blob {
        Blob::Document(bytes) => (bytes.len() as u64, Box::new(bytes.as_slice())),
        Blob::Stored(size) => {
            let lost = |source| ArchiveError::Store(StoreError::Fetch { blob: digest, source });
            (*size, Box::new(File::open(store.blob_path(digest)).map_err(lost)?))
        }
        Blob::Inflated(from, size) => (*size, Box::new(zstd_as_plain::open(store, *from)?)),
    };
    let mut watched = Summed { from, hash: Sha256::new(), failed: None };
    let written = tape.append(&entry(size), &mut watched);
    if let Some(source) = watched.failed {
        return Err(ArchiveError::Store(StoreError::Fetch { blob: digest, source }));
    }
    match written {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        written => written.map_err(ArchiveError::Write)?,
    }
    match Digest::finish(watched.hash) {
        found if found == digest => Ok(()),
        found => Err(StoreError::Corrupt { blob: digest, found }.into()),
    }
}

fn json(what: &str, document: &impl serde::Serialize) -> Result<Vec<u8>, ArchiveError> {
    let wrong = |source| StoreError::Json { what: what.to_owned(), source };
    serde_json::to_vec(document).map_err(|source| wrong(source).into())
}

/// A reader that hashes what it reads, and keeps its own failures apart from the writer's.
struct Summed<R> {
    from: R,
    hash: Sha256,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.from.read(into) {
            Ok(count) => {
                self.hash.update(&into[..count]);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }
}
