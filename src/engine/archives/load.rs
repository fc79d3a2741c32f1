//! Loading: an archive's images come into the store, layers side by side.
//!
//! ```text
//!   headers ─> documents, all of them checked ─> image after image: layers ─> config, manifest ─> names
//!                 │ wrong: nothing was done                │ wrong: this image is not there
//! ```
//!
//! See docker-load(1).

use super::contents::{Contents, Part};
use super::error::ArchiveError;
use super::{INDEX, MANIFEST, REPOSITORIES, docker, oci};
use crate::engine::config::Descriptor;
use crate::engine::events::of;
use crate::engine::reference::Reference;
use crate::engine::store::{Arrival, Source, Store, StoreError, Wanted};
use crate::layers::{Digest, Limits};
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;

/// An image as the archive has it.
pub(super) struct Planned {
    pub(super) names: Vec<Reference>,
    pub(super) id: Digest,
    pub(super) config: Vec<u8>,
    pub(super) descriptor: Descriptor,
    pub(super) manifest: Vec<u8>,
    pub(super) layers: Vec<Layer>,
}

/// One of its layers.
pub(super) struct Layer {
    pub(super) descriptor: Descriptor,
    pub(super) diff_id: Digest,
    pub(super) member: String,
    pub(super) part: Part,
}

/// An image that is in the store now.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// its id
    pub id: Digest,
    /// its names
    pub names: Vec<Reference>,
    /// names that another image had before, and which
    pub taken: Vec<(Reference, Digest)>,
}

/// Who wants to see how it goes on; asked from several threads.
pub trait Watch: Sync {
    /// A layer, by its diff id, with its size in the archive: what becomes of it.
    fn layer(&self, _diff_id: Digest, _size: u64, _what: Arrival) {}

    /// So many more bytes of it were read.
    fn read(&self, _diff_id: Digest, _bytes: u64) {}
}

impl Watch for () {}

/// Loads all images of an archive, plain, gzip or zstd, that begins where this file stands; a pipe will do.
///
/// # Errors
/// [`ArchiveError`], with the member it is about. Images that were whole by then stay.
pub fn load(store: &Store, archive: File, watch: &impl Watch) -> Result<Vec<Loaded>, ArchiveError> {
    load_within(store, archive, Limits::default(), watch)
}

/// The same within other limits: of what is compressed as a whole, or comes through a pipe.
///
/// # Errors
/// As [`load`].
pub fn load_within(
    store: &Store,
    archive: File,
    limits: Limits,
    watch: &impl Watch,
) -> Result<Vec<Loaded>, ArchiveError> {
    let contents = Contents::open(archive, store, limits)?;
    let planned = match () {
        () if contents.has(MANIFEST) => docker::plan(&contents)?,
        () if contents.has(INDEX) => oci::plan(&contents)?,
        () if contents.has(REPOSITORIES) => return Err(ArchiveError::Legacy),
        () => return Err(ArchiveError::NoImages),
    };
    planned.iter().map(|image| bring(store, &contents, image, watch)).collect()
}

fn bring(
    store: &Store,
    contents: &Contents,
    image: &Planned,
    watch: &impl Watch,
) -> Result<Loaded, ArchiveError> {
    let mut draft = store.draft(&[])?;
    let want = |layer: &Layer| Wanted { descriptor: layer.descriptor.clone(), diff_id: layer.diff_id };
    let wanted: Vec<Wanted> = image.layers.iter().map(want).collect();
    let parallel = std::thread::available_parallelism().map_or(1, NonZero::get);
    let parts = Parts { contents, layers: &image.layers, watch };
    draft.layers(&wanted, parallel, &parts).map_err(|error| blame(error, &image.layers))?;
    draft.blob(&image.config)?;
    draft.blob(&image.manifest)?;
    let mut taken = Vec::new();
    for name in &image.names {
        match store.find(&name.canonical()) {
            Ok(known) if known.id != image.id => taken.push((name.clone(), known.id)),
            _ => {}
        }
    }
    draft.publish(image.descriptor.clone(), image.names.first())?;
    for name in image.names.iter().skip(1) {
        store.tag(&image.descriptor.digest.to_string(), name)?;
    }
    let id = image.id.to_string();
    store.events().tell(&[of::image(store, &id, &id, "load")]);
    Ok(Loaded { id: image.id, names: image.names.clone(), taken })
}

/// Says which member it was.
fn blame(error: StoreError, layers: &[Layer]) -> ArchiveError {
    let blob = match &error {
        StoreError::Corrupt { blob, .. } | StoreError::Size { blob, .. } => blob,
        StoreError::DiffId { blob, .. } | StoreError::Fetch { blob, .. } => blob,
        _ => return ArchiveError::Store(error),
    };
    match layers.iter().find(|layer| layer.descriptor.digest == *blob) {
        Some(layer) => ArchiveError::Layer { member: layer.member.clone(), error: Box::new(error) },
        None => ArchiveError::Store(error),
    }
}

/// The layers of one image in the archive.
struct Parts<'a, W> {
    contents: &'a Contents,
    layers: &'a [Layer],
    watch: &'a W,
}

impl<W: Watch> Source for Parts<'_, W> {
    fn open(&self, number: usize) -> io::Result<Box<dyn Read + Send + '_>> {
        let layer = &self.layers[number];
        let from = self.contents.reader(layer.part);
        Ok(Box::new(Watched { from, diff_id: layer.diff_id, watch: self.watch }))
    }

    fn hear(&self, number: usize, what: Arrival) {
        let layer = &self.layers[number];
        self.watch.layer(layer.diff_id, layer.part.size, what);
    }
}

struct Watched<'a, R, W> {
    from: R,
    diff_id: Digest,
    watch: &'a W,
}

impl<R: Read, W: Watch> Read for Watched<'_, R, W> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        self.watch.read(self.diff_id, count as u64);
        Ok(count)
    }
}
