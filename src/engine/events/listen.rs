//! Listening: events as they come, also over a rename, and those that are kept.
//!
//! ```text
//!   log.1 ──read──> its end ── log has another inode? ──read──> its end ── inotify ──> …
//!                      └─ kept open: whoever opened it before the rename may still write to it
//! ```
//!
//! See inotify(7).

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::inotify;

use super::{Event, Events};

/// How much is read at once, in bytes.
const PIECE: usize = 64 * 1024;

/// Somebody who listens. His descriptor is readable when there may be something new.
#[derive(Debug)]
pub struct Listener {
    events: Events,
    watch: OwnedFd,
    current: Option<Reader>,
    /// the file before it, to which somebody may still write
    late: Option<Reader>,
}

/// A file, as far as it was read.
#[derive(Debug)]
struct Reader {
    file: File,
    /// the beginning of a line
    begun: Vec<u8>,
}

impl Listener {
    /// From now on; with `past` from the oldest event that is kept.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn new(events: &Events, past: bool) -> io::Result<Listener> {
        events.make()?;
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let what = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
        inotify::add_watch(&watch, &events.directory, what | inotify::WatchFlags::ONLYDIR)?;
        let oldest = if past { Reader::open(&events.older())? } else { None };
        let mut current = match oldest {
            Some(oldest) => Some(oldest),
            None => Reader::open(&events.file())?,
        };
        if let (false, Some(reader)) = (past, &mut current) {
            reader.file.seek(SeekFrom::End(0))?;
        }
        Ok(Listener { events: events.clone(), watch, current, late: None })
    }

    /// Hands out what has come since the last look.
    ///
    /// # Errors
    /// What the kernel answers, or the caller.
    pub fn look(&mut self, mut each: impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
        let mut room = [0u8; 4096];
        while rustix::io::read(&self.watch, &mut room).is_ok_and(|count| count > 0) {}
        if let Some(late) = &mut self.late {
            late.read(&mut each)?;
        }
        loop {
            if self.current.is_none() {
                self.current = Reader::open(&self.events.file())?;
            }
            let Some(reader) = &mut self.current else { return Ok(()) };
            // asked first: what is in it then is all but what comes late
            let next = next(&self.events, reader.file.metadata()?.ino())?;
            reader.read(&mut each)?;
            match next {
                None => return Ok(()),
                Some(next) => self.late = self.current.replace(next),
            }
        }
    }
}

/// The file after the one with this inode, if it is not the last one.
fn next(events: &Events, inode: u64) -> io::Result<Option<Reader>> {
    let Some(last) = Reader::open(&events.file())? else { return Ok(None) };
    if last.file.metadata()?.ino() == inode {
        return Ok(None);
    }
    match Reader::open(&events.older())? {
        // two renames since the last look: the first of them lies in between
        Some(older) if older.file.metadata()?.ino() != inode => Ok(Some(older)),
        _ => Ok(Some(last)),
    }
}

impl Reader {
    fn open(path: &Path) -> io::Result<Option<Reader>> {
        match File::open(path) {
            Ok(file) => Ok(Some(Reader { file, begun: Vec::new() })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands out every whole line. One that is no event is passed over: the disk may have been full.
    fn read(&mut self, each: &mut impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let count = match self.file.read(&mut piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                count => count?,
            };
            if count == 0 {
                return Ok(());
            }
            self.begun.extend_from_slice(&piece[..count]);
            let Some(end) = self.begun.iter().rposition(|byte| *byte == b'\n') else { continue };
            let rest = self.begun.split_off(end + 1);
            let lines = std::mem::replace(&mut self.begun, rest);
            for line in lines.split(|byte| *byte == b'\n') {
                serde_json::from_slice(line).map_or(Ok(()), &mut *each)?;
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::events::{Attributes, Kind, LONGEST};

    fn event(number: usize) -> Event {
        let attributes = Attributes::from([("filling".into(), "x".repeat(1000))]);
        Event::new(Kind::Volume, "create", &number.to_string(), attributes)
    }

    fn heard(listener: &mut Listener) -> Vec<String> {
        let mut heard = Vec::new();
        let take = |event: Event| {
            heard.push(event.actor.id);
            Ok(())
        };
        listener.look(take).expect("what was told can be read");
        heard
    }

    fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| number.to_string()).collect()
    }

    #[test]
    fn nothing_is_missed_over_renames_and_little_is_kept() {
        let place = tempfile::tempdir().expect("a directory");
        let events = Events::of(place.path());
        let mut first = Listener::new(&events, false).expect("a listener");
        let mut seen = Vec::new();
        for number in 0..4000 {
            events.tell(&[event(number)]);
            // far less often than a file is filled
            if number % 500 == 0 {
                seen.extend(heard(&mut first));
            }
        }
        seen.extend(heard(&mut first));
        assert_eq!(seen, numbers(0..4000));
        let kept = heard(&mut Listener::new(&events, true).expect("a listener"));
        assert_eq!(kept, numbers(4000 - kept.len()..4000));
        assert!(kept.len() > 900, "{}", kept.len());
        let sizes = std::fs::read_dir(place.path().join("events")).expect("there").flatten();
        let size: u64 = sizes.map(|file| file.metadata().expect("there").len()).sum();
        assert!(size < 2 * LONGEST + 4096, "{size}");
        assert_eq!(heard(&mut Listener::new(&events, false).expect("a listener")), numbers(0..0));
    }

    #[test]
    fn what_is_written_late_is_heard() {
        let place = tempfile::tempdir().expect("a directory");
        let events = Events::of(place.path());
        events.tell(&[event(0)]);
        let mut listener = Listener::new(&events, true).expect("a listener");
        let late = File::options().append(true).open(events.file()).expect("there");
        std::fs::rename(events.file(), events.older()).expect("ours");
        events.tell(&[event(2)]);
        assert_eq!(heard(&mut listener), ["0", "2"]);
        let line = serde_json::to_string(&event(1)).expect("text");
        io::Write::write_all(&mut &late, format!("{line}\n").as_bytes()).expect("written");
        assert_eq!(heard(&mut listener), ["1"]);
    }

    #[test]
    fn a_line_that_was_cut_costs_only_itself() {
        let place = tempfile::tempdir().expect("a directory");
        let events = Events::of(place.path());
        events.tell(&[event(0), event(1)]);
        let mut file = File::options().append(true).open(events.file()).expect("there");
        io::Write::write_all(&mut file, b"{\"Type\":\"vol\n\0\0\n").expect("written");
        events.tell(&[event(2)]);
        assert_eq!(heard(&mut Listener::new(&events, true).expect("a listener")), numbers(0..3));
    }

    #[test]
    fn where_nothing_can_be_written_nothing_fails() {
        let place = tempfile::tempdir().expect("a directory");
        std::fs::write(place.path().join("events"), "a file").expect("ours");
        Events::of(place.path()).tell(&[event(0)]);
    }
}
