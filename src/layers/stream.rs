//! The archive as a stream: compressed bytes in, tar bytes out, both hashed on the way, each read once.
//!
//! ```text
//!   caller's thread                            layer's thread
//!   reader ─> sha256 = digest ─> inflate ─┐    ┌──> sha256 = diff id ─> entries ─> files
//!                        chunks of 256 KiB└────┘
//!   a plain tar skips the left half: there the diff id is the digest
//! ```
//!
//! Inflating takes about as long as hashing and making files, so each has a thread. At most [`AHEAD`] chunks wait.
//!
//! See the OCI image specification, layer.md. Lab 13-union-image, tutorials/13-union-image.md.

use super::inflate::Inflate;
use super::{Compression, Digest, LayerError, Limits};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

const CHUNK: usize = 256 * 1024;
/// How many chunks may wait to be unpacked.
const AHEAD: usize = 4;

/// Why the stream stopped; the archive's reader adds which entry was the last good one.
#[derive(Debug)]
pub enum Fault {
    /// the source failed, ended early, or is not what its first bytes say
    Io(io::Error),
    /// it inflates to more than a sane multiple of its size
    Ratio(u64),
    /// a compression that is not read here
    Compression(&'static str),
}

/// Where an archive's bytes come from.
pub trait Bytes {
    /// The next bytes; empty at the end.
    fn fill(&mut self) -> Result<&[u8], Fault>;

    /// Marks bytes as used.
    fn consume(&mut self, count: usize);

    /// Leaves out up to this many bytes without reading them, where that can be done; says how many.
    fn pass(&mut self, _count: u64) -> u64 {
        0
    }
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

/// Of an archive that was compressed: digest, size in bytes, and how.
type Compressed = (Digest, u64, Compression);

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> io::Error {
        match fault {
            Fault::Io(error) => error,
            Fault::Ratio(most) => {
                let what = format!("it inflates to more than {most} times its size");
                io::Error::new(io::ErrorKind::InvalidData, what)
            }
            Fault::Compression(name) => {
                let what = LayerError::Compression(name).to_string();
                io::Error::new(io::ErrorKind::Unsupported, what)
            }
        }
    }
}

/// What the caller's thread sends.
enum Message {
    Chunk(Vec<u8>),
    /// all was read
    End(Option<Compressed>),
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

    fn send_all(&self, archive: impl Read) -> Result<Option<Compressed>, Fault> {
        let mut inflate = Inflate::within(archive, self.limits)?;
        while self.send(&mut inflate)? {}
        Ok(inflate.finish())
    }

    /// Sends the next chunk; false at the end.
    fn send(&self, inflate: &mut Inflate<impl Read>) -> Result<bool, Fault> {
        let mut chunk = self.empty.try_recv().unwrap_or_default();
        chunk.resize(CHUNK, 0);
        let count = inflate.piece(&mut chunk)?;
        chunk.truncate(count);
        Ok(count > 0 && self.to_layer.send(Message::Chunk(chunk)).is_ok())
    }
}

/// The layer's end: the tar bytes.
pub struct Tarball {
    from_caller: Receiver<Message>,
    /// chunks go back, to be filled again
    empty: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    start: usize,
    hash: Sha256,
    unpacked: u64,
    end: Option<Option<Compressed>>,
}

impl Bytes for Tarball {
    fn fill(&mut self) -> Result<&[u8], Fault> {
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

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.chunk.len());
    }
}

impl Tarball {
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
            Some(compressed) => compressed,
            None => (diff_id, unpacked, Compression::None),
        };
        Ok(Sums { digest, diff_id, size, unpacked, compression })
    }
}
