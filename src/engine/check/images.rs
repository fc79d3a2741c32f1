//! Images: index, blobs and unpacked layers, each against the digest that names it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Finding, Looked, Remedy};
use crate::engine::containers::{self, Record};
use crate::engine::images::catalog::{Catalog, Known};
use crate::engine::images::remove::used;
use crate::engine::state::State;
use crate::engine::store::{Store, StoreError};
use crate::layers::{self, Digest};

struct Look<'a> {
    store: &'a Store,
    findings: &'a mut Vec<Finding>,
    /// blobs whose content is not what it should be
    damaged: BTreeSet<Digest>,
    /// blobs that have been read to their end
    read: BTreeSet<Digest>,
}

/// Looks at all of them.
pub(super) fn look(state: &State, store: &Store, findings: &mut Vec<Finding>, looked: &mut Looked) {
    let mut look = Look { store, findings, damaged: BTreeSet::new(), read: BTreeSet::new() };
    let catalog = match Catalog::read(store) {
        Ok(catalog) => catalog,
        Err(error) => {
            look.found(&store.root().join("index.json"), error.to_string(), Remedy::Rebuild);
            Catalog::default()
        }
    };
    let containers = containers::as_written(state);
    looked.images = catalog.images.len() + catalog.unread().count();
    look.layer_blobs(&catalog);
    looked.blobs = look.blobs();
    look.entries(&catalog);
    looked.layers = look.layers(&catalog, &containers);
    // what nothing reaches is only known where everything can be read
    if look.findings.iter().all(|finding| !matches!(finding.remedy, Remedy::Rebuild | Remedy::Unlist(_))) {
        look.unreached(&catalog, &containers);
    }
}

