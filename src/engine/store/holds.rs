//! Holds: layers that a process is about to use, and that nobody may collect meanwhile.
//!
//! ```text
//!   run:   look the image up ─> hold its layers ─> container's record says what it uses ─> let go
//!   rmi:                          │ tmp/hold-X, locked: their names
//!          collect ───────────────┘ leaves what is held
//! ```
//!
//! Whoever dies lets go, as the kernel frees his lock. See flock(2). Lab 13-union-image, tutorials/13-union-image.md.

use super::error::file;
use super::{Store, StoreError};
use crate::layers::Digest;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// How the name of a hold begins, among what else is being made.
const PREFIX: &str = "hold-";

/// Keeps layers from being collected until it is dropped: one locked file, for every start needs one.
#[derive(Debug)]
pub struct Hold {
    path: PathBuf,
    _lock: File,
}

impl Drop for Hold {
    fn drop(&mut self) {
        // what cannot be removed now, a sweep removes later
        let _ = fs::remove_file(&self.path);
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
            let mut hold = tempfile::Builder::new().prefix(PREFIX).suffix("").tempfile_in(&tmp)?;
            hold.as_file().lock()?;
            hold.write_all(text.as_bytes())?;
            let (lock, path) = hold.keep()?;
            Ok(Hold { path, _lock: lock })
        };
        made().map_err(|source| file(&tmp, "make a file in", source))
    }

    /// What is held by processes that live; the caller holds the store's lock.
    pub(super) fn held(&self) -> Vec<Digest> {
        let entries = fs::read_dir(self.root.join("tmp")).into_iter().flatten().flatten();
        let mut held = Vec::new();
        for path in entries.map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default();
            if !name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
                continue;
            }
            let Ok(mut hold) = File::open(&path) else { continue };
            let mut text = String::new();
            if hold.try_lock().is_err() && hold.read_to_string(&mut text).is_ok() {
                held.extend(text.lines().filter_map(|line| line.parse::<Digest>().ok()));
            }
        }
        held
    }
}
