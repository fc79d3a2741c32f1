//! Verifying: is everything in the store what its name says?
//!
//! ```text
//!   blobs/sha256/HEX   its content's digest is HEX
//!   layer blob         unpacks to the diff id that the image's config has for it
//!   layers/CHAIN       has the same files as the blob, unpacked once more beside it
//! ```
//!
//! See the OCI image specification, layer.md. Lab 13-union-image, tutorials/13-union-image.md.

use super::draft::{Scratch, rename, unpack};
use super::error::file;
use super::names::{Named, same_image};
use super::reach::Reached;
use super::sweep::claim;
use super::{Store, StoreError};
use crate::engine::config::{Descriptor, Index, MANIFEST, Manifest, NAME};
use crate::layers::Digest;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

impl Store {
    /// The names of a directory of the store that are digests, and those that are not.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn names_in(&self, directory: &str) -> Result<(Vec<Digest>, Vec<PathBuf>), StoreError> {
        let (mut digests, mut others) = (Vec::new(), Vec::new());
        let path = self.root.join(directory);
        for entry in fs::read_dir(&path).map_err(|source| file(&path, "read", source))?.flatten() {
            match entry.file_name().to_str().and_then(|name| Digest::from_hex(name).ok()) {
                Some(digest) => digests.push(digest),
                None => others.push(entry.path()),
            }
        }
        digests.sort();
        others.sort();
        Ok((digests, others))
    }

    /// The blobs, and the layers by their chain ids, that the images of the index need, for whichever machine they are.
    ///
    /// # Errors
    /// Those of reading the images.
    pub fn needed(&self) -> Result<(BTreeSet<Digest>, BTreeSet<Digest>), StoreError> {
        let mut reached = Reached::default();
        for entry in self.index()?.manifests {
            self.reach(&entry, &mut reached)?;
        }
        Ok((reached.blobs, reached.chains))
    }

    /// Where an unpacked layer differs from its blob; none where it does not.
    ///
    /// # Errors
    /// Those of unpacking the blob.
    pub fn difference(&self, blob: Digest, chain: Digest) -> Result<Option<String>, StoreError> {
        let path = self.blob_path(blob);
        let archive = File::open(&path).map_err(|source| file(&path, "open", source))?;
        let scratch = Scratch::new(self)?;
        let fresh = scratch.path.join("layer");
        unpack(archive, &fresh, self)?;
        let layer = self.root.join("layers").join(chain.hex());
        difference(&fresh, &layer, &layer).map_err(|source| file(&layer, "compare", source))
    }

    /// What makers that died have left under `tmp`.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn leftovers(&self) -> Result<Vec<PathBuf>, StoreError> {
        let _lock = self.lock()?;
        let tmp = self.root.join("tmp");
        let entries = fs::read_dir(&tmp).map_err(|source| file(&tmp, "read", source))?.flatten();
        let mut dead: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| claim(path).is_some()).collect();
        dead.sort();
        Ok(dead)
    }

    /// Moves something of the store, or of the state around it, to `quarantine/`; returns where it is then.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn put_aside(&self, path: &Path) -> Result<PathBuf, StoreError> {
        let _lock = self.lock()?;
        let place = self.place_for(path)?;
        rename(path, &place)?;
        Ok(place)
    }

    /// Where it goes.
    fn place_for(&self, path: &Path) -> Result<PathBuf, StoreError> {
        let inner = path.strip_prefix(&self.root).ok();
        let inner =
            inner.map(Path::to_path_buf).or_else(|| path.file_name().map(PathBuf::from)).unwrap_or_default();
        self.quarantined(&inner)
    }

    /// A place in `quarantine/` where nothing is yet, with a number behind its name if need be.
    fn quarantined(&self, name: &Path) -> Result<PathBuf, StoreError> {
        let wanted = self.root.join("quarantine").join(name);
        let parent = wanted.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).map_err(|source| file(parent, "mkdir", source))?;
        let mut place = wanted.clone();
        for number in 1.. {
            if place.symlink_metadata().is_err() {
                break;
            }
            let mut numbered = wanted.clone().into_os_string();
            numbered.push(format!(".{number}"));
            place = numbered.into();
        }
        Ok(place)
    }

    /// Takes an image out of the index and writes down in `quarantine/` what it said of them.
    ///
    /// # Errors
    /// [`StoreError::File`], [`StoreError::Json`].
    pub fn put_entry_aside(&self, image: &Descriptor) -> Result<PathBuf, StoreError> {
        let mut entries = self.index()?.manifests;
        entries.retain(|entry| same_image(entry, image));
        let text = serde_json::to_vec_pretty(&entries)
            .map_err(|source| StoreError::Json { what: "the index".into(), source })?;
        let place = self.quarantined(Path::new(&format!("index-{}.json", image.digest.hex())))?;
        fs::write(&place, text).map_err(|source| file(&place, "write", source))?;
        let named = |entry: &Descriptor| {
            let name = entry.annotations.get(NAME)?.parse().ok()?;
            Some(Named { name, images: vec![entry.clone()] })
        };
        self.forget(&entries.iter().filter_map(named).collect::<Vec<_>>(), &entries)?;
        Ok(place)
    }

    /// Writes a new index that names every manifest among the blobs, without their names, which only the old one knew.
    /// The new one takes its place in one move; the old one has a second name in `quarantine/` by then.
    ///
    /// # Errors
    /// [`StoreError::File`], [`StoreError::Json`]; then the old one is where it was.
    pub fn rebuild_index(&self) -> Result<PathBuf, StoreError> {
        let _lock = self.lock()?;
        let mut index: Index = serde_json::from_str(super::names::EMPTY)
            .map_err(|source| StoreError::Json { what: "the index".into(), source })?;
        for digest in self.names_in("blobs/sha256")?.0 {
            let size = fs::metadata(self.blob_path(digest)).map_or(u64::MAX, |stat| stat.len());
            if size <= super::DOCUMENT
                && let Ok(manifest) = self.document::<Manifest>(digest)
            {
                let kind = manifest.media_type.as_deref().unwrap_or(MANIFEST);
                index.manifests.push(Descriptor::new(kind, digest, size));
            }
        }
        let path = self.root.join("index.json");
        let old = self.place_for(&path)?;
        if fs::hard_link(&path, &old).is_err() {
            // a directory, or a file system without second names
            rename(&path, &old)?;
        }
        self.write_index(&index)?;
        Ok(old)
    }
}

