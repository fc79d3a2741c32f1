//! Arrivals: the layers of an image come in, several at once, each fetched and unpacked once on this machine.
//!
//! ```text
//!   is it unpacked, and its blob here? ── yes ──────────────────────────> use it
//!     │ only the blob                ─────────> unpack the blob ────────> use it
//!     │ neither
//!   lock fetching/HEX ── somebody else has it ──> wait, look again
//!     │ ours
//!   fetch ─> tmp/X/blobs/HEX, checked, synced ─> a second name in blobs/sha256 ─> layers/CHAIN
//! ```
//!
//! A blob gets its place as soon as it is whole, before its image has a name: another pull that waits for it goes on
//! at once, and one that is killed has not fetched in vain. Until the image is published, the name under `tmp` keeps
//! the blob from being collected.
//!
//! See flock(2), link(2) and the OCI image specification, image-layout.md. Lab 16-registry,
//! tutorials/16-registry.md.

use super::draft::{Copied, rename, unpack};
use super::error::file;
use super::{Draft, Driver, Store, StoreError};
use crate::engine::config::Descriptor;
use crate::layers::{self, Digest, chain_ids};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// A layer that an image needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// the blob, as the manifest has it
    pub descriptor: Descriptor,
    /// the digest of its tar, as the config has it
    pub diff_id: Digest,
}

/// What became of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// somebody else is fetching it; we wait
    Waiting,
    /// it is being fetched and unpacked
    Fetching,
    /// it is fetched and unpacked
    Complete,
    /// it was here
    Present,
}

/// Where layers come from: a registry, an archive.
pub trait Source: Sync {
    /// Opens the blob of the layer with this number, as it is compressed. Asked only for what is not here.
    ///
    /// # Errors
    /// Why it cannot be had; what the reader answers later counts as well.
    fn open(&self, number: usize) -> io::Result<Box<dyn Read + Send + '_>>;

    /// Hears what becomes of each layer, from several threads.
    fn hear(&self, _number: usize, _what: Arrival) {}
}

impl Draft<'_> {
    /// Adds these layers on top, bottom first, up to `parallel` at once. What the store has is not fetched; what
    /// somebody else is fetching is waited for. The first failure ends the others.
    ///
    /// # Errors
    /// [`StoreError::Fetch`] for what the source answers, [`StoreError::Corrupt`], [`StoreError::Size`] and
    /// [`StoreError::DiffId`] for what is not what it should be, [`StoreError::Layer`], [`StoreError::File`].
    pub fn layers(
        &mut self,
        wanted: &[Wanted],
        parallel: usize,
        source: &impl Source,
    ) -> Result<(), StoreError> {
        let below = self.diff_ids.len();
        self.diff_ids.extend(wanted.iter().map(|layer| layer.diff_id));
        let chains = chain_ids(&self.diff_ids).split_off(below);
        let arrivals = Arrivals {
            draft: self,
            wanted,
            chains: &chains,
            source,
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            failed: Mutex::new(None),
        };
        std::thread::scope(|scope| {
            for _ in 1..parallel.min(wanted.len()) {
                // without a thread more, it takes longer
                let _ = std::thread::Builder::new().spawn_scoped(scope, || arrivals.work());
            }
            arrivals.work();
        });
        if let Some(error) = arrivals.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        self.blobs.extend(wanted.iter().map(|layer| layer.descriptor.digest));
        self.chains.extend(chains);
        Ok(())
    }
}

/// What the workers share.
struct Arrivals<'a, 'b, S> {
    draft: &'a Draft<'b>,
    wanted: &'a [Wanted],
    chains: &'a [Digest],
    source: &'a S,
    next: AtomicUsize,
    stop: AtomicBool,
    failed: Mutex<Option<StoreError>>,
}

