//! Applied: what applying a layer, or only reading it, amounted to.
//!
//! See the OCI image specification, layer.md. Lab 13-union-image, tutorials/13-union-image.md.

use super::stream::Sums;
use super::{Compression, Digest};

/// What applying a layer amounted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// of the archive as it came, compressed or not
    pub digest: Digest,
    /// of the tar
    pub diff_id: Digest,
    /// how it came
    pub compression: Compression,
    /// bytes as it came
    pub size: u64,
    /// bytes of tar
    pub unpacked: u64,
    /// entries, whiteouts included
    pub entries: u64,
    /// whiteouts made
    pub whiteouts: u64,
    /// devices that were left out, see `Ownership::User`
    pub skipped_devices: u64,
    /// extended attributes that the file system or our rights do not allow
    pub skipped_xattrs: u64,
}

/// What was counted on the way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) entries: u64,
    pub(super) whiteouts: u64,
    pub(super) skipped_devices: u64,
    pub(super) skipped_xattrs: u64,
}

impl Applied {
    /// Of an archive that was read to its end.
    pub(super) fn of(sums: Sums, counts: Counts) -> Applied {
        Applied {
            digest: sums.digest,
            diff_id: sums.diff_id,
            compression: sums.compression,
            size: sums.size,
            unpacked: sums.unpacked,
            entries: counts.entries,
            whiteouts: counts.whiteouts,
            skipped_devices: counts.skipped_devices,
            skipped_xattrs: counts.skipped_xattrs,
        }
    }
}
