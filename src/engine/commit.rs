//! Commit: what a container wrote becomes a layer, and its settings a config: an image.
//!
//! ```text
//!   upper ── diff ── gzip ──> one layer more ──┐
//!   the image's layers, as they are ───────────┴─> manifest ─> index.json
//!   the image's config + run's options + -c ───────> config
//! ```
//!
//! Nothing below is copied or changed: the new image names the old one's layers. A running container stands still while
//! its files are read. See docker-container-commit(1), the OCI image specification. Lab 14-commit,
//! tutorials/14-commit.md.

mod pause;
mod settings;

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::AsRawFd;

use super::changes;
use super::config::{self, Descriptor, Document, History, ImageConfig, Manifest};
use super::containers::Record;
use super::events::{Event, of};
use super::instruction::{self, ChangeError};
use super::reference::Reference;
use super::state::State;
use super::store::{Draft, NewLayer, Store, StoreError, Stored};
use super::view::{Extent, View, ViewError};
use crate::kernel::Errno;
use crate::layers::{self, Changes, Compression, DiffOptions, Digest};

pub use settings::settings;

/// What is wished of an image of a container.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// its name
    pub reference: Option<Reference>,
    /// who made it
    pub author: Option<String>,
    /// why
    pub message: Option<String>,
    /// instructions of a Dockerfile that change what it says of its program
    pub changes: Vec<String>,
    /// a running container stands still meanwhile
    pub pause: bool,
    /// no time in it is later than this (`SOURCE_DATE_EPOCH`)
    pub epoch: Option<jiff::Timestamp>,
}