impl<S: Source> Arrivals<'_, '_, S> {
    fn work(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.wanted.len() {
                return;
            }
            if let Err(error) = self.bring(number) {
                self.stop.store(true, Ordering::Relaxed);
                // the others only fail because of the first
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    }

    fn bring(&self, number: usize) -> Result<(), StoreError> {
        let (store, blob) = (self.draft.store, self.wanted[number].descriptor.digest);
        if self.here(number)? {
            self.source.hear(number, Arrival::Present);
            return Ok(());
        }
        let (_lock, waited) = Fetching::lock(store, blob, || self.source.hear(number, Arrival::Waiting))?;
        if waited && self.here(number)? {
            self.source.hear(number, Arrival::Complete);
            return Ok(());
        }
        self.source.hear(number, Arrival::Fetching);
        self.fetch(number)?;
        self.source.hear(number, Arrival::Complete);
        Ok(())
    }

    /// Whether the blob is in the store, where it is then held and unpacked.
    fn here(&self, number: usize) -> Result<bool, StoreError> {
        let (store, Wanted { descriptor, diff_id }) = (self.draft.store, &self.wanted[number]);
        let path = store.blob_path(descriptor.digest);
        match fs::hard_link(&path, self.place(descriptor.digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(file(&path, "link", error));
            }
            _ => {}
        }
        store.unpack_where_missing(descriptor.digest, *diff_id, self.chains[number])?;
        Ok(true)
    }

    fn fetch(&self, number: usize) -> Result<(), StoreError> {
        let (store, Wanted { descriptor, diff_id }) = (self.draft.store, &self.wanted[number]);
        let blob = descriptor.digest;
        let lost = |source| StoreError::Fetch { blob, source };
        let archive = self.source.open(number).map_err(lost)?;
        let new = self.draft.scratch.path.join(format!("blobs/new-{number}"));
        let directory = self.draft.scratch.path.join(format!("layers/new-{number}"));
        let out = File::options().read(true).write(true).create_new(true).open(&new);
        let out = out.map_err(|source| file(&new, "create", source))?;
        // one byte more than it should have is enough to know
        let archive = archive.take(descriptor.size.saturating_add(1));
        let archive = Watched { archive, stop: &self.stop };
        let mut copy = Copied { archive, out, unread: None, unwritten: None };
        let applied = unpack(&mut copy, &directory, store);
        let applied = match applied {
            Ok(applied) => applied,
            Err(error) => {
                return Err(copy.reason(&new, blob).unwrap_or_else(|| blame(copy, descriptor, error)));
            }
        };
        match applied {
            ref it if it.size != descriptor.size => {
                return Err(StoreError::Size { blob, expected: descriptor.size, found: it.size });
            }
            ref it if it.digest != blob => return Err(StoreError::Corrupt { blob, found: it.digest }),
            ref it if it.diff_id != *diff_id => {
                return Err(StoreError::DiffId { blob, expected: *diff_id, found: it.diff_id });
            }
            _ => {}
        }
        copy.out.sync_all().map_err(|source| file(&new, "fsync", source))?;
        rename(&new, &self.place(blob))?;
        let path = store.blob_path(blob);
        match fs::hard_link(self.place(blob), &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(file(&path, "link", error));
            }
            _ => {}
        }
        let _lock = store.lock()?;
        store.adopt(self.chains[number], &directory)
    }

    /// The draft's own name of a blob.
    fn place(&self, blob: Digest) -> PathBuf {
        self.draft.scratch.path.join("blobs").join(blob.hex())
    }
}

/// An archive that cannot be unpacked is either hostile, or not the one that was asked for: the rest of it tells.
fn blame<R: Read>(
    mut copy: Copied<Watched<'_, io::Take<R>>>,
    wanted: &Descriptor,
    error: StoreError,
) -> StoreError {
    let blob = wanted.digest;
    let whole = copy.out.rewind().and_then(|()| Digest::read(copy.out.chain(&mut copy.archive)));
    let found = wanted.size.saturating_add(1) - copy.archive.archive.limit();
    match whole {
        Ok(_) if found != wanted.size => StoreError::Size { blob, expected: wanted.size, found },
        Ok(found) if found != blob => StoreError::Corrupt { blob, found },
        _ => error,
    }
}

/// A reader that ends when another layer has failed.
struct Watched<'a, R> {
    archive: R,
    stop: &'a AtomicBool,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(io::Error::other("another layer has failed")),
            false => self.archive.read(into),
        }
    }
}

/// The right to fetch a blob, held by one at a time on this machine.
struct Fetching {
    path: PathBuf,
    _lock: File,
}

impl Fetching {
    /// Waits for the right; also says whether somebody else had it.
    fn lock(store: &Store, blob: Digest, wait: impl FnOnce()) -> Result<(Fetching, bool), StoreError> {
        let path = store.root().join("fetching").join(blob.hex());
        let mut wait = Some(wait);
        loop {
            let lock = File::options().create(true).truncate(false).write(true).open(&path);
            let lock = lock.map_err(|source| file(&path, "open", source))?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => {
                    if let Some(wait) = wait.take() {
                        wait();
                    }
                    lock.lock().map_err(|source| file(&path, "lock", source))?;
                }
                Err(fs::TryLockError::Error(source)) => return Err(file(&path, "lock", source)),
            }
            // whoever had it took the name away with it
            let ours = lock.metadata().map_err(|source| file(&path, "fstat", source))?.ino();
            if fs::metadata(&path).is_ok_and(|named| named.ino() == ours) {
                return Ok((Fetching { path, _lock: lock }, wait.is_none()));
            }
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        // while the lock is held, lest the name of the next one goes; what stays is swept
        let _ = fs::remove_file(&self.path);
    }
}

impl Store {
    /// Unpacks a layer whose blob is here, unless that was done.
    fn unpack_where_missing(&self, blob: Digest, diff_id: Digest, chain: Digest) -> Result<(), StoreError> {
        match self.driver != Driver::Overlay || self.is_unpacked(chain) {
            true => Ok(()),
            false => self.unpack_blob(blob, diff_id, chain),
        }
    }

    /// Removes the names under `fetching` that nobody holds.
    pub(super) fn forget_fetching(&self) -> Result<(), StoreError> {
        let directory = self.root().join("fetching");
        let entries = fs::read_dir(&directory).map_err(|source| file(&directory, "read", source))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if let Ok(lock) = File::open(&path)
                && lock.try_lock().is_ok()
            {
                layers::remove(&path).map_err(|source| file(&path, "unlink", source))?;
            }
        }
        Ok(())
    }
}
