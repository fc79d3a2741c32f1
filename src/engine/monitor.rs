//! Monitor: what stays with a container from its first program to its last.
//!
//! ```text
//!   program               monitor                                   attached clients
//!   stdout, stderr ─pipe─> carrier ──> log                           Ctrl-C, window size
//!   stdin         <─pipe──    │ └────> sockets ─── frames ─────────> their terminals
//!   terminal      <─ptmx──>   └─────── <────────── frames ────────── what is typed
//! ```
//!
//! One process for each detached container, with one thread and one poll loop; nothing in it grows while the container
//! is idle. A container in the foreground has the same loop in the command's own process.
//!
//! See poll(2), pidfd_open(2), unix(7). Lab 18-engine, tutorials/18-engine.md.

pub mod carrier;
pub mod frames;
