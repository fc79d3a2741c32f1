//! The images of this machine as Docker counts them: one for each config, with all its names, the newest first.
//!
//! See docker-images(1). Lab 13-union-image, tutorials/13-union-image.md.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::engine::config::{Descriptor, Document, Manifest};
use crate::engine::reference::{Reference, ReferenceError};
use crate::engine::store::{Store, StoreError};
use crate::layers::{Digest, chain_ids};

/// An image.
#[derive(Debug)]
pub struct Known {
    /// the digest of its config
    pub id: Digest,
    /// what the index names: its manifests, or the lists that they were chosen from
    pub digests: Vec<Digest>,
    /// its manifests
    pub manifests: Vec<Digest>,
    /// its entries in the index
    pub entries: Vec<Descriptor>,
    /// its names, in order
    pub names: Vec<Reference>,
    /// its first manifest
    pub manifest: Manifest,
    /// its config
    pub document: Document,
    /// chain ids of its layers, bottom first
    pub chains: Vec<Digest>,
}

/// An entry of the index that is no image here.
#[derive(Debug)]
pub struct Broken {
    /// what the index names
    pub digest: Digest,
    /// the entry
    pub entry: Descriptor,
    /// its names
    pub names: Vec<Reference>,
    /// why
    pub error: StoreError,
}

/// All images.
#[derive(Debug, Default)]
pub struct Catalog {
    /// the newest first
    pub images: Vec<Known>,
    /// those that cannot be read
    pub broken: Vec<Broken>,
    /// what nobody can run here and nothing is wrong with: images for other machines, and what is no image at all
    pub others: Vec<Broken>,
}

/// Why an image cannot be had, in Docker's words.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// no image has this name or id
    #[error("No such image: {0}")]
    NoSuch(
        /// the name, with its tag
        String,
    ),
    /// several images have ids that begin so
    #[error("multiple images have an id that begins with {0}: give more digits")]
    Ambiguous(
        /// the digits
        String,
    ),
    /// not the name of an image
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// the image is there and cannot be read
    #[error("{name} cannot be read: {error}")]
    Broken {
        /// its name
        name: String,
        /// why
        error: String,
    },
    /// something uses it
    #[error("conflict: unable to delete {id} ({}) - {why}", if *hard { "cannot be forced" } else { "must be forced" })]
    Conflict {
        /// the image, shortened
        id: String,
        /// even -f does not help
        hard: bool,
        /// what uses it
        why: String,
    },
    /// its last name, while a container uses it
    #[error(
        "conflict: unable to remove repository reference {name:?} (must force) - container {container} is using its \
         referenced image {id}"
    )]
    Named {
        /// the name
        name: String,
        /// the container, shortened
        container: String,
        /// the image, shortened
        id: String,
    },
    /// a filter that is none
    #[error("Invalid filter '{0}'")]
    Filter(
        /// the filter
        String,
    ),
    /// a pattern that is none
    #[error("syntax error in pattern")]
    Pattern,
    /// a time that is none
    #[error("failed to parse value as time or duration: {0:?}")]
    Time(
        /// the value
        String,
    ),
    /// the store
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Known {
    /// When it was made, in seconds since 1970, if it says so.
    pub fn created(&self) -> Option<i64> {
        self.made().map(jiff::Timestamp::as_second)
    }

    fn made(&self) -> Option<jiff::Timestamp> {
        self.document.created.as_deref()?.parse().ok()
    }

    /// The image that its config says it was made of. Docker writes that where it builds and commits.
    pub fn parent(&self) -> Option<Digest> {
        self.document.config.rest.get("Image")?.as_str()?.parse().ok()
    }

    /// Its first 12 digits.
    pub fn short(&self) -> String {
        self.id.hex()[..12].into()
    }

    /// Bytes of the files of each layer, bottom first.
    ///
    /// # Errors
    /// Those of [`Store::layer_sizes`].
    pub fn sizes(&self, store: &Store) -> Result<Vec<u64>, StoreError> {
        store.layer_sizes(&self.manifest, &self.chains)
    }

    /// `NAME@DIGEST` of each repository that it has a name in.
    pub fn repo_digests(&self) -> Vec<String> {
        let repositories: BTreeSet<String> = self.names.iter().map(Reference::familiar_name).collect();
        let all = repositories
            .iter()
            .flat_map(|name| self.digests.iter().map(move |digest| format!("{name}@{digest}")));
        all.collect()
    }
}

