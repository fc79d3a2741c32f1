//! What can go wrong between us and a registry, with what it was about and what to do.
//!
//! Lab 16-registry.

use super::credentials::CredentialError;
use super::endpoint::{self, HostError};
use super::refusal::Refusal;
use crate::engine::platform::Platform;
use crate::engine::store::StoreError;
use crate::layers::Digest;
use std::io;
use std::path::PathBuf;
use ureq::http::Uri;

/// Why it could not be pulled, pushed, found or logged in to. Docker's words where people search for them.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Nobody answers there, or not to the end.
    #[error("cannot reach {host}: {}\nhint: {}", cause(error), remedy(error, host))]
    Unreachable {
        /// host and port
        host: String,
        /// what the connection said
        error: Box<ureq::Error>,
    },
    /// What was given as a registry cannot be one.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Its certificate proves nothing to us.
    #[error(
        "the certificate of {host} is not to be trusted: {reason}\nhint: name its authority with --cacert FILE, or do without proof: --insecure-registry {host}"
    )]
    Untrusted {
        /// host and port
        host: String,
        /// what is wrong with it
        reason: String,
    },
    /// The file of `--cacert`.
    #[error("cannot take authorities from {}: {reason}", path.display())]
    Authorities {
        /// the file
        path: PathBuf,
        /// why not
        reason: String,
    },
    /// What should be one.
    #[error("{0:?} is no address: expected http://HOST/… or https://HOST/…")]
    Address(String),
    /// A redirect without a place.
    #[error("{url} leads to {found:?}, which is no address")]
    Location {
        /// who said so
        url: String,
        /// where to
        found: Option<String>,
    },
    /// A redirect that gives up TLS.
    #[error("{from} leads to {to}, without TLS: refused")]
    Downgrade {
        /// who said so
        from: String,
        /// where to
        to: String,
    },
    /// A redirect without end.
    #[error("{url}: still no answer after {limit} redirects")]
    Redirects {
        /// the last one
        url: String,
        /// how many
        limit: usize,
    },
    /// It speaks HTTP but is no registry.
    #[error("{host} is no registry: GET /v2/ answers {refusal}")]
    NoRegistry {
        /// host and port
        host: String,
        /// what it said
        refusal: Refusal,
    },
    /// It wants a name and a password, and there is none.
    #[error("no basic auth credentials for {registry}\nhint: log in first: stepbox login {registry}")]
    NoCredentials {
        /// the registry
        registry: String,
    },
    /// Whoever gives tokens gives none.
    #[error("{realm} gives no token: {refusal}")]
    Token {
        /// who it is
        realm: String,
        /// what it said
        refusal: Refusal,
    },
    /// A token service that is not to be asked, or whose answer is none.
    #[error("the token service {realm:?} of {registry} {reason}")]
    Realm {
        /// the registry that named it
        registry: String,
        /// its address
        realm: String,
        /// what is wrong
        reason: &'static str,
    },
    /// Name and password are not accepted.
    #[error("login attempt to {registry} failed: {refusal}")]
    Login {
        /// the registry
        registry: String,
        /// what it said
        refusal: Refusal,
    },
    /// We may not pull, or there is nothing.
    #[error(
        "pull access denied for {name}, repository does not exist or may require 'stepbox login': {refusal}"
    )]
    PullDenied {
        /// the repository
        name: String,
        /// what the registry said
        refusal: Refusal,
    },
    /// We may not push.
    #[error(
        "denied: requested access to the resource is denied\nhint: {name} must be yours to write: log in with stepbox login {registry}, or give the image another name with stepbox tag"
    )]
    PushDenied {
        /// the repository
        name: String,
        /// its registry
        registry: String,
    },
    /// There is no such tag or digest.
    #[error("manifest for {reference} not found: {refusal}")]
    NotFound {
        /// the image
        reference: String,
        /// what the registry said
        refusal: Refusal,
    },
    /// Another no.
    #[error("{what}: {refusal}")]
    Refused {
        /// what was asked
        what: String,
        /// what the registry said
        refusal: Refusal,
    },
    /// What came is not what was asked for.
    #[error("{what} is not what it should be: its digest is {found}, expected {expected}")]
    Digest {
        /// which document or blob
        what: String,
        /// by which it was asked for
        expected: Digest,
        /// what came
        found: Digest,
    },
    /// It has another length than its descriptor says.
    #[error("{what} has {found} bytes, its descriptor says {expected}")]
    Size {
        /// which document or blob
        what: String,
        /// by its descriptor
        expected: u64,
        /// what came
        found: u64,
    },
    /// A document longer than any honest one.
    #[error("{what} is longer than {limit} bytes")]
    TooLong {
        /// which
        what: String,
        /// what is read at most
        limit: u64,
    },
    /// A catalog longer than any honest one.
    #[error("{what} has no end: more than {pages} pages, or {bytes} bytes")]
    Pages {
        /// which
        what: String,
        /// how many pages are read at most
        pages: usize,
        /// how many bytes of them
        bytes: u64,
    },
    /// A document that does not end in time.
    #[error("{what} is not there after {seconds} seconds")]
    TooSlow {
        /// which
        what: String,
        /// how long it was waited for
        seconds: u64,
    },
    /// It calls itself two things.
    #[error("{what} is ambiguous: {reason}")]
    Confused {
        /// which document
        what: String,
        /// how
        reason: String,
    },
    /// It is nothing that can be run.
    #[error("{what} is {found:?}, which is no image")]
    MediaType {
        /// which document
        what: String,
        /// its media type
        found: String,
    },
    /// Docker's first format.
    #[error(
        "{what} is a manifest of schema version 1, which Docker gave up in 2019 and which is not supported\nhint: push the image anew with a current tool"
    )]
    Schema1 {
        /// which
        what: String,
    },
    /// Layers that lie elsewhere.
    #[error("{what} has a layer of type {found:?}, which lies outside the registry: not supported")]
    Foreign {
        /// which manifest
        what: String,
        /// the layer's media type
        found: String,
    },
    /// None for this machine.
    #[error("no matching manifest for {platform} in the manifest list entries; it has {}", list(found))]
    NoPlatform {
        /// what was wanted
        platform: Platform,
        /// what there is
        found: Vec<String>,
    },
    /// The one image is for another machine.
    #[error(
        "image with reference {reference} was found but does not match the specified platform: wanted {wanted}, actual: {actual}"
    )]
    OtherPlatform {
        /// the image
        reference: String,
        /// as `--platform` says
        wanted: Box<Platform>,
        /// as its config says
        actual: Box<Platform>,
    },
    /// Not the JSON it should be.
    #[error("{what} cannot be read: {error}")]
    Json {
        /// which document
        what: String,
        /// where it goes wrong
        error: serde_json::Error,
    },
    /// A connection that broke again and again.
    #[error("{what} broke off after {done} of {total} bytes, several times: {reason}")]
    BrokenOff {
        /// which blob
        what: String,
        /// how far it came
        done: u64,
        /// its length
        total: u64,
        /// what was seen last
        reason: String,
    },
    /// The image to be pushed.
    #[error("An image does not exist locally with the tag: {0}")]
    NoSuchTag(
        /// its name
        String,
    ),
    /// A push by digest.
    #[error("cannot push a digest reference: give {0} a tag first with stepbox tag")]
    PushDigest(
        /// its name
        String,
    ),
    /// A file that is to be sent.
    #[error("{}: {error}", path.display())]
    Read {
        /// which
        path: PathBuf,
        /// what the kernel answered
        error: io::Error,
    },
    /// Names and passwords.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The store.
    #[error(transparent)]
    Store(StoreError),
}

