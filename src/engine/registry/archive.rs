//! An archive that lies at an address of its own, with no registry around it.
//!
//! ```text
//!   import https://example.org/root.tar.gz ── redirects, TLS: as for registries ──> the body, as it comes
//! ```
//!
//! No credentials go along. See RFC 9110.

use std::io::Read;

use ureq::http::{Method, Uri};

use super::refusal::Refusal;
use super::transport::{Ask, address};
use super::{Client, RegistryError};

impl Client {
    /// The bytes at this address, `http://…` or `https://…`. One that breaks off ends in an error, never early.
    ///
    /// # Errors
    /// [`RegistryError`]; what the reader answers where it breaks off.
    pub fn archive(&self, url: &str) -> Result<impl Read + use<>, RegistryError> {
        let place: Option<Uri> = url.parse().ok();
        let Some(place) = place.filter(|place| place.host().is_some_and(|host| !host.is_empty())) else {
            return Err(RegistryError::Address(url.to_owned()));
        };
        let what = address(&place);
        let answer = self.transport.send(&Ask::new(Method::GET, place))?;
        match answer.status.is_success() {
            true => Ok(answer.body.into_reader()),
            false => Err(RegistryError::Refused { what, refusal: Refusal::of(answer) }),
        }
    }
}
