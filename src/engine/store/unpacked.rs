//! Unpacked layers: one directory for each chain id, made once, shared by all images that contain it.
//!
//! ```text
//!   is layers/CHAIN there?  no ──────────────────────────────────────> unpack it from its blob, checking both digests
//!     │ yes
//!   is unsynced/CHAIN there, from another boot?  yes ─> put it away ─> unpack it
//!     │ no
//!   use it
//! ```
//!
//! A directory that was renamed into place may, after a power failure, be there with files that are empty: names
//! reach the disk before contents do. The mark costs one small file and spares a sync of everything.
//!
//! See rename(2), syncfs(2), proc_sys_kernel(5) (boot_id). Lab 13-union-image, tutorials/13-union-image.md.

use super::draft::{Scratch, rename, unpack};
use super::error::file;
use super::{Driver, Store, StoreError};
use crate::engine::config::Descriptor;
use crate::layers::{self, Digest};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

impl Store {
    /// The directories of these layers, bottom first, without those that an opaque root hides; what is missing is
    /// unpacked.
    pub(super) fn unpacked(
        &self,
        blobs: &[Descriptor],
        diff_ids: &[Digest],
        chains: &[Digest],
    ) -> Result<Vec<PathBuf>, StoreError> {
        let mut directories = Vec::with_capacity(chains.len());
        for ((blob, diff_id), chain) in blobs.iter().zip(diff_ids).zip(chains) {
            let directory = self.layer_path(*chain);
            if !self.is_unpacked(*chain) {
                self.unpack_blob(blob.digest, *diff_id, *chain)?;
            }
            // overlayfs heeds the mark of an opaque directory everywhere but on a layer's root
            let opaque = self.ownership.is_opaque(&directory);
            if opaque.map_err(|source| file(&directory, "lgetxattr", source))? {
                directories.clear();
            }
            directories.push(directory);
        }
        Ok(directories)
    }

    /// Where the layer with this chain id is, or the tree of it and those below, once it is unpacked.
    pub fn layer_path(&self, chain: Digest) -> PathBuf {
        self.root.join(self.driver.directory()).join(chain.hex())
    }

    /// Whether a layer is there, and surely as it was unpacked.
    pub(super) fn is_unpacked(&self, chain: Digest) -> bool {
        self.layer_path(chain).is_dir() && self.survived(chain)
    }

    pub(super) fn unpack_blob(&self, blob: Digest, diff_id: Digest, chain: Digest) -> Result<(), StoreError> {
        let path = self.blob_path(blob);
        let archive = File::open(&path).map_err(|source| file(&path, "open", source))?;
        let scratch = Scratch::new(self)?;
        let directory = scratch.path.join("layer");
        let applied = unpack(archive, &directory, self)?;
        if applied.digest != blob {
            return Err(StoreError::Corrupt { blob, found: applied.digest });
        }
        if applied.diff_id != diff_id {
            return Err(StoreError::DiffId { blob, expected: diff_id, found: applied.diff_id });
        }
        let _lock = self.lock()?;
        self.adopt(chain, &directory)
    }

    /// Moves an unpacked layer into place, unless one that can be trusted is there. The caller holds the lock.
    pub(super) fn adopt(&self, chain: Digest, directory: &Path) -> Result<(), StoreError> {
        let place = self.layer_path(chain);
        if place.is_dir() {
            if self.survived(chain) || !directory.exists() {
                return Ok(());
            }
            // beside the new one, and removed with it
            rename(&place, &directory.with_extension("old"))?;
        }
        if !directory.exists() {
            return Ok(());
        }
        let mark = self.mark(chain);
        boot().and_then(|boot| fs::write(&mark, boot)).map_err(|source| file(&mark, "write", source))?;
        rename(directory, &place)
    }

    /// Whether a layer's files are surely what they were: it was synced, or the machine has not been down since.
    fn survived(&self, chain: Digest) -> bool {
        match fs::read(self.mark(chain)) {
            Ok(then) => boot().is_ok_and(|now| now == then),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    fn mark(&self, chain: Digest) -> PathBuf {
        let name = match self.driver {
            Driver::Overlay => chain.hex(),
            other => format!("{}-{}", other.name(), chain.hex()),
        };
        self.root.join("unsynced").join(name)
    }

    /// Syncs the file system and takes the marks of this boot away; returns how many.
    pub(super) fn settle_layers(&self) -> Result<usize, StoreError> {
        let marks = self.root.join("unsynced");
        let fail = |source| file(&marks, "read", source);
        let now = boot().map_err(fail)?;
        let entries = fs::read_dir(&marks).map_err(fail)?.flatten();
        let settled: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|mark| fs::read(mark).is_ok_and(|then| then == now))
            .collect();
        if !settled.is_empty() {
            let root = File::open(&self.root).map_err(fail)?;
            rustix::fs::syncfs(&root).map_err(|errno| file(&self.root, "syncfs", errno.into()))?;
        }
        for mark in &settled {
            fs::remove_file(mark).map_err(|source| file(mark, "unlink", source))?;
        }
        Ok(settled.len())
    }

    /// Removes a layer's directory and mark; the caller holds the lock and knows that nothing uses it.
    pub(super) fn forget_layer(&self, chain: Digest) -> Result<(), StoreError> {
        let place = self.layer_path(chain);
        layers::remove(&place).map_err(|source| file(&place, "remove", source))?;
        let mark = self.mark(chain);
        match fs::remove_file(&mark) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file(&mark, "unlink", error)),
            _ => Ok(()),
        }
    }
}

/// Which boot of the machine this is.
fn boot() -> io::Result<Vec<u8>> {
    fs::read("/proc/sys/kernel/random/boot_id")
}
