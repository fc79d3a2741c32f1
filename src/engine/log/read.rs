//! Reading a log: all of it, its end, or what was printed in some time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::Timestamp;

use super::{Entry, Stream, older};

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// what was printed, with its newline where it has one
    pub text: String,
    /// where
    pub stream: Stream,
    /// when, as the log has it
    pub time: String,
}

impl Line {
    /// Reads a line of the file; none where it is damaged.
    pub(super) fn parse(text: &[u8]) -> Option<Line> {
        let entry: Entry<'_> = serde_json::from_slice(text).ok()?;
        Some(Line { text: entry.log.into_owned(), stream: entry.stream, time: entry.time.into_owned() })
    }

    /// When it was printed.
    fn at(&self) -> Option<Timestamp> {
        self.time.parse().ok()
    }
}

/// Which lines are wanted: `--since`, `--until`, `--tail`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// printed then or later
    pub since: Option<Timestamp>,
    /// printed then or before
    pub until: Option<Timestamp>,
    /// so many at most, the last ones
    pub tail: Option<usize>,
}

impl Wanted {
    /// Whether this line was printed in the time that is asked for. A line whose time cannot be read is always wanted.
    pub fn in_time(&self, line: &Line) -> bool {
        let Some(at) = line.at() else { return true };
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at <= until)
    }

    /// Whether nothing that is printed from now on can be wanted.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now > until)
    }
}

/// Reads the wanted lines, the oldest first, up to a place that [`super::Follower::place`] named, or to the end. A line
/// that is damaged, as one that is being written, is passed over.
///
/// # Errors
/// What the kernel answers, but for a log that is not there: a container that never ran has printed nothing.
pub fn read(
    path: &Path,
    until: Option<(u64, u64)>,
    wanted: Wanted,
    mut line: impl FnMut(Line) -> io::Result<()>,
) -> io::Result<()> {
    let mut last = VecDeque::new();
    for (inode, file) in files(path)?.into_iter().rev() {
        let last_file = until.filter(|(other, _)| *other == inode);
        for text in BufReader::new(file.take(last_file.map_or(u64::MAX, |(_, length)| length))).split(b'\n') {
            let Some(found) = Line::parse(&text?).filter(|found| wanted.in_time(found)) else { continue };
            match wanted.tail {
                None => line(found)?,
                Some(tail) => {
                    last.push_back(found);
                    if last.len() > tail {
                        last.pop_front();
                    }
                }
            }
        }
        if last_file.is_some() {
            break;
        }
    }
    last.into_iter().try_for_each(line)
}

/// All files of the log, the newest first, each once: the writer may give them other names meanwhile, so they are opened
/// before any is read, and once more where a new one was begun.
pub(super) fn files(path: &Path) -> io::Result<Vec<(u64, File)>> {
    const TRIES: usize = 20;
    let mut files = Vec::new();
    for _ in 0..TRIES {
        files = opened(path)?;
        let current = std::fs::metadata(path).map(|stat| stat.ino()).ok();
        if current == files.first().map(|(inode, _)| *inode) {
            break;
        }
    }
    Ok(files)
}

fn opened(path: &Path) -> io::Result<Vec<(u64, File)>> {
    let mut files: Vec<(u64, File)> = Vec::new();
    let (mut number, mut missing) = (0, 0);
    // one name may be missing, while its file gets the next
    while missing < 2 {
        match File::open(if number == 0 { path.to_path_buf() } else { older(path, number) }) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing += 1,
            file => {
                let file = file?;
                let inode = file.metadata()?.ino();
                if files.iter().all(|(other, _)| *other != inode) {
                    files.push((inode, file));
                }
                missing = 0;
            }
        }
        number += 1;
    }
    Ok(files)
}
