//! Registry: the images of this machine for others, as the OCI distribution specification says.
//!
//! ```text
//!   skopeo, docker, podman, stepbox
//!        │ GET /v2/library/busybox/manifests/1
//!        v
//!   hosts ─> origin ─> password ─> route ─┬─ pull ──┐
//!    421      403        401        404   └─ push ──┴─> engine::shelf
//! ```
//!
//! For a class room without internet: one machine pulls, the others have it from there. Nothing of HTTP is known
//! below, nothing of images above.
//!
//! See the OCI distribution specification 1.1. Lab 16-registry.

mod answer;
mod head;
mod pull;
mod push;
mod route;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, header};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use super::hosts::Hosts;
use super::intake::Intake;
use super::note::{Log, Note, printable};
use super::password::{PasswordError, Passwords};
use super::reply::Reply;
use super::server::{Handler, Server};
use super::tls::{Tls, TlsError};
use crate::engine::shelf::Shelf;
use answer::{Refusal, refused};
use route::Route;

/// How long a blob stays that no manifest names, and an upload that nobody goes on with.
const IDLE: Duration = Duration::from_secs(3600);

/// How many passwords are looked at at once: bcrypt is slow, and others want to be served meanwhile.
const BCRYPTS: usize = 2;

/// Threads for what blocks.
const THREADS: usize = 32;

/// How the registry is served.
#[derive(Debug, Clone)]
pub struct Settings {
    /// where; port 0 is any that is free
    pub listen: SocketAddr,
    /// without TLS beyond loopback
    pub insecure: bool,
    /// who may come in, a file of htpasswd; none: everybody
    pub passwords: Option<PathBuf>,
    /// certificate and key
    pub tls: Option<(PathBuf, PathBuf)>,
    /// names of this registry, beyond those that follow from the machine
    pub hosts: Vec<String>,
    /// how long a connection may stand still
    pub patience: Duration,
}

/// Why the registry cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Everybody could read and change what goes over the wire.
    #[error(
        "{0} can be reached from other machines, and nothing would be encrypted: give --tls-cert and --tls-key, or \
         --insecure"
    )]
    Exposed(
        /// the address
        SocketAddr,
    ),
    /// The address cannot be had.
    #[error("listen on {address}: {source}")]
    Listen {
        /// the address
        address: SocketAddr,
        /// what the kernel answered
        source: std::io::Error,
    },
    /// The event loop, or signals.
    #[error("serve: {0}")]
    Loop(
        /// what the kernel answered
        #[from]
        std::io::Error,
    ),
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The password file.
    #[error(transparent)]
    Passwords(#[from] PasswordError),
}

/// Serves until SIGINT or SIGTERM; running requests are answered, unless a second signal comes. `ready` gets the
/// address once clients can connect.
///
/// # Errors
/// [`ServeError`], before anything is served.
pub fn serve(
    shelf: Shelf,
    settings: &Settings,
    log: Log,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    if settings.tls.is_none() && !settings.insecure && !settings.listen.ip().is_loopback() {
        return Err(ServeError::Exposed(settings.listen));
    }
    let passwords = settings.passwords.as_deref().map(Passwords::load).transpose()?;
    let tls = settings.tls.as_ref().map(|(certificate, key)| Tls::load(certificate, key)).transpose()?;
    let (acceptor, certificate) = tls.map(|tls| (tls.acceptor, tls.certificate)).unzip();
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let hosts = Hosts { extra: settings.hosts.clone(), machine, certificate };
    let address = settings.listen;
    let listener = TcpListener::bind(address).map_err(|source| ServeError::Listen { address, source })?;
    listener.set_nonblocking(true)?;
    let registry = Registry(Arc::new(Inner {
        shelf: Arc::new(shelf),
        hosts,
        passwords: passwords.map(Arc::new),
        bcrypts: Semaphore::new(BCRYPTS),
        patience: settings.patience,
        log,
    }));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(THREADS).build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        // from here on a signal ends us in order
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (stop, stopping) = tokio::sync::watch::channel(0_u32);
        tokio::spawn(async move {
            loop {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                stop.send_modify(|count| *count += 1);
            }
        });
        tokio::spawn(expire(registry.0.shelf.clone()));
        ready(listener.local_addr()?);
        let server = Server { tls: acceptor, patience: settings.patience };
        let stop = |signals| {
            let mut stopping = stopping.clone();
            async move {
                // the sender lives as long as the event loop
                let _ = stopping.wait_for(|count| *count >= signals).await;
            }
        };
        server.run(listener, registry, stop).await;
        Ok(())
    })
}

/// Lets go, from time to time, of what pushes have left.
async fn expire(shelf: Arc<Shelf>) {
    loop {
        tokio::time::sleep(IDLE / 60).await;
        let shelf = shelf.clone();
        let _ = off(move || shelf.expire(IDLE)).await;
    }
}

/// Does what blocks on a thread of its own. It is done to its end even where nobody waits for it any more.
async fn off<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::Broken)
}

