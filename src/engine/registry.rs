//! Registry: images come from a registry and go to one, over HTTP.
//!
//! ```text
//!   us                                                   registry
//!   GET /v2/                                        ──>  401, and whom to ask for a token     session, challenge
//!   GET TOKEN REALM?scope=repository:x:pull         ──>  a token, for this repository alone   token, credentials
//!   GET /v2/x/manifests/latest                      ──>  a list for many machines             manifests
//!   GET /v2/x/manifests/sha256:…                    ──>  the manifest for ours                platform
//!   GET /v2/x/blobs/sha256:…   (config, layers)     ──>  bytes; what was cut off goes on      download
//!   HEAD, POST, PATCH, PUT     the other way round                                            upload, push
//! ```
//!
//! A registry is believed nothing: each manifest, config and layer is checked against the digest and the size by
//! which it was asked for. Credentials go to the registry's own address and to whom it names for tokens, never to where
//! a redirect leads.
//!
//! See the OCI distribution specification. Lab 16-registry, tutorials/16-registry.md.

mod archive;
mod catalog;
mod challenge;
pub mod credentials;
mod download;
mod endpoint;
mod error;
mod login;
mod manifests;
mod pull;
mod push;
mod refusal;
mod report;
mod retry;
mod session;
mod token;
mod transport;
mod upload;
mod wire;

pub use catalog::{Found, HUB};
pub use endpoint::{HostError, Insecure, credentials_key};
pub use error::RegistryError;
pub use login::Accepted;
pub use pull::{PullOptions, Pulled};
pub use push::Pushed;
pub use report::{Report, Silent, Stage};
pub use wire::{Exchange, Wire};

use credentials::Credentials;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use transport::Transport;

/// What the user said about registries.
#[derive(Debug, Default)]
pub struct Settings {
    /// registries that need no trusted certificate, nor TLS at all
    pub insecure: Vec<Insecure>,
    /// a file with certificates of authorities, PEM, that are trusted beside those of the machine
    pub authorities: Option<PathBuf>,
    /// where names and passwords are kept; none to go without
    pub credentials: Option<Credentials>,
    /// who sees each request; then there is one at a time
    pub wire: Option<Arc<dyn Wire>>,
    /// how long a document may take; two minutes where nothing is said
    pub patience: Option<Duration>,
}

/// A client of registries. It touches the network with its first request, and reads what the machine trusts with the
/// first that needs it.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
    credentials: Option<Credentials>,
}

impl Client {
    /// A client with these settings.
    ///
    /// # Errors
    /// [`RegistryError::Authorities`] for a file that holds no certificate.
    pub fn new(settings: Settings) -> Result<Client, RegistryError> {
        let mut transport = Transport::new(settings.insecure, settings.authorities.as_deref())?;
        transport.wire = settings.wire;
        transport.patience = settings.patience.unwrap_or(transport.patience);
        Ok(Client { transport, credentials: settings.credentials })
    }

    /// How many requests may be under way at once, if this many are wanted.
    fn at_once(&self, wanted: usize) -> usize {
        if self.transport.wire.is_some() { 1 } else { wanted }
    }
}
