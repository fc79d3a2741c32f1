//! One entry of a layer archive: what a tar header and its extensions say, in one piece.
//!
//! ```text
//!   [x header: PAX records] [L, K: GNU long names] [header] [data …]   ──archive──> Entry
//!   Entry ──tape──> [x header, only if something does not fit] [header] [data …]
//! ```
//!
//! See tar(5) and the POSIX pax interchange format. Lab 13-union-image, tutorials/13-union-image.md.

use super::{PREFIX, Refusal};

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// a regular file, with data
    File,
    /// a directory
    Directory,
    /// a symbolic link to [`Entry::link`]
    Symlink,
    /// another name of the file that [`Entry::link`] names, from the root
    HardLink,
    /// a named pipe
    Fifo,
    /// a character device
    Character,
    /// a block device
    Block,
}

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Stamp {
    /// seconds since 1970, negative before
    pub seconds: i64,
    /// nanoseconds after that second, below 1,000,000,000
    pub nanos: u32,
}

/// One entry of a layer archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// the name as the archive has it
    pub name: Vec<u8>,
    /// what it makes
    pub kind: Kind,
    /// the target of a link, else empty
    pub link: Vec<u8>,
    /// permission bits with set-uid, set-gid and sticky
    pub mode: u32,
    /// owner
    pub uid: u32,
    /// group
    pub gid: u32,
    /// time of the last change of the content
    pub mtime: Stamp,
    /// length of a regular file in bytes, holes included
    pub size: u64,
    /// major and minor number of a device
    pub device: (u32, u32),
    /// extended attributes, name and value
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// the parts of a sparse file that have data, offset and length; none for a file without holes
    pub extents: Option<Vec<(u64, u64)>>,
}

impl Entry {
    /// The bytes that Docker counts into a layer's size: of regular files, and of where symbolic links lead.
    pub(super) fn counted(&self) -> u64 {
        match self.kind {
            Kind::File => self.size,
            Kind::Symlink => self.link.len() as u64,
            _ => 0,
        }
    }

    /// An entry with this name, kind and mode that belongs to root and is as old as the epoch.
    pub fn new(name: impl Into<Vec<u8>>, kind: Kind, mode: u32) -> Entry {
        Entry {
            name: name.into(),
            kind,
            link: Vec::new(),
            mode,
            uid: 0,
            gid: 0,
            mtime: Stamp::default(),
            size: 0,
            device: (0, 0),
            xattrs: Vec::new(),
            extents: None,
        }
    }

    /// The same entry with this link target.
    pub fn linked(mut self, target: impl Into<Vec<u8>>) -> Entry {
        self.link = target.into();
        self
    }

    /// The same entry with this length.
    pub fn sized(mut self, size: u64) -> Entry {
        self.size = size;
        self
    }
}

/// A name for people: control characters and bytes that are not UTF-8 are escaped, long names shortened.
///
/// A name from an archive must not reach a terminal as it stands: it may hold escape sequences.
pub fn printable(name: &[u8]) -> String {
    const LONGEST: usize = 200;
    let mut text = String::new();
    let (head, tail) = if name.len() > LONGEST { (&name[..LONGEST], "…") } else { (name, "") };
    for chunk in head.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\'' | '"' => text.push(character),
                other => text.extend(other.escape_debug()),
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text + tail
}

/// A name relative to the root, without `.`, `..` and doubled slashes.
pub(super) fn clean(name: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop().ok_or(Refusal::Escapes)?),
            part => parts.push(part),
        }
    }
    let parents = parts.split_last().map_or(&[][..], |(_, parents)| parents);
    match parents.iter().find(|part| part.starts_with(PREFIX.as_bytes())) {
        Some(part) => Err(Refusal::WhiteoutName(printable(part))),
        None => Ok(parts.join(&b'/')),
    }
}
