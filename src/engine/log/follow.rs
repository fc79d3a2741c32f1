//! Following a log: what is printed from now on, also over a rotation.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Line, older};

/// Who follows a log. Looks only at the file, so it needs no monitor, and never holds one up.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: Option<File>,
    /// where in the file the next line begins
    at: u64,
    /// the beginning of a line
    begun: Vec<u8>,
}

impl Follower {
    /// From the end of the log as it is now.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn from_end(path: &Path) -> io::Result<Follower> {
        let mut follower = Follower { path: path.into(), file: None, at: 0, begun: Vec::new() };
        if let Some(file) = open(path)? {
            follower.at = file.metadata()?.len();
            follower.file = Some(file);
        }
        Ok(follower)
    }

    /// Where it began to follow: the file, by its inode, and how long that was. What is there is to be read otherwise.
    pub fn place(&self) -> Option<(u64, u64)> {
        let file = self.file.as_ref()?;
        Some((file.metadata().ok()?.ino(), self.at))
    }

    /// What has been printed since the last look.
    ///
    /// # Errors
    /// What the kernel answers, or the caller.
    pub fn look(&mut self, mut line: impl FnMut(Line) -> io::Result<()>) -> io::Result<()> {
        loop {
            if self.file.is_none() {
                self.file = open(&self.path)?;
            }
            let Some(file) = &mut self.file else { return Ok(()) };
            let (ours, length) = file.metadata().map(|stat| (stat.ino(), stat.len()))?;
            if length < self.at {
                // a log of one file was begun anew
                self.at = 0;
                self.begun.clear();
            }
            file.seek(SeekFrom::Start(self.at))?;
            let mut bytes = Vec::new();
            self.at += file.take(1 << 20).read_to_end(&mut bytes)? as u64;
            self.begun.extend_from_slice(&bytes);
            while let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
                let rest = self.begun.split_off(end + 1);
                let text = std::mem::replace(&mut self.begun, rest);
                Line::parse(&text).map_or(Ok(()), &mut line)?;
            }
            if bytes.is_empty() && !self.next_file(ours)? {
                return Ok(());
            }
        }
    }

    /// Whether the file that was read to its end has been put aside, and there is a newer one.
    fn next_file(&mut self, ours: u64) -> io::Result<bool> {
        let inode = |path: &Path| match std::fs::metadata(path) {
            Ok(stat) => Ok(Some(stat.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        match inode(&self.path)? {
            None => return Ok(false),
            Some(current) if current == ours => return Ok(false),
            Some(_) => {}
        }
        // more than one rotation since the last look: the next older file comes first
        let mut number = 1;
        let mut next = self.path.clone();
        while let Some(found) = inode(&older(&self.path, number))? {
            if found == ours {
                break;
            }
            next = older(&self.path, number);
            number += 1;
        }
        self.file = open(&next)?;
        self.at = 0;
        self.begun.clear();
        Ok(true)
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
