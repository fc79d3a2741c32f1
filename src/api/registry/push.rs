//! Push: blobs first, then the manifest that makes an image of them.
//!
//! ```text
//!   client                                   registry
//!   HEAD  blobs/sha256:…            ──>
//!                                   <──      404, or 200: that one need not be sent
//!   POST  blobs/uploads/            ──>
//!                                   <──      202, Location: …/blobs/uploads/ID
//!   PATCH …/ID, a piece             ──>
//!                                   <──      202, Range: what has arrived
//!   PUT   …/ID?digest=sha256:…      ──>
//!                                   <──      201, or 400: it is not what its digest says
//!   PUT   manifests/1               ──>
//!                                   <──      201: from here on others can pull it
//! ```
//!
//! See the OCI distribution specification, push and content management. Lab 16-registry.

use hyper::http::request::Parts;
use hyper::{Response, StatusCode, header};

use super::answer::{Refusal, arrived, done, head};
use super::head::{chunk, header as said, length, query};
use super::{Inner, off};
use crate::api::intake::Intake;
use crate::api::reply::Reply;
use crate::engine::shelf::{Arrival, MANIFEST, Repository, Selector, ShelfError};
use crate::layers::Digest;

/// How much is written at once.
const BATCH: usize = 1 << 20;

impl Inner {
    pub(super) async fn begin(
        &self,
        parts: &Parts,
        intake: &mut Intake,
        repository: Repository,
    ) -> Result<Response<Reply>, Refusal> {
        if let Some(wanted) = query(&parts.uri, "mount") {
            let digest = digest(&wanted)?;
            let shelf = self.shelf.clone();
            // where it comes from does not matter: blobs are one set for all repositories
            if off(move || shelf.hold(digest)).await? {
                return created(&repository, "blobs", digest, head(StatusCode::CREATED));
            }
        }
        let expected = query(&parts.uri, "digest").map(|text| digest(&text)).transpose()?;
        let (shelf, name) = (self.shelf.clone(), repository.clone());
        let id = off(move || shelf.begin(&name)).await??;
        match expected {
            None => accepted(StatusCode::ACCEPTED, &repository, &id, 0),
            Some(expected) => {
                let done = self.complete(parts, intake, &repository, &id, expected).await;
                // nobody knows the upload's name but we
                let _ = self.shelf.cancel(&repository, &id);
                done
            }
        }
    }

    pub(super) async fn progress(
        &self,
        repository: Repository,
        id: String,
    ) -> Result<Response<Reply>, Refusal> {
        let size = self.shelf.arrived(&repository, &id)?;
        accepted(StatusCode::NO_CONTENT, &repository, &id, size)
    }

    pub(super) async fn cancel(
        &self,
        repository: Repository,
        id: String,
    ) -> Result<Response<Reply>, Refusal> {
        let shelf = self.shelf.clone();
        off(move || shelf.cancel(&repository, &id)).await??;
        done(head(StatusCode::NO_CONTENT), Reply::bytes(""))
    }

    pub(super) async fn patch(
        &self,
        parts: &Parts,
        intake: &mut Intake,
        repository: Repository,
        id: String,
    ) -> Result<Response<Reply>, Refusal> {
        let arrival = self.pour(parts, intake, &repository, &id).await?;
        let size = arrival.size();
        drop(arrival);
        accepted(StatusCode::ACCEPTED, &repository, &id, size)
    }

    pub(super) async fn finish(
        &self,
        parts: &Parts,
        intake: &mut Intake,
        repository: Repository,
        id: String,
    ) -> Result<Response<Reply>, Refusal> {
        self.shelf.arrived(&repository, &id)?;
        let expected = digest(&query(&parts.uri, "digest").ok_or(Refusal::NoDigest)?)?;
        self.complete(parts, intake, &repository, &id, expected).await
    }

    async fn complete(
        &self,
        parts: &Parts,
        intake: &mut Intake,
        repository: &Repository,
        id: &str,
        expected: Digest,
    ) -> Result<Response<Reply>, Refusal> {
        let arrival = self.pour(parts, intake, repository, id).await?;
        off(move || arrival.finish(expected)).await??;
        created(repository, "blobs", expected, head(StatusCode::CREATED))
    }

