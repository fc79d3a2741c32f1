//! Store: the images of this machine, in a directory that is an OCI image layout.
//!
//! ```text
//!   oci-layout                 "this is an OCI layout"
//!   index.json                 names -> manifests; replaced in one move, so that readers need no lock
//!   blobs/sha256/HEX           manifests, configs, layer archives; never changed
//!   layers/CHAIN ID/           a layer unpacked, once for all images that share it and what is below it
//!   vfs/, btrfs/CHAIN ID/      the same together with what is below it, for the drivers of these names
//!   sizes/CHAIN ID             how many bytes a layer's files hold
//!   unsynced/CHAIN ID          the boot in which it was unpacked: after another boot it may be half on the disk
//!   fetching/HEX               a blob that is being fetched; locked by who does
//!   tmp/X/                     what is being made; its lock file says whether the maker lives
//!   lock                       held while names change, for moments
//! ```
//!
//! A blob is written, synced and only then named; so a crash leaves a directory under `tmp`, never half an image.
//! Unpacked layers are not synced file by file, which would cost more than the unpacking: they can be made again
//! from their blob, and are, if the machine went down before they were surely on the disk.
//!
//! See the OCI image specification, image-layout.md. Lab 13-union-image, tutorials/13-union-image.md.

mod arrivals;
mod catalog;
mod draft;
mod driver;
mod error;
mod holds;
mod names;
mod reach;
mod sizes;
mod sweep;
mod unpacked;
mod upload;
mod verify;

pub use arrivals::{Arrival, Source, Wanted};
pub use catalog::Listed;
pub use draft::{Draft, NewLayer};
pub use driver::{Driver, DriverError};
pub use error::StoreError;
pub use holds::Hold;
pub use names::Named;
pub use sizes::size_of_files;
pub use sweep::Swept;
pub use upload::Bench;

use super::config::{self, Descriptor, Document, History, ImageConfig, Index, Manifest};
use super::events::Events;
use super::platform::Platform;
use super::reference::{Reference, ReferenceError};
use crate::layers::{Digest, Ownership, chain_ids};
use std::fs;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The longest manifest or config that is read, in bytes.
const DOCUMENT: u64 = 8 << 20;

/// A store of images.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    ownership: Ownership,
    driver: Driver,
}

/// An image that can be run: its layers are unpacked.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// the digest of its config, which is Docker's image id
    pub id: Digest,
    /// the digest of its manifest, which is what a registry calls it
    pub manifest: Digest,
    /// its name; none for an image that lost it to a newer one
    pub reference: Option<Reference>,
    /// what to run
    pub config: ImageConfig,
    /// directories of its layers, absolute, top-most last; without those below a layer that hides everything. Where
    /// the driver makes whole trees, that tree alone
    pub layers: Vec<PathBuf>,
    /// diff ids of its layers, top-most last
    pub diff_ids: Vec<Digest>,
    /// when it was made, RFC 3339
    pub created: Option<String>,
    /// processor, in Go's names
    pub architecture: String,
    /// operating system
    pub os: String,
    /// how each layer came to be
    pub history: Vec<History>,
}

/// An image as the store lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// its name, if it has one
    pub reference: Option<Reference>,
    /// the digest of its config
    pub id: Digest,
    /// the digest of its manifest
    pub digest: Digest,
    /// its manifest
    pub manifest: Manifest,
    /// its entry in the index: its manifest, or the list for several machines that it was pulled from
    pub entry: Descriptor,
}

