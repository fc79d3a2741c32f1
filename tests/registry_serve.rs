//! `stepbox registry serve`, from outside: real clients, and HTTP byte by byte.
//!
//! ```text
//!   skopeo, podman, docker ─┐
//!   raw requests ───────────┴─ 127.0.0.1:PORT ─ stepbox registry serve ─ a store of the test's own
//! ```

#[path = "registry_serve/attacks.rs"]
mod attacks;
#[path = "registry_serve/clients.rs"]
mod clients;
#[path = "registry_serve/engines.rs"]
mod engines;
#[path = "registry_serve/faults.rs"]
mod faults;
#[path = "registry_serve/pull.rs"]
mod pull;
#[path = "registry_serve/push.rs"]
mod push;
