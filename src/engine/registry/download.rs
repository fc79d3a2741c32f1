//! Downloads: a blob as a stream that survives broken connections.
//!
//! ```text
//!   GET blob                                 ──> 200, bytes 0 …  ─ cut ─┐
//!   a pause                                                             │
//!   GET blob   Range: bytes=5000-            ──> 206, bytes 5000 …  <───┘
//!                                            ──> 200: it knows no ranges; the first 5000 are read over
//! ```
//!
//! Whether the whole is what was asked for, the store decides by size and digest. See RFC 9110, section 14.
//! Lab 16-registry.

use super::error::RegistryError;
use super::refusal::Refusal;
use super::report::{Report, Stage};
use super::retry::Patience;
use super::session::{Errand, Place, Session};
use super::transport::{Answer, Payload};
use crate::engine::config::Descriptor;
use std::io::{self, Read};
use ureq::BodyReader;
use ureq::http::header::RANGE;
use ureq::http::{Method, StatusCode};

/// A blob that is coming.
pub(super) struct Download<'a> {
    session: &'a Session<'a>,
    path: String,
    scopes: &'a [String],
    size: u64,
    done: u64,
    body: Option<BodyReader<'static>>,
    patience: Patience,
    /// what went wrong last
    reason: String,
    layer: String,
    report: &'a dyn Report,
}

impl<'a> Download<'a> {
    /// Asks for a blob.
    pub(super) fn begin(
        session: &'a Session<'a>,
        repository: &str,
        blob: &Descriptor,
        scopes: &'a [String],
        report: &'a dyn Report,
    ) -> Result<Download<'a>, RegistryError> {
        let mut download = Download {
            session,
            path: format!("{repository}/blobs/{}", blob.digest),
            scopes,
            size: blob.size,
            done: 0,
            body: None,
            patience: Patience::default(),
            reason: String::new(),
            layer: blob.digest.short(),
            report,
        };
        download.connect()?;
        Ok(download)
    }

    /// Asks for what is missing.
    fn connect(&mut self) -> Result<(), RegistryError> {
        let range = (self.done > 0).then(|| (RANGE, format!("bytes={}-", self.done)));
        let errand = Errand {
            method: Method::GET,
            place: Place::Path(&self.path),
            headers: range.into_iter().collect(),
            payload: Payload::Nothing,
            scopes: self.scopes,
        };
        let answer = self.session.ask_aloud(&errand, &self.layer, self.report)?;
        let skip = match answer.status {
            StatusCode::PARTIAL_CONTENT if starts_at(&answer) == Some(self.done) => 0,
            StatusCode::OK => self.done,
            StatusCode::PARTIAL_CONTENT => {
                self.reason = "it sends another part than it was asked for".into();
                return Ok(());
            }
            _ => {
                let what = format!("blob {}", self.path);
                return Err(RegistryError::Refused { what, refusal: Refusal::of(answer) });
            }
        };
        let mut body = answer.body.into_reader();
        match io::copy(&mut body.by_ref().take(skip), &mut io::sink()) {
            Ok(over) if over == skip => self.body = Some(body),
            Ok(_) => self.reason = "it ends too early".into(),
            Err(error) => self.reason = error.to_string(),
        }
        Ok(())
    }

    fn broken_off(&self) -> RegistryError {
        let (what, reason) = (format!("blob {}", self.path), self.reason.clone());
        RegistryError::BrokenOff { what, done: self.done, total: self.size, reason }
    }
}

/// Where a part begins, by `Content-Range: bytes 5000-9999/10000`.
fn starts_at(answer: &Answer) -> Option<u64> {
    let range = answer.header("content-range")?.trim().strip_prefix("bytes")?.trim();
    range.split('-').next()?.trim().parse().ok()
}

impl Read for Download<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(body) = &mut self.body else {
                self.report.layer(&self.layer, Stage::Retrying);
                if !self.patience.wait(None) {
                    return Err(io::Error::other(self.broken_off()));
                }
                self.connect().map_err(io::Error::other)?;
                continue;
            };
            match body.read(into) {
                // the end, or more than enough: the store looks at the sum of it
                Ok(0) if self.done >= self.size => return Ok(0),
                Ok(0) => self.reason = "the connection was closed in the middle".into(),
                Ok(count) => {
                    self.done += count as u64;
                    self.patience.restore();
                    let (done, total) = (self.done, self.size);
                    self.report.layer(&self.layer, Stage::Downloading { done, total });
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                Err(error) if self.done >= self.size => {
                    // all of it is here: how the connection ends is no matter
                    self.reason = error.to_string();
                    return Ok(0);
                }
                Err(error) => self.reason = error.to_string(),
            }
            self.body = None;
        }
    }
}
