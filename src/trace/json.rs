//! JSON: a trace as one file, for programs and for the page.
//!
//! ```text
//! { "schema": "stepbox-trace",      always
//!   "version": 1,                   changes when a field changes its meaning or goes away; new fields do not count
//!   "title": "08-overlay",          the lab's name or the command line
//!   "question": "What is a layer?",
//!   "host": "toy",                  or "real"
//!   "kernel": "6.18.44",            uname -r
//!   "events": [
//!     { "event": "act",   "title", "text" },
//!     { "event": "step",  "index", "total", "name", "why", "lane": "host" | "box", "call", "result",
//!                         "provoked": bool, "undo": string | null, "evidence": [change], "micros" },
//!     { "event": "scope", "name", "why", "evidence": [change], "micros" },
//!     { "event": "undo",  "index", "name", "call", "result" },
//!     { "event": "end",   "outcome", "exit_code": number | null } ] }
//!
//! change = { "kind", "subject", "source", "before": [fact], "after": [fact] }
//! fact   = { "key", "value" }
//! ```
//!
//! `call`, `undo` and `result` are printed the way strace prints them. Numbers of namespaces are the real ones;
//! a reader that wants labels gives them by first appearance ([`super::stable`]). Every type is described in
//! [`super`]. Chapter: tutorials/architecture.md.

use std::io::{self, Read, Write};

use serde::Deserialize;
use thiserror::Error;

use super::{Trace, VERSION};

/// What the field `schema` holds.
pub const SCHEMA: &str = "stepbox-trace";

/// Why a file could not be read as a trace.
#[derive(Debug, Error)]
pub enum ReadError {
    /// the file could not be read to its end
    #[error("read the trace: {0}")]
    Io(#[from] io::Error),
    /// it is not JSON, or lacks a field
    #[error("not a trace: {0}")]
    Json(#[from] serde_json::Error),
    /// it is JSON of another kind
    #[error("not a trace: schema is \"{0}\", not \"{SCHEMA}\"")]
    Schema(String),
    /// it was written by another version of stepbox
    #[error("trace version {0}, but this stepbox reads version {VERSION}: write the trace again")]
    Version(u32),
}

/// The fields that say whether the others can be understood.
#[derive(Deserialize)]
struct Header {
    schema: String,
    version: u32,
}

/// Writes the trace, indented, with a line feed at its end.
///
/// # Errors
/// What `out` reports.
pub fn write(trace: &Trace, out: impl Write) -> io::Result<()> {
    // serde_json writes token by token
    let mut out = io::BufWriter::new(out);
    serde_json::to_writer_pretty(&mut out, trace)?;
    writeln!(out)?;
    out.flush()
}

/// Reads a trace back.
///
/// # Errors
/// When it cannot be read, is no trace, or is one of another version.
pub fn read(mut from: impl Read) -> Result<Trace, ReadError> {
    let mut text = String::new();
    from.read_to_string(&mut text)?;
    let header: Header = serde_json::from_str(&text)?;
    if header.schema != SCHEMA {
        return Err(ReadError::Schema(header.schema));
    }
    if header.version != VERSION {
        return Err(ReadError::Version(header.version));
    }
    Ok(serde_json::from_str(&text)?)
}