impl Store {
    /// Opens the store in this directory, which is made where it is missing; layers belong to whom this process can
    /// make them belong to.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn open(root: impl Into<PathBuf>) -> Result<Store, StoreError> {
        Store::open_as(root, Ownership::of_this_process())
    }

    /// The same with a choice of who owns unpacked layers.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn open_as(root: impl Into<PathBuf>, ownership: Ownership) -> Result<Store, StoreError> {
        let root = root.into();
        // overlayfs is given these paths by processes that may stand elsewhere
        let root = std::path::absolute(&root).map_err(|source| error::file(&root, "getcwd", source))?;
        let store = Store { root, ownership, driver: Driver::default() };
        if !store.root.join("index.json").exists() || !store.root.join("fetching").exists() {
            store.lay_out()?;
        }
        Ok(store)
    }

    fn lay_out(&self) -> Result<(), StoreError> {
        for directory in ["blobs/sha256", "layers", "unsynced", "fetching", "tmp"] {
            let path = self.root.join(directory);
            // set-uid files of images must not be within reach of other users
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|source| error::file(&path, "mkdir", source))?;
        }
        let _lock = self.lock()?;
        for (name, content) in
            [("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#), ("index.json", names::EMPTY)]
        {
            if !self.root.join(name).exists() {
                self.replace(name, content.as_bytes())?;
            }
        }
        Ok(())
    }

    /// The store's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where it is written what has happened.
    pub fn events(&self) -> Events {
        Events::of(&self.root)
    }

    /// Who owns unpacked layers.
    pub fn ownership(&self) -> Ownership {
        self.ownership
    }

    /// Finds an image by name, or by image id or manifest digest, whole or shortened, and unpacks what of it is
    /// not unpacked yet.
    ///
    /// # Errors
    /// [`StoreError::Missing`] in Docker's words; errors of reading and unpacking.
    pub fn resolve(&self, name: &str) -> Result<Image, StoreError> {
        self.ready(self.find(name)?)
    }

    /// The same for a name that was parsed before.
    ///
    /// # Errors
    /// As [`Store::resolve`].
    pub fn image(&self, reference: &Reference) -> Result<Image, StoreError> {
        let index = self.index()?;
        let found =
            names::named(&index, reference).ok_or_else(|| StoreError::Missing(reference.to_string()))?;
        self.ready(self.stored(found)?)
    }

    /// Finds an image as [`Store::resolve`] does, but leaves its layers as they are.
    ///
    /// # Errors
    /// As [`Store::resolve`].
    pub fn find(&self, name: &str) -> Result<Stored, StoreError> {
        let index = self.index()?;
        let reference = name.parse::<Reference>();
        if let Some(found) = reference.as_ref().ok().and_then(|reference| names::named(&index, reference)) {
            return self.stored(found);
        }
        let prefix = name.strip_prefix("sha256:").unwrap_or(name);
        if !prefix.is_empty() && prefix.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            let mut found: Option<Stored> = None;
            for descriptor in &index.manifests {
                // an image that cannot be read must not hide the others
                let Ok(stored) = self.stored(descriptor) else { continue };
                let digests = [stored.id, stored.digest, stored.entry.digest];
                if !digests.iter().any(|digest| digest.hex().starts_with(prefix)) {
                    continue;
                }
                match &found {
                    Some(other) if other.id != stored.id => {
                        return Err(StoreError::Ambiguous(name.to_owned()));
                    }
                    Some(_) => {}
                    None => found = Some(stored),
                }
            }
            if let Some(found) = found {
                return Ok(found);
            }
        }
        match reference {
            Ok(reference) => Err(StoreError::Missing(reference.to_string())),
            Err(ReferenceError::LooksLikeId(id)) => Err(StoreError::Missing(id)),
            Err(error) => Err(error.into()),
        }
    }

    /// All images, in the order of the index. One that cannot be read comes as an error of its own.
    ///
    /// # Errors
    /// [`StoreError::File`] or [`StoreError::Json`] for the index itself.
    pub fn list(&self) -> Result<Vec<Result<Stored, StoreError>>, StoreError> {
        Ok(self.index()?.manifests.iter().map(|descriptor| self.stored(descriptor)).collect())
    }

    /// The config document of an image.
    ///
    /// # Errors
    /// Those of [`Store::document`]; [`StoreError::Layers`] where config and manifest disagree.
    pub fn config(&self, stored: &Stored) -> Result<Document, StoreError> {
        let document: Document = self.document(stored.id)?;
        let (layers, diff_ids) = (stored.manifest.layers.len(), document.rootfs.diff_ids.len());
        if layers != diff_ids {
            return Err(StoreError::Layers { image: stored.id, layers, diff_ids });
        }
        Ok(document)
    }

    /// Reads a blob that is a JSON document, and checks it against its digest.
    ///
    /// # Errors
    /// [`StoreError::File`], [`StoreError::Corrupt`], [`StoreError::Json`].
    pub fn document<T: serde::de::DeserializeOwned>(&self, digest: Digest) -> Result<T, StoreError> {
        let bytes = self.blob(digest)?;
        serde_json::from_slice(&bytes).map_err(|source| StoreError::Json { what: digest.to_string(), source })
    }

    /// Reads a small blob whole, and checks it against its digest.
    ///
    /// # Errors
    /// [`StoreError::File`], [`StoreError::Corrupt`].
    pub fn blob(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.blob_path(digest);
        let mut bytes = Vec::new();
        let mut read = || -> std::io::Result<()> {
            let mut file = fs::File::open(&path)?;
            // a list reads thousands of them: one call each
            bytes.resize(usize::try_from(file.metadata()?.len().min(DOCUMENT)).unwrap_or(0), 0);
            file.read_exact(&mut bytes)
        };
        read().map_err(|source| error::file(&path, "read", source))?;
        let found = Digest::of(&bytes);
        if found == digest { Ok(bytes) } else { Err(StoreError::Corrupt { blob: digest, found }) }
    }

    /// Where a blob is, if it is here.
    pub fn blob_path(&self, digest: Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    fn stored(&self, descriptor: &Descriptor) -> Result<Stored, StoreError> {
        let (digest, manifest) = match chosen(descriptor) {
            Some(digest) => (digest, self.document(digest)?),
            None => self.manifest(descriptor, 0)?,
        };
        let reference = descriptor.annotations.get(config::NAME).and_then(|name| name.parse().ok());
        Ok(Stored { reference, id: manifest.config.digest, digest, manifest, entry: descriptor.clone() })
    }

    /// The manifest behind a descriptor; of an image for several machines, the one for this machine.
    fn manifest(&self, descriptor: &Descriptor, depth: u32) -> Result<(Digest, Manifest), StoreError> {
        let unsupported =
            || StoreError::MediaType { blob: descriptor.digest, found: descriptor.media_type.clone() };
        match descriptor.media_type.as_str() {
            config::MANIFEST | config::DOCKER_MANIFEST => {
                Ok((descriptor.digest, self.document(descriptor.digest)?))
            }
            config::INDEX | config::DOCKER_LIST if depth < 4 => {
                let mut index: Index = self.document(descriptor.digest)?;
                // of a list only what was wanted is here
                index.manifests.retain(|inner| self.blob_path(inner.digest).exists());
                let inner = Platform::of_this_machine().choose(&index.manifests);
                self.manifest(inner.ok_or(StoreError::Platform(descriptor.digest))?, depth + 1)
            }
            _ => Err(unsupported()),
        }
    }

    fn ready(&self, stored: Stored) -> Result<Image, StoreError> {
        let document = self.config(&stored)?;
        let diff_ids = document.rootfs.diff_ids;
        let (blobs, chains) = (&stored.manifest.layers, chain_ids(&diff_ids));
        let layers = match self.driver {
            Driver::Overlay => self.unpacked(blobs, &diff_ids, &chains)?,
            Driver::Vfs | Driver::Btrfs => vec![self.tree(blobs, &diff_ids, &chains)?],
        };
        Ok(Image {
            id: stored.id,
            manifest: stored.digest,
            reference: stored.reference,
            config: document.config,
            layers,
            diff_ids,
            created: document.created,
            architecture: document.architecture,
            os: document.os,
            history: document.history,
        })
    }
}

/// Which image of a list was pulled.
fn chosen(entry: &Descriptor) -> Option<Digest> {
    entry.annotations.get(config::CHOSEN)?.parse().ok()
}
