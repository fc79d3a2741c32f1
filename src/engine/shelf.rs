//! Shelf: the images of a store, offered to others as a registry offers them.
//!
//! ```text
//!   index.json                                     the shelf
//!   docker.io/library/busybox:1    ─ drop host ─>  library/busybox   1
//!   localhost:5000/class/app:v2    ─ drop host ─>  class/app         v2
//!   quay.io/class/app:v2           ─ drop host ─>  class/app         v2    hidden: the first of the index wins
//!
//!   push   blob, blob, …  ─> bench (tmp/X)         offered at once, held for an hour
//!          manifest       ─> are they all here? ─> store, named ADDRESS/repository:tag, first of the index
//! ```
//!
//! A repository is a set of names; blobs are one set for all of them, so that what one push has sent no other sends
//! again. There is no HTTP in here: see `api::registry`. What is read is read anew each time, so whatever else
//! works on the store is seen at once.
//!
//! See the OCI distribution specification. Lab 16-registry.

mod arrival;
mod error;
mod names;
mod reading;
mod receive;

pub use arrival::Arrival;
pub use error::ShelfError;
pub use names::{Repository, Selector, folder_name};
pub use reading::Offered;
pub use receive::Received;

use super::store::{Bench, Store, StoreError};
use crate::layers::Digest;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest manifest that is received, in bytes.
pub const MANIFEST: u64 = 4 << 20;

/// How many blobs may be arriving at once; what is idle for long does not count.
const UPLOADS: usize = 1000;

/// What others may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed {
    /// push
    pub push: bool,
    /// delete manifests, tags, and blobs that no image names
    pub delete: bool,
}

/// A store that is offered to others.
#[derive(Debug)]
pub struct Shelf {
    store: Store,
    /// the repository of names that are tags alone, as other tools write them into image layouts
    folder: Option<String>,
    /// none: nobody may push
    bench: Option<Bench>,
    delete: bool,
    uploads: Mutex<HashMap<String, arrival::Slot>>,
    /// what the bench has, and when somebody last asked for it
    held: Mutex<HashMap<Digest, Instant>>,
    /// hidden names that have been spoken of
    told: Mutex<BTreeSet<String>>,
}

impl Shelf {
    /// Offers this store. `folder` is the repository of names without one (see [`folder_name`]); in our own store
    /// every name has one.
    ///
    /// # Errors
    /// [`StoreError::File`] where there is no place for what is pushed.
    pub fn new(store: Store, folder: Option<String>, allowed: Allowed) -> Result<Shelf, StoreError> {
        let bench = if allowed.push { Some(store.bench()?) } else { None };
        Ok(Shelf {
            store,
            folder,
            bench,
            delete: allowed.delete,
            uploads: Mutex::default(),
            held: Mutex::default(),
            told: Mutex::default(),
        })
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Opens a blob; its length comes with it, in bytes.
    ///
    /// # Errors
    /// [`ShelfError::BlobUnknown`] where it is not here.
    pub fn blob(&self, digest: Digest) -> Result<(File, u64), ShelfError> {
        let benched = self.bench.as_ref().and_then(|bench| open(&bench.path(digest)));
        benched.or_else(|| open(&self.store.blob_path(digest))).ok_or(ShelfError::BlobUnknown(digest))
    }

    /// Says that somebody who pushes counts on a blob: it stays for as long as pushes may take. False where it is
    /// not here.
    pub fn hold(&self, digest: Digest) -> bool {
        let Some(bench) = &self.bench else { return self.blob(digest).is_ok() };
        let mut held = locked(&self.held);
        let here = bench.path(digest).exists() || bench.hold(digest);
        if here {
            held.insert(digest, Instant::now());
        }
        here
    }

    /// Lets go of blobs and uploads that nobody has asked for during this time.
    pub fn expire(&self, idle: Duration) {
        let Some(bench) = &self.bench else { return };
        let mut held = locked(&self.held);
        held.retain(|digest, asked| {
            let stays = asked.elapsed() < idle;
            if !stays {
                bench.discard(*digest);
            }
            stays
        });
        drop(held);
        locked(&self.uploads).retain(|id, slot| {
            let stays = slot.is_busy() || slot.idle() < idle;
            if !stays {
                bench.abandon(id);
            }
            stays
        });
    }

    fn pushable(&self) -> Result<&Bench, ShelfError> {
        self.bench.as_ref().ok_or(ShelfError::ReadOnly)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A layout may come from anybody: a blob that is a link would hand out any file of this machine.
fn open(path: &Path) -> Option<(File, u64)> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = || -> io::Result<Option<(File, u64)>> {
        let file = File::options().read(true).custom_flags(flags.bits() as i32).open(path)?;
        let stat = file.metadata()?;
        Ok(stat.is_file().then_some((file, stat.len())))
    };
    opened().ok().flatten()
}
