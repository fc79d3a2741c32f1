//! Transport: one HTTP request and its answer, with the rules that no caller may forget.
//!
//! ```text
//!   request ──> our own redirects, at most 10 ──> answer
//!                 another origin: no credentials go along
//!                 from https to http: refused
//!   TLS: the machine's authorities, else Mozilla's; and those of --cacert
//!   a peer that falls silent is given up
//! ```
//!
//! The machine's own list of authorities comes first, because a company's or a class room's authority is on it; a
//! machine without one gets Mozilla's, built in. Proxies are taken from `HTTPS_PROXY` and `NO_PROXY` by ureq, and
//! never used for loopback.
//!
//! See RFC 9110. Lab 16-registry.

use super::endpoint::{self, Insecure, Policy};
use super::error::RegistryError;
use super::wire::{Exchange, Wire};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, HeaderValue, LOCATION};
use ureq::http::{HeaderMap, Method, Request, StatusCode, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};

/// How long a connection may take, TLS included.
const CONNECT: Duration = Duration::from_secs(15);
/// How long a peer may be silent within an answer, or take nothing of a request.
const SILENCE: Duration = Duration::from_secs(60);
/// How long the first line of an answer may take: a registry hashes a whole layer before it answers.
const ANSWER: Duration = Duration::from_secs(300);
/// How long a document may take, however it trickles in.
const DOCUMENT: Duration = Duration::from_secs(120);
/// How often a request may be sent elsewhere.
const REDIRECTS: usize = 10;

/// What a request carries.
#[derive(Clone, Copy)]
pub(super) enum Payload<'a> {
    /// nothing
    Nothing,
    /// a document
    Bytes(&'a [u8]),
    /// a file from a place on, and who hears how many bytes are gone
    File { path: &'a Path, from: u64, size: u64, sent: &'a dyn Fn(u64) },
}

/// A request.
#[derive(Clone)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: Uri,
    pub(super) headers: Vec<(HeaderName, String)>,
    /// for the origin of `url` alone
    pub(super) authorization: Option<HeaderValue>,
    pub(super) payload: Payload<'a>,
}

impl Ask<'_> {
    /// A request without headers and content.
    pub(super) fn new(method: Method, url: Uri) -> Self {
        Ask { method, url, headers: Vec::new(), authorization: None, payload: Payload::Nothing }
    }
}

/// An answer, whatever its status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// who gave it, after all redirects
    pub(super) url: Uri,
    pub(super) body: Body,
    patience: Duration,
}

/// Why a body is not here as a whole.
pub(super) enum Unread {
    /// it is longer than it may be
    Long,
    /// it is not there after so many seconds
    Slow(u64),
    /// the connection broke
    Broken(io::Error),
}

impl Answer {
    /// A header's value as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, which is neither longer than this nor for ever on its way.
    pub(super) fn whole(self, limit: u64) -> Result<Vec<u8>, Unread> {
        let mut bytes = Vec::new();
        match self.read(limit, &mut bytes) {
            Ok(()) => Ok(bytes),
            Err(unread) => Err(unread),
        }
    }

    /// As much of the body as comes, up to this; it says less where the rest does not.
    pub(super) fn beginning(self, most: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.read(most, &mut bytes);
        bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        bytes
    }

    fn read(self, limit: u64, into: &mut Vec<u8>) -> Result<(), Unread> {
        if self.body.content_length().is_some_and(|length| length > limit) {
            return Err(Unread::Long);
        }
        let (began, mut reader, mut chunk) = (Instant::now(), self.body.into_reader(), vec![0; 32 << 10]);
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => into.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Unread::Broken(error)),
            }
            if into.len() as u64 > limit {
                return Err(Unread::Long);
            }
            if began.elapsed() > self.patience {
                return Err(Unread::Slow(self.patience.as_secs()));
            }
        }
    }
}

impl Unread {
    /// The same, with what it was and where it came from.
    pub(super) fn of(self, what: &str, url: &Uri, limit: u64) -> RegistryError {
        let what = what.to_owned();
        match self {
            Unread::Long => RegistryError::TooLong { what, limit },
            Unread::Slow(seconds) => RegistryError::TooSlow { what, seconds },
            Unread::Broken(error) => RegistryError::unreachable(url, error.into()),
        }
    }
}

/// Connections, kept open between requests.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) policy: Policy,
    pub(super) wire: Option<Arc<dyn Wire>>,
    pub(super) patience: Duration,
    authorities: Vec<Certificate<'static>>,
    /// by whether any certificate will do, and whether it is loopback
    agents: [OnceLock<Agent>; 4],
}

impl Transport {
    pub(super) fn new(
        insecure: Vec<Insecure>,
        authorities: Option<&Path>,
    ) -> Result<Transport, RegistryError> {
        let authorities = authorities.map(read_authorities).transpose()?.unwrap_or_default();
        let (policy, agents) = (Policy(insecure), Default::default());
        Ok(Transport { policy, wire: None, patience: DOCUMENT, authorities, agents })
    }

