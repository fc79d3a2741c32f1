//! Storage drivers: how the layers of an image become one tree that a container can write to.
//!
//! ```text
//!   overlay   layers/CHAIN    what one layer has         stacked by the kernel, for each container
//!   vfs       vfs/CHAIN       all layers up to this one  copied for each container; works anywhere
//!   btrfs     btrfs/CHAIN     the same, a subvolume      a snapshot for each container, in no time
//! ```
//!
//! vfs and btrfs make a tree out of the one below it and one more layer; vfs keeps only whole images.
//!
//! See the kernel's overlayfs.rst, btrfs-subvolume(8). Lab 12-storage, tutorials/12-storage.md.

use super::draft::{Scratch, rename};
use super::error::file;
use super::{Store, StoreError};
use crate::engine::config::Descriptor;
use crate::kernel::{op::Tree, trees};
use crate::layers::{self, Digest};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A storage driver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// overlayfs
    #[default]
    Overlay,
    /// copies
    Vfs,
    /// snapshots of a btrfs, on which the store must lie
    Btrfs,
}

/// Not the name of a storage driver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown storage driver {0:?}: overlay, vfs and btrfs are there")]
pub struct DriverError(
    /// what was said
    pub String,
);

impl FromStr for Driver {
    type Err = DriverError;

    fn from_str(name: &str) -> Result<Driver, DriverError> {
        match name {
            // Docker's name for it
            "overlay" | "overlay2" => Ok(Driver::Overlay),
            "vfs" => Ok(Driver::Vfs),
            "btrfs" => Ok(Driver::Btrfs),
            _ => Err(DriverError(name.to_owned())),
        }
    }
}

impl Driver {
    /// The drivers that make whole trees.
    pub(super) const OF_TREES: [Driver; 2] = [Driver::Vfs, Driver::Btrfs];

    /// Its name, as in `--storage-driver`.
    pub fn name(self) -> &'static str {
        match self {
            Driver::Overlay => "overlay",
            Driver::Vfs => "vfs",
            Driver::Btrfs => "btrfs",
        }
    }

    /// Where its layers are in the store.
    pub(super) fn directory(self) -> &'static str {
        match self {
            Driver::Overlay => "layers",
            Driver::Vfs | Driver::Btrfs => self.name(),
        }
    }

    /// How a container gets a tree of its own that begins as this one; none where the kernel stacks layers.
    pub fn branch(self, from: &Path, to: &Path) -> Option<Tree> {
        let (from, to) = (from.into(), to.into());
        match self {
            Driver::Overlay => None,
            Driver::Vfs => Some(Tree::Copy { from, to }),
            Driver::Btrfs => Some(Tree::Snapshot { from, to }),
        }
    }

    /// Makes a tree, out of another one or empty.
    fn make(self, from: Option<&Path>, to: &Path) -> Result<(), StoreError> {
        let call = |call: &'static str, op: &Tree| {
            trees::call(op).map(|_| ()).map_err(|errno| file(to, call, errno.into()))
        };
        match (self, from) {
            (Driver::Btrfs, None) => call("BTRFS_IOC_SUBVOL_CREATE", &Tree::Subvolume { path: to.into() }),
            (Driver::Btrfs, Some(from)) => {
                call("BTRFS_IOC_SNAP_CREATE_V2", &Tree::Snapshot { from: from.into(), to: to.into() })
            }
            (_, Some(from)) => call("copy", &Tree::Copy { from: from.into(), to: to.into() }),
            (_, None) => fs::create_dir(to).map_err(|source| file(to, "mkdir", source)),
        }
    }
}

impl Store {
    /// The same store, whose images are unpacked by this driver.
    ///
    /// # Errors
    /// [`StoreError::NoBtrfs`] where it does not lie on one; [`StoreError::File`].
    pub fn with_driver(self, driver: Driver) -> Result<Store, StoreError> {
        if driver == Driver::Btrfs {
            let is = trees::is_btrfs(&self.root);
            if !is.map_err(|errno| file(&self.root, "statfs", errno.into()))? {
                return Err(StoreError::NoBtrfs(self.root));
            }
        }
        let directory = self.root.join(driver.directory());
        if !directory.is_dir() {
            fs::create_dir_all(&directory).map_err(|source| file(&directory, "mkdir", source))?;
        }
        Ok(Store { driver, ..self })
    }

    /// Which driver unpacks images.
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// The tree of a whole image; what of it is missing is made.
    pub(super) fn tree(
        &self,
        blobs: &[Descriptor],
        diff_ids: &[Digest],
        chains: &[Digest],
    ) -> Result<PathBuf, StoreError> {
        let done = chains.iter().rposition(|chain| self.is_unpacked(*chain));
        let mut below = done.map(|at| self.layer_path(chains[at]));
        let scratch = Scratch::new(self)?;
        for at in done.map_or(0, |at| at + 1)..chains.len() {
            // btrfs shares what is the same, so every tree on the way is kept
            let last = at + 1 == chains.len();
            let directory = scratch.path.join(format!("tree-{at}"));
            match below.take() {
                // of a copy nobody needs the original, if it is ours
                Some(from) if self.driver == Driver::Vfs && from.starts_with(&scratch.path) => {
                    rename(&from, &directory)?;
                }
                from => self.driver.make(from.as_deref(), &directory)?,
            }
            self.lay(blobs[at].digest, diff_ids[at], &directory)?;
            below = match last || self.driver == Driver::Btrfs {
                true => {
                    let _lock = self.lock()?;
                    self.adopt(chains[at], &directory)?;
                    Some(self.layer_path(chains[at]))
                }
                false => Some(directory),
            };
        }
        match below {
            Some(tree) => Ok(tree),
            None => self.empty_tree(&scratch),
        }
    }

    /// What an image without layers has.
    fn empty_tree(&self, scratch: &Scratch) -> Result<PathBuf, StoreError> {
        let nothing = Digest::of(b"");
        if !self.is_unpacked(nothing) {
            let directory = scratch.path.join("empty");
            self.driver.make(None, &directory)?;
            let _lock = self.lock()?;
            self.adopt(nothing, &directory)?;
        }
        Ok(self.layer_path(nothing))
    }

    /// One layer more onto a tree.
    fn lay(&self, blob: Digest, diff_id: Digest, directory: &Path) -> Result<(), StoreError> {
        let path = self.blob_path(blob);
        let archive = File::open(&path).map_err(|source| file(&path, "open", source))?;
        let open = || -> io::Result<File> {
            if fs::read_dir(directory)?.next().is_none() {
                // what `/` gets where the archive does not say
                fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
            }
            File::open(directory)
        };
        let root = open().map_err(|source| file(directory, "open", source))?;
        let applied = layers::apply_onto(archive, root.as_fd(), self.ownership)?;
        match applied {
            it if it.digest != blob => Err(StoreError::Corrupt { blob, found: it.digest }),
            it if it.diff_id != diff_id => {
                Err(StoreError::DiffId { blob, expected: diff_id, found: it.diff_id })
            }
            _ => Ok(()),
        }
    }
}
