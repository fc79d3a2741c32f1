//! The registry client: against the real `docker-registry`, and against peers that cut, lie and never end.
//!
//! Real registries run as children on a free port of 127.0.0.1, with their storage in a temporary directory. Peers that
//! misbehave are a listener in this process that answers by hand.

#[path = "registry/peer.rs"]
mod peer;
#[path = "registry/place.rs"]
mod place;
#[path = "registry/server.rs"]
mod server;

#[path = "registry/addresses.rs"]
mod addresses;
#[path = "registry/credentials.rs"]
mod credentials;
#[path = "registry/hostile.rs"]
mod hostile;
#[path = "registry/login.rs"]
mod login;
#[path = "registry/resume.rs"]
mod resume;
#[path = "registry/tokens.rs"]
mod tokens;
#[path = "registry/transfers.rs"]
mod transfers;
