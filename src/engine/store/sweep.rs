//! Sweeping: removing what makers that died left behind, and blobs and layers that no image names.
//!
//! ```text
//!   tmp/X   lock held  -> somebody is at work: leave it
//!           lock free  -> its maker died: remove it
//! ```
//!
//! Nothing is guessed from names or ages. See flock(2). Lab 13-union-image, tutorials/13-union-image.md.

use super::error::file;
use super::reach::Reached;
use super::{Driver, Store, StoreError};
use crate::layers::{self, Digest};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

/// What a sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// leftovers of makers that died
    pub leftovers: usize,
    /// layers that are now surely on the disk
    pub settled: usize,
}

impl Store {
    /// Removes what makers that died left under `tmp`, and makes sure that unpacked layers are on the disk.
    ///
    /// # Errors
    /// [`StoreError::File`]; what could be removed until then is.
    pub fn sweep(&self) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        let tmp = self.root.join("tmp");
        let mut dead = Vec::new();
        let lock = self.lock()?;
        for entry in fs::read_dir(&tmp).map_err(|source| file(&tmp, "read", source))?.flatten() {
            let path = entry.path();
            if let Some(held) = claim(&path) {
                dead.push((path, held));
            }
        }
        // the removal may take long, and whoever sweeps beside us finds the locks held
        drop(lock);
        for (path, _held) in &dead {
            layers::remove(path).map_err(|source| file(path, "remove", source))?;
            swept.leftovers += 1;
        }
        self.forget_fetching()?;
        swept.settled = self.settle_layers()?;
        Ok(swept)
    }

    /// Removes blobs that no image names, and unpacked layers that neither an image nor `used` (chain ids) names;
    /// returns how many bytes of blobs that frees. Nothing is removed while an image cannot be read.
    ///
    /// # Errors
    /// [`StoreError::File`], and those of reading the images.
    pub fn collect(&self, used: &BTreeSet<Digest>) -> Result<u64, StoreError> {
        let _lock = self.lock()?;
        let mut reached = Reached { chains: used.clone(), ..Reached::default() };
        reached.chains.extend(self.held());
        for entry in self.index()?.manifests {
            self.reach(&entry, &mut reached)?;
        }
        let Reached { blobs, chains } = reached;
        let trees = Driver::OF_TREES.into_iter().filter(|driver| self.root.join(driver.directory()).is_dir());
        for driver in std::iter::once(Driver::Overlay).chain(trees) {
            let store = Store { driver, ..self.clone() };
            for chain in digests_in(&self.root.join(driver.directory()))?.difference(&chains) {
                store.forget_layer(*chain)?;
            }
        }
        self.forget_sizes(|name| Digest::from_hex(name).is_ok_and(|chain| chains.contains(&chain)))?;
        let mut freed = 0;
        for blob in digests_in(&self.root.join("blobs/sha256"))?.difference(&blobs) {
            let path = self.blob_path(*blob);
            freed += fs::metadata(&path).map_or(0, |stat| stat.len());
            fs::remove_file(&path).map_err(|source| file(&path, "unlink", source))?;
        }
        Ok(freed)
    }
}

/// The names in a directory that are digests; what is not ours is not touched.
fn digests_in(directory: &Path) -> Result<BTreeSet<Digest>, StoreError> {
    let entries = fs::read_dir(directory).map_err(|source| file(directory, "read", source))?.flatten();
    Ok(entries.filter_map(|entry| Digest::from_hex(entry.file_name().to_str()?).ok()).collect())
}

/// The lock of something under `tmp`, if nobody holds it: a hold is locked itself, a directory has a file for that. What
/// has none was made and left under the store's lock, which the caller holds.
pub(super) fn claim(path: &Path) -> Option<Option<File>> {
    match File::open(path.join("lock")).or_else(|_| File::open(path)) {
        Ok(lock) => lock.try_lock().is_ok().then_some(Some(lock)),
        Err(_) => Some(None),
    }
}
