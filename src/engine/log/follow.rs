//! Following a log: what is printed from now on, also over a rotation.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Line;
use super::read::files;

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
        // the file was put aside before the last look at it: nothing comes any more
        let mut over = false;
        loop {
            if self.file.is_none() {
                self.file = open(&self.path)?;
            }
            let Some(file) = &mut self.file else { return Ok(()) };
            let (ours, length) = file.metadata().map(|stat| (stat.ino(), stat.len()))?;
            if length < self.at {
                // a line that found no room was taken back, or a log of one file was begun anew
                let line_at = self.at - self.begun.len() as u64;
                self.at = if length >= line_at { line_at } else { 0 };
                self.begun.clear();
            }
            file.seek(SeekFrom::Start(self.at))?;
            let read = file.take(1 << 20).read_to_end(&mut self.begun)?;
            self.at += read as u64;
            let whole = self.begun.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            for text in self.begun[..whole].split_inclusive(|byte| *byte == b'\n') {
                Line::parse(text).map_or(Ok(()), &mut line)?;
            }
            self.begun.drain(..whole);
            match read {
                0 if inode(&self.path)?.is_none_or(|current| current == ours) => return Ok(()),
                // its last lines may have come between our look and its being put aside
                0 if !over => over = true,
                0 => {
                    self.next_file(ours)?;
                    over = false;
                }
                _ => {}
            }
        }
    }

    /// Goes on with the file that came after the one that was read to its end.
    fn next_file(&mut self, ours: u64) -> io::Result<()> {
        let mut files = files(&self.path)?;
        // where ours was removed meanwhile, the oldest that is left
        let behind = files.iter().position(|(inode, _)| *inode == ours).unwrap_or(files.len());
        if let Some(next) = behind.checked_sub(1) {
            (self.file, self.at) = (Some(files.swap_remove(next).1), 0);
            self.begun.clear();
        }
        Ok(())
    }
}

fn inode(path: &Path) -> io::Result<Option<u64>> {
    match std::fs::metadata(path) {
        Ok(stat) => Ok(Some(stat.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
