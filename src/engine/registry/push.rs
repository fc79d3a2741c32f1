//! Pushing: an image of the store goes to a registry, byte for byte, so that its digest stays.
//!
//! ```text
//!   each layer, five at once:  there?  ─ no ─> in another repository of ours?  ─ no ─> upload
//!   the config
//!   the manifest, as it lies in the store: now the tag names it
//! ```
//!
//! See the OCI distribution specification, "push". Lab 16-registry.

use super::Client;
use super::error::RegistryError;
use super::refusal::Refusal;
use super::report::{Report, Stage};
use super::session::{Errand, Place, Session, scope};
use super::transport::Payload;
use super::upload::{Parcel, Uploads};
use crate::engine::config::{self, Descriptor};
use crate::engine::events::of;
use crate::engine::reference::Reference;
use crate::engine::store::{Store, StoreError, Stored};
use crate::layers::Digest;
use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use ureq::http::header::CONTENT_TYPE;
use ureq::http::{Method, StatusCode};

/// How many layers go at once, as in Docker.
const PARALLEL: usize = 5;
/// How many repositories are tried as the source of a layer.
const SOURCES: usize = 3;

/// An image that is in the registry now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// the digest of its manifest
    pub digest: Digest,
    /// the length of its manifest, in bytes
    pub size: u64,
}

/// A layer on its way.
struct Layer {
    descriptor: Descriptor,
    file: PathBuf,
    /// the first digits of its diff id, as Docker calls it here
    label: String,
    /// repositories of the same registry that have it, as far as this store knows
    sources: Vec<String>,
}

impl Client {
    /// Pushes an image under its name.
    ///
    /// # Errors
    /// [`RegistryError`]; then the tag in the registry names what it named before.
    pub fn push(
        &self,
        store: &Store,
        reference: &Reference,
        report: &dyn Report,
    ) -> Result<Pushed, RegistryError> {
        let Some(tag) = reference.tag().filter(|_| reference.digest().is_none()) else {
            return Err(RegistryError::PushDigest(reference.to_string()));
        };
        let stored = match store.find(&reference.canonical()) {
            Ok(stored) if stored.reference.as_ref() == Some(reference) => stored,
            Ok(_) | Err(StoreError::Missing(_)) => {
                return Err(RegistryError::NoSuchTag(reference.to_string()));
            }
            Err(other) => return Err(other.into()),
        };
        let repository = reference.repository();
        report.say(&format!("The push refers to repository [{}/{repository}]", reference.registry()));
        let layers = layers(store, &stored, reference)?;
        for layer in &layers {
            report.layer(&layer.label, Stage::Preparing);
        }
        let scopes = [scope(repository, "pull,push")];
        let sent = || -> Result<Pushed, RegistryError> {
            let session = self.open(reference.registry())?;
            let uploads = Uploads { session: &session, repository, scopes: &scopes, report };
            all(&uploads, &layers)?;
            let config = &stored.manifest.config;
            let (digest, file) = (config.digest, store.blob_path(config.digest));
            if !uploads.has(digest)? {
                uploads.send(&Parcel { digest, size: length(&file)?, file: &file, label: "" })?;
            }
            session.name(repository, tag, &stored, &store.blob(stored.digest)?, &scopes)
        };
        let pushed = sent().map_err(|error| explained(error, reference))?;
        report.say(&format!("{tag}: digest: {} size: {}", pushed.digest, pushed.size));
        store.events().tell(&[of::transfer(store, reference, "push")]);
        Ok(pushed)
    }
}

fn explained(error: RegistryError, reference: &Reference) -> RegistryError {
    let denied = || {
        let (name, registry) = (reference.familiar_name(), reference.registry().to_owned());
        RegistryError::PushDenied { name, registry }
    };
    match error {
        RegistryError::Refused { refusal, .. } if refusal.is_denied() => denied(),
        RegistryError::Token { refusal, .. } if refusal.is_denied() => denied(),
        other => other,
    }
}

