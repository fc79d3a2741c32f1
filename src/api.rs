//! HTTP: what of the engine is served to others.
//!
//! ```text
//!   connection ── TLS? ── Pulse ── hyper ──> handler ── spawn_blocking ──> engine
//!                 server                     registry                      shelf, store
//! ```
//!
//! The engine blocks; so it is called on threads of its own, and one thread with an event loop has all connections.
//! Only in here is anything asynchronous.
//!
//! See RFC 9110 and 9112. Lab 16-registry.

mod hosts;
mod intake;
mod note;
mod password;
pub mod registry;
mod reply;
mod server;
mod tls;

pub use note::Log;
pub use password::PasswordError;
pub use tls::TlsError;
