//! Bench: blobs that arrive one by one, before anybody says which image they are for.
//!
//! ```text
//!   tmp/X/lock                 held while we live
//!   tmp/X/uploads/NAME         a blob that is arriving
//!   tmp/X/blobs/HEX            one that is whole, or a second name of one of the store's, held for a push
//!        │ publish, under the store's lock: give each a name in blobs/sha256, then name the manifest
//!   index.json
//! ```
//!
//! A second name is a hard link: whoever collects what no image names removes the first one only, and the content
//! stays until the bench lets go. So between "it is here" and the manifest that needs it, it stays here.
//!
//! See link(2) and the OCI distribution specification. Lab 16-registry.

use super::draft::{Scratch, rename};
use super::error::file;
use super::reach::Reached;
use super::{Driver, Store, StoreError, names};
use crate::engine::config::{Descriptor, Index};
use crate::engine::reference::Reference;
use crate::layers::{Digest, Ownership};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A place beside the store's blobs for those that no image names yet. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Bench {
    store: Store,
    scratch: Scratch,
}

impl Store {
    /// An image layout that another tool has made, as it stands: nothing is made in it before a bench is. Its images
    /// cannot be unpacked there.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn layout(root: &Path) -> Result<Store, StoreError> {
        let root = std::path::absolute(root).map_err(|source| file(root, "getcwd", source))?;
        Ok(Store { root, ownership: Ownership::of_this_process(), driver: Driver::default() })
    }

    /// The entries of the index, in its order.
    ///
    /// # Errors
    /// [`StoreError::File`], [`StoreError::Json`].
    pub fn entries(&self) -> Result<Vec<Descriptor>, StoreError> {
        Ok(self.index()?.manifests)
    }

    /// Changes the entries of the index, under the lock; what they name stays until it is collected.
    ///
    /// # Errors
    /// [`StoreError::File`], [`StoreError::Json`].
    pub fn revise<T>(&self, change: impl FnOnce(&mut Vec<Descriptor>) -> T) -> Result<T, StoreError> {
        let _lock = self.lock()?;
        let mut index = self.index()?;
        let before = index.manifests.clone();
        let result = change(&mut index.manifests);
        if index.manifests != before {
            self.write_index(&index)?;
        }
        Ok(result)
    }

    /// Removes a blob that no image needs; false where one does.
    ///
    /// # Errors
    /// [`StoreError::File`], and those of reading the images: one that cannot be read may need it.
    pub fn remove_blob(&self, digest: Digest) -> Result<bool, StoreError> {
        let _lock = self.lock()?;
        let mut reached = Reached::default();
        for entry in self.index()?.manifests {
            self.reach(&entry, &mut reached)?;
        }
        if reached.blobs.contains(&digest) {
            return Ok(false);
        }
        let path = self.blob_path(digest);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(file(&path, "unlink", source)),
            _ => Ok(true),
        }
    }

    /// A bench of one's own.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn bench(&self) -> Result<Bench, StoreError> {
        // an image layout that another tool has made has no such directory
        let tmp = self.root.join("tmp");
        fs::create_dir_all(&tmp).map_err(|source| file(&tmp, "mkdir", source))?;
        let scratch = Scratch::new(self)?;
        for name in ["uploads", "blobs"] {
            let path = scratch.path.join(name);
            fs::create_dir(&path).map_err(|source| file(&path, "mkdir", source))?;
        }
        Ok(Bench { store: self.clone(), scratch })
    }
}

impl Bench {
    /// Makes an empty file for a blob that is about to arrive.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn begin(&self, name: &str) -> Result<File, StoreError> {
        let path = self.upload(name);
        let made = File::options().create_new(true).read(true).write(true).open(&path);
        made.map_err(|source| file(&path, "create", source))
    }

    /// Keeps a file that is whole under its digest, which the caller has computed, synced.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn keep(&self, name: &str, whole: &File, digest: Digest) -> Result<(), StoreError> {
        let path = self.upload(name);
        whole.sync_all().map_err(|source| file(&path, "fsync", source))?;
        rename(&path, &self.path(digest))
    }

    /// Removes the file of a blob that will not arrive.
    pub fn abandon(&self, name: &str) {
        // what cannot be removed now goes with the bench
        let _ = fs::remove_file(self.upload(name));
    }

    /// Writes a small blob, synced.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn write(&self, content: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(content);
        let uploads = self.scratch.path.join("uploads");
        let written = || -> io::Result<()> {
            let mut aside = tempfile::NamedTempFile::new_in(&uploads)?;
            aside.write_all(content)?;
            aside.as_file().sync_all()?;
            aside.persist(self.path(digest))?;
            Ok(())
        };
        written().map_err(|source| file(&self.path(digest), "write", source))?;
        Ok(digest)
    }

    /// Holds a blob of the store: from here on it stays, whatever is collected. False where it is not here. On a
    /// file system without hard links there is nothing to hold it by.
    pub fn hold(&self, digest: Digest) -> bool {
        let from = self.store.blob_path(digest);
        match fs::hard_link(&from, self.path(digest)) {
            Ok(()) => true,
            Err(error) => error.kind() == io::ErrorKind::AlreadyExists || from.exists(),
        }
    }

    /// Lets go of a blob.
    pub fn discard(&self, digest: Digest) {
        // what cannot be removed now goes with the bench
        let _ = fs::remove_file(self.path(digest));
    }

    /// Where a blob is, if the bench has it.
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.scratch.path.join("blobs").join(digest.hex())
    }

    fn upload(&self, name: &str) -> PathBuf {
        self.scratch.path.join("uploads").join(name)
    }

    /// Puts blobs in their place in the store and names a manifest, which comes first in the index; then `tidy`
    /// may change the other entries. Returns the blobs that are nowhere: if there are any, nothing was done.
    ///
    /// # Errors
    /// [`StoreError::File`], [`StoreError::Json`]; then the image is not there.
    pub fn publish(
        &self,
        blobs: &BTreeSet<Digest>,
        manifest: Descriptor,
        reference: &Reference,
        tidy: impl FnOnce(&mut Vec<Descriptor>),
    ) -> Result<Vec<Digest>, StoreError> {
        let _lock = self.store.lock()?;
        let missing = |digest: &&Digest| !self.store.blob_path(**digest).exists();
        let wanted: Vec<Digest> = blobs.iter().filter(missing).copied().collect();
        let absent: Vec<Digest> =
            wanted.iter().filter(|digest| !self.path(**digest).exists()).copied().collect();
        if !absent.is_empty() {
            return Ok(absent);
        }
        for digest in &wanted {
            self.place(*digest)?;
        }
        let directory = self.store.root.join("blobs/sha256");
        sync_directory(&directory)?;
        let mut index: Index = self.store.index()?;
        names::give(&mut index, manifest, Some(reference));
        index.manifests.rotate_right(1);
        tidy(&mut index.manifests);
        self.store.write_index(&index)?;
        Ok(Vec::new())
    }

    /// The bench keeps its own name of the blob, for pushes that have asked for it; where there are no hard links
    /// it gives the only one away.
    fn place(&self, digest: Digest) -> Result<(), StoreError> {
        let (from, to) = (self.path(digest), self.store.blob_path(digest));
        match fs::hard_link(&from, &to) {
            Ok(()) => Ok(()),
            Err(_) => rename(&from, &to),
        }
    }
}

fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|source| file(directory, "fsync", source))
}
