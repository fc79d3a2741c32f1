//! The archive as a stream: compressed bytes in, tar bytes out, both hashed on the way, each read once.
//!
//! ```text
//!   reader ─> Counted ─────────────> gunzip ─> buffer ─> tar bytes
//!             sha256 = digest                  sha256 = diff id
//!   a plain tar skips the middle: there the digest is the diff id
//! ```
//!
//! See the OCI image specification, layer.md. Lab 13-union-image, tutorials/13-union-image.md.

use super::{Compression, Digest, Limits};
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead, Read};

const BUFFER: usize = 128 * 1024;

/// Why the stream stopped; the archive's reader adds which entry was the last good one.
#[derive(Debug)]
pub(super) enum Fault {
    /// the source failed, ended early, or is no gzip after all
    Io(io::Error),
    /// it inflates to more than a sane multiple of its size
    Ratio(u64),
    /// a compression that is not read here
    Compression(&'static str),
}

/// What a whole stream amounted to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    pub(super) digest: Digest,
    pub(super) diff_id: Digest,
    /// bytes as they came
    pub(super) size: u64,
    /// bytes of tar
    pub(super) unpacked: u64,
    pub(super) compression: Compression,
}

/// A buffered reader that hashes and counts what it reads.
struct Counted<R> {
    inner: R,
    hash: Sha256,
    count: u64,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: Read> Counted<R> {
    fn new(inner: R) -> Counted<R> {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Counted { inner, hash: Sha256::new(), count: 0, buffer, start: 0, end: 0 }
    }

    /// Reads more behind what is buffered; false at the end.
    fn more(&mut self) -> io::Result<bool> {
        let got = read_some(&mut self.inner, &mut self.buffer[self.end..])?;
        self.hash.update(&self.buffer[self.end..self.end + got]);
        self.count += got as u64;
        self.end += got;
        Ok(got > 0)
    }

    /// The first bytes, without consuming them.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.end < count && self.more()? {}
        Ok(&self.buffer[..self.end.min(count)])
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(into.len());
        into[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.more()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }
}

enum Source<R> {
    Plain(Counted<R>),
    Gzip(Box<Inflate<R>>),
}

struct Inflate<R> {
    gunzip: MultiGzDecoder<Counted<R>>,
    hash: Sha256,
    count: u64,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

/// The tar bytes of an archive.
pub(super) struct Tarball<R> {
    source: Source<R>,
    limits: Limits,
}

impl<R: Read> Tarball<R> {
    /// Looks at the first bytes and decides how to read the rest.
    pub(super) fn new(reader: R, limits: Limits) -> Result<Tarball<R>, Fault> {
        let mut counted = Counted::new(reader);
        let source = match counted.peek(6).map_err(Fault::Io)? {
            [0x1f, 0x8b, ..] => Source::Gzip(Box::new(Inflate {
                gunzip: MultiGzDecoder::new(counted),
                hash: Sha256::new(),
                count: 0,
                buffer: vec![0; BUFFER].into_boxed_slice(),
                start: 0,
                end: 0,
            })),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                return Err(Fault::Compression("zstd"));
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0] => return Err(Fault::Compression("xz")),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41] => return Err(Fault::Compression("bzip2")),
            _ => Source::Plain(counted),
        };
        Ok(Tarball { source, limits })
    }

    /// The next bytes; empty at the end.
    pub(super) fn fill(&mut self) -> Result<&[u8], Fault> {
        match &mut self.source {
            Source::Plain(counted) => counted.fill_buf().map_err(Fault::Io),
            Source::Gzip(inflate) => inflate.fill(self.limits),
        }
    }

    /// Marks bytes as used.
    pub(super) fn consume(&mut self, count: usize) {
        match &mut self.source {
            Source::Plain(counted) => counted.consume(count),
            Source::Gzip(inflate) => inflate.start = (inflate.start + count).min(inflate.end),
        }
    }

    /// Reads what is left, so that the sums cover every byte, and returns them.
    pub(super) fn finish(mut self) -> Result<Sums, Fault> {
        loop {
            let rest = self.fill()?.len();
            if rest == 0 {
                break;
            }
            self.consume(rest);
        }
        Ok(match self.source {
            Source::Plain(counted) => {
                let digest = Digest::finish(counted.hash);
                let compression = Compression::None;
                Sums { digest, diff_id: digest, size: counted.count, unpacked: counted.count, compression }
            }
            Source::Gzip(inflate) => {
                let counted = inflate.gunzip.into_inner();
                Sums {
                    digest: Digest::finish(counted.hash),
                    diff_id: Digest::finish(inflate.hash),
                    size: counted.count,
                    unpacked: inflate.count,
                    compression: Compression::Gzip,
                }
            }
        })
    }
}

impl<R: Read> Inflate<R> {
    fn fill(&mut self, limits: Limits) -> Result<&[u8], Fault> {
        if self.start == self.end {
            let got = read_some(&mut self.gunzip, &mut self.buffer).map_err(Fault::Io)?;
            self.hash.update(&self.buffer[..got]);
            self.count += got as u64;
            (self.start, self.end) = (0, got);
            let compressed = self.gunzip.get_ref().count;
            if self.count > limits.ratio_from && self.count / limits.ratio > compressed {
                return Err(Fault::Ratio(limits.ratio));
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }
}

fn read_some(reader: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
