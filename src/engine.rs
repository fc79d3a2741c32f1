//! Engine: what stands behind `stepbox run`, `pull`, `images`, without a daemon.
//!
//! ```text
//!   "busybox:1.37" ─ reference ─> docker.io/library/busybox:1.37
//!                                     │ store          images: import, …
//!   index.json ─> manifest ─> config  │                base:   an image from this machine, without network
//!                    └─> layers ──────┴─> Image { config, layer directories, top-most last }
//! ```
//!
//! All state is files: an OCI image layout that other tools read, and beside it the layers unpacked once. Commands
//! share it under a lock that is held for moments; whoever dies leaves nothing but a directory under `tmp`.
//!
//! See the OCI image specification. Labs 13-union-image to 19-compose, tutorials/18-engine.md, tutorials/architecture.md.

mod abreast;
pub mod address_files;
pub mod archives;
pub mod attach;
pub mod base;
pub mod changes;
pub mod check;
pub mod commit;
pub mod config;
pub mod containers;
pub mod copy;
pub mod describe;
pub mod devices;
pub mod events;
pub mod exec;
pub mod export;
pub mod expression;
pub mod front;
pub mod health;
pub mod images;
pub mod info;
pub mod instruction;
pub mod limits;
pub mod log;
pub mod machine;
pub mod monitor;
pub mod names;
pub mod network;
pub mod peers;
pub mod platform;
pub mod ports;
pub mod propagation;
mod proxy;
pub mod reference;
pub mod registry;
pub mod request;
pub mod run;
pub mod shelf;
pub mod state;
pub mod store;
pub mod usage;
pub mod users;
pub mod view;
pub mod volumes;
