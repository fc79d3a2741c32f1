//! Examining a layer: its digests and sizes, without a file being made.
//!
//! For a store whose driver makes no directory of a single layer: the archive is read to its end, as if it were unpacked,
//! so that a broken one is found when it comes, not when it is needed.
//!
//! See the OCI image specification, layer.md. Lab 13-union-image, tutorials/13-union-image.md.

use super::apply::Applied;
use super::archive::Archive;
use super::error::{LayerError, Limits};
use super::stream::stream;
use std::io::Read;

/// Reads a layer archive, plain or gzip, to its end.
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
    let limits = Limits::default();
    let (pump, tarball) = stream(limits);
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().name("layer".to_owned());
        let reader = reader.spawn_scoped(scope, move || {
            let mut archive = Archive::new(tarball, limits);
            let (mut entries, mut files) = (0, 0);
            while let Some(entry) = archive.next_entry()? {
                entries += 1;
                files += entry.counted();
            }
            let sums = archive.finish()?;
            let applied = Applied {
                digest: sums.digest,
                diff_id: sums.diff_id,
                compression: sums.compression,
                size: sums.size,
                unpacked: sums.unpacked,
                entries,
                whiteouts: 0,
                skipped_devices: 0,
                skipped_xattrs: 0,
            };
            Ok((applied, files))
        });
        let start = |source| LayerError::Create { entry: ".".to_owned(), call: "clone", source };
        let reader = reader.map_err(start)?;
        pump.run(archive);
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
