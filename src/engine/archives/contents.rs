//! Contents: what is where in the archive's file.
//!
//! ```text
//!   a file, plain tar     ──────────────────────> read in place, several layers at once
//!   a pipe, gzip, zstd    ── inflate ─> a file without a name, in the store, no longer than its limits say
//!                                         └─ gone with us, however we end
//! ```
//!
//! A later member takes the place of an earlier one of the same name, as it would on a disk.
//!
//! See open(2) (O_TMPFILE), pread(2).

use super::error::{ArchiveError, Unfit, unfit};
use crate::engine::store::Store;
use crate::layers::{Compression, Digest, Inflate, Kind, Limits, Member, Members, SpoolError, spool};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest document that is read, in bytes.
const DOCUMENT: u64 = 8 << 20;
/// How much of documents is read in all: a list may name the same one again and again.
const DOCUMENTS: u64 = 64 << 20;
/// How many links one name may go through.
const LINKS: u32 = 8;
/// Enough to see what a member is compressed with.
const HEAD: u64 = 16;

/// An archive whose members are known.
pub(super) struct Contents {
    file: File,
    members: HashMap<Vec<u8>, Place>,
    /// how many bytes of documents may still be read
    left: AtomicU64,
}

/// What a name stands for.
enum Place {
    File(Part),
    /// a link, with the clean name that it leads to
    Link(Vec<u8>),
    Sparse,
    Other,
}

/// A member's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl Contents {
    /// Finds the members of the archive in this file, from where it stands.
    pub(super) fn open(file: File, store: &Store, limits: Limits) -> Result<Contents, ArchiveError> {
        let file = in_place(file, store, limits)?;
        if file.metadata().map_err(ArchiveError::Read)?.len() == 0 {
            return Err(ArchiveError::Empty);
        }
        let mut members = HashMap::new();
        for member in Members::new(&file).map_err(ArchiveError::Read)? {
            let member = member?;
            let name = &member.entry.name;
            let clean = clean(name, b"").map_err(|why| unfit(name, why))?;
            members.insert(clean, Place::of(&member).map_err(|why| unfit(name, why))?);
        }
        Ok(Contents { file, members, left: AtomicU64::new(DOCUMENTS) })
    }

    /// Whether there is a member of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name.as_bytes())
    }

    /// The data of a member, through links.
    pub(super) fn part(&self, name: &str) -> Result<Part, ArchiveError> {
        let mut at = clean(name.as_bytes(), b"").map_err(|why| unfit(name.as_bytes(), why))?;
        for _ in 0..LINKS {
            match self.members.get(&at) {
                Some(Place::File(part)) => return Ok(*part),
                Some(Place::Link(target)) => at.clone_from(target),
                Some(Place::Sparse) => return Err(unfit(name.as_bytes(), Unfit::Sparse)),
                Some(Place::Other) => return Err(unfit(name.as_bytes(), Unfit::NoFile)),
                None => return Err(unfit(name.as_bytes(), Unfit::Missing)),
            }
        }
        Err(unfit(name.as_bytes(), Unfit::Loop))
    }

    /// A reader of this part; several may be read at once.
    pub(super) fn reader(&self, part: Part) -> PartReader<'_> {
        PartReader { file: &self.file, at: part.offset, left: part.size }
    }

    /// A document, whole.
    pub(super) fn document(&self, name: &str) -> Result<Vec<u8>, ArchiveError> {
        let part = self.part(name)?;
        if part.size > DOCUMENT {
            return Err(unfit(name.as_bytes(), Unfit::Long(part.size)));
        }
        let spend = |left: u64| left.checked_sub(part.size);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_err() {
            return Err(unfit(name.as_bytes(), Unfit::Documents(DOCUMENTS)));
        }
        let mut bytes = Vec::new();
        self.reader(part).read_to_end(&mut bytes).map_err(ArchiveError::Read)?;
        Ok(bytes)
    }

    /// A document that is called by its digest, and is that.
    pub(super) fn blob(&self, digest: Digest, size: u64) -> Result<Vec<u8>, ArchiveError> {
        let name = path(digest);
        let found = self.part(&name)?.size;
        if found != size {
            return Err(unfit(name.as_bytes(), Unfit::Size { expected: size, found }));
        }
        let bytes = self.document(&name)?;
        match Digest::of(&bytes) {
            found if found == digest => Ok(bytes),
            found => Err(unfit(name.as_bytes(), Unfit::Digest(found))),
        }
    }

    /// What a part is compressed with.
    pub(super) fn compression(&self, part: Part) -> io::Result<Compression> {
        let head = Part { size: part.size.min(HEAD), ..part };
        Ok(Inflate::new(self.reader(head))?.compression())
    }
}