impl Look<'_> {
    fn found(&mut self, place: &Path, what: String, remedy: Remedy) {
        self.findings.push(Finding { place: place.display().to_string(), what, remedy });
    }

    /// Layers, read once for both digests.
    fn layer_blobs(&mut self, catalog: &Catalog) {
        let mut wanted: BTreeMap<Digest, Digest> = BTreeMap::new();
        for image in &catalog.images {
            let blobs = image.manifest.layers.iter().map(|layer| layer.digest);
            wanted.extend(blobs.zip(image.document.rootfs.diff_ids.iter().copied()));
        }
        for (blob, diff_id) in wanted {
            let path = self.store.blob_path(blob);
            let Ok(archive) = File::open(&path) else { continue };
            self.read.insert(blob);
            let what = match layers::examine(archive) {
                Ok(it) if it.digest != blob => {
                    format!("its content is {}, not what its name says", it.digest)
                }
                Ok(it) if it.diff_id != diff_id => {
                    format!("it unpacks to {}, the image's config says {diff_id}", it.diff_id)
                }
                Ok(_) => continue,
                Err(error) => error.to_string(),
            };
            self.damaged.insert(blob);
            self.found(&path, what, Remedy::Aside(path.clone()));
        }
    }

    /// All other blobs; returns how many there are.
    fn blobs(&mut self) -> usize {
        let (digests, others) = match self.store.names_in("blobs/sha256") {
            Ok(names) => names,
            Err(error) => {
                let place = self.store.root().join("blobs/sha256");
                self.found(&place, error.to_string(), Remedy::Nothing("make it readable"));
                return 0;
            }
        };
        for path in others {
            self.found(&path, "its name is no digest".into(), Remedy::Aside(path.clone()));
        }
        for digest in &digests {
            if self.read.contains(digest) {
                continue;
            }
            let path = self.store.blob_path(*digest);
            let what = match File::open(&path).and_then(Digest::read) {
                Ok(found) if found == *digest => continue,
                Ok(found) => format!("its content is {found}, not what its name says"),
                Err(error) => error.to_string(),
            };
            self.damaged.insert(*digest);
            self.found(&path, what, Remedy::Aside(path.clone()));
        }
        digests.len()
    }

    /// Images that lack something.
    fn entries(&mut self, catalog: &Catalog) {
        let index = self.store.root().join("index.json");
        for broken in &catalog.broken {
            let name = broken.names.first().map_or_else(|| broken.digest.to_string(), ToString::to_string);
            let what = format!("image {name} cannot be read: {}", broken.error);
            self.found(&index, what, Remedy::Unlist(Box::new(broken.entry.clone())));
        }
        for image in &catalog.images {
            let lacks = image.manifest.layers.iter().find(|layer| {
                self.damaged.contains(&layer.digest) || !self.store.blob_path(layer.digest).exists()
            });
            let Some(layer) = lacks else { continue };
            let name = image.names.first().map_or_else(|| image.id.to_string(), ToString::to_string);
            let how = if self.damaged.contains(&layer.digest) { "is damaged" } else { "is missing" };
            for entry in &image.entries {
                let what = format!("image {name}: its layer {} {how}", layer.digest);
                self.found(&index, what, Remedy::Unlist(Box::new(entry.clone())));
            }
        }
    }

    /// Unpacked layers against their blobs; returns how many there are.
    fn layers(&mut self, catalog: &Catalog, containers: &[Record]) -> usize {
        let directory = self.store.root().join("layers");
        let (chains, others) = match self.store.names_in("layers") {
            Ok(names) => names,
            Err(error) => {
                self.found(&directory, error.to_string(), Remedy::Nothing("make it readable"));
                return 0;
            }
        };
        for path in others {
            self.found(&path, "its name is no chain id".into(), Remedy::Aside(path.clone()));
        }
        let blob_of = |image: &Known, chain: Digest| {
            let at = image.chains.iter().position(|other| *other == chain)?;
            image.manifest.layers.get(at).map(|layer| layer.digest)
        };
        for chain in &chains {
            let Some(blob) = catalog.images.iter().find_map(|image| blob_of(image, *chain)) else { continue };
            if self.damaged.contains(&blob) || !self.store.blob_path(blob).exists() {
                continue;
            }
            let what = match self.store.difference(blob, *chain) {
                Ok(None) => continue,
                Ok(Some(what)) => format!("it is not what its blob unpacks to: {what}"),
                Err(StoreError::File { source, .. }) => {
                    format!("it cannot be compared with its blob: {source}")
                }
                Err(error) => error.to_string(),
            };
            let running = |record: &&Record| record.running() && record.layers.contains(chain);
            let remedy = match containers.iter().find(running) {
                Some(_) => Remedy::Nothing("a container that runs stands on it: stop it first"),
                None => Remedy::Aside(directory.join(chain.hex())),
            };
            self.found(&directory.join(chain.hex()), what, remedy);
        }
        chains.len()
    }

    /// Blobs and layers that neither an image nor a container needs.
    fn unreached(&mut self, catalog: &Catalog, containers: &[Record]) {
        let (blobs, mut chains) = match self.store.needed() {
            Ok(needed) => needed,
            Err(error) => {
                let what = format!("what its images need is not known: {error}");
                let remedy = Remedy::Nothing("remove the image, and get it again");
                return self.found(&self.store.root().join("index.json"), what, remedy);
            }
        };
        chains.extend(used(containers, catalog));
        let root = self.store.root().to_path_buf();
        for chain in self.store.names_in("layers").map(|names| names.0).unwrap_or_default() {
            if !chains.contains(&chain) {
                let what = "neither an image nor a container uses this layer".into();
                self.found(&root.join("layers").join(chain.hex()), what, Remedy::Collect);
            }
        }
        for blob in self.store.names_in("blobs/sha256").map(|names| names.0).unwrap_or_default() {
            let path = self.store.blob_path(blob);
            // a second name means that somebody is just bringing it in
            let held = fs::metadata(&path).is_ok_and(|stat| stat.nlink() > 1);
            if !blobs.contains(&blob) && !held && !self.damaged.contains(&blob) {
                self.found(&path, "no image needs this blob".into(), Remedy::Collect);
            }
        }
    }
}
