//! Note: the line that the log gets for one request, when its answer has gone out or the client has gone away.
//!
//! ```text
//!   GET /v2/library/busybox/manifests/1 200 527 1ms       method, path, status, bytes of bodies, time
//!   PATCH /v2/a/blobs/uploads/4e… - 1048576 230ms         - : the connection broke before there was an answer
//! ```
//!
//! Lab 16-registry.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Instant;

/// Where lines of the log go.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;

/// One request; its line is written when the last one who has it drops it.
pub(super) struct Note {
    log: Log,
    request: String,
    status: AtomicU16,
    bytes: AtomicU64,
    began: Instant,
}

impl Note {
    pub(super) fn new(log: &Log, method: &str, path: &str) -> Arc<Note> {
        let request = format!("{} {}", printable(method), printable(path));
        let (status, bytes) = (AtomicU16::new(0), AtomicU64::new(0));
        Arc::new(Note { log: log.clone(), request, status, bytes, began: Instant::now() })
    }

    pub(super) fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// Bytes of a body, whichever way they went.
    pub(super) fn count(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let mut line = self.request.clone();
        let (status, bytes) = (self.status.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        let status = if status == 0 { "-".to_owned() } else { status.to_string() };
        // writing to a String cannot fail
        let _ = write!(line, " {status} {bytes} {}ms", self.began.elapsed().as_millis());
        (self.log)(&line);
    }
}

/// What others send must not drive the terminal of whoever reads the log.
pub(super) fn printable(text: &str) -> String {
    let letter = |letter: char| match letter.is_ascii_graphic() {
        true => letter.to_string(),
        false => letter.escape_default().to_string(),
    };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_line_cannot_drive_a_terminal() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log: Log = {
            let lines = lines.clone();
            Arc::new(move |line: &str| lines.lock().expect("ours").push(line.to_owned()))
        };
        let note = Note::new(&log, "GE\u{1b}T", "/a\u{9b}31m\nb");
        note.count(7);
        note.answered(404);
        drop(note);
        drop(Note::new(&log, "GET", "/"));
        let lines = lines.lock().expect("ours");
        assert!(lines[0].starts_with(r"GE\u{1b}T /a\u{9b}31m\nb 404 7 "), "{}", lines[0]);
        assert!(lines[1].starts_with("GET / - 0 "), "{}", lines[1]);
    }
}