/// The name of a blob's member.
pub(super) fn path(digest: Digest) -> String {
    format!("{}/{}", super::BLOBS, digest.hex())
}

/// The digest by which a member is called, if it is.
pub(super) fn called(name: &str) -> Option<Digest> {
    Digest::from_hex(name.strip_prefix("./").unwrap_or(name).strip_prefix("blobs/sha256/")?).ok()
}

impl Place {
    fn of(member: &Member) -> Result<Place, Unfit> {
        let entry = &member.entry;
        let out = |_| Unfit::LinkOut(crate::layers::printable(&entry.link));
        Ok(match entry.kind {
            Kind::File if entry.extents.is_some() => Place::Sparse,
            Kind::File => Place::File(Part { offset: member.offset, size: entry.size }),
            Kind::Symlink => {
                let slash = entry.name.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                Place::Link(clean(&entry.link, &entry.name[..slash]).map_err(out)?)
            }
            Kind::HardLink => Place::Link(clean(&entry.link, b"").map_err(out)?),
            _ => Place::Other,
        })
    }
}

/// A name from the archive's root, without `.` and doubled slashes. Only a link, which begins in a directory, may go
/// up, and not out.
fn clean(name: &[u8], from: &[u8]) -> Result<Vec<u8>, Unfit> {
    if name.starts_with(b"/") {
        return Err(Unfit::Absolute);
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    let within = from.split(|byte| *byte == b'/').chain(name.split(|byte| *byte == b'/'));
    for part in within {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop().filter(|_| !from.is_empty()).ok_or(Unfit::Escapes)?),
            part => parts.push(part),
        }
    }
    Ok(parts.join(&b'/'))
}

/// The same archive as a plain tar in a file that begins with it.
fn in_place(mut file: File, store: &Store, limits: Limits) -> Result<File, ArchiveError> {
    if is_plain(&mut file).map_err(ArchiveError::Read)? {
        return Ok(file);
    }
    let directory = store.root().join("tmp");
    let spooled = |source| ArchiveError::Spool { directory: directory.clone(), source };
    let mut plain = tempfile::tempfile_in(&directory).map_err(spooled)?;
    match spool(file, &mut plain, limits) {
        Ok(_) => Ok(plain),
        Err(SpoolError::Limit { what, limit }) => Err(ArchiveError::Limit { what, limit }),
        Err(SpoolError::Read(error)) => Err(ArchiveError::Read(error)),
        Err(SpoolError::Write(error)) => Err(spooled(error)),
    }
}

/// Whether its members have places: only in a file that is not compressed and stands at its beginning. What a pipe
/// answers does not matter.
fn is_plain(file: &mut File) -> io::Result<bool> {
    if !file.metadata()?.is_file() || file.stream_position().is_ok_and(|at| at != 0) {
        return Ok(false);
    }
    let mut head = [0; HEAD as usize];
    let count = file.read_at(&mut head, 0)?;
    Ok(Inflate::new(&head[..count])?.compression() == Compression::None)
}

/// A reader of a part of a file.
pub(super) struct PartReader<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for PartReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut into[..most], self.at)?;
        if count == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (self.at, self.left) = (self.at + count as u64, self.left - count as u64);
        Ok(count)
    }
}
