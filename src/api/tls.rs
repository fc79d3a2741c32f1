//! TLS: certificate and key, from PEM files.
//!
//! See RFC 7468 and RFC 8446. Lab 16-registry.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that is not what it should be.
    #[error("{} holds no {what} in PEM: {source}", path.display())]
    Pem {
        /// the file
        path: PathBuf,
        /// certificate or key
        what: &'static str,
        /// what is wrong
        source: pem::Error,
    },
    /// Certificate and key cannot be used, or not together.
    #[error("{} and its key cannot be used: {source}", path.display())]
    Pair {
        /// the certificate's file
        path: PathBuf,
        /// what is wrong
        source: rustls::Error,
    },
}

/// What ends TLS, and the certificate that it shows.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) certificate: CertificateDer<'static>,
}

impl Tls {
    pub(super) fn load(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
        let pem = |path: &Path, what, source| TlsError::Pem { path: path.to_owned(), what, source };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
        let chain = chain.map_err(|source| pem(certificate, "certificate", source))?;
        let shown = chain.first().cloned();
        let shown = shown.ok_or_else(|| pem(certificate, "certificate", pem::Error::NoItemsFound))?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|source| pem(key, "private key", source))?;
        let pair = |source| TlsError::Pair { path: certificate.to_owned(), source };
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(pair)?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(pair)?;
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), certificate: shown })
    }
}
