//! Members: what is where in a tar archive that is a file, found by its headers alone.
//!
//! ```text
//!   file    [header] data………………… [header] data……… [zeros]
//!   read     512      passed over    512     passed over
//!   found   name, kind, size, and where its data begins
//! ```
//!
//! An image archive of gigabytes is known after some hundred small reads, and its layers can then be read side by
//! side. The rules for headers are those for layers; nothing is made from what is found.
//!
//! See tar(5), pread(2). Lab 13-union-image, tutorials/13-union-image.md.

use super::archive::Archive;
use super::stream::{Bytes, Fault};
use super::{Entry, LayerError, Limits};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much is read at a time: headers come with their extensions.
const WINDOW: usize = 4096;
/// How many members an archive may have; an image has some for each layer.
const MOST: u64 = 200_000;

/// A member of an archive.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// what its header says
    pub entry: Entry,
    /// where its data begins, in bytes from the beginning of the file
    pub offset: u64,
}

/// The members of an archive, from the first to the last.
pub struct Members<'a> {
    archive: Archive<Window<'a>>,
}

impl<'a> Members<'a> {
    /// Looks at an archive in this file, which begins with its first header.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn new(file: &'a File) -> io::Result<Members<'a>> {
        let length = file.metadata()?.len();
        let buffer = Box::new([0; WINDOW]);
        let window = Window { file, length, buffer, start: 0, end: 0, next: 0 };
        let limits = Limits { entries: MOST, total: u64::MAX, ..Limits::default() };
        Ok(Members { archive: Archive::new(window, limits) })
    }
}

impl Iterator for Members<'_> {
    type Item = Result<Member, LayerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.archive.next_entry().transpose()?;
        Some(entry.map(|entry| Member { entry, offset: self.archive.bytes().position() }))
    }
}

/// A part of the file, which moves on.
struct Window<'a> {
    file: &'a File,
    length: u64,
    buffer: Box<[u8; WINDOW]>,
    start: usize,
    end: usize,
    /// where in the file the next part begins
    next: u64,
}

impl Window<'_> {
    fn position(&self) -> u64 {
        self.next - (self.end - self.start) as u64
    }
}

impl Bytes for Window<'_> {
    fn fill(&mut self) -> Result<&[u8], Fault> {
        while self.start == self.end {
            match self.file.read_at(&mut self.buffer[..], self.next) {
                Ok(0) => break,
                Ok(count) => {
                    (self.start, self.end) = (0, count);
                    self.next += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Io(error)),
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    fn pass(&mut self, count: u64) -> u64 {
        let here = (self.end - self.start) as u64;
        // beyond the end there is nothing to pass over: reading tells
        let count = count.min(self.length.saturating_sub(self.position()));
        if count <= here {
            self.start += count as usize;
        } else {
            self.next += count - here;
            (self.start, self.end) = (0, 0);
        }
        count
    }
}
