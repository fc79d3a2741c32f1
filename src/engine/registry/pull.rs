//! Pulling: an image comes from a registry into the store.
//!
//! ```text
//!   tag ──> list? ──> the manifest for this machine ──> config ──> diff ids ──┐
//!            │                                └──────────────────> layers ────┴──> draft ──> published under its name
//!            └─ kept as it came, so that its digest is the registry's
//! ```
//!
//! Nothing has a name before all of it is here and checked. See the OCI distribution specification, "pull".
//! Lab 16-registry.

use super::Client;
use super::download::Download;
use super::error::RegistryError;
use super::manifests::{Given, Kind};
use super::report::{Report, Stage};
use super::session::{Session, scope};
use crate::engine::config::{self, Descriptor, Document, Index, Manifest};
use crate::engine::events::of;
use crate::engine::platform::Platform;
use crate::engine::reference::Reference;
use crate::engine::store::{Arrival, Source, Store, StoreError, Wanted};
use crate::layers::Digest;
use std::io::{self, Read};

/// How an image is pulled.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// for which machine; this one where nothing is said
    pub platform: Option<Platform>,
    /// how many layers come at once
    pub parallel: usize,
}

impl Default for PullOptions {
    fn default() -> PullOptions {
        PullOptions { platform: None, parallel: 3 }
    }
}

/// An image that is here now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulled {
    /// the digest that the registry knows it by: of its list, if it is in one
    pub digest: Digest,
    /// its id
    pub image: Digest,
    /// false where the name stood for the same image before
    pub newer: bool,
}

/// An image as the registry has it.
struct Remote {
    /// what the tag names: a list, or the image itself
    top: Given,
    /// the image's manifest, where that is another one
    inner: Option<Given>,
    manifest: Manifest,
}

impl Remote {
    fn image(&self) -> &Given {
        self.inner.as_ref().unwrap_or(&self.top)
    }

    /// For the index of the store: of a list it says which image was chosen.
    fn entry(&self) -> Descriptor {
        let mut entry = self.top.descriptor();
        if let Some(inner) = &self.inner {
            entry.annotations.insert(config::CHOSEN.to_owned(), inner.digest.to_string());
        }
        entry
    }
}

impl Client {
    /// Pulls an image.
    ///
    /// # Errors
    /// [`RegistryError`]; then the store has no new name.
    pub fn pull(
        &self,
        store: &Store,
        reference: &Reference,
        options: &PullOptions,
        report: &dyn Report,
    ) -> Result<Pulled, RegistryError> {
        let repository = reference.repository();
        let scopes = [scope(repository, "pull")];
        let session = self.open(reference.registry())?;
        let remote =
            session.find(reference, options, &scopes).map_err(|error| explained(error, reference))?;
        match reference.digest() {
            Some(_) => report.say(&format!("{}: Pulling from {repository}", reference.canonical())),
            None => {
                report.say(&format!("{}: Pulling from {repository}", reference.tag().unwrap_or("latest")))
            }
        }
        let (digest, image) = (remote.top.digest, remote.manifest.config.digest);
        if is_here(store, reference, &remote) {
            store.events().tell(&[of::transfer(store, reference, "pull")]);
            return Ok(Pulled { digest, image, newer: false });
        }
        let config = match store.blob(image) {
            Ok(here) => here,
            Err(_) => session.config(repository, &remote.manifest.config, &scopes)?,
        };
        let wanted = wanted(&remote, &config, reference, options)?;
        let source = Layers { session: &session, repository, scopes: &scopes, wanted: &wanted, report };
        for layer in &wanted {
            report.layer(&layer.descriptor.digest.short(), Stage::Wanted);
        }
        let mut draft = store.draft(&[])?;
        draft.layers(&wanted, self.at_once(options.parallel), &source)?;
        draft.blob(&config)?;
        for given in remote.inner.iter().chain([&remote.top]) {
            draft.blob(&given.bytes)?;
        }
        draft.publish(remote.entry(), reference)?;
        store.events().tell(&[of::transfer(store, reference, "pull")]);
        Ok(Pulled { digest, image, newer: true })
    }
}

/// A registry that lets nobody see what is there answers "denied" for what is not.
fn explained(error: RegistryError, reference: &Reference) -> RegistryError {
    let name = reference.familiar_name();
    match error {
        RegistryError::Refused { refusal, .. } if refusal.is_denied() => {
            RegistryError::PullDenied { name, refusal }
        }
        RegistryError::Token { refusal, .. } if refusal.is_denied() => {
            RegistryError::PullDenied { name, refusal }
        }
        RegistryError::Refused { refusal, .. } if refusal.status == 404 => {
            RegistryError::NotFound { reference: reference.to_string(), refusal }
        }
        other => other,
    }
}

