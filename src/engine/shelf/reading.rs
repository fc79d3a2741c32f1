//! What the shelf answers: repositories, tags, manifests, and what refers to a manifest.
//!
//! ```text
//!   repository + tag     -> the first entry of the index that is offered so
//!   repository + digest  -> an entry, or a manifest that an index in the repository names,
//!                           or an image without a name: a pull that has begun can end
//! ```
//!
//! See the OCI distribution specification, pull, content discovery and listing referrers. Lab 16-registry.

use super::names::{Offer, Repository, Selector, offers};
use super::{Shelf, ShelfError, locked};
use crate::engine::config::{self, Descriptor, Index};
use crate::layers::Digest;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How deep indexes may stand in indexes.
pub(super) const DEPTH: u32 = 4;

/// A manifest as it is offered.
#[derive(Debug, Clone, PartialEq)]
pub struct Offered {
    /// its name
    pub digest: Digest,
    /// what it is
    pub media_type: String,
    /// the document, as it was pushed
    pub content: Vec<u8>,
    /// names that are hidden behind this one, each said once: for the log
    pub hidden: Vec<String>,
}

impl Shelf {
    /// The repositories, sorted.
    ///
    /// # Errors
    /// [`ShelfError::Store`].
    pub fn repositories(&self) -> Result<BTreeSet<String>, ShelfError> {
        let entries = self.store.entries()?;
        Ok(offers(&entries, self.folder.as_deref()).map(|offer| offer.repository).collect())
    }

    /// The tags of a repository, sorted.
    ///
    /// # Errors
    /// [`ShelfError::NameUnknown`], [`ShelfError::Store`].
    pub fn tags(&self, repository: &Repository) -> Result<BTreeSet<String>, ShelfError> {
        let entries = self.store.entries()?;
        Ok(self.in_repository(&entries, repository)?.into_iter().filter_map(|offer| offer.tag).collect())
    }

    /// A manifest or index, checked against its digest.
    ///
    /// # Errors
    /// [`ShelfError::NameUnknown`], [`ShelfError::ManifestUnknown`], [`ShelfError::Store`].
    pub fn manifest(&self, repository: &Repository, selector: &Selector) -> Result<Offered, ShelfError> {
        let entries = self.store.entries()?;
        let offers = self.in_repository(&entries, repository);
        let (found, hidden) = match selector {
            Selector::Tag(tag) => {
                let offers = offers?;
                let with_tag: Vec<&Offer<'_>> =
                    offers.iter().filter(|offer| offer.tag.as_ref() == Some(tag)).collect();
                let (first, rest) = with_tag.split_first().ok_or_else(|| unknown(repository, selector))?;
                (first.entry.clone(), self.newly_hidden(first, rest))
            }
            Selector::Digest(digest) => {
                let named = offers.iter().flatten().map(|offer| offer.entry);
                let nameless = entries.iter().filter(|entry| !entry.annotations.contains_key(config::NAME));
                match self.below(named.chain(nameless), *digest, 0) {
                    Some(found) => (found, Vec::new()),
                    None => return Err(offers.err().unwrap_or_else(|| unknown(repository, selector))),
                }
            }
        };
        let content = self.store.blob(found.digest)?;
        Ok(Offered { digest: found.digest, media_type: found.media_type, content, hidden })
    }

    /// The manifests of a repository that say that they are about this one, optionally of one artifact type.
    ///
    /// # Errors
    /// [`ShelfError::Store`].
    pub fn referrers(
        &self,
        repository: &Repository,
        subject: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, ShelfError> {
        let entries = self.store.entries()?;
        // a repository that is not here has none, says the specification
        let offers = self.in_repository(&entries, repository).unwrap_or_default();
        let mut waiting: Vec<(Descriptor, u32)> =
            offers.iter().rev().map(|offer| (offer.entry.clone(), 0)).collect();
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        while let Some((entry, depth)) = waiting.pop() {
            if !seen.insert(entry.digest) {
                continue;
            }
            // one that cannot be read must not hide the others
            let Ok(document) = self.store.document::<Value>(entry.digest) else { continue };
            if document["subject"]["digest"] == subject.to_string() {
                let descriptor = referrer(&entry, &document);
                let kind = descriptor.rest.get("artifactType").and_then(Value::as_str);
                if artifact_type.is_none() || kind == artifact_type {
                    found.push(descriptor);
                }
            }
            if depth < DEPTH && is_index(&entry.media_type) {
                let index = serde_json::from_value::<Index>(document);
                let inner = index.into_iter().flat_map(|index| index.manifests);
                waiting.extend(inner.map(|inner| (inner, depth + 1)));
            }
        }
        Ok(found)
    }

    pub(super) fn in_repository<'a>(
        &'a self,
        entries: &'a [Descriptor],
        repository: &Repository,
    ) -> Result<Vec<Offer<'a>>, ShelfError> {
        let offers = offers(entries, self.folder.as_deref());
        let offers: Vec<Offer<'a>> = offers.filter(|offer| offer.repository == repository.as_str()).collect();
        match offers.is_empty() {
            true => Err(ShelfError::NameUnknown(repository.to_string())),
            false => Ok(offers),
        }
    }

    /// The descriptor of this digest among these, or in the indexes among them.
    fn below<'a>(
        &self,
        descriptors: impl Iterator<Item = &'a Descriptor>,
        digest: Digest,
        depth: u32,
    ) -> Option<Descriptor> {
        let descriptors: Vec<&Descriptor> = descriptors.collect();
        if let Some(found) = descriptors.iter().find(|descriptor| descriptor.digest == digest) {
            let here = depth == 0 || self.store.blob_path(digest).exists();
            return here.then(|| (*found).clone());
        }
        let indexes = descriptors.into_iter().filter(|it| depth < DEPTH && is_index(&it.media_type));
        indexes.into_iter().find_map(|it| {
            let index: Index = self.store.document(it.digest).ok()?;
            self.below(index.manifests.iter(), digest, depth + 1)
        })
    }

    fn newly_hidden(&self, first: &Offer<'_>, rest: &[&Offer<'_>]) -> Vec<String> {
        let mut told = locked(&self.told);
        let others = rest.iter().filter(|other| other.entry.digest != first.entry.digest);
        let line = |other: &&Offer<'_>| format!("{} is hidden behind {}", other.name, first.name);
        others.map(line).filter(|line| told.insert(line.clone())).collect()
    }
}

fn unknown(repository: &Repository, selector: &Selector) -> ShelfError {
    ShelfError::ManifestUnknown { repository: repository.to_string(), selector: selector.to_string() }
}

pub(super) fn is_index(media_type: &str) -> bool {
    [config::INDEX, config::DOCKER_LIST].contains(&media_type)
}

/// How a manifest stands in the list of referrers: its annotations become those of its descriptor.
fn referrer(entry: &Descriptor, document: &Value) -> Descriptor {
    let mut descriptor = Descriptor::new(&entry.media_type, entry.digest, entry.size);
    let annotations = document["annotations"].as_object().into_iter().flatten();
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    descriptor.annotations = annotations.filter_map(text).collect::<BTreeMap<_, _>>();
    let kinds = [&document["artifactType"], &document["config"]["mediaType"]];
    let kind = kinds.into_iter().filter_map(Value::as_str).find(|kind| !kind.is_empty());
    descriptor.rest.extend(kind.map(|kind| ("artifactType".to_owned(), kind.into())));
    descriptor
}
