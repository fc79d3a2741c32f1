//! Names: which manifest an image's name stands for, in `index.json`.
//!
//! ```text
//!   tag B as x:      before  [x -> A] [y -> B]      after  [<none> -> A] [y -> B] [x -> B]
//!   an entry that lost its name stays, as Docker's <none>:<none>, unless another one names the same manifest
//! ```
//!
//! The file is replaced in one move under the store's lock: a reader sees the old list or the new one.
//!
//! See the OCI image specification, image-layout.md (index.json). Lab 13-union-image, tutorials/13-union-image.md.

use super::error::file;
use super::{Store, StoreError};
use crate::engine::config::{CHOSEN, Descriptor, Index, NAME};
use crate::engine::reference::Reference;
use crate::layers::Digest;
use std::fs::{self, File};
use std::io::Write;

/// An index without images.
pub(super) const EMPTY: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// A name that an image has, as somebody has seen it.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// the name
    pub name: Reference,
    /// the image's entries in the index
    pub images: Vec<Descriptor>,
}

/// The entry that a reference names: by name and tag, and by digest where it has one.
pub(super) fn named<'a>(index: &'a Index, reference: &Reference) -> Option<&'a Descriptor> {
    let same_name = |name: &String| {
        name.parse::<Reference>().is_ok_and(|known| {
            let tag = reference.tag().is_none() || known.tag() == reference.tag();
            tag && known.registry() == reference.registry() && known.repository() == reference.repository()
        })
    };
    let whole = reference.canonical();
    let exact = index.manifests.iter().find(|entry| entry.annotations.get(NAME) == Some(&whole));
    let by_digest = || {
        let digest = reference.digest()?;
        let named = |entry: &&Descriptor| entry.annotations.get(NAME).is_some_and(same_name);
        index.manifests.iter().filter(|entry| entry.digest == digest).find(named)
    };
    exact.or_else(by_digest)
}

/// Gives a manifest a name, and takes it from whichever had it. Without one, the manifest is only listed.
pub(super) fn give(index: &mut Index, mut entry: Descriptor, reference: Option<&Reference>) {
    let Some(reference) = reference else {
        if !index.manifests.iter().any(|known| known.digest == entry.digest) {
            index.manifests.push(entry);
        }
        return;
    };
    take(index, reference);
    entry.annotations.insert(NAME.to_owned(), reference.canonical());
    // the new name replaces a nameless entry of the same manifest
    index.manifests.retain(|known| !same_image(known, &entry) || known.annotations.contains_key(NAME));
    index.manifests.push(entry);
}

/// Takes a name away; returns the manifest that had it, which stays without a name unless it has another.
pub(super) fn take(index: &mut Index, reference: &Reference) -> Option<Digest> {
    let whole = reference.canonical();
    let at = index.manifests.iter().position(|entry| entry.annotations.get(NAME) == Some(&whole))?;
    let digest = index.manifests[at].digest;
    if index.manifests.iter().filter(|entry| same_image(entry, &index.manifests[at])).count() > 1 {
        index.manifests.remove(at);
    } else {
        index.manifests[at].annotations.remove(NAME);
    }
    Some(digest)
}

/// Whether two entries are one image: of the same list, different ones may have been pulled.
pub(super) fn same_image(one: &Descriptor, other: &Descriptor) -> bool {
    one.digest == other.digest && one.annotations.get(CHOSEN) == other.annotations.get(CHOSEN)
}

impl Store {
    /// The list of images.
    pub(super) fn index(&self) -> Result<Index, StoreError> {
        let path = self.root.join("index.json");
        let bytes = fs::read(&path).map_err(|source| file(&path, "read", source))?;
        serde_json::from_slice(&bytes)
            .map_err(|source| StoreError::Json { what: path.display().to_string(), source })
    }

    /// The names with a tag in the repository of this one, whether what they stand for can be read or not.
    ///
    /// # Errors
    /// [`StoreError::File`] or [`StoreError::Json`] for the index itself.
    pub fn tagged(&self, repository: &Reference) -> Result<Vec<Reference>, StoreError> {
        let index = self.index()?;
        let names = index.manifests.iter().filter_map(|entry| entry.annotations.get(NAME)?.parse().ok());
        Ok(names
            .filter(|name: &Reference| {
                name.registry() == repository.registry()
                    && name.repository() == repository.repository()
                    && name.tag().is_some()
                    && name.digest().is_none()
            })
            .collect())
    }

    /// Names the image that another name or id stands for.
    ///
    /// # Errors
    /// As [`Store::find`], and [`StoreError::File`].
    pub fn tag(&self, name: &str, reference: &Reference) -> Result<Digest, StoreError> {
        let _lock = self.lock()?;
        let stored = self.find(name)?;
        let mut index = self.index()?;
        give(&mut index, stored.entry, Some(reference));
        self.write_index(&index)?;
        Ok(stored.id)
    }

    /// Takes a name away. The image stays, without a name if it was its last.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where there is no such name; [`StoreError::File`].
    pub fn untag(&self, reference: &Reference) -> Result<Digest, StoreError> {
        let _lock = self.lock()?;
        let mut index = self.index()?;
        let taken = take(&mut index, reference).ok_or_else(|| StoreError::Missing(reference.to_string()))?;
        self.write_index(&index)?;
        Ok(taken)
    }

    /// Takes names away, and whole images out of the list, all at once. Blobs stay until [`Store::collect`]. An image
    /// that somebody has named meanwhile stays, and so does a name that somebody has given to another image.
    ///
    /// # Errors
    /// [`StoreError::File`]; then the list is as it was.
    pub fn forget(&self, names: &[Named], images: &[Descriptor]) -> Result<(), StoreError> {
        let _lock = self.lock()?;
        let mut index = self.index()?;
        for Named { name, images } in names {
            let whole = name.canonical();
            let now = index.manifests.iter().find(|entry| entry.annotations.get(NAME) == Some(&whole));
            if now.is_some_and(|now| images.iter().any(|image| same_image(now, image))) {
                take(&mut index, name);
            }
        }
        let named = |entry: &Descriptor| {
            entry.annotations.get(NAME).is_some_and(|name| name.parse::<Reference>().is_ok())
        };
        index.manifests.retain(|entry| named(entry) || !images.iter().any(|image| same_image(entry, image)));
        self.write_index(&index)
    }

    /// Replaces the list of images; the caller holds the lock.
    pub(super) fn write_index(&self, index: &Index) -> Result<(), StoreError> {
        let what = || self.root.join("index.json").display().to_string();
        let json = serde_json::to_vec(index).map_err(|source| StoreError::Json { what: what(), source })?;
        self.replace("index.json", &json)
    }

    /// Replaces a file of the store: written aside, synced, renamed, and the rename synced. The caller holds the lock.
    pub(super) fn replace(&self, name: &str, content: &[u8]) -> Result<(), StoreError> {
        let path = self.root.join(name);
        let written = || -> std::io::Result<()> {
            let mut aside = tempfile::NamedTempFile::new_in(self.root.join("tmp"))?;
            aside.write_all(content)?;
            aside.as_file().sync_all()?;
            aside.persist(&path)?;
            File::open(&self.root)?.sync_all()
        };
        written().map_err(|source| file(&path, "replace", source))
    }

    /// Waits for the store's lock, which is held until the file is dropped.
    pub(super) fn lock(&self) -> Result<File, StoreError> {
        let path = self.root.join("lock");
        let mut options = File::options();
        let opened = options.create(true).truncate(false).write(true).open(&path);
        opened.and_then(|lock| lock.lock().map(|()| lock)).map_err(|source| file(&path, "lock", source))
    }
}