impl Session<'_> {
    /// The image that a name stands for, on the machine it is wanted for.
    fn find(
        &self,
        name: &Reference,
        options: &PullOptions,
        scopes: &[String],
    ) -> Result<Remote, RegistryError> {
        let digest = name.digest().map(|digest| digest.to_string());
        let by = digest.as_deref().or(name.tag()).unwrap_or("latest");
        let (top, kind) = self.manifest(name.repository(), by, scopes)?;
        let mut list = match kind {
            Kind::Image(manifest) => return Ok(Remote { top, inner: None, manifest: *manifest }),
            Kind::List(list) => list,
        };
        let platform = options.platform.clone().unwrap_or_else(Platform::of_this_machine);
        // a list of lists is allowed; one without end is not
        for _ in 0..4 {
            let (inner, kind) = self.listed(name.repository(), choose(&list, &platform)?, scopes)?;
            match kind {
                Kind::Image(manifest) => return Ok(Remote { top, inner: Some(inner), manifest: *manifest }),
                Kind::List(next) => list = next,
            }
        }
        Err(RegistryError::Confused { what: top.what, reason: "lists of lists without an end".into() })
    }
}

fn choose<'a>(list: &'a Index, platform: &Platform) -> Result<&'a Descriptor, RegistryError> {
    let none =
        || RegistryError::NoPlatform { platform: platform.clone(), found: Platform::list(&list.manifests) };
    platform.choose(&list.manifests).ok_or_else(none)
}

/// Whether the name stands for just this image already, with nothing of it missing.
fn is_here(store: &Store, reference: &Reference, remote: &Remote) -> bool {
    let Ok(stored) = store.find(&reference.canonical()) else { return false };
    let layers = || remote.manifest.layers.iter().all(|layer| store.blob_path(layer.digest).exists());
    stored.reference.as_ref() == Some(reference)
        && stored.entry.digest == remote.top.digest
        && stored.digest == remote.image().digest
        && store.config(&stored).is_ok()
        && layers()
}

/// The layers of an image, if its config agrees with its manifest.
fn wanted(
    remote: &Remote,
    config: &[u8],
    reference: &Reference,
    options: &PullOptions,
) -> Result<Vec<Wanted>, RegistryError> {
    let id = remote.manifest.config.digest;
    let json = |error| RegistryError::Json { what: format!("the config {id}"), error };
    let document: Document = serde_json::from_slice(config).map_err(json)?;
    let variant = document.rest.get("variant").and_then(|variant| variant.as_str()).unwrap_or_default();
    let actual = Platform::new(&document.os, &document.architecture, variant);
    // as Docker does, an image alone is taken for what it is, unless somebody asked for something else
    let linux = Platform::new("linux", &document.architecture, variant);
    let wanted = options.platform.clone().unwrap_or(linux);
    if remote.inner.is_none() && !wanted.accepts(&actual) {
        let (wanted, actual) = (Box::new(wanted), Box::new(actual));
        return Err(RegistryError::OtherPlatform { reference: reference.to_string(), wanted, actual });
    }
    let (layers, diff_ids) = (&remote.manifest.layers, &document.rootfs.diff_ids);
    if layers.len() != diff_ids.len() {
        let (image, layers, diff_ids) = (id, layers.len(), diff_ids.len());
        return Err(StoreError::Layers { image, layers, diff_ids }.into());
    }
    let pair =
        |(layer, diff_id): (&Descriptor, &Digest)| Wanted { descriptor: layer.clone(), diff_id: *diff_id };
    Ok(layers.iter().zip(diff_ids).map(pair).collect())
}

/// The registry as a source of layers.
struct Layers<'a> {
    session: &'a Session<'a>,
    repository: &'a str,
    scopes: &'a [String],
    wanted: &'a [Wanted],
    report: &'a dyn Report,
}

impl Source for Layers<'_> {
    fn open(&self, number: usize) -> io::Result<Box<dyn Read + Send + '_>> {
        let blob = &self.wanted[number].descriptor;
        let download = Download::begin(self.session, self.repository, blob, self.scopes, self.report);
        Ok(Box::new(download.map_err(io::Error::other)?))
    }

    fn hear(&self, number: usize, what: Arrival) {
        let stage = match what {
            Arrival::Waiting => Stage::Waiting,
            Arrival::Fetching => return,
            Arrival::Complete => Stage::Pulled,
            Arrival::Present => Stage::Present,
        };
        self.report.layer(&self.wanted[number].descriptor.digest.short(), stage);
    }
}