#[derive(Clone)]
struct Registry(Arc<Inner>);

struct Inner {
    shelf: Arc<Shelf>,
    hosts: Hosts,
    passwords: Option<Arc<Passwords>>,
    bcrypts: Semaphore,
    patience: Duration,
    log: Log,
}

impl Handler for Registry {
    async fn answer(&self, request: Request<Incoming>, local: SocketAddr) -> Response<Reply> {
        let (parts, body) = request.into_parts();
        let note = Note::new(&self.0.log, parts.method.as_str(), &parts.uri.to_string());
        let asks = parts.headers.contains_key(header::EXPECT);
        let mut intake = Intake::new(body, self.0.patience, note.clone(), asks);
        let mut response = match self.0.respond(&parts, &mut intake, local).await {
            Ok(response) => response,
            Err(refusal) => {
                let fault = refusal.fault();
                let response = refused(&refusal);
                if let Some(fault) = fault {
                    (self.0.log)(&format!("stepbox: {}", printable_words(&fault)));
                }
                if !refusal.ends() {
                    intake.drain().await;
                }
                response
            }
        };
        // docker takes nothing for a registry that does not say so
        let version = header::HeaderValue::from_static("registry/2.0");
        response.headers_mut().insert("docker-distribution-api-version", version);
        let nosniff = header::HeaderValue::from_static("nosniff");
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        note.answered(response.status().as_u16());
        response.map(|reply| reply.noted(note))
    }
}

fn printable_words(text: &str) -> String {
    text.split(' ').map(printable).collect::<Vec<_>>().join(" ")
}

impl Inner {
    async fn respond(
        &self,
        parts: &Parts,
        intake: &mut Intake,
        local: SocketAddr,
    ) -> Result<Response<Reply>, Refusal> {
        let registry = self.called(parts, local)?;
        self.admit(parts).await?;
        let route = Route::of(parts.uri.path())?;
        let reads = [Method::GET, Method::HEAD].contains(&parts.method);
        match (route, &parts.method) {
            (Route::Base, _) if reads => answer::json(StatusCode::OK, &serde_json::json!({})),
            (Route::Catalog, _) if reads => self.catalog(parts).await,
            (Route::Tags(repository), _) if reads => self.tags(parts, repository).await,
            (Route::Referrers(repository, digest), _) if reads => {
                self.referrers(parts, repository, digest).await
            }
            (Route::Manifest(repository, selector), _) if reads => {
                self.manifest(parts, repository, &selector).await
            }
            (Route::Manifest(repository, selector), &Method::PUT) => {
                self.put_manifest(parts, intake, registry, repository, &selector).await
            }
            (Route::Manifest(repository, selector), &Method::DELETE) => {
                self.delete_manifest(repository, &selector).await
            }
            (Route::Blob(_, digest), _) if reads => self.blob(parts, &digest).await,
            (Route::Blob(_, digest), &Method::DELETE) => self.delete_blob(&digest).await,
            (Route::Uploads(repository), &Method::POST) => self.begin(parts, intake, repository).await,
            (Route::Upload(repository, id), &Method::GET) => self.progress(repository, id).await,
            (Route::Upload(repository, id), &Method::PATCH) => {
                self.patch(parts, intake, repository, id).await
            }
            (Route::Upload(repository, id), &Method::PUT) => self.finish(parts, intake, repository, id).await,
            (Route::Upload(repository, id), &Method::DELETE) => self.cancel(repository, id).await,
            (route, _) => Err(Refusal::Method(route.methods())),
        }
    }

    /// The name by which the client calls us; refused where it is not ours, or a web page is behind it. That a body
    /// has one length only, hyper sees to: of two that differ it refuses the request, and with chunks and a length
    /// it believes the chunks and closes the connection.
    fn called(&self, parts: &Parts, local: SocketAddr) -> Result<String, Refusal> {
        let mut hosts = parts.headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(Refusal::Hosts);
        };
        let host = host.to_str().unwrap_or_default();
        // a request line may name the host too, and then that counts
        let host = parts.uri.authority().map_or(host, |authority| authority.as_str());
        let ours = self.hosts.ours(host, local).ok_or_else(|| Refusal::Host(host.to_owned()))?;
        // clients of registries are no browsers
        if parts.headers.contains_key(header::ORIGIN) {
            return Err(Refusal::Origin);
        }
        Ok(ours)
    }

    async fn admit(&self, parts: &Parts) -> Result<(), Refusal> {
        let Some(passwords) = &self.passwords else { return Ok(()) };
        let said = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(said) = said.map(str::to_owned) else { return Err(Refusal::Password) };
        if passwords.knows(&said) {
            return Ok(());
        }
        let _turn = self.bcrypts.acquire().await.map_err(|_| Refusal::Broken)?;
        let passwords = passwords.clone();
        if off(move || passwords.admit(&said)).await? { Ok(()) } else { Err(Refusal::Password) }
    }
}