impl Catalog {
    /// Reads them all.
    ///
    /// # Errors
    /// Those of [`Store::catalog`].
    pub fn read(store: &Store) -> Result<Catalog, StoreError> {
        let mut known: BTreeMap<Digest, Known> = BTreeMap::new();
        let (mut broken, mut others) = (Vec::new(), Vec::new());
        for listed in store.catalog()? {
            let (stored, document) = match listed.found {
                Ok(found) => found,
                Err(error) => {
                    let whole = matches!(error, StoreError::MediaType { .. } | StoreError::Platform(_));
                    let (digest, entry, names) = (listed.entry.digest, listed.entry, listed.names);
                    let list = if whole { &mut others } else { &mut broken };
                    list.push(Broken { digest, entry, names, error });
                    continue;
                }
            };
            let chains = chain_ids(&document.rootfs.diff_ids);
            let image = known.entry(stored.id).or_insert_with(|| Known {
                id: stored.id,
                digests: Vec::new(),
                manifests: Vec::new(),
                entries: Vec::new(),
                names: Vec::new(),
                manifest: stored.manifest,
                document,
                chains,
            });
            image.digests.push(listed.entry.digest);
            image.manifests.push(stored.digest);
            image.entries.push(listed.entry);
            image.names.extend(listed.names);
        }
        let mut images: Vec<Known> = known.into_values().collect();
        for image in &mut images {
            image.names.sort();
        }
        images.sort_by_cached_key(|image| (Reverse(image.made()), image.names.first().cloned(), image.id));
        Ok(Catalog { images, broken, others })
    }

    /// Finds an image by name, or by image id or manifest digest, whole or shortened.
    ///
    /// # Errors
    /// [`ImageError::NoSuch`], [`ImageError::Ambiguous`], [`ImageError::Reference`], [`ImageError::Broken`].
    pub fn find(&self, name: &str) -> Result<&Known, ImageError> {
        let reference = name.parse::<Reference>();
        if let Ok(reference) = &reference {
            if let Some(image) = self.images.iter().find(|image| image.is_named(reference)) {
                return Ok(image);
            }
            if let Some(broken) = self.unread().find(|broken| broken.names.contains(reference)) {
                return Err(ImageError::Broken { name: name.into(), error: broken.error.to_string() });
            }
        }
        let prefix = name.strip_prefix("sha256:").unwrap_or(name);
        if !prefix.is_empty() && prefix.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            let begins = |digest: &Digest| digest.hex().starts_with(prefix);
            let mut found = self.images.iter().filter(|image| {
                begins(&image.id) || image.digests.iter().chain(&image.manifests).any(begins)
            });
            match (found.next(), found.next()) {
                (Some(image), None) => return Ok(image),
                (Some(_), Some(_)) => return Err(ImageError::Ambiguous(name.into())),
                _ => {}
            }
            if let Some(broken) = self.unread().find(|broken| begins(&broken.digest)) {
                return Err(ImageError::Broken { name: name.into(), error: broken.error.to_string() });
            }
        }
        match reference {
            Ok(reference) => Err(ImageError::NoSuch(reference.to_string())),
            Err(ReferenceError::LooksLikeId(id)) => Err(ImageError::NoSuch(id)),
            Err(error) => Err(error.into()),
        }
    }

    /// What the index names and is no image here.
    pub fn unread(&self) -> impl Iterator<Item = &Broken> {
        self.broken.iter().chain(&self.others)
    }

    /// The images that were made of each image that is here.
    pub fn children(&self) -> BTreeMap<Digest, usize> {
        let mut children = BTreeMap::new();
        for parent in self.images.iter().filter_map(Known::parent) {
            *children.entry(parent).or_insert(0) += 1;
        }
        children
    }
}

impl Known {
    fn is_named(&self, reference: &Reference) -> bool {
        if self.names.contains(reference) {
            return true;
        }
        let Some(digest) = reference.digest() else { return false };
        let same = |known: &Reference| {
            let tag = reference.tag().is_none() || known.tag() == reference.tag();
            tag && known.familiar_name() == reference.familiar_name()
        };
        self.digests.contains(&digest) && self.names.iter().any(same)
    }
}
