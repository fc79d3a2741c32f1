//! The catalog: every image of the store, read once, however many names it has.
//!
//! ```text
//!   index.json  [x -> A] [y -> B] [z -> A]
//!                   └──────────────┴──> A, named x and z: manifest, config    or why they cannot be read
//! ```
//!
//! See the OCI image specification, image-layout.md. Lab 13-union-image, tutorials/13-union-image.md.

use super::{Store, StoreError, Stored};
use crate::engine::abreast;
use crate::engine::config::{CHOSEN, CONFIG, DOCKER_CONFIG, Descriptor, Document, NAME};
use crate::engine::reference::Reference;
use std::collections::BTreeMap;

/// An entry of the index, with all names that it has.
#[derive(Debug)]
pub struct Listed {
    /// the entry, which names a manifest, or a list that it is chosen from
    pub entry: Descriptor,
    /// its names, in order; none for an image that lost its last one
    pub names: Vec<Reference>,
    /// its documents, or why they cannot be had
    pub found: Result<(Stored, Document), StoreError>,
}

impl Store {
    /// All images. One that cannot be read is listed with the reason.
    ///
    /// # Errors
    /// [`StoreError::File`] or [`StoreError::Json`] for the index itself.
    pub fn catalog(&self) -> Result<Vec<Listed>, StoreError> {
        let index = self.index()?;
        let mut entries: BTreeMap<_, (Vec<Reference>, &Descriptor)> = BTreeMap::new();
        for entry in &index.manifests {
            // of one list, images for several machines may have been pulled
            let image = (entry.digest, entry.annotations.get(CHOSEN));
            let (names, _) = entries.entry(image).or_insert_with(|| (Vec::new(), entry));
            names.extend(entry.annotations.get(NAME).and_then(|name| name.parse::<Reference>().ok()));
        }
        let entries: Vec<(Vec<Reference>, &Descriptor)> = entries.into_values().collect();
        Ok(abreast::each(&entries, |entry| self.listed(entry)))
    }

    fn listed(&self, (names, entry): &(Vec<Reference>, &Descriptor)) -> Listed {
        let read = || {
            let stored = self.stored(entry)?;
            let kind = &stored.manifest.config.media_type;
            if ![CONFIG, DOCKER_CONFIG].contains(&kind.as_str()) {
                return Err(StoreError::MediaType { blob: stored.id, found: kind.clone() });
            }
            let document = self.config(&stored)?;
            Ok((stored, document))
        };
        let mut names = names.clone();
        names.sort();
        Listed { entry: (*entry).clone(), names, found: read() }
    }
}
