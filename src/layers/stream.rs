//! The archive as a stream: compressed bytes in, tar bytes out, both hashed on the way, each read once.
//!
//! ```text
//!   caller's thread                            layer's thread
//!   reader ─> sha256 = digest ─> gunzip ──┐    ┌──> sha256 = diff id ─> entries ─> files
//!                        chunks of 256 KiB└────┘
//!   a plain tar skips the left half: there the diff id is the digest
//! ```
//!
//! Inflating takes about as long as hashing and making files, so each has a thread. At most [`AHEAD`] chunks wait.
//!
//! See the OCI image specification, layer.md. Lab 13-union-image, tutorials/13-union-image.md.

use super::{Compression, Digest, Limits};
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

const CHUNK: usize = 256 * 1024;
/// How many chunks may wait to be unpacked.
const AHEAD: usize = 4;

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

/// What the caller's thread sends.
enum Message {
    Chunk(Vec<u8>),
    /// all was read; digest and size of what was compressed
    End(Option<(Digest, u64)>),
    Stopped(Fault),
}

/// The two ends of a stream.
pub(super) fn stream(limits: Limits) -> (Pump, Tarball) {
    let (to_layer, from_caller) = sync_channel(AHEAD);
    let (to_caller, from_layer) = channel();
    let tarball = Tarball {
        from_caller,
        empty: to_caller,
        chunk: Vec::new(),
        start: 0,
        hash: Sha256::new(),
        unpacked: 0,
        end: None,
    };
    (Pump { to_layer, empty: from_layer, limits }, tarball)
}

/// The caller's end: reads and inflates.
pub(super) struct Pump {
    to_layer: SyncSender<Message>,
    empty: Receiver<Vec<u8>>,
    limits: Limits,
}

impl Pump {
    /// Sends a whole archive, or why it could not be read. Ends early when the other side has stopped.
    pub(super) fn run(self, archive: impl Read) {
        let end = match self.send_all(archive) {
            Ok(end) => Message::End(end),
            Err(fault) => Message::Stopped(fault),
        };
        // nobody there: the layer failed, and says so itself
        let _ = self.to_layer.send(end);
    }

    fn send_all(&self, mut archive: impl Read) -> Result<Option<(Digest, u64)>, Fault> {
        let mut head = Vec::with_capacity(6);
        archive.by_ref().take(6).read_to_end(&mut head).map_err(Fault::Io)?;
        match head[..] {
            [0x1f, 0x8b, ..] => return self.inflate(io::Cursor::new(head).chain(archive)),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                return Err(Fault::Compression("zstd"));
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0] => return Err(Fault::Compression("xz")),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41] => return Err(Fault::Compression("bzip2")),
            _ => {}
        }
        let mut archive = io::Cursor::new(head).chain(archive);
        while self.send(&mut archive)?.is_some() {}
        Ok(None)
    }

    fn inflate(&self, archive: impl Read) -> Result<Option<(Digest, u64)>, Fault> {
        let mut gunzip = MultiGzDecoder::new(Counted::new(archive));
        let mut inflated = 0;
        while let Some(count) = self.send(&mut gunzip)? {
            inflated += count as u64;
            let compressed = gunzip.get_ref().count;
            if inflated > self.limits.ratio_from && inflated / self.limits.ratio > compressed {
                return Err(Fault::Ratio(self.limits.ratio));
            }
        }
        let counted = gunzip.into_inner();
        Ok(Some((Digest::finish(counted.hash), counted.count)))
    }

    /// Sends the next chunk and says how long it was; none at the end.
    fn send(&self, reader: &mut impl Read) -> Result<Option<usize>, Fault> {
        let mut chunk = self.empty.try_recv().unwrap_or_default();
        chunk.resize(CHUNK, 0);
        let count = read_some(reader, &mut chunk).map_err(Fault::Io)?;
        chunk.truncate(count);
        let sent = count > 0 && self.to_layer.send(Message::Chunk(chunk)).is_ok();
        Ok(sent.then_some(count))
    }
}

/// The layer's end: the tar bytes.
pub(super) struct Tarball {
    from_caller: Receiver<Message>,
    /// chunks go back, to be filled again
    empty: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    start: usize,
    hash: Sha256,
    unpacked: u64,
    end: Option<Option<(Digest, u64)>>,
}

impl Tarball {
    /// The next bytes; empty at the end.
    pub(super) fn fill(&mut self) -> Result<&[u8], Fault> {
        if self.start == self.chunk.len() && self.end.is_none() {
            let message = self.from_caller.recv();
            match message.map_err(|_| Fault::Io(io::ErrorKind::UnexpectedEof.into()))? {
                Message::Chunk(chunk) => {
                    self.hash.update(&chunk);
                    self.unpacked += chunk.len() as u64;
                    // nobody there: the caller has read everything
                    let _ = self.empty.send(std::mem::replace(&mut self.chunk, chunk));
                    self.start = 0;
                }
                Message::End(end) => self.end = Some(end),
                Message::Stopped(fault) => return Err(fault),
            }
        }
        Ok(&self.chunk[self.start..])
    }

    /// Marks bytes as used.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.chunk.len());
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
        let diff_id = Digest::finish(self.hash);
        let unpacked = self.unpacked;
        let (digest, size, compression) = match self.end.flatten() {
            Some((digest, size)) => (digest, size, Compression::Gzip),
            None => (diff_id, unpacked, Compression::None),
        };
        Ok(Sums { digest, diff_id, size, unpacked, compression })
    }
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
        let buffer = vec![0; CHUNK / 2].into_boxed_slice();
        Counted { inner, hash: Sha256::new(), count: 0, buffer, start: 0, end: 0 }
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
            self.end = read_some(&mut self.inner, &mut self.buffer)?;
            self.start = 0;
            self.hash.update(&self.buffer[..self.end]);
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
