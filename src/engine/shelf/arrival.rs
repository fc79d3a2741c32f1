//! Arrival: a blob on its way in, hashed as it comes.
//!
//! ```text
//!   begin ─> slot ──resume──> Arrival ── append … append ──┬─ finish: is it what its digest says? -> bench
//!              ^                                           │
//!              └────────── dropped, finished or not ───────┘   whoever comes next goes on from there
//! ```
//!
//! One request at a time has the upload; a connection that breaks gives it back with what has come so far.
//!
//! See the OCI distribution specification, pushing blobs. Lab 16-registry.

use super::error::ShelfError;
use super::names::Repository;
use super::{Shelf, UPLOADS, locked};
use crate::layers::Digest;
use sha2::Digest as _;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An upload between two requests.
#[derive(Debug)]
pub(super) struct Slot {
    repository: Repository,
    size: u64,
    touched: Instant,
    /// none while a request has it
    content: Option<Content>,
}

#[derive(Debug)]
struct Content {
    file: File,
    size: u64,
    hasher: sha2::Sha256,
}

impl Slot {
    pub(super) fn is_busy(&self) -> bool {
        self.content.is_none()
    }

    pub(super) fn idle(&self) -> Duration {
        self.touched.elapsed()
    }
}

/// An upload that one request has. Dropped, it can be gone on with.
#[derive(Debug)]
pub struct Arrival {
    shelf: Arc<Shelf>,
    id: String,
    content: Option<Content>,
    /// where it was when the request began
    mark: (u64, sha2::Sha256),
}

impl Shelf {
    /// Begins an upload; returns its name, which nobody can guess.
    ///
    /// # Errors
    /// [`ShelfError::ReadOnly`], [`ShelfError::UploadsFull`], [`ShelfError::Store`].
    pub fn begin(&self, repository: &Repository) -> Result<String, ShelfError> {
        let bench = self.pushable()?;
        let mut random = [0; 16];
        // Linux never answers short for so few bytes, once the machine is up
        let filled = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        filled.map_err(|errno| ShelfError::Write { id: id.clone(), source: errno.into() })?;
        let mut uploads = locked(&self.uploads);
        if uploads.len() >= UPLOADS {
            return Err(ShelfError::UploadsFull(uploads.len()));
        }
        let content = Content { file: bench.begin(&id)?, size: 0, hasher: sha2::Sha256::new() };
        let slot =
            Slot { repository: repository.clone(), size: 0, touched: Instant::now(), content: Some(content) };
        uploads.insert(id.clone(), slot);
        Ok(id)
    }

    /// How many bytes of an upload have arrived.
    ///
    /// # Errors
    /// [`ShelfError::UploadUnknown`].
    pub fn arrived(&self, repository: &Repository, id: &str) -> Result<u64, ShelfError> {
        let uploads = locked(&self.uploads);
        let slot = uploads.get(id).filter(|slot| slot.repository == *repository);
        slot.map(|slot| slot.size).ok_or_else(|| ShelfError::UploadUnknown(id.to_owned()))
    }

    /// Takes an upload to go on with it.
    ///
    /// # Errors
    /// [`ShelfError::UploadUnknown`], [`ShelfError::UploadBusy`].
    pub fn resume(self: &Arc<Self>, repository: &Repository, id: &str) -> Result<Arrival, ShelfError> {
        let mut uploads = locked(&self.uploads);
        let slot = uploads.get_mut(id).filter(|slot| slot.repository == *repository);
        let slot = slot.ok_or_else(|| ShelfError::UploadUnknown(id.to_owned()))?;
        let content = slot.content.take().ok_or_else(|| ShelfError::UploadBusy(id.to_owned()))?;
        let mark = (content.size, content.hasher.clone());
        Ok(Arrival { shelf: self.clone(), id: id.to_owned(), content: Some(content), mark })
    }

    /// Ends an upload without its blob.
    ///
    /// # Errors
    /// [`ShelfError::UploadUnknown`].
    pub fn cancel(&self, repository: &Repository, id: &str) -> Result<(), ShelfError> {
        self.arrived(repository, id)?;
        self.forget(id);
        Ok(())
    }

    fn forget(&self, id: &str) {
        locked(&self.uploads).remove(id);
        if let Some(bench) = &self.bench {
            bench.abandon(id);
        }
    }
}

impl Arrival {
    /// How many bytes are there.
    pub fn size(&self) -> u64 {
        self.content.as_ref().map_or(0, |content| content.size)
    }

    /// Adds bytes at the end. What cannot be written ends the upload: a full disk gets its space back.
    ///
    /// # Errors
    /// [`ShelfError::Write`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), ShelfError> {
        let Some(content) = &mut self.content else { return Err(ShelfError::UploadUnknown(self.id.clone())) };
        if let Err(source) = content.file.write_all(bytes) {
            self.content = None;
            self.shelf.forget(&self.id);
            return Err(ShelfError::Write { id: self.id.clone(), source });
        }
        content.hasher.update(bytes);
        content.size += bytes.len() as u64;
        Ok(())
    }

    /// Takes back what this request has added.
    ///
    /// # Errors
    /// [`ShelfError::Write`].
    pub fn rewind(&mut self) -> Result<(), ShelfError> {
        let Some(content) = &mut self.content else { return Err(ShelfError::UploadUnknown(self.id.clone())) };
        let (size, hasher) = self.mark.clone();
        let shortened = content.file.set_len(size).and_then(|()| content.file.seek(SeekFrom::Start(size)));
        shortened.map_err(|source| ShelfError::Write { id: self.id.clone(), source })?;
        (content.size, content.hasher) = (size, hasher);
        Ok(())
    }

    /// Ends the upload: a blob that is what its digest says stays, anything else goes.
    ///
    /// # Errors
    /// [`ShelfError::Mismatch`], [`ShelfError::Store`].
    pub fn finish(mut self, expected: Digest) -> Result<(), ShelfError> {
        let unknown = || ShelfError::UploadUnknown(self.id.clone());
        let content = self.content.take().ok_or_else(unknown)?;
        let found = Digest::finish(content.hasher);
        if found != expected {
            self.shelf.forget(&self.id);
            return Err(ShelfError::Mismatch { expected, found });
        }
        let bench = self.shelf.pushable()?;
        // held before it is there, lest it expire in between
        locked(&self.shelf.held).insert(expected, Instant::now());
        let kept = bench.keep(&self.id, &content.file, expected);
        self.shelf.forget(&self.id);
        Ok(kept?)
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let Some(content) = self.content.take() else { return };
        if let Some(slot) = locked(&self.shelf.uploads).get_mut(&self.id) {
            slot.size = content.size;
            slot.touched = Instant::now();
            slot.content = Some(content);
        }
    }
}