    /// Takes the upload and adds the body to it. What is not the chunk that its head says is taken back; a connection
    /// that breaks is not: the client can ask how far it came, and go on.
    async fn pour(
        &self,
        parts: &Parts,
        intake: &mut Intake,
        repository: &Repository,
        id: &str,
    ) -> Result<Arrival, Refusal> {
        let mut arrival = self.shelf.resume(repository, id)?;
        let expected = match chunk(parts)? {
            Some((first, last)) => {
                let (size, place) = (arrival.size(), upload(repository, id));
                if first != size {
                    return Err(Refusal::Order { first, size, place });
                }
                let expected = last - first + 1;
                if let Some(found) = length(parts).filter(|length| *length != expected) {
                    return Err(Refusal::Length { said: expected, found });
                }
                Some(expected)
            }
            None => None,
        };
        let before = arrival.size();
        let mut batch = Vec::new();
        loop {
            let next = intake.next().await;
            if let Ok(Some(piece)) = &next {
                batch.extend_from_slice(piece);
            }
            let more = matches!(next, Ok(Some(_)));
            if batch.len() >= BATCH || !more && !batch.is_empty() {
                let full = std::mem::take(&mut batch);
                arrival = off(move || arrival.append(&full).map(|()| arrival)).await??;
            }
            let found = arrival.size() - before + batch.len() as u64;
            let ended = matches!(next, Ok(None));
            if let Some(said) = expected.filter(|said| found > *said || ended && found < *said) {
                off(move || arrival.rewind()).await??;
                return Err(Refusal::Length { said, found });
            }
            next?;
            if ended {
                return Ok(arrival);
            }
        }
    }

    pub(super) async fn put_manifest(
        &self,
        parts: &Parts,
        intake: &mut Intake,
        registry: String,
        repository: Repository,
        selector: &str,
    ) -> Result<Response<Reply>, Refusal> {
        let selector: Selector = selector.parse()?;
        let kind = said(parts, &header::CONTENT_TYPE).ok_or(Refusal::NoType)?;
        let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
        let content = intake.whole(MANIFEST).await?;
        let (shelf, name) = (self.shelf.clone(), repository.clone());
        let received = off(move || shelf.receive(&registry, &name, &selector, &kind, &content)).await??;
        let mut head = head(StatusCode::CREATED);
        if let Some(subject) = received.subject {
            head = head.header("OCI-Subject", subject.to_string());
        }
        created(&repository, "manifests", received.digest, head)
    }

    pub(super) async fn delete_manifest(
        &self,
        repository: Repository,
        selector: &str,
    ) -> Result<Response<Reply>, Refusal> {
        let selector: Selector = selector.parse()?;
        let shelf = self.shelf.clone();
        off(move || shelf.delete(&repository, &selector)).await??;
        done(head(StatusCode::ACCEPTED), Reply::bytes(""))
    }

    pub(super) async fn delete_blob(&self, text: &str) -> Result<Response<Reply>, Refusal> {
        let digest = digest(text)?;
        let shelf = self.shelf.clone();
        off(move || shelf.delete_blob(digest)).await??;
        done(head(StatusCode::ACCEPTED), Reply::bytes(""))
    }
}

fn digest(text: &str) -> Result<Digest, Refusal> {
    Ok(text.parse().map_err(|_| ShelfError::DigestInvalid(text.to_owned()))?)
}

fn upload(repository: &Repository, id: &str) -> String {
    format!("/v2/{repository}/blobs/uploads/{id}")
}

/// Where the upload goes on, and how far it is.
fn accepted(
    status: StatusCode,
    repository: &Repository,
    id: &str,
    size: u64,
) -> Result<Response<Reply>, Refusal> {
    let head = head(status)
        .header(header::LOCATION, upload(repository, id))
        .header(header::RANGE, arrived(size))
        .header("Docker-Upload-UUID", id);
    done(head, Reply::bytes(""))
}

/// Where the new thing can be had.
fn created(
    repository: &Repository,
    kind: &str,
    digest: Digest,
    head: hyper::http::response::Builder,
) -> Result<Response<Reply>, Refusal> {
    let head = head
        .header(header::LOCATION, format!("/v2/{repository}/{kind}/{digest}"))
        .header("Docker-Content-Digest", digest.to_string());
    done(head, Reply::bytes(""))
}
