//! Reply: the body of an answer, from memory or piece by piece from a file.
//!
//! ```text
//!   hyper: more?  ─> a piece is read on another thread ─> sent ─> hyper: more? …
//!   a client that reads slowly costs one piece of memory and no thread
//! ```
//!
//! Lab 16-registry.

use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::fs::File;
use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::task::JoinHandle;

use super::note::Note;

/// How much is read at once.
const PIECE: u64 = 256 << 10;

/// The body of an answer. Its length is known beforehand.
pub(super) struct Reply {
    source: Source,
    left: u64,
    note: Option<Arc<Note>>,
}

enum Source {
    Memory(Bytes),
    File(File),
    Reading(JoinHandle<io::Result<(File, Bytes)>>),
    Done,
}

impl Reply {
    pub(super) fn bytes(bytes: impl Into<Bytes>) -> Reply {
        let bytes = bytes.into();
        Reply { left: bytes.len() as u64, source: Source::Memory(bytes), note: None }
    }

    /// So many bytes of a file, from where it stands.
    pub(super) fn file(file: File, length: u64) -> Reply {
        Reply { source: Source::File(file), left: length, note: None }
    }

    /// The same body; what is sent of it is counted, and the note ends with it.
    pub(super) fn noted(self, note: Arc<Note>) -> Reply {
        Reply { note: Some(note), ..self }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = loop {
            match std::mem::replace(&mut self.source, Source::Done) {
                _ if self.left == 0 => return Poll::Ready(None),
                Source::Done => return Poll::Ready(None),
                Source::Memory(bytes) => break bytes,
                Source::File(file) => {
                    let want = self.left.min(PIECE);
                    self.source = Source::Reading(tokio::task::spawn_blocking(move || read(file, want)));
                }
                Source::Reading(mut reading) => {
                    let Poll::Ready(read) = Pin::new(&mut reading).poll(context) else {
                        self.source = Source::Reading(reading);
                        return Poll::Pending;
                    };
                    let (file, bytes) = read.map_err(io::Error::other)??;
                    self.source = Source::File(file);
                    break bytes;
                }
            }
        };
        self.left -= piece.len() as u64;
        if let Some(note) = &self.note {
            note.count(piece.len());
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn read(file: File, want: u64) -> io::Result<(File, Bytes)> {
    let mut bytes = Vec::with_capacity(want as usize);
    let got = (&file).take(want).read_to_end(&mut bytes)?;
    // a blob never changes; one that became shorter breaks the connection, lest it look whole
    if got as u64 == want { Ok((file, bytes.into())) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
