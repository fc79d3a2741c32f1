//! Catalogs: which repositories and tags a registry has.
//!
//! ```text
//!   docker.io      GET https://index.docker.io/v1/search?q=TERM&n=25
//!   others         GET /v2/_catalog?n=100    ──> names; Link: <…>; rel="next", until there is none
//!   tags           GET /v2/NAME/tags/list    ──> the same
//! ```
//!
//! See the OCI distribution specification, "content discovery"; Docker's search is Docker's own. Lab 16-registry.

use super::Client;
use super::endpoint;
use super::error::RegistryError;
use super::refusal::{Refusal, printable};
use super::session::{Errand, Place, Session, scope};
use super::token::query;
use super::transport::{Ask, Payload};
use crate::engine::reference::Reference;
use serde::Deserialize;
use ureq::http::{Method, Uri};

/// Where Docker's own registry is searched.
pub const HUB: &str = "https://index.docker.io";
/// The longest page.
const PAGE: u64 = 4 << 20;
/// How many pages are read, and how many bytes in all: a registry must not keep us for ever, nor fill our memory.
const PAGES: usize = 1000;
const ALL: u64 = 64 << 20;

/// A repository that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// its name, fit to be shown
    pub name: String,
    /// what it is about
    #[serde(default)]
    pub description: String,
    /// how many people like it
    #[serde(default, rename = "star_count")]
    pub stars: u64,
    /// whether it is one of Docker's own
    #[serde(default, rename = "is_official")]
    pub official: bool,
    /// whether it is built by a machine
    #[serde(default, rename = "is_automated")]
    pub automated: bool,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    repositories: Option<Vec<String>>,
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Client {
    /// Repositories whose names match, the best liked first. The term may begin with a registry, `HOST/TERM`: its
    /// catalog is searched. Else it is a search by words at this address ([`HUB`]).
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn search(&self, term: &str, limit: usize, hub: &str) -> Result<Vec<Found>, RegistryError> {
        let host = |first: &str| first.contains(['.', ':']) || first == "localhost";
        // Docker's own registry shows no catalog
        let is_hub = |registry: &str| endpoint::credentials_key(registry) != registry;
        let mut found = match term.split_once('/') {
            Some((registry, term)) if is_hub(registry) => self.search_hub(term, limit, hub)?,
            Some((registry, term)) if host(registry) => self.catalog(registry, term, limit)?,
            _ => self.search_hub(term, limit, hub)?,
        };
        found.sort_by_key(|found| std::cmp::Reverse(found.stars));
        found.truncate(limit);
        for found in &mut found {
            found.name = printable(&found.name);
            found.description = printable(&found.description.replace(['\n', '\r', '\t'], " "));
        }
        Ok(found)
    }

    fn search_hub(&self, term: &str, limit: usize, hub: &str) -> Result<Vec<Found>, RegistryError> {
        let what = format!("the search for {term:?}");
        let url = format!("{hub}/v1/search?{}", query(&[("q", term), ("n", &limit.to_string())]));
        let url: Uri = url.parse().map_err(|_| RegistryError::Location { url: hub.into(), found: None })?;
        let answer = self.transport.send(&Ask::new(Method::GET, url.clone()))?;
        if !answer.status.is_success() {
            return Err(RegistryError::Refused { what, refusal: Refusal::of(answer) });
        }
        let text = answer.whole(PAGE).map_err(|unread| unread.of(&what, &url, PAGE))?;
        let results: Result<Results, _> = serde_json::from_slice(&text);
        Ok(results.map_err(|error| RegistryError::Json { what, error })?.results)
    }

    fn catalog(&self, registry: &str, term: &str, limit: usize) -> Result<Vec<Found>, RegistryError> {
        let session = self.open(registry)?;
        let mut found = Vec::new();
        session.pages("_catalog?n=100", &["registry:catalog:*".to_owned()], &mut |page| {
            let names = page.repositories.unwrap_or_default();
            let named = names.into_iter().filter(|name| name.contains(term));
            found.extend(named.map(|name| Found { name: format!("{registry}/{name}"), ..Found::default() }));
            found.len() < limit
        })?;
        Ok(found)
    }

    /// All tags of an image's repository, in the registry's order.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>, RegistryError> {
        let session = self.open(reference.registry())?;
        let (repository, mut tags) = (reference.repository(), Vec::new());
        let path = format!("{repository}/tags/list");
        session.pages(&path, &[scope(repository, "pull")], &mut |page| {
            tags.extend(page.tags.unwrap_or_default());
            true
        })?;
        Ok(tags)
    }
}

impl Session<'_> {
    /// Reads page after page, as long as more is wanted.
    fn pages(
        &self,
        first: &str,
        scopes: &[String],
        take: &mut dyn FnMut(Page) -> bool,
    ) -> Result<(), RegistryError> {
        let what = format!("{}/v2/{}", self.registry, first.split('?').next().unwrap_or_default());
        let mut next = format!("{}/v2/{first}", self.origin).parse::<Uri>().ok();
        let mut left = ALL;
        for _ in 0..PAGES {
            let Some(url) = next else { return Ok(()) };
            let place = Place::Url(url.clone());
            let (method, payload) = (Method::GET, Payload::Nothing);
            let errand = Errand { method, place, headers: Vec::new(), payload, scopes };
            let (head, bytes) = self.document(&errand, PAGE, &what)?;
            let Some(rest) = left.checked_sub(bytes.len() as u64) else { break };
            left = rest;
            let json = |error| RegistryError::Json { what: what.clone(), error };
            if !take(serde_json::from_slice(&bytes).map_err(json)?) {
                return Ok(());
            }
            next = head.link.as_deref().and_then(|link| following(&url, link));
        }
        Err(RegistryError::Pages { what, pages: PAGES, bytes: ALL })
    }
}

/// The next page, by `Link: </v2/_catalog?last=x>; rel="next"`. Only the registry itself has it.
fn following(url: &Uri, link: &str) -> Option<Uri> {
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    let next = endpoint::follow(url, target)?;
    (rest.contains("next") && endpoint::origin(&next) == endpoint::origin(url)).then_some(next)
}
