//! Draft: an image that is being made, out of sight until it is whole.
//!
//! ```text
//!   tmp/X/lock                 held while we live
//!   tmp/X/blobs/HEX     ──┐
//!   tmp/X/layers/CHAIN  ──┼── publish, under the store's lock: rename each, then name the manifest
//!   index.json          <─┘
//! ```
//!
//! What is already in the store is not replaced, so that two that make the same image at once share one copy.
//!
//! See the OCI image specification, image-layout.md. Lab 13-union-image, tutorials/13-union-image.md.

use super::error::file;
use super::{Driver, Store, StoreError, names};
use crate::engine::config::Descriptor;
use crate::engine::reference::Reference;
use crate::layers::{self, Applied, Digest, chain_id};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A directory of our own under `tmp`; whoever finds its lock free may remove it.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) path: PathBuf,
    _lock: File,
}

impl Scratch {
    pub(super) fn new(store: &Store) -> Result<Scratch, StoreError> {
        // under the store's lock, lest a sweep sees the directory before its lock is held
        let _store = store.lock()?;
        let tmp = store.root.join("tmp");
        let made = || -> io::Result<(PathBuf, File)> {
            let directory = tempfile::Builder::new().prefix("").tempdir_in(&tmp)?;
            let lock = File::create(directory.path().join("lock"))?;
            lock.lock()?;
            Ok((directory.keep(), lock))
        };
        let (path, lock) = made().map_err(|source| file(&tmp, "make a directory in", source))?;
        Ok(Scratch { path, _lock: lock })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // what cannot be removed now, a sweep removes later
        let _ = layers::remove(&self.path);
    }
}

/// A layer of a draft.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLayer {
    /// what unpacking it said, with its digests and sizes
    pub applied: Applied,
    /// the layer together with those below it
    pub chain: Digest,
    /// for the manifest
    pub descriptor: Descriptor,
}

/// An image that is being made. Dropped without [`Draft::publish`], it leaves nothing.
#[derive(Debug)]
pub struct Draft<'a> {
    pub(super) store: &'a Store,
    pub(super) scratch: Scratch,
    pub(super) blobs: Vec<Digest>,
    pub(super) diff_ids: Vec<Digest>,
    pub(super) chains: Vec<Digest>,
}

impl Store {
    /// Begins an image, on top of these layers (diff ids, bottom first; none for an image of its own).
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn draft(&self, below: &[Digest]) -> Result<Draft<'_>, StoreError> {
        let scratch = Scratch::new(self)?;
        for name in ["blobs", "layers"] {
            let path = scratch.path.join(name);
            fs::create_dir(&path).map_err(|source| file(&path, "mkdir", source))?;
        }
        Ok(Draft { store: self, scratch, blobs: Vec::new(), diff_ids: below.to_vec(), chains: Vec::new() })
    }
}