/// The first difference between two trees, by its name in the second.
fn difference(fresh: &Path, found: &Path, top: &Path) -> io::Result<Option<String>> {
    let name = found.strip_prefix(top).unwrap_or(found).display().to_string();
    let name = if name.is_empty() { "/".into() } else { name.escape_debug().to_string() };
    let (wanted, stat) = (fresh.symlink_metadata()?, found.symlink_metadata()?);
    let differs = match () {
        _ if wanted.file_type() != stat.file_type() => "its type is another",
        _ if wanted.mode() != stat.mode() => "its permissions are others",
        _ if (wanted.uid(), wanted.gid()) != (stat.uid(), stat.gid()) => "its owner is another",
        _ if wanted.is_file() && wanted.len() != stat.len() => "its length is another",
        _ if wanted.file_type().is_char_device() && wanted.rdev() != stat.rdev() => "it is another device",
        _ if wanted.is_symlink() && fs::read_link(fresh)? != fs::read_link(found)? => "it leads elsewhere",
        _ if wanted.is_file() && !same_content(fresh, found)? => "its content is another",
        _ => "",
    };
    if !differs.is_empty() {
        return Ok(Some(format!("{name}: {differs}")));
    }
    if !wanted.is_dir() {
        return Ok(None);
    }
    let names = |directory: &Path| -> io::Result<Vec<std::ffi::OsString>> {
        let mut names: Vec<_> = match fs::read_dir(directory) {
            Ok(entries) => entries.flatten().map(|entry| entry.file_name()).collect(),
            // closed to us by the image itself, in both
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Vec::new(),
            Err(error) => return Err(error),
        };
        names.sort();
        Ok(names)
    };
    let (wanted, there) = (names(fresh)?, names(found)?);
    let shown =
        |name: &std::ffi::OsString| found.join(name).strip_prefix(top).unwrap_or(found).display().to_string();
    if let Some(missing) = wanted.iter().find(|name| there.binary_search(name).is_err()) {
        return Ok(Some(format!("{}: it is missing", shown(missing).escape_debug())));
    }
    if let Some(other) = there.iter().find(|name| wanted.binary_search(name).is_err()) {
        return Ok(Some(format!("{}: the image has no such file", shown(other).escape_debug())));
    }
    for name in wanted {
        let differs = difference(&fresh.join(&name), &found.join(&name), top)?;
        if differs.is_some() {
            return Ok(differs);
        }
    }
    Ok(None)
}

fn same_content(a: &Path, b: &Path) -> io::Result<bool> {
    let open = |path: &Path| match File::open(path) {
        Ok(file) => Ok(Some(io::BufReader::with_capacity(1 << 16, file))),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(error),
    };
    let (Some(mut a), Some(mut b)) = (open(a)?, open(b)?) else { return Ok(true) };
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = a.read(&mut left)?;
        if count == 0 {
            return Ok(b.read(&mut right)? == 0);
        }
        if b.read_exact(&mut right[..count]).is_err() || left[..count] != right[..count] {
            return Ok(false);
        }
    }
}
