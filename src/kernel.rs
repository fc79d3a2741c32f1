//! The kernel, as this project sees it: operations as data, and the one place that performs them.
//!
//! ```text
//!   Op  (op.rs)  ── Display ──>  mount("overlay", "/merged", "overlay", 0, "lowerdir=…")
//!    │
//!    └── linux::call (linux.rs) ──>  the system call; errno comes back as a number
//! ```
//!
//! All `unsafe` of the project lives below this module.

#[allow(unsafe_code)]
pub mod apart;
#[allow(unsafe_code)]
pub mod binary;
#[allow(unsafe_code)]
pub mod bpf;
mod cgroup;
#[allow(unsafe_code)]
pub mod companion;
mod copy_up;
#[allow(unsafe_code)]
mod credentials;
pub mod ctext;
#[allow(unsafe_code)]
pub mod datagram;
#[allow(unsafe_code)]
pub mod departure;
#[allow(unsafe_code)]
pub mod ebpf;
pub mod flags;
pub mod hint;
mod inside;
#[allow(unsafe_code)]
pub mod join;
#[allow(unsafe_code)]
mod limits;
#[allow(unsafe_code)]
pub mod linux;
pub mod listeners;
#[allow(unsafe_code)]
mod messenger;
#[allow(unsafe_code)]
mod mounts;
pub mod netlink;
pub mod nft;
#[allow(unsafe_code)]
pub mod nsfs;
pub mod op;
#[allow(unsafe_code)]
pub mod orphans;
pub mod pipes;
#[allow(unsafe_code)]
pub mod process;
pub mod remove;
#[allow(unsafe_code)]
pub mod signals;
#[allow(unsafe_code)]
pub mod socket;
#[allow(unsafe_code)]
pub mod spawn;
#[allow(unsafe_code)]
pub mod start;
mod terminal;
#[allow(unsafe_code)]
mod theirs;
#[allow(unsafe_code)]
pub mod trees;
#[allow(unsafe_code)]
pub mod users;
mod watcher;

pub use ctext::CText;
pub use op::Op;
pub use rustix::io::Errno;