    /// Sends a request to where it leads. Only what carries nothing is sent on by a redirect.
    pub(super) fn send(&self, ask: &Ask<'_>) -> Result<Answer, RegistryError> {
        let mut ask = ask.clone();
        for _ in 0..=REDIRECTS {
            let answer = self.once(&ask);
            if let Some(wire) = &self.wire {
                wire.exchange(&Exchange::new(&ask, answer.as_ref().ok()));
            }
            let answer = answer?;
            let moves = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
            if !moves || !matches!(ask.method, Method::GET | Method::HEAD) {
                return Ok(answer);
            }
            let location = answer.headers.get(LOCATION).and_then(|location| location.to_str().ok());
            let to = location.and_then(|location| endpoint::follow(&ask.url, location));
            let Some(to) = to else {
                return Err(RegistryError::Location {
                    url: address(&ask.url),
                    found: location.map(String::from),
                });
            };
            if ask.url.scheme_str() == Some("https") && to.scheme_str() != Some("https") {
                return Err(RegistryError::Downgrade { from: address(&ask.url), to: address(&to) });
            }
            if endpoint::origin(&to) != endpoint::origin(&ask.url) {
                ask.authorization = None;
            }
            ask.url = to;
        }
        Err(RegistryError::Redirects { url: address(&ask.url), limit: REDIRECTS })
    }

    fn once(&self, ask: &Ask<'_>) -> Result<Answer, RegistryError> {
        let mut request = Request::builder().method(ask.method.clone()).uri(ask.url.clone());
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = &ask.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let failed = |error| RegistryError::unreachable(&ask.url, error);
        let agent = self.agent(&ask.url);
        let answer = match ask.payload {
            Payload::Nothing if matches!(ask.method, Method::GET | Method::HEAD | Method::DELETE) => {
                agent.run(request.body(()).map_err(|error| failed(error.into()))?)
            }
            Payload::Nothing => agent.run(request.body(&b""[..]).map_err(|error| failed(error.into()))?),
            Payload::Bytes(bytes) => agent.run(request.body(bytes).map_err(|error| failed(error.into()))?),
            Payload::File { path, from, size, sent } => {
                let opened =
                    File::open(path).and_then(|mut file| file.seek(SeekFrom::Start(from)).map(|_| file));
                let file = opened.map_err(|error| RegistryError::Read { path: path.to_owned(), error })?;
                let mut reader = Sent { file: file.take(size), gone: 0, sent };
                let request = request.header(CONTENT_LENGTH, size).body(SendBody::from_reader(&mut reader));
                agent.run(request.map_err(|error| failed(error.into()))?)
            }
        };
        let (head, body) = answer.map_err(failed)?.into_parts();
        let (status, headers, url) = (head.status, head.headers, ask.url.clone());
        Ok(Answer { status, headers, url, body, patience: self.patience })
    }

    fn agent(&self, url: &Uri) -> &Agent {
        let authority = endpoint::host_and_port(url);
        let (any, loopback) = (self.policy.unverified(authority), endpoint::is_loopback(authority));
        self.agents[usize::from(any) * 2 + usize::from(loopback)].get_or_init(|| {
            let tls = TlsConfig::builder().disable_verification(any);
            let tls = if any { tls } else { tls.root_certs(self.roots()) };
            let config = Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .timeout_connect(Some(CONNECT))
                .timeout_recv_response(Some(ANSWER))
                .timeout_per_read(Some(SILENCE))
                .timeout_per_write(Some(SILENCE))
                .user_agent(concat!("stepbox/", env!("CARGO_PKG_VERSION")))
                .tls_config(tls.build());
            if loopback { config.proxy(None).build().into() } else { config.build().into() }
        })
    }

    fn roots(&self) -> RootCerts {
        let machine = rustls_native_certs::load_native_certs().certs;
        if machine.is_empty() && self.authorities.is_empty() {
            return RootCerts::WebPki;
        }
        let machine =
            machine.iter().map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned());
        RootCerts::Specific(Arc::new(machine.chain(self.authorities.iter().cloned()).collect()))
    }
}

fn read_authorities(path: &Path) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let failed = |reason: String| RegistryError::Authorities { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let mut found = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| failed(error.to_string()))? {
            found.push(certificate);
        }
    }
    match found.is_empty() {
        true => Err(failed("it holds no certificate in PEM".to_owned())),
        false => Ok(found),
    }
}

/// An address without its query, which may hold a signature.
pub(super) fn address(url: &Uri) -> String {
    let text = url.to_string();
    text.split('?').next().unwrap_or_default().to_owned()
}

/// A part of a file, and who hears how much of it is gone.
struct Sent<'a> {
    file: io::Take<File>,
    gone: u64,
    sent: &'a dyn Fn(u64),
}

impl Read for Sent<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        self.gone += count as u64;
        (self.sent)(self.gone);
        Ok(count)
    }
}
