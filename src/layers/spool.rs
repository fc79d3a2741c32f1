//! Spooling: an archive that comes through a pipe, or compressed as a whole, becomes a plain file.
//!
//! ```text
//!   pipe, gzip, zstd ── inflate ── ratio? total? ──> file
//! ```
//!
//! The limits are those of layers: whoever wrote the archive must not fill the disk with it. Lab 14-commit,
//! tutorials/14-commit.md.

use std::io::{self, Read, Write};

use super::stream::Fault;
use super::{Inflate, LayerError, Limits};

/// How much is inflated at a time.
const PIECE: usize = 256 * 1024;

/// Why an archive has not become a file.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// more than [`Limits`] allow
    #[error("{what} is over the limit of {limit}")]
    Limit {
        /// what is over
        what: &'static str,
        /// the limit
        limit: u64,
    },
    /// it cannot be read, or inflated
    #[error(transparent)]
    Read(io::Error),
    /// the file cannot be written
    #[error(transparent)]
    Write(io::Error),
}

impl From<Fault> for SpoolError {
    fn from(fault: Fault) -> SpoolError {
        match fault {
            Fault::Ratio(limit) => {
                SpoolError::Limit { what: "the ratio of inflated to compressed size", limit }
            }
            Fault::Compression(name) => {
                let what = LayerError::Compression(name).to_string();
                SpoolError::Read(io::Error::new(io::ErrorKind::Unsupported, what))
            }
            Fault::Io(error) => SpoolError::Read(error),
        }
    }
}

/// Writes what an archive is without its compression; how many bytes that are.
///
/// # Errors
/// [`SpoolError`]; then a part may have been written.
pub fn spool(from: impl Read, into: &mut impl Write, limits: Limits) -> Result<u64, SpoolError> {
    let mut inflate = Inflate::within(from, limits)?;
    let (mut piece, mut total) = (vec![0; PIECE], 0);
    loop {
        let count = inflate.piece(&mut piece)?;
        if count == 0 {
            return Ok(total);
        }
        total += count as u64;
        if total > limits.total {
            return Err(SpoolError::Limit { what: "its size in bytes", limit: limits.total });
        }
        into.write_all(&piece[..count]).map_err(SpoolError::Write)?;
    }
}
