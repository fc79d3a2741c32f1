//! Holds: layers that a process is about to use, and that nobody may collect meanwhile.
//!
//! ```text
//!   run:   look the image up ─> hold its layers ─> container's record says what it uses ─> let go
//!   rmi:                          │ tmp/X/lock, held; tmp/X/uses
//!          collect ───────────────┘ leaves what is held
//! ```
//!
//! Whoever dies lets go, as the kernel frees his lock. See flock(2). Lab 13-union-image, tutorials/13-union-image.md.

use super::error::file;
use super::{Store, StoreError};
use crate::layers::{self, Digest};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

/// Keeps layers from being collected until it is dropped.
#[derive(Debug)]
pub struct Hold {
    path: PathBuf,
    _lock: File,
}

impl Drop for Hold {
    fn drop(&mut self) {
        // what cannot be removed now, a sweep removes later
        let _ = layers::remove(&self.path);
    }
}

impl Store {
    /// Holds layers, by their chain ids. Whether they were still there is the caller's to look at afterwards.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn hold(&self, chains: &[Digest]) -> Result<Hold, StoreError> {
        let tmp = self.root.join("tmp");
        let text: String = chains.iter().map(|chain| format!("{chain}\n")).collect();
        let _store = self.lock()?;
        let made = || -> io::Result<Hold> {
            let path = tempfile::Builder::new().prefix("").tempdir_in(&tmp)?.keep();
            let lock = File::create(path.join("lock"))?;
            lock.lock()?;
            fs::write(path.join("uses"), text)?;
            Ok(Hold { path, _lock: lock })
        };
        made().map_err(|source| file(&tmp, "make a directory in", source))
    }

    /// What is held by processes that live; the caller holds the store's lock.
    pub(super) fn held(&self) -> Vec<Digest> {
        let entries = fs::read_dir(self.root.join("tmp")).into_iter().flatten().flatten();
        let mut held = Vec::new();
        for path in entries.map(|entry| entry.path()) {
            let Ok(text) = fs::read_to_string(path.join("uses")) else { continue };
            if File::open(path.join("lock")).is_ok_and(|lock| lock.try_lock().is_err()) {
                held.extend(text.lines().filter_map(|line| line.parse::<Digest>().ok()));
            }
        }
        held
    }
}
