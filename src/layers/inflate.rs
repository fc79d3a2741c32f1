//! Inflating: bytes as they come, plain, gzip or zstd, become tar bytes.
//!
//! ```text
//!   1f 8b         gzip     any number of members, one after the other
//!   28 b5 2f fd   zstd     any number of frames; 184d2a5? is a frame to be left out
//!   else          plain    what is no tar then fails as one
//! ```
//!
//! The first bytes decide, as in Docker: a media type or a file's name may lie. zstd is read by a decoder in Rust:
//! it is slower than the one in C (0.6 x gzip here, the other 2.5 x), but what strangers write is read by nothing
//! that a wrong length can lead astray. Its window is at most 100 MiB.
//!
//! See RFC 1952, RFC 8878 and the OCI image specification, layer.md. Lab 13-union-image,
//! tutorials/13-union-image.md.

use super::stream::Fault;
use super::{Compression, Digest, Limits};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead, Read};

const BUFFER: usize = 128 * 1024;
/// How many bytes tell what follows.
const MAGIC: usize = 6;

/// A reader that inflates another one, whatever that is compressed with.
pub struct Inflate<R: Read> {
    form: Form<R>,
    limits: Limits,
    inflated: u64,
}

enum Form<R: Read> {
    Plain(Counted<R>),
    Gzip(Box<MultiGzDecoder<Counted<R>>>),
    Zstd(Box<Zstd<R>>),
}

impl<R: Read> Inflate<R> {
    /// Looks at the first bytes.
    ///
    /// # Errors
    /// What the reader answers; `Unsupported` for bzip2 and xz, which are named.
    pub fn new(from: R) -> io::Result<Inflate<R>> {
        Inflate::within(from, Limits::default()).map_err(io::Error::from)
    }

    pub(super) fn within(from: R, limits: Limits) -> Result<Inflate<R>, Fault> {
        let mut counted = Counted::new(from);
        let form = match *counted.look().map_err(Fault::Io)? {
            [0x1f, 0x8b, ..] => Form::Gzip(Box::new(MultiGzDecoder::new(counted.hashed()))),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Form::Zstd(Box::new(Zstd::new(counted.hashed())?))
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => return Err(Fault::Compression("xz")),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => return Err(Fault::Compression("bzip2")),
            _ => Form::Plain(counted),
        };
        Ok(Inflate { form, limits, inflated: 0 })
    }

    /// What it is compressed with.
    pub fn compression(&self) -> Compression {
        match self.form {
            Form::Plain(_) => Compression::None,
            Form::Gzip(_) => Compression::Gzip,
            Form::Zstd(_) => Compression::Zstd,
        }
    }

    /// Some bytes; 0 at the end.
    pub(super) fn piece(&mut self, into: &mut [u8]) -> Result<usize, Fault> {
        let (count, compressed) = match &mut self.form {
            Form::Plain(counted) => return read_some(counted, into).map_err(Fault::Io),
            Form::Gzip(gzip) => (read_some(&mut **gzip, into), gzip.get_ref().count),
            Form::Zstd(zstd) => (read_some(&mut **zstd, into), zstd.from.count),
        };
        let count = count.map_err(Fault::Io)?;
        self.inflated += count as u64;
        let limits = self.limits;
        if self.inflated > limits.ratio_from && self.inflated / limits.ratio > compressed {
            return Err(Fault::Ratio(limits.ratio));
        }
        Ok(count)
    }

    /// Digest and size of what was compressed; none where nothing was.
    pub(super) fn finish(self) -> Option<(Digest, u64, Compression)> {
        let compression = self.compression();
        let counted = match self.form {
            Form::Plain(_) => return None,
            Form::Gzip(gzip) => gzip.into_inner(),
            Form::Zstd(zstd) => zstd.from,
        };
        Some((Digest::finish(counted.hash?), counted.count, compression))
    }
}

impl<R: Read> Read for Inflate<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.piece(into).map_err(io::Error::from)
    }
}

/// Frames of zstd, one after the other.
struct Zstd<R> {
    from: Counted<R>,
    frame: FrameDecoder,
    /// a frame has begun and not ended
    open: bool,
}

impl<R: Read> Zstd<R> {
    fn new(from: Counted<R>) -> Result<Zstd<R>, Fault> {
        // the decoder looks at the size of the window from its second frame on
        const SMALL: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0, 0];
        let mut frame = FrameDecoder::new();
        frame.reset(&SMALL[..]).map_err(|error| Fault::Io(damaged(error)))?;
        Ok(Zstd { from, frame, open: false })
    }

    /// Begins the next frame; false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.from.fill_buf()?.is_empty() {
            match self.frame.reset(&mut self.from) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped = io::copy(&mut (&mut self.from).take(length.into()), &mut io::sink())?;
                    if skipped < length.into() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(damaged(error)),
            }
        }
        Ok(false)
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.open && !self.begin()? {
                return Ok(0);
            }
            self.open = true;
            while self.frame.can_collect() < into.len() && !self.frame.is_finished() {
                let some = BlockDecodingStrategy::UptoBytes(into.len() - self.frame.can_collect());
                self.frame.decode_blocks(&mut self.from, some).map_err(damaged)?;
            }
            let count = self.frame.read(into)?;
            if count > 0 || into.is_empty() {
                return Ok(count);
            }
            self.open = false;
        }
    }
}

fn damaged(error: FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

/// A buffered reader that counts what it reads, and hashes it where somebody wants the sum.
struct Counted<R> {
    inner: R,
    hash: Option<Sha256>,
    count: u64,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: Read> Counted<R> {
    fn new(inner: R) -> Counted<R> {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Counted { inner, hash: None, count: 0, buffer, start: 0, end: 0 }
    }

    /// The first bytes, as far as there are any.
    fn look(&mut self) -> io::Result<&[u8]> {
        while self.end < MAGIC {
            match read_some(&mut self.inner, &mut self.buffer[self.end..])? {
                0 => break,
                count => self.end += count,
            }
        }
        self.count = self.end as u64;
        Ok(&self.buffer[..self.end])
    }

    /// Hashes from the first byte on; what was looked at counts.
    fn hashed(mut self) -> Counted<R> {
        self.hash = Some(Sha256::new_with_prefix(&self.buffer[..self.end]));
        self
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // where nobody hashes and nothing waits, the buffer would be a detour
        if self.start == self.end && self.hash.is_none() && into.len() >= BUFFER {
            let count = read_some(&mut self.inner, into)?;
            self.count += count as u64;
            return Ok(count);
        }
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
            self.end = read_some(&mut self.inner, &mut self.buffer)?;
            self.start = 0;
            if let Some(hash) = &mut self.hash {
                hash.update(&self.buffer[..self.end]);
            }
            self.count += self.end as u64;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
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