/// Why there is no image of a container.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// its image is gone
    #[error(
        "container {container} was made of {image}, which is here no longer: get that image again, or save the files with: stepbox export {container}"
    )]
    ImageGone {
        /// the container
        container: String,
        /// the image's id
        image: String,
    },
    /// an instruction
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// it could not be stopped, or not be started again
    #[error("cannot pause container {container}: {what}")]
    Pause {
        /// the container
        container: String,
        /// why
        what: String,
    },
    /// the container's files
    #[error(transparent)]
    View(#[from] ViewError),
    /// a pipe
    #[error("cannot make a pipe: {0}")]
    Pipe(Errno),
    /// the store
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes an image of a container; returns its id. `note` is told what is not as wished, and yet no error.
///
/// # Errors
/// [`CommitError`]; then there is no image, and the container goes on.
pub fn commit(
    state: &State,
    store: &Store,
    record: &Record,
    wish: &Wish,
    note: impl FnOnce(&str),
) -> Result<Digest, CommitError> {
    let (below, document) = image(store, record)?;
    let mut config = record.config.clone();
    instruction::change(&mut config, &wish.changes)?;
    let created = wish.epoch.unwrap_or_else(jiff::Timestamp::now);
    let view = View::of(state, record)?;
    let mut draft = store.draft(&document.rootfs.diff_ids)?;
    // its image may be removed meanwhile
    for layer in &below.manifest.layers {
        if !draft.hold(layer.digest)? {
            return Err(gone(record));
        }
    }
    let mut work = || layer(&view, &mut draft, wish);
    let layer = match wish.pause && view.is_running() {
        true => pause::paused(state, record, note, work)?,
        false => work(),
    }?;
    let document = described(document, config, record, wish, created.to_string(), layer.as_ref());
    let mut layers: Vec<Descriptor> = below.manifest.layers.into_iter().map(in_oci_words).collect();
    layers.extend(layer.map(|layer| layer.descriptor));
    let name = wish.reference.as_ref();
    let id = publish(draft, &document, layers, name)?;
    let tagged = name.map(|name| of::image(store, &id.to_string(), &name.to_string(), "tag"));
    let comment = wish.message.as_deref().unwrap_or_default();
    let told: Vec<Event> = tagged.into_iter().chain([of::committed(record, &id, name, comment)]).collect();
    store.events().tell(&told);
    Ok(id)
}

/// What the container was made of.
fn image(store: &Store, record: &Record) -> Result<(Stored, Document), CommitError> {
    let stored = store.find(&id_of_image(record)).map_err(|error| match error {
        StoreError::Missing(_) => gone(record),
        other => other.into(),
    })?;
    let document = store.config(&stored)?;
    Ok((stored, document))
}

fn id_of_image(record: &Record) -> String {
    record.image_id.map_or_else(|| record.image.clone(), |id| id.to_string())
}

fn gone(record: &Record) -> CommitError {
    CommitError::ImageGone { container: record.name.clone(), image: id_of_image(record) }
}

/// The container's own layer; none where it wrote nothing, as in Docker.
fn layer(view: &View<'_>, draft: &mut Draft<'_>, wish: &Wish) -> Result<Option<NewLayer>, CommitError> {
    let changes = changes::of(view)?;
    // an upper directory has whiteouts of its own; one more in an opaque directory would show there as a name
    let gone = if view.tree().is_some() { changes.gone() } else { Default::default() };
    let Changes { not_theirs, any, .. } = changes;
    if !any {
        return Ok(None);
    }
    let owner = view.is_rootless().then_some((0, 0));
    let epoch = wish.epoch.map(jiff::Timestamp::as_second);
    let options = DiffOptions { compression: Compression::Gzip, epoch, owner };
    let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let (reader, writer) = pipe.map_err(CommitError::Pipe)?;
    let (not_for_it, writer, upper) = ([reader.as_raw_fd()], RefCell::new(Some(writer)), view.upper());
    let work = |_| {
        let Some(pipe) = writer.take() else { return Ok(()) };
        let written = layers::diff_without(&upper, &not_theirs, &gone, File::from(pipe), options);
        written.map(drop).map_err(|error| view.files(error))
    };
    let looked = view.look(Extent::Layers, &not_for_it, work, || {
        drop(writer.take());
        draft.layer(File::from(reader))
    });
    let ((), layer) = looked.map_err(|error: ViewError| error)?;
    Ok(Some(layer?))
}

/// The config of the new image.
fn described(
    below: Document,
    config: ImageConfig,
    record: &Record,
    wish: &Wish,
    created: String,
    layer: Option<&NewLayer>,
) -> Document {
    let step = History {
        created: Some(created.clone()),
        created_by: record.config.cmd.as_ref().map(|words| words.join(" ")),
        author: wish.author.clone(),
        comment: wish.message.clone(),
        empty_layer: layer.is_none().then_some(true),
    };
    let mut document = Document { created: Some(created), author: wish.author.clone(), config, ..below };
    document.rootfs.diff_ids.extend(layer.map(|layer| layer.applied.diff_id));
    document.history.push(step);
    // what Docker notes of the container that its image was made of is not true of this one
    for of_another in ["container", "container_config", "docker_version", "id", "parent"] {
        document.rest.shift_remove(of_another);
    }
    document
}

/// A manifest names the types of one vocabulary; the blobs are the same in both.
fn in_oci_words(mut layer: Descriptor) -> Descriptor {
    const DOCKER: &str = "application/vnd.docker.image.rootfs.diff.tar";
    if let Some(packed) = layer.media_type.strip_prefix(DOCKER) {
        let compression = if packed == ".gzip" { Compression::Gzip } else { Compression::None };
        layer.media_type = compression.media_type().to_owned();
    }
    layer
}

fn publish(
    mut draft: Draft<'_>,
    document: &Document,
    layers: Vec<Descriptor>,
    reference: Option<&Reference>,
) -> Result<Digest, CommitError> {
    let json = |what: &str, source| StoreError::Json { what: what.to_owned(), source };
    let config = serde_json::to_vec(document).map_err(|source| json("the config", source))?;
    let id = draft.blob(&config)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(config::MANIFEST.to_owned()),
        config: Descriptor::new(config::CONFIG, id, config.len() as u64),
        layers,
        rest: serde_json::Map::new(),
    };
    let manifest = serde_json::to_vec(&manifest).map_err(|source| json("the manifest", source))?;
    let digest = draft.blob(&manifest)?;
    let descriptor = Descriptor::new(config::MANIFEST, digest, manifest.len() as u64);
    draft.publish(descriptor, reference)?;
    Ok(id)
}
