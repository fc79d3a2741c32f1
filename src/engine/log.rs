//! Log: what a container has printed, as lines of JSON in a file that outlives the engine.
//!
//! ```text
//!   program ── pipe ──> monitor ──> ID-json.log      {"log":"hello\n","stream":"stdout","time":"2026-…Z"}
//!                                    │ over max-size
//!                                    └─> ID-json.log.1, .2, …   renamed, the oldest removed
//! ```
//!
//! One line of the program is one line of the file, written by one write(2). A monitor that is killed in the middle of a
//! long one leaves half of it, which the next one ends: no line is spoiled but that. The format is that of Docker's
//! json-file driver, so its readers read it. A line that a full disk refuses is counted and lost; the container is not
//! held up for it.
//!
//! See docs.docker.com, "JSON File logging driver".

mod follow;
mod read;

pub use follow::Follower;
pub use read::{Line, Wanted, read};

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// The longest piece of a line that is kept back until the line ends, in bytes; Docker's number.
const LONGEST: usize = 16 * 1024;

/// Which of the two the program printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// its standard output, and everything on its terminal
    Stdout,
    /// its standard error
    Stderr,
}

impl Stream {
    /// As it is called in words.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// How much is kept: `--log-opt max-size=…`, `max-file=…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// the size in bytes from which a new file is begun; none for never
    pub size: Option<u64>,
    /// how many files there are at most, the current one included
    pub files: u32,
}

impl Default for Rotation {
    fn default() -> Rotation {
        Rotation { size: None, files: 1 }
    }
}

/// The file of the log.
pub fn file(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}-json.log"))
}

/// An older file: 1 is the one before the current.
fn older(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// One line of the file.
#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    log: std::borrow::Cow<'a, str>,
    stream: Stream,
    #[serde(borrow)]
    time: std::borrow::Cow<'a, str>,
}

/// The writing end, of which a log has one at a time.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    /// none until there is something to keep
    file: Option<File>,
    size: u64,
    rotation: Rotation,
    /// the beginning of a line, of either stream
    begun: [Vec<u8>; 2],
    /// lines that could not be written
    lost: u64,
    /// the file ends in the middle of a line
    half: bool,
}

impl Log {
    /// Opens the log, to go on where it ends.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<Log> {
        let mut log = Log::when_needed(path, rotation);
        log.file()?;
        Ok(log)
    }

    /// One that is opened with its first line: most programs that somebody waits for print little or nothing.
    pub fn when_needed(path: &Path, rotation: Rotation) -> Log {
        let path = path.into();
        Log { path, file: None, size: 0, rotation, begun: Default::default(), lost: 0, half: false }
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = open(&self.path)?;
                self.size = file.metadata()?.len();
                let mut last = [b'\n'];
                file.read_at(&mut last, self.size.saturating_sub(1))?;
                self.half = last != [b'\n'];
                file
            }
        };
        Ok(self.file.insert(file))
    }

    /// Takes what the program has printed, at this time (RFC 3339). Whole lines are written; the rest waits for its end.
    pub fn take(&mut self, stream: Stream, mut bytes: &[u8], time: &str) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end + 1);
            bytes = rest;
            let begun = std::mem::take(&mut self.begun[stream as usize]);
            match begun.is_empty() {
                true => self.line(stream, line, time),
                false => self.line(stream, &[&begun, line].concat(), time),
            }
        }
        let begun = &mut self.begun[stream as usize];
        begun.extend_from_slice(bytes);
        while self.begun[stream as usize].len() >= LONGEST {
            let rest = self.begun[stream as usize].split_off(LONGEST);
            let piece = std::mem::replace(&mut self.begun[stream as usize], rest);
            self.line(stream, &piece, time);
        }
    }

    /// The program has ended: what it began is written, without a newline.
    pub fn end(&mut self, time: &str) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let begun = std::mem::take(&mut self.begun[stream as usize]);
            if !begun.is_empty() {
                self.line(stream, &begun, time);
            }
        }
    }

    /// How many lines could not be written.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn line(&mut self, stream: Stream, bytes: &[u8], time: &str) {
        let entry = Entry { log: String::from_utf8_lossy(bytes), stream, time: time.into() };
        let written = serde_json::to_vec(&entry).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.file()?;
            self.make_room(line.len() as u64)?;
            self.write_whole(&line)
        });
        if written.is_err() {
            self.lost += 1;
        }
    }

    /// The whole line or nothing: half a line would spoil the next one, too.
    fn write_whole(&mut self, line: &[u8]) -> io::Result<()> {
        let (size, half) = (self.size, self.half);
        let file = self.file()?;
        let ended;
        let line = match half {
            true => {
                ended = [b"\n", line].concat();
                &ended
            }
            false => line,
        };
        let written = file.write_all(line);
        (self.size, self.half) = match written {
            Ok(()) => (size + line.len() as u64, false),
            Err(_) => (size, half | file.set_len(size).is_err()),
        };
        written
    }

    fn make_room(&mut self, more: u64) -> io::Result<()> {
        let Some(size) = self.rotation.size else { return Ok(()) };
        if self.size == 0 || self.size + more <= size {
            return Ok(());
        }
        if self.rotation.files <= 1 {
            // who follows it sees that it has become shorter
            self.file()?.set_len(0)?;
        } else {
            self.begin_file()?;
        }
        (self.size, self.half) = (0, false);
        Ok(())
    }
}

impl Log {
    /// The new file comes first: where the disk has no room for it, none of the old ones goes.
    fn begin_file(&mut self) -> io::Result<()> {
        let mut beside = self.path.as_os_str().to_owned();
        beside.push(".new");
        let new = open(Path::new(&beside))?;
        new.set_len(0)?;
        for number in (1..self.rotation.files).rev() {
            let from = if number == 1 { self.path.clone() } else { older(&self.path, number - 1) };
            match fs::rename(&from, older(&self.path, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&beside, &self.path)?;
        self.file = Some(new);
        Ok(())
    }
}

/// Without following a link that somebody has put there, and for nobody else to read.
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let how = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, how, Mode::RUSR | Mode::WUSR).map(File::from).map_err(Errno::into)
}
