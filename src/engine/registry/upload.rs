//! Uploads: a blob goes to a registry, if it is not there; what was cut off goes on.
//!
//! ```text
//!   HEAD blob                              ──> 200: it is there
//!   POST uploads/?mount=DIGEST&from=OTHER  ──> 201: taken over from another repository
//!                                          ──> 202, Location: begin
//!   PATCH location   the bytes             ──> 202, Location: go on   ─ cut ─┐
//!   GET location                           ──> 204, Range: 0-4999   <────────┘
//!   PATCH location   bytes 5000 …          ──> 202
//!   PUT location&digest=sha256:…           ──> 201: it has checked the whole
//! ```
//!
//! See the OCI distribution specification, "push". Lab 16-registry.

use super::endpoint;
use super::error::RegistryError;
use super::refusal::Refusal;
use super::report::{Report, Stage};
use super::retry::{self, Patience};
use super::session::{Errand, Place, Session};
use super::token::query;
use super::transport::{Answer, Payload, address};
use crate::layers::Digest;
use std::path::Path;
use std::time::Duration;
use ureq::http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName};
use ureq::http::{Method, StatusCode, Uri};

/// Where blobs go.
pub(super) struct Uploads<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) repository: &'a str,
    pub(super) scopes: &'a [String],
    pub(super) report: &'a dyn Report,
}

/// A blob to be sent.
#[derive(Clone, Copy)]
pub(super) struct Parcel<'a> {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) file: &'a Path,
    /// what it is called while it goes; nothing for a config
    pub(super) label: &'a str,
}

