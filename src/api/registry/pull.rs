//! Pull: what is here, and the bytes of it.
//!
//! ```text
//!   client                                  registry
//!   GET manifests/1                ──>
//!                                  <──      200, Docker-Content-Digest: sha256:…
//!   GET blobs/sha256:…  (config)   ──>
//!   GET blobs/sha256:…  (layers)   ──>
//!                                  <──      200, or 206 for the range that was missing
//! ```
//!
//! See the OCI distribution specification, pull and content discovery. Lab 16-registry.

use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode, header};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{Seek, SeekFrom};
use std::ops::Bound;

use super::answer::{self, Refusal, done, head};
use super::head::{query, range, unchanged};
use super::{Inner, off};
use crate::api::note::printable;
use crate::api::reply::Reply;
use crate::engine::config;
use crate::engine::shelf::{Repository, Selector, ShelfError};
use crate::layers::Digest;

/// The most names that one page has.
const PAGE: usize = 10_000;

impl Inner {
    pub(super) async fn catalog(&self, parts: &Parts) -> Result<Response<Reply>, Refusal> {
        let shelf = self.shelf.clone();
        let names = off(move || shelf.repositories()).await??;
        let (page, link) = page(parts, names)?;
        linked(parts, link, &json!({ "repositories": page }))
    }

    pub(super) async fn tags(
        &self,
        parts: &Parts,
        repository: Repository,
    ) -> Result<Response<Reply>, Refusal> {
        let (shelf, name) = (self.shelf.clone(), repository.to_string());
        let tags = off(move || shelf.tags(&repository)).await??;
        let (page, link) = page(parts, tags)?;
        linked(parts, link, &json!({ "name": name, "tags": page }))
    }

    pub(super) async fn referrers(
        &self,
        parts: &Parts,
        repository: Repository,
        digest: String,
    ) -> Result<Response<Reply>, Refusal> {
        let subject: Digest = digest.parse().map_err(|_| ShelfError::DigestInvalid(digest))?;
        let (shelf, kind) = (self.shelf.clone(), query(&parts.uri, "artifactType"));
        let filtered = kind.is_some();
        let found = off(move || shelf.referrers(&repository, subject, kind.as_deref())).await??;
        let index = json!({ "schemaVersion": 2, "mediaType": config::INDEX, "manifests": found });
        let mut head = head(StatusCode::OK).header(header::CONTENT_TYPE, config::INDEX);
        if filtered {
            head = head.header("OCI-Filters-Applied", "artifactType");
        }
        done(head, Reply::bytes(index.to_string()))
    }

    pub(super) async fn manifest(
        &self,
        parts: &Parts,
        repository: Repository,
        selector: &str,
    ) -> Result<Response<Reply>, Refusal> {
        // what cannot be a tag is a tag that is not here
        let unknown = || ShelfError::ManifestUnknown {
            repository: repository.to_string(),
            selector: selector.to_owned(),
        };
        let selector: Selector = selector.parse().map_err(|error| match error {
            ShelfError::TagInvalid(_) => unknown(),
            other => other,
        })?;
        let shelf = self.shelf.clone();
        let offered = off(move || shelf.manifest(&repository, &selector)).await??;
        for line in &offered.hidden {
            (self.log)(&format!("stepbox: {}", super::printable_words(line)));
        }
        let head = content(offered.digest, StatusCode::OK);
        if unchanged(parts, offered.digest) {
            return done(head.status(StatusCode::NOT_MODIFIED), Reply::bytes(""));
        }
        let head = head.header(header::CONTENT_TYPE, printable(&offered.media_type));
        self.body(parts, head.header(header::CONTENT_LENGTH, offered.content.len()), || {
            Ok(Reply::bytes(offered.content))
        })
    }

    pub(super) async fn blob(&self, parts: &Parts, digest: &str) -> Result<Response<Reply>, Refusal> {
        let digest: Digest = digest.parse().map_err(|_| ShelfError::DigestInvalid(digest.to_owned()))?;
        let (shelf, asks) = (self.shelf.clone(), parts.method == Method::HEAD);
        let (mut file, size) = off(move || {
            // who only asks whether it is here is about to push what it belongs to
            if asks && !shelf.hold(digest) {
                return Err(ShelfError::BlobUnknown(digest));
            }
            shelf.blob(digest)
        })
        .await??;
        let head = content(digest, StatusCode::OK)
            .header(header::ACCEPT_RANGES, "bytes")
            .header(header::CONTENT_TYPE, "application/octet-stream");
        if unchanged(parts, digest) {
            return done(head.status(StatusCode::NOT_MODIFIED), Reply::bytes(""));
        }
        let Some((first, last)) = range(parts, digest, size)?.filter(|_| !asks) else {
            let head = head.header(header::CONTENT_LENGTH, size);
            return self.body(parts, head, || Ok(Reply::file(file, size)));
        };
        let length = last - first + 1;
        let head = head
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}"))
            .header(header::CONTENT_LENGTH, length);
        self.body(parts, head, || {
            file.seek(SeekFrom::Start(first)).map_err(|_| Refusal::Broken)?;
            Ok(Reply::file(file, length))
        })
    }

    /// The body, which a HEAD does not get.
    fn body(
        &self,
        parts: &Parts,
        head: hyper::http::response::Builder,
        reply: impl FnOnce() -> Result<Reply, Refusal>,
    ) -> Result<Response<Reply>, Refusal> {
        let reply = if parts.method == Method::HEAD { Reply::bytes("") } else { reply()? };
        done(head, reply)
    }
}

/// The head of what has a digest: it never changes.
fn content(digest: Digest, status: StatusCode) -> hyper::http::response::Builder {
    head(status)
        .header("Docker-Content-Digest", digest.to_string())
        .header(header::ETAG, format!("\"{digest}\""))
}

/// What follows `last`, `n` of it, and the query of the next page if there is more.
fn page(parts: &Parts, names: BTreeSet<String>) -> Result<(Vec<String>, Option<String>), Refusal> {
    let most = match query(&parts.uri, "n") {
        Some(n) => n.parse::<usize>().map_err(|_| Refusal::Page)?.min(PAGE),
        None => PAGE,
    };
    let after = query(&parts.uri, "last").map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = names.range((after, Bound::Unbounded));
    let page: Vec<String> = rest.by_ref().take(most).cloned().collect();
    let more = rest.next().is_some();
    let next = page.last().filter(|_| more).map(|last| {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("last", last)
            .append_pair("n", &most.to_string())
            .finish()
    });
    Ok((page, next))
}

fn linked(
    parts: &Parts,
    next: Option<String>,
    value: &serde_json::Value,
) -> Result<Response<Reply>, Refusal> {
    let mut response = answer::json(StatusCode::OK, value)?;
    if let Some(next) = next {
        let link = format!("<{}?{next}>; rel=\"next\"", parts.uri.path());
        let link = header::HeaderValue::try_from(link).map_err(|_| Refusal::Broken)?;
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}
