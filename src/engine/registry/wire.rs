//! Wire: whoever wants to see each request and its answer.
//!
//! ```text
//!   session ──> transport ──> registry        HEAD /v2/class/app/blobs/sha256:…     404
//!                   └──────> wire             told after each answer, or when there was none
//! ```
//!
//! Secrets are not told: of what lets a request in, only its kind. While somebody watches, requests go one after the
//! other, so that what is seen has an order.
//!
//! Lab 16-registry, tutorials/16-registry.md.

use std::fmt;
use ureq::http::Uri;

use super::transport::{Answer, Ask, Payload};

/// Who sees requests and answers.
pub trait Wire: fmt::Debug + Send + Sync {
    /// One request has been answered, or has failed.
    fn exchange(&self, exchange: &Exchange<'_>);
}

/// A request and its answer.
pub struct Exchange<'a> {
    ask: &'a Ask<'a>,
    answer: Option<&'a Answer>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(ask: &'a Ask<'a>, answer: Option<&'a Answer>) -> Exchange<'a> {
        Exchange { ask, answer }
    }

    /// `GET`, `HEAD`, `POST`, `PATCH`, `PUT`.
    pub fn method(&self) -> &str {
        self.ask.method.as_str()
    }

    /// Where it went.
    pub fn url(&self) -> &Uri {
        &self.ask.url
    }

    /// What let it in, by its kind alone: `Basic`, `Bearer`.
    pub fn authorization(&self) -> Option<&str> {
        self.ask.authorization.as_ref()?.to_str().ok()?.split(' ').next()
    }

    /// How many bytes it carried.
    pub fn sent(&self) -> u64 {
        match self.ask.payload {
            Payload::Nothing => 0,
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::File { size, .. } => size,
        }
    }

    /// The answer's status; none where nobody answered in HTTP.
    pub fn status(&self) -> Option<u16> {
        self.answer.map(|answer| answer.status.as_u16())
    }

    /// A header of the answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer?.header(name)
    }
}