impl Uploads<'_> {
    /// Whether the registry has a blob.
    pub(super) fn has(&self, digest: Digest) -> Result<bool, RegistryError> {
        let path = format!("{}/blobs/{digest}", self.repository);
        let answer = self.session.ask(&self.errand(Method::HEAD, Place::Path(&path)))?;
        match answer.status {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refused(format!("blob {digest}"), answer)),
        }
    }

    /// Has a blob taken over from another repository; false where that is not done, whatever the reason.
    pub(super) fn mount(&self, digest: Digest, from: &str, scopes: &[String]) -> Result<bool, RegistryError> {
        let mounted = query(&[("mount", &digest.to_string()), ("from", from)]);
        let path = format!("{}/blobs/uploads/?{mounted}", self.repository);
        let errand = Errand { scopes, ..self.errand(Method::POST, Place::Path(&path)) };
        // without the right to read there, no token is given; then it is sent
        let Ok(answer) = self.session.ask(&errand) else { return Ok(false) };
        if answer.status == StatusCode::CREATED {
            return Ok(true);
        }
        if let (StatusCode::ACCEPTED, Ok(place)) = (answer.status, location(&answer)) {
            // it has begun an upload instead; whether it forgets that at once is its affair
            let errand = Errand { scopes, ..self.errand(Method::DELETE, Place::Url(place)) };
            let _ = self.session.ask_once(&errand);
        }
        Ok(false)
    }

    /// Sends a blob.
    pub(super) fn send(&self, parcel: &Parcel<'_>) -> Result<(), RegistryError> {
        let mut patience = Patience::default();
        let mut reached = (self.begin(parcel.digest)?, 0);
        let mut farthest = 0;
        loop {
            let (place, from) = &reached;
            let sent = self.part(parcel, place, *from);
            let (pause, error) = match sent.and_then(|next| self.finish(parcel, &next, *from > 0)) {
                Ok(()) => return Ok(()),
                Err(Failed::ForGood(error)) => return Err(error),
                Err(Failed::ForNow(pause, error)) => (pause, error),
            };
            if !parcel.label.is_empty() {
                self.report.layer(parcel.label, Stage::Retrying);
            }
            if !patience.wait(pause) {
                return Err(error);
            }
            reached = match self.look(place) {
                Some((place, now)) if now <= parcel.size => {
                    // a registry that loses what it had does not get on by having it again
                    if now > farthest {
                        patience.restore();
                        farthest = now;
                    }
                    (place, now)
                }
                _ => (self.begin(parcel.digest)?, 0),
            };
        }
    }

    fn begin(&self, digest: Digest) -> Result<Uri, RegistryError> {
        let path = format!("{}/blobs/uploads/", self.repository);
        let answer = self.session.ask(&self.errand(Method::POST, Place::Path(&path)))?;
        match answer.status {
            StatusCode::ACCEPTED => location(&answer),
            _ => Err(refused(format!("blob {digest}"), answer)),
        }
    }

    /// Sends what is missing from here on, and says where it goes on.
    fn part(&self, parcel: &Parcel<'_>, place: &Uri, from: u64) -> Result<Uri, Failed> {
        if from == parcel.size && from > 0 {
            return Ok(place.clone());
        }
        let sent = |gone: u64| {
            if !parcel.label.is_empty() {
                let (done, total) = (from + gone, parcel.size);
                self.report.layer(parcel.label, Stage::Pushing { done, total });
            }
        };
        let mut headers = vec![(CONTENT_TYPE, "application/octet-stream".to_owned())];
        if from > 0 {
            headers.push((CONTENT_RANGE, format!("{from}-{}", parcel.size - 1)));
        }
        let payload = Payload::File { path: parcel.file, from, size: parcel.size - from, sent: &sent };
        let place = Place::Url(place.clone());
        let answer = self.once(&Errand { headers, payload, ..self.errand(Method::PATCH, place) })?;
        match answer.status {
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT | StatusCode::CREATED => {
                location(&answer).map_err(Failed::ForGood)
            }
            // what it has is not what we think: look
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::NOT_FOUND => {
                Err(Failed::ForNow(None, refused(format!("blob {}", parcel.digest), answer)))
            }
            _ => Err(Failed::ForGood(refused(format!("blob {}", parcel.digest), answer))),
        }
    }

    /// Says that it was all.
    fn finish(&self, parcel: &Parcel<'_>, place: &Uri, resumed: bool) -> Result<(), Failed> {
        let joint = if place.query().is_some() { '&' } else { '?' };
        let digest = query(&[("digest", &parcel.digest.to_string())]);
        let url = format!("{place}{joint}{digest}").parse();
        let url: Uri = url.map_err(|_| {
            let found = Some(place.to_string());
            Failed::ForGood(RegistryError::Location { url: self.session.origin.clone(), found })
        })?;
        let answer = self.once(&self.errand(Method::PUT, Place::Url(url)))?;
        let status = answer.status;
        let error = |answer| refused(format!("blob {}", parcel.digest), answer);
        match status {
            StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(()),
            // the parts did not fit together: from the beginning
            StatusCode::BAD_REQUEST if resumed => Err(Failed::ForNow(None, error(answer))),
            StatusCode::NOT_FOUND => Err(Failed::ForNow(None, error(answer))),
            _ => Err(Failed::ForGood(error(answer))),
        }
    }

    /// How much of an upload has arrived, and where it goes on; none where it is not known any more.
    fn look(&self, place: &Uri) -> Option<(Uri, u64)> {
        let answer = self.session.ask(&self.errand(Method::GET, Place::Url(place.clone()))).ok()?;
        if answer.status != StatusCode::NO_CONTENT {
            return None;
        }
        let range = answer.header("range")?.trim_start_matches("bytes=");
        let last: u64 = range.strip_prefix("0-")?.trim().parse().ok()?;
        // nothing and one byte look the same; the digest tells in the end
        let arrived = if last == 0 { 0 } else { last.checked_add(1)? };
        Some((location(&answer).unwrap_or_else(|_| place.clone()), arrived))
    }

    fn once(&self, errand: &Errand<'_>) -> Result<Answer, Failed> {
        match self.session.ask_once(errand) {
            Err(error) if error.may_pass() => Err(Failed::ForNow(None, error)),
            Err(error) => Err(Failed::ForGood(error)),
            Ok(answer) => match retry::passing(&answer) {
                Some(pause) => Err(Failed::ForNow(pause, refused("an upload".into(), answer))),
                None => Ok(answer),
            },
        }
    }

    fn errand<'b>(&'b self, method: Method, place: Place<'b>) -> Errand<'b> {
        let headers: Vec<(HeaderName, String)> = Vec::new();
        Errand { method, place, headers, payload: Payload::Nothing, scopes: self.scopes }
    }
}

/// Why a part of an upload failed.
enum Failed {
    /// it may work in a moment
    ForNow(Option<Duration>, RegistryError),
    /// it will not
    ForGood(RegistryError),
}

/// Where an answer says that it goes on.
fn location(answer: &Answer) -> Result<Uri, RegistryError> {
    let found = answer.header("location");
    let next = found.and_then(|location| endpoint::follow(&answer.url, location));
    let from = address(&answer.url);
    match next {
        Some(next) if answer.url.scheme_str() == Some("https") && next.scheme_str() != Some("https") => {
            Err(RegistryError::Downgrade { from, to: address(&next) })
        }
        Some(next) => Ok(next),
        None => Err(RegistryError::Location { url: from, found: found.map(str::to_owned) }),
    }
}

fn refused(what: String, answer: Answer) -> RegistryError {
    RegistryError::Refused { what, refusal: Refusal::of(answer) }
}
