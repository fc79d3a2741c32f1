//! Packing: tar bytes in, a blob out, with the names of both.
//!
//! ```text
//!   tar bytes ─> sha256 = diff id ─> gzip (or not) ─> sha256 = digest, size ─> blob
//! ```
//!
//! The gzip header has no name, no time and no system in it, so the same tar makes the same blob. See RFC 1952 and
//! the OCI image specification, layer.md. Labs 13-union-image and 14-commit, tutorials/14-commit.md.

use super::Digest;
use flate2::GzBuilder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io::{self, Write};

/// How a layer blob is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// it is the tar itself
    None,
    /// gzip
    Gzip,
    /// zstd
    Zstd,
}

impl Compression {
    /// The OCI media type of a layer that is compressed so.
    pub fn media_type(self) -> &'static str {
        match self {
            Compression::None => "application/vnd.oci.image.layer.v1.tar",
            Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// The names and sizes of a packed layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// of the tar
    pub diff_id: Digest,
    /// of the blob
    pub digest: Digest,
    /// bytes of the blob
    pub size: u64,
    /// bytes of the tar
    pub unpacked: u64,
}

struct Counted<W> {
    inner: W,
    hash: Sha256,
    count: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

enum Blob<W: Write> {
    Plain(Counted<W>),
    Gzip(Box<GzEncoder<Counted<W>>>),
}

/// A writer that takes tar bytes and writes a blob.
pub struct Pack<W: Write> {
    blob: Blob<W>,
    /// of the tar; none where the blob is the tar, so that nothing is hashed twice
    tar: Option<(Sha256, u64)>,
}

impl<W: Write> Pack<W> {
    /// Packs into this writer. Zstd is read, not written: every reader of images reads gzip, which is written for it.
    pub fn new(inner: W, compression: Compression) -> Pack<W> {
        let counted = Counted { inner, hash: Sha256::new(), count: 0 };
        match compression {
            Compression::None => Pack { blob: Blob::Plain(counted), tar: None },
            Compression::Gzip | Compression::Zstd => {
                let level = flate2::Compression::new(6);
                let encoder = GzBuilder::new().mtime(0).operating_system(255).write(counted, level);
                Pack { blob: Blob::Gzip(Box::new(encoder)), tar: Some((Sha256::new(), 0)) }
            }
        }
    }

    /// Ends the blob; returns its names and the writer.
    ///
    /// # Errors
    /// What the writer answers.
    pub fn finish(self) -> io::Result<(Packed, W)> {
        let mut counted = match self.blob {
            Blob::Plain(counted) => counted,
            Blob::Gzip(encoder) => encoder.finish()?,
        };
        counted.flush()?;
        let digest = Digest::finish(counted.hash);
        let (diff_id, unpacked) = match self.tar {
            Some((hash, count)) => (Digest::finish(hash), count),
            None => (digest, counted.count),
        };
        Ok((Packed { diff_id, digest, size: counted.count, unpacked }, counted.inner))
    }
}

impl<W: Write> Write for Pack<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match &mut self.blob {
            Blob::Plain(counted) => counted.write(bytes)?,
            Blob::Gzip(encoder) => encoder.write(bytes)?,
        };
        if let Some((hash, sum)) = &mut self.tar {
            hash.update(&bytes[..count]);
            *sum += count as u64;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.blob {
            Blob::Plain(counted) => counted.flush(),
            Blob::Gzip(encoder) => encoder.flush(),
        }
    }
}
