//! Examining a layer: its digests and sizes, without a file being made.
//!
//! For a store whose driver makes no directory of a single layer: the archive is read to its end, as if it were unpacked,
//! so that a broken one is found when it comes, not when it is needed.
//!
//! See the OCI image specification, layer.md. Lab 13-union-image, tutorials/13-union-image.md.

use super::applied::{Applied, Counts};
use super::archive::summed;
use super::error::{LayerError, Limits};
use std::io::Read;

/// Reads a layer archive, plain or compressed, to its end.
///
/// # Errors
/// [`LayerError::Broken`], [`LayerError::Compression`] and [`LayerError::Limit`], with the entry it was about.
pub fn examine(archive: impl Read) -> Result<Applied, LayerError> {
    Ok(read(archive)?.0)
}

/// Reads a layer archive to its end; how many bytes Docker counts into the layer's size: those of regular files, and of
/// where symbolic links lead.
///
/// # Errors
/// As [`examine`].
pub fn size_of_files(archive: impl Read) -> Result<u64, LayerError> {
    Ok(read(archive)?.1)
}

fn read(archive: impl Read) -> Result<(Applied, u64), LayerError> {
    let ((counts, files), sums) = summed(archive, Limits::default(), |archive| {
        let (mut counts, mut files) = (Counts::default(), 0);
        while let Some(entry) = archive.next_entry()? {
            counts.entries += 1;
            files += entry.counted();
        }
        Ok::<_, LayerError>((counts, files))
    })?;
    Ok((Applied::of(sums, counts), files))
}
