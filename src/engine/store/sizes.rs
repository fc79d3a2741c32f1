//! Sizes: how many bytes the files of a layer hold, measured once and kept in `sizes/CHAIN ID`.
//!
//! ```text
//!   sizes/CHAIN there?  yes ──────────────────> a number and a line break
//!     │ no
//!   layers/CHAIN there? yes ─> add its files up ─┐
//!     │ no                                       ├─> write sizes/CHAIN
//!     └─────────────────────> read the archive ──┘
//!                                   └─ it is none, or not here ──> the bytes that the manifest says, for now
//! ```
//!
//! It is what Docker calls a layer's size: of regular files and of where symbolic links lead, what has several names
//! counted once. A number that was cut short lacks its line break, and is measured again.
//!
//! A registry takes any blob for a layer, and one image that cannot be unpacked must not keep the others from being
//! counted: its layers take as much of the disk as they are long.
//!
//! See the OCI image specification, layer.md. Lab 13-union-image, tutorials/13-union-image.md.

use super::error::file;
use super::{Store, StoreError};
use crate::engine::config::{Descriptor, Manifest};
use crate::layers::{self, Digest};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

impl Store {
    /// The bytes of each layer's files, bottom first; of what is no archive, or not here, the bytes of its blob.
    ///
    /// # Errors
    /// [`StoreError::File`] for a blob that is there and cannot be read.
    pub fn layer_sizes(&self, manifest: &Manifest, chains: &[Digest]) -> Result<Vec<u64>, StoreError> {
        let size = |(layer, chain): (&Descriptor, &Digest)| match self.layer_size(layer.digest, *chain) {
            Err(StoreError::Layer(_)) => Ok(layer.size),
            Err(StoreError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(layer.size)
            }
            other => other,
        };
        manifest.layers.iter().zip(chains).map(size).collect()
    }

    fn layer_size(&self, blob: Digest, chain: Digest) -> Result<u64, StoreError> {
        let note = self.root.join("sizes").join(chain.hex());
        if let Some(size) = noted(&note) {
            return Ok(size);
        }
        // a directory that is closed to us is no reason to know nothing
        let size = match size_of_files(&self.root.join("layers").join(chain.hex())) {
            Ok(size) => size,
            Err(_) => {
                let path = self.blob_path(blob);
                let archive = File::open(&path).map_err(|source| file(&path, "open", source))?;
                layers::size_of_files(archive)?
            }
        };
        // whoever may only read the store measures each time
        let _ =
            fs::create_dir_all(self.root.join("sizes")).and_then(|()| fs::write(&note, format!("{size}\n")));
        Ok(size)
    }

    /// Forgets the sizes of layers that are gone.
    pub(super) fn forget_sizes(&self, kept: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        let notes = self.root.join("sizes");
        for entry in fs::read_dir(&notes).into_iter().flatten().flatten() {
            if !entry.file_name().to_str().is_some_and(&kept) {
                fs::remove_file(entry.path()).map_err(|source| file(&entry.path(), "unlink", source))?;
            }
        }
        Ok(())
    }
}

/// What was written down, in one call: a list reads thousands of them.
fn noted(note: &Path) -> Option<u64> {
    let mut text = [0; 24];
    let count = File::open(note).and_then(|mut note| note.read(&mut text)).ok()?;
    std::str::from_utf8(&text[..count]).ok()?.strip_suffix('\n')?.parse().ok()
}

/// The bytes of all regular files and symbolic links below a directory, each counted once.
///
/// # Errors
/// What the kernel answers for the first directory that cannot be read.
pub fn size_of_files(top: &Path) -> io::Result<u64> {
    let (mut sum, mut seen) = (0, HashSet::new());
    let mut waiting = vec![top.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() || kind.is_symlink() {
                let stat = entry.metadata()?;
                if stat.nlink() == 1 || seen.insert((stat.dev(), stat.ino())) {
                    sum += stat.len();
                }
            }
        }
    }
    Ok(sum)
}
