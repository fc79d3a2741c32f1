//! Layers: a tar archive becomes a directory, a directory becomes a tar archive, and hashes name both.
//!
//! ```text
//!   layer.tar.gz ──sha256──> digest    names the blob in a registry
//!        │ inflate
//!   layer.tar ─────sha256──> diff id   names the content, however it was compressed
//!        │ apply                 └───> chain id = sha256(chain id below + " " + diff id): this layer on those below
//!        v
//!   directory   .wh.NAME      -> NAME, a character device 0:0: "NAME is gone"
//!        │      .wh..wh..opq  -> xattr overlay.opaque=y on its directory: "nothing below shows through"
//!        │ diff
//!        v
//!   layer.tar   the same bytes again, for an archive that diff wrote
//! ```
//!
//! Both directions make one pass; a byte is read once, hashed and passed on. An archive is written by strangers: no
//! name, link or type in it can lead outside the directory ([`apply`]), and what is refused is refused by name.
//!
//! See the OCI image specification (layer.md, config.md), tar(5), openat2(2) and the kernel's overlayfs.rst.
//! Labs 13-union-image and 14-commit, tutorials/13-union-image.md and tutorials/14-commit.md.

mod applied;
mod apply;
mod archive;
mod attributes;
mod changes;
mod diff;
mod digest;
mod entry;
mod error;
mod examine;
mod fresh;
mod header;
mod hide;
mod inflate;
mod listing;
mod members;
mod numbers;
mod ownership;
mod pack;
mod pax;
mod sparse;
mod spool;
mod stream;
mod tape;
mod tree;
mod whiteout;

pub use crate::kernel::remove::remove;
pub use applied::Applied;
pub use apply::{apply, apply_onto, apply_within};
pub use archive::{Archive, read};
pub use changes::{Change, Changes, What, changes, changes_of_trees};
pub use diff::{DiffOptions, Written, archive, archive_content, diff, diff_without};
pub use digest::{Digest, DigestError, chain_id, chain_ids};
pub use entry::{Entry, Kind, Stamp, printable};
pub use error::{LayerError, Limits, Refusal};
pub use examine::{examine, size_of_files};
pub use inflate::Inflate;
pub use members::{Member, Members};
pub use ownership::Ownership;
pub use pack::{Compression, Pack, Packed};
pub use spool::{SpoolError, spool};
pub use tape::Tape;
pub use whiteout::{OPAQUE_MARKER, PREFIX, Whiteout};