/// What a layer's source answered is told as it is: the store only passes it on.
impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> RegistryError {
        match error {
            StoreError::Fetch { blob, source } => match source.downcast::<RegistryError>() {
                Ok(ours) => ours,
                Err(source) => RegistryError::Store(StoreError::Fetch { blob, source }),
            },
            other => RegistryError::Store(other),
        }
    }
}

impl RegistryError {
    /// A request that got no answer.
    pub(super) fn unreachable(url: &Uri, error: ureq::Error) -> RegistryError {
        let host = endpoint::host_and_port(url).to_owned();
        match certificate(&error) {
            Some(reason) => RegistryError::Untrusted { host, reason },
            None => RegistryError::Unreachable { host, error: Box::new(error) },
        }
    }

    /// Whether the same request may be answered in a moment.
    pub(super) fn may_pass(&self) -> bool {
        let RegistryError::Unreachable { error, .. } = self else { return false };
        matches!(
            **error,
            ureq::Error::Io(_)
                | ureq::Error::Timeout(_)
                | ureq::Error::ConnectionFailed
                | ureq::Error::Protocol(_)
        )
    }

    /// The registry's no, if it said one.
    pub fn refusal(&self) -> Option<&Refusal> {
        use RegistryError as E;
        match self {
            E::NoRegistry { refusal, .. } | E::Token { refusal, .. } | E::Login { refusal, .. } => {
                Some(refusal)
            }
            E::PullDenied { refusal, .. } | E::NotFound { refusal, .. } | E::Refused { refusal, .. } => {
                Some(refusal)
            }
            _ => None,
        }
    }
}

/// What TLS has against the peer, if it is that.
fn tls(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

fn certificate(error: &ureq::Error) -> Option<String> {
    match tls(error)? {
        rustls::Error::InvalidCertificate(reason) => Some(match reason {
            rustls::CertificateError::UnknownIssuer => "signed by an authority that is unknown here".into(),
            rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. } => {
                "it has expired".into()
            }
            rustls::CertificateError::NotValidForName
            | rustls::CertificateError::NotValidForNameContext { .. } => {
                "it was issued for another name".into()
            }
            other => other.to_string(),
        }),
        _ => None,
    }
}

fn cause(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "no such host".into(),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the connection was closed in the middle".into()
        }
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "it does not answer in time".into(),
        other => other.to_string(),
    }
}

fn remedy(error: &ureq::Error, host: &str) -> String {
    match tls(error) {
        Some(_) => format!("does it speak TLS? If not: --insecure-registry {host}"),
        None => "check the network and HTTPS_PROXY; without a network, run stepbox/base, or bring an image in with: stepbox import ROOTFS.tar NAME".into(),
    }
}

fn list(found: &[String]) -> String {
    if found.is_empty() { "none".into() } else { found.join(", ") }
}
