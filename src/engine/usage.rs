//! Usage: how much of the disk images and containers take, and how much of it could be had back.
//!
//! ```text
//!   image a   [base 5 MB][a 1 MB]      shared 5 MB, unique 1 MB
//!   image b   [base 5 MB][b 2 MB]      shared 5 MB, unique 2 MB         all images: 8 MB
//! ```
//!
//! See docker-system-df(1). Lab 13-union-image, tutorials/13-union-image.md.

use std::collections::BTreeMap;

use super::containers::{self, Record};
use super::images::catalog::{Catalog, ImageError, Known};
use super::state::State;
use super::store::{Store, size_of_files};
use super::volumes::{self, Volumes};
use crate::layers::Digest;

/// What one image takes.
#[derive(Debug)]
pub struct OfImage<'a> {
    /// which
    pub image: &'a Known,
    /// bytes of all its layers' files
    pub size: u64,
    /// of which other images have as well
    pub shared: u64,
    /// containers that use it
    pub containers: usize,
}

/// What one container takes.
#[derive(Debug)]
pub struct OfContainer {
    /// which
    pub record: Record,
    /// bytes that it has written
    pub written: u64,
}

/// What one volume takes.
#[derive(Debug)]
pub struct OfVolume {
    /// which
    pub volume: volumes::Known,
    /// bytes of its files
    pub size: u64,
    /// containers that have it
    pub links: usize,
}

/// What there is.
#[derive(Debug)]
pub struct Usage<'a> {
    /// the images, the newest first
    pub images: Vec<OfImage<'a>>,
    /// bytes of all layers' files, each layer counted once
    pub layers: u64,
    /// the containers, the newest first
    pub containers: Vec<OfContainer>,
    /// the volumes, by name
    pub volumes: Vec<OfVolume>,
}

impl Usage<'_> {
    /// Bytes of layers that only images without containers have.
    pub fn reclaimable_of_images(&self) -> u64 {
        let used = self.images.iter().filter(|it| it.containers > 0).map(|it| it.size - it.shared).sum();
        self.layers.saturating_sub(used)
    }

    /// Bytes of volumes that no container has.
    pub fn reclaimable_of_volumes(&self) -> u64 {
        self.volumes.iter().filter(|it| it.links == 0).map(|it| it.size).sum()
    }

    /// Bytes that containers which do not run have written.
    pub fn reclaimable_of_containers(&self) -> u64 {
        self.containers.iter().filter(|it| !it.record.running()).map(|it| it.written).sum()
    }
}

/// Looks at everything.
///
/// # Errors
/// Those of measuring layers.
pub fn usage<'a>(state: &State, store: &Store, catalog: &'a Catalog) -> Result<Usage<'a>, ImageError> {
    let records = containers::list(state);
    let mut sizes: Vec<Vec<u64>> = Vec::new();
    let mut layers: BTreeMap<Digest, (u64, usize)> = BTreeMap::new();
    for image in &catalog.images {
        let of_image = image.sizes(store)?;
        for (chain, size) in image.chains.iter().zip(&of_image) {
            layers.entry(*chain).or_insert((*size, 0)).1 += 1;
        }
        sizes.push(of_image);
    }
    let uses = |record: &Record, image: &Known| match record.image_id {
        Some(id) => id == image.id,
        None => catalog.find(&record.image).is_ok_and(|found| found.id == image.id),
    };
    let images = catalog.images.iter().zip(&sizes).map(|(image, sizes)| OfImage {
        image,
        size: sizes.iter().sum(),
        shared: image
            .chains
            .iter()
            .filter_map(|chain| layers.get(chain))
            .filter(|it| it.1 > 1)
            .map(|it| it.0)
            .sum(),
        containers: records.iter().filter(|record| uses(record, image)).count(),
    });
    let images = images.collect();
    let volumes = Volumes::of(state).list().into_iter().map(|volume| {
        let has = |record: &&Record| record.volumes().iter().any(|one| one.name == volume.name);
        let links = records.iter().filter(has).count();
        OfVolume { size: size_of_files(&volume.place.data()).unwrap_or(0), links, volume }
    });
    let volumes = volumes.collect();
    let containers = records.into_iter().map(|record| {
        let upper = state.containers().join(&record.id).join("upper");
        OfContainer { written: size_of_files(&upper).unwrap_or(0), record }
    });
    let layers = layers.values().map(|(size, _)| size).sum();
    Ok(Usage { images, layers, containers: containers.collect(), volumes })
}