/// The layers of an image, each blob once, bottom first.
fn layers(store: &Store, stored: &Stored, reference: &Reference) -> Result<Vec<Layer>, RegistryError> {
    let diff_ids = store.config(stored)?.rootfs.diff_ids;
    let (mut seen, mut layers) = (HashSet::new(), Vec::new());
    for (descriptor, diff_id) in stored.manifest.layers.iter().zip(diff_ids) {
        if seen.insert(descriptor.digest) {
            let file = store.blob_path(descriptor.digest);
            let sources = Vec::new();
            layers.push(Layer { descriptor: descriptor.clone(), file, label: diff_id.short(), sources });
        }
    }
    // an image that cannot be read is none that we know of
    for other in store.list()?.into_iter().flatten() {
        let Some(name) = other.reference.filter(|name| {
            name.registry() == reference.registry() && name.repository() != reference.repository()
        }) else {
            continue;
        };
        let has: BTreeSet<Digest> = other.manifest.layers.iter().map(|layer| layer.digest).collect();
        for layer in layers.iter_mut().filter(|layer| has.contains(&layer.descriptor.digest)) {
            let known = layer.sources.iter().any(|source| source == name.repository());
            if !known && layer.sources.len() < SOURCES {
                layer.sources.push(name.repository().to_owned());
            }
        }
    }
    Ok(layers)
}

/// Sends all layers, several at once; the first failure ends the others.
fn all(uploads: &Uploads<'_>, layers: &[Layer]) -> Result<(), RegistryError> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let failed: Mutex<Option<RegistryError>> = Mutex::new(None);
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let Some(layer) = layers.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            if let Err(error) = one(uploads, layer) {
                stop.store(true, Ordering::Relaxed);
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..uploads.session.client.at_once(PARALLEL).min(layers.len()) {
            // without a thread more, it takes longer
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn one(uploads: &Uploads<'_>, layer: &Layer) -> Result<(), RegistryError> {
    let (digest, label) = (layer.descriptor.digest, layer.label.as_str());
    if uploads.has(digest)? {
        uploads.report.layer(label, Stage::Known);
        return Ok(());
    }
    for source in &layer.sources {
        let scopes = [scope(uploads.repository, "pull,push"), scope(source, "pull")];
        if uploads.mount(digest, source, &scopes)? {
            uploads.report.layer(label, Stage::Mounted(source));
            return Ok(());
        }
    }
    let size = length(&layer.file)?;
    uploads.send(&Parcel { digest, size, file: &layer.file, label })?;
    uploads.report.layer(label, Stage::Pushed);
    Ok(())
}

fn length(file: &std::path::Path) -> Result<u64, RegistryError> {
    let found = std::fs::metadata(file).map(|stat| stat.len());
    found.map_err(|error| RegistryError::Read { path: file.to_owned(), error })
}

impl Session<'_> {
    /// Gives a manifest its tag.
    fn name(
        &self,
        repository: &str,
        tag: &str,
        stored: &Stored,
        manifest: &[u8],
        scopes: &[String],
    ) -> Result<Pushed, RegistryError> {
        let path = format!("{repository}/manifests/{tag}");
        // where the document does not say what it is, the index of the store or the config does
        let media_type = match (&stored.manifest.media_type, stored.entry.digest == stored.digest) {
            (Some(own), _) => own.clone(),
            (None, true) => stored.entry.media_type.clone(),
            (None, false) => config::MANIFEST.to_owned(),
        };
        let errand = Errand {
            method: Method::PUT,
            place: Place::Path(&path),
            headers: vec![(CONTENT_TYPE, media_type)],
            payload: Payload::Bytes(manifest),
            scopes,
        };
        let answer = self.ask(&errand)?;
        let (what, size) = (format!("{}/{repository}:{tag}", self.registry), manifest.len() as u64);
        if !matches!(answer.status, StatusCode::CREATED | StatusCode::OK) {
            return Err(RegistryError::Refused { what, refusal: Refusal::of(answer) });
        }
        let found =
            answer.header("docker-content-digest").and_then(|text| text.trim().parse::<Digest>().ok());
        match found {
            Some(found) if found != stored.digest => {
                Err(RegistryError::Digest { what, expected: stored.digest, found })
            }
            _ => Ok(Pushed { digest: stored.digest, size }),
        }
    }
}
