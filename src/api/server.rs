//! Server: connections, how many, how long, and how they end.
//!
//! ```text
//!   accept ── a place is free? ── TLS? ── hyper ── handler
//!               │ no: others wait           │
//!               v                           ├─ no head for PATIENCE            closed
//!            until one ends                 └─ neither side moves for PATIENCE closed, unless we are at work
//!
//!   stop:  no new connections; each running request is answered, for as long as clients read on
//! ```
//!
//! See RFC 9112, section 9. Lab 16-registry.

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::reply::Reply;

/// How many connections there may be at once.
const CONNECTIONS: usize = 256;

/// The longest head of a request, in bytes; bodies are read in pieces of this size.
const BUFFER: usize = 128 << 10;

/// What answers requests; it is told at which of our addresses they came in.
pub(super) trait Handler: Clone + Send + 'static {
    fn answer(
        &self,
        request: Request<Incoming>,
        local: SocketAddr,
    ) -> impl Future<Output = Response<Reply>> + Send;
}

/// How a server serves.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) tls: Option<TlsAcceptor>,
    /// how long a connection may stand still
    pub(super) patience: Duration,
}

impl Server {
    /// Serves until `stop(1)`, then lets running requests end, but not beyond `stop(2)`.
    pub(super) async fn run<F: Future<Output = ()>>(
        &self,
        listener: TcpListener,
        handler: impl Handler,
        stop: impl Fn(u32) -> F,
    ) {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut first = std::pin::pin!(stop(1));
        loop {
            let next = async {
                let place = places.clone().acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                next = next => next,
                () = &mut first => break,
            };
            let Ok((stream, _)) = accepted else {
                // no descriptor or memory for now: those that are there may end meanwhile
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (server, handler, watcher) = (self.clone(), handler.clone(), graceful.watcher());
            tokio::spawn(async move {
                let _place = place;
                let Ok(local) = stream.local_addr() else { return };
                // an answer is seldom followed by more: it need not wait for it
                let _ = stream.set_nodelay(true);
                let Some(acceptor) = &server.tls else {
                    return server.connection(stream, local, handler, watcher).await;
                };
                let encrypted = tokio::time::timeout(server.patience, acceptor.accept(stream)).await;
                if let Ok(Ok(stream)) = encrypted {
                    server.connection(stream, local, handler, watcher).await;
                }
            });
        }
        drop(listener);
        tokio::select! {
            () = graceful.shutdown() => {}
            () = stop(2) => {}
        }
    }

    async fn connection(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        local: SocketAddr,
        handler: impl Handler,
        watcher: Watcher,
    ) {
        let moved = Arc::new(Moved::default());
        let service = {
            let moved = moved.clone();
            service_fn(move |request| {
                let (handler, moved) = (handler.clone(), moved.clone());
                async move {
                    let _work = Work::begin(&moved);
                    Ok::<_, Infallible>(handler.answer(request, local).await)
                }
            })
        };
        let stream = TokioIo::new(Pulse { stream, moved: moved.clone() });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.patience).max_buf_size(BUFFER);
        let connection = watcher.watch(builder.serve_connection(stream, service));
        tokio::select! {
            // what is wrong with a connection is the client's affair: it has gone, or it sent no HTTP
            _ = connection => {}
            () = moved.stands_still(self.patience) => {}
        }
    }
}

/// When a connection last moved.
struct Moved {
    birth: Instant,
    /// milliseconds after its birth
    last: AtomicU64,
    /// requests that we are at work on
    work: AtomicUsize,
}

impl Default for Moved {
    fn default() -> Moved {
        Moved { birth: Instant::now(), last: AtomicU64::new(0), work: AtomicUsize::new(0) }
    }
}

impl Moved {
    fn now(&self) {
        self.last.store(self.birth.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Returns when nothing has moved for so long.
    async fn stands_still(&self, patience: Duration) {
        loop {
            let last = self.birth + Duration::from_millis(self.last.load(Ordering::Relaxed));
            let idle = last.elapsed();
            if idle >= patience && self.work.load(Ordering::Relaxed) == 0 {
                return;
            }
            let rest = patience.saturating_sub(idle);
            tokio::time::sleep(rest.max(Duration::from_millis(100))).await;
        }
    }
}

/// We are at work on a request: a connection may stand still for our sake.
struct Work<'a>(&'a Moved);

impl Work<'_> {
    fn begin(moved: &Moved) -> Work<'_> {
        moved.work.fetch_add(1, Ordering::Relaxed);
        Work(moved)
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.0.now();
        self.0.work.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that says when it moves.
struct Pulse<S> {
    stream: S,
    moved: Arc<Moved>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Pulse<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        self.moved.now();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Pulse<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, from))?;
        self.moved.now();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, from))?;
        self.moved.now();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
