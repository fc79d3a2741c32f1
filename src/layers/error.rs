//! What can go wrong with a layer, with the entry that did it.
//!
//! ```text
//!   archive breaks     Broken       after which entry, and how
//!   archive is hostile Refused      which entry, and why         Limit   which entry, which limit
//!   kernel says no     Create       which entry, which call, errno
//!   directory to read  Read         which path, which call, errno
//! ```
//!
//! Lab 13-union-image, tutorials/13-union-image.md.

use std::io;

/// Why an entry was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `..` leads out of the root
    #[error("'..' leads out of the root")]
    Escapes,
    /// only a directory can be the root
    #[error("it names the root but is not a directory")]
    Root,
    /// a NUL byte in a name or link target
    #[error("a name holds a NUL byte")]
    Nul,
    /// a link without target
    #[error("it is a link without a target")]
    NoTarget,
    /// `.wh.` and nothing, `.`, `..` or another `.wh.` after it
    #[error("'{0}' is not a valid whiteout name")]
    WhiteoutName(String),
    /// a parent in the name is no directory
    #[error("its parent '{0}' is not a directory")]
    NotDirectory(String),
    /// links that lead to each other
    #[error("its parent '{0}' goes through too many links")]
    Loop(String),
    /// the target of a hard link is not in this layer
    #[error("the hard link's target '{0}' does not exist in this layer")]
    TargetMissing(String),
    /// a hard link to a directory
    #[error("the hard link's target '{0}' is a directory")]
    TargetDirectory(String),
    /// an xattr with which overlayfs itself keeps books
    #[error("the attribute '{0}' belongs to overlayfs and may not come from an archive")]
    OverlayXattr(String),
    /// a header type that makes nothing known
    #[error("its type '{0}' is unknown")]
    Type(String),
    /// a header field or PAX record that cannot be read
    #[error("its {0} cannot be read")]
    Field(&'static str),
    /// a file in an upper directory that the layer format cannot express
    #[error("a layer cannot express it: {0}")]
    Inexpressible(&'static str),
}

/// Why a layer could not be applied or written.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// An entry that would harm, or that makes no sense.
    #[error("entry '{entry}' refused: {why}")]
    Refused {
        /// the entry's name
        entry: String,
        /// the reason
        why: Refusal,
    },
    /// An entry over a limit of [`Limits`].
    #[error("entry '{entry}' refused: {what} is over the limit of {limit}")]
    Limit {
        /// the entry's name, or the one before
        entry: String,
        /// what is over
        what: String,
        /// the limit
        limit: u64,
    },
    /// The kernel refused to make an entry.
    #[error("entry '{entry}': {call}: {source}")]
    Create {
        /// the entry's name
        entry: String,
        /// the system call
        call: &'static str,
        /// what the kernel answered
        source: io::Error,
    },
    /// The archive ends too early or is damaged.
    #[error("the archive is broken {place}: {source}")]
    Broken {
        /// "after entry 'etc/passwd'", "in entry 'etc/passwd'", "before its first entry"
        place: String,
        /// what was found
        source: io::Error,
    },
    /// A compression that is not read here.
    #[error("the archive is compressed with {0}, only gzip and zstd are read: decompress it first ({0} -d)")]
    Compression(&'static str),
    /// A directory or file could not be read while a layer was written.
    #[error("{path}: {call}: {source}")]
    Read {
        /// which
        path: String,
        /// the system call
        call: &'static str,
        /// what the kernel answered
        source: io::Error,
    },
    /// The layer could not be written to its destination.
    #[error("write the layer after entry '{entry}': {source}")]
    Write {
        /// the last entry
        entry: String,
        /// what the destination answered
        source: io::Error,
    },
}

/// How much of an archive is read before it is called a bomb. The defaults are far above any image seen in the wild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// number of entries
    pub entries: u64,
    /// length of a name in bytes; the kernel's PATH_MAX less its NUL
    pub path: usize,
    /// directories inside each other; low enough that anyone can remove the tree with one descriptor a level
    pub depth: usize,
    /// sum of all file sizes in bytes, holes included
    pub total: u64,
    /// inflated to compressed size, looked at from [`Limits::ratio_from`] on
    pub ratio: u64,
    /// inflated bytes from which the ratio counts; a small archive of zeros harms nobody
    pub ratio_from: u64,
    /// bytes of PAX records or of a long name for one entry, and parts of a sparse file
    pub extension: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            entries: 4_000_000,
            path: 4095,
            depth: 512,
            total: 256 << 30,
            ratio: 250,
            ratio_from: 4 << 30,
            extension: 1 << 20,
        }
    }
}
