//! Intake: the body of a request, which has to come at a decent pace.
//!
//! ```text
//!   a piece ── nothing for PATIENCE ──────────────────────────────> 408, and the connection ends
//!      └────── on average, after PATIENCE, less than 1 KiB/s ─────> the same
//! ```
//!
//! Without both, a few clients that send one byte now and then hold every connection that there is.
//! Lab 16-registry.

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

use super::note::Note;

/// The least that a body has to come at, in bytes a second.
const PACE: u64 = 1024;

/// How much of a body is read that nobody wants, so that the client gets to read its answer.
const SPARE: u64 = 8 << 20;

/// Why a body did not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum IntakeError {
    #[error("the body came too slowly: send at least {PACE} bytes a second")]
    Slow,
    #[error("the body is larger than {0} bytes")]
    Large(u64),
    #[error("the body broke off: {0}")]
    Broken(#[from] hyper::Error),
}

/// The body of a request.
pub(super) struct Intake {
    body: Incoming,
    patience: Duration,
    began: Instant,
    received: u64,
    note: Arc<Note>,
    /// the client waits with its body until we want it
    asks: bool,
}

impl Intake {
    pub(super) fn new(body: Incoming, patience: Duration, note: Arc<Note>, asks: bool) -> Intake {
        Intake { body, patience, began: Instant::now(), received: 0, note, asks }
    }

    /// The next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, IntakeError> {
        loop {
            let over = self.began.elapsed().saturating_sub(self.patience).as_secs();
            if over * PACE > self.received {
                return Err(IntakeError::Slow);
            }
            let frame = timeout(self.patience, self.body.frame()).await.map_err(|_| IntakeError::Slow)?;
            let Some(frame) = frame else { return Ok(None) };
            // trailers say nothing here
            let Ok(piece) = frame?.into_data() else { continue };
            self.received += piece.len() as u64;
            self.note.count(piece.len());
            return Ok(Some(piece));
        }
    }

    /// The whole body, if it is not longer than this many bytes.
    pub(super) async fn whole(&mut self, most: u64) -> Result<Vec<u8>, IntakeError> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next().await? {
            if (whole.len() + piece.len()) as u64 > most {
                return Err(IntakeError::Large(most));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// Reads on after a refusal: a connection that is closed with data unread loses the answer with it.
    pub(super) async fn drain(&mut self) {
        if self.asks {
            return;
        }
        let limit = self.received + SPARE;
        let rest = async {
            while self.received < limit && !self.body.is_end_stream() {
                match self.next().await {
                    Ok(Some(_)) => {}
                    _ => break,
                }
            }
        };
        let _ = timeout(Duration::from_secs(2), rest).await;
    }
}