impl Draft<'_> {
    /// Adds a layer on top: keeps the archive as it comes and unpacks it, in one pass.
    ///
    /// # Errors
    /// [`StoreError::Layer`], [`StoreError::File`].
    pub fn layer(&mut self, archive: impl Read) -> Result<NewLayer, StoreError> {
        let number = self.chains.len();
        let blob = self.scratch.path.join(format!("blobs/new-{number}"));
        let directory = self.scratch.path.join(format!("layers/new-{number}"));
        let out = File::create(&blob).map_err(|source| file(&blob, "create", source))?;
        let mut copy = Copied { archive, out, unread: None, unwritten: None };
        let applied = unpack(&mut copy, &directory, self.store);
        // a full disk is no broken archive
        if let Some(source) = copy.unwritten {
            return Err(file(&blob, "write", source));
        }
        let applied = applied?;
        copy.out.sync_all().map_err(|source| file(&blob, "fsync", source))?;
        self.diff_ids.push(applied.diff_id);
        let chain = chain_id(&self.diff_ids).unwrap_or(applied.diff_id);
        rename(&blob, &self.scratch.path.join("blobs").join(applied.digest.hex()))?;
        if self.store.driver == Driver::Overlay {
            rename(&directory, &self.scratch.path.join("layers").join(chain.hex()))?;
        }
        self.blobs.push(applied.digest);
        self.chains.push(chain);
        let descriptor = Descriptor::new(applied.compression.media_type(), applied.digest, applied.size);
        Ok(NewLayer { applied, chain, descriptor })
    }

    /// Keeps a blob of the store for this image, whatever is collected until it is published. False where it is not here.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn hold(&mut self, digest: Digest) -> Result<bool, StoreError> {
        let path = self.store.blob_path(digest);
        match fs::hard_link(&path, self.scratch.path.join("blobs").join(digest.hex())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(file(&path, "link", error));
            }
            _ => {}
        }
        self.blobs.push(digest);
        Ok(true)
    }

    /// Adds a blob: a config or manifest.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn blob(&mut self, content: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(content);
        let path = self.scratch.path.join("blobs").join(digest.hex());
        File::create(&path)
            .and_then(|mut blob| blob.write_all(content).and_then(|()| blob.sync_all()))
            .map_err(|source| file(&path, "write", source))?;
        self.blobs.push(digest);
        Ok(digest)
    }

    /// Puts everything in its place and names the manifest; without a name it is Docker's `<none>:<none>`. From here
    /// on the image is there, for everyone, also after a crash.
    ///
    /// # Errors
    /// [`StoreError::File`], [`StoreError::Json`]; then the image is not there.
    pub fn publish<'r>(
        self,
        manifest: Descriptor,
        reference: impl Into<Option<&'r Reference>>,
    ) -> Result<(), StoreError> {
        let blobs = self.store.root.join("blobs/sha256");
        let _lock = self.store.lock()?;
        for digest in &self.blobs {
            let path = self.store.blob_path(*digest);
            let new = self.scratch.path.join("blobs").join(digest.hex());
            // the same content twice in one draft was moved the first time
            if !path.exists() && new.exists() {
                rename(&new, &path)?;
            }
        }
        File::open(&blobs)
            .and_then(|blobs| blobs.sync_all())
            .map_err(|source| file(&blobs, "fsync", source))?;
        for chain in &self.chains {
            self.store.adopt(*chain, &self.scratch.path.join("layers").join(chain.hex()))?;
        }
        let mut index = self.store.index()?;
        names::give(&mut index, manifest, reference.into());
        self.store.write_index(&index)
    }
}

/// Unpacks an archive into a new directory, or only reads it where the driver makes whole trees.
pub(super) fn unpack(archive: impl Read, directory: &Path, store: &Store) -> Result<Applied, StoreError> {
    if store.driver != Driver::Overlay {
        return Ok(layers::examine(archive)?);
    }
    let open = || -> io::Result<File> {
        fs::create_dir(directory)?;
        // what `/` gets where the archive does not say
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
        File::open(directory)
    };
    let root = open().map_err(|source| file(directory, "mkdir", source))?;
    Ok(layers::apply(archive, root.as_fd(), store.ownership)?)
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|source| file(to, "rename", source))
}

/// A reader that writes down what it reads, and remembers which of the two failed.
pub(super) struct Copied<R> {
    pub(super) archive: R,
    pub(super) out: File,
    pub(super) unread: Option<io::Error>,
    pub(super) unwritten: Option<io::Error>,
}

impl<R> Copied<R> {
    /// Why it stopped, if it was not what was read: then the archive is not to blame.
    pub(super) fn reason(&mut self, path: &Path, blob: Digest) -> Option<StoreError> {
        let unwritten = self.unwritten.take().map(|source| file(path, "write", source));
        unwritten.or_else(|| self.unread.take().map(|source| StoreError::Fetch { blob, source }))
    }
}

impl<R: Read> Read for Copied<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.archive.read(into).map_err(|error| kept(error, &mut self.unread))?;
        self.out.write_all(&into[..count]).map_err(|error| kept(error, &mut self.unwritten))?;
        Ok(count)
    }
}

/// Keeps an error, and passes on one of its kind. An interrupted call is no failure: it is made again.
fn kept(error: io::Error, place: &mut Option<io::Error>) -> io::Error {
    let kind = error.kind();
    if kind != io::ErrorKind::Interrupted {
        *place = Some(error);
    }
    io::Error::from(kind)
}
