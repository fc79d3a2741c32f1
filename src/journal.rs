//! Journal: what a run would have to undo, written down before it is done, so that `stepbox clean` can do it
//! after kill -9.
//!
//! ```text
//!   {"version":1,"engine":[4710,99812],"undos":[[3,{"Rmdir":{"path":"…"}}], …], …}     once, before the first step
//!   +3                                                      step 3 is about to be done
//!   -3                                                      it was not ours to undo after all
//!   box 4711 99813                                          the box: process id, start time
//!   also {"RemoveCgroup":{"path":"…"}}                      another command has made something more for it
//! ```
//!
//! A living run holds a lock on its journal, so `clean` leaves it alone. `clean` replays; it never guesses by name.
//! A run that has let go of its box ([`crate::launch::Running::leave`]) leaves its journal unlocked, for whoever deletes
//! the container: [`replay_file`].

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::kernel::op::Peer;
use crate::kernel::{Errno, Op, process};
use crate::launch::{Answer, perform_undo};
use crate::step::Plan;

const VERSION: u32 = 1;
/// How long a process may take to die of SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    boot: String,
    title: String,
    /// the process that takes the plan, and when it was started
    #[serde(default)]
    engine: (i32, u64),
    undos: Vec<(usize, Op)>,
}

/// The journal of one running plan.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// how many bytes of it are ours
    written: u64,
}

impl Journal {
    /// Writes down every undo of the plan, in one write, and locks the file for as long as this process lives.
    pub fn create(directory: &Path, title: &str, plan: &Plan) -> io::Result<Journal> {
        std::fs::create_dir_all(directory)?;
        let name = format!("{}-{}.journal", std::process::id(), nanoseconds_now());
        Journal::create_at(&directory.join(name), title, plan)
    }

    /// The same, at a path of the caller's choice, where nothing is yet.
    pub fn create_at(path: &Path, title: &str, plan: &Plan) -> io::Result<Journal> {
        Journal::create_but(path, title, plan, |_| false)
    }

    /// The same without what is to stay where this process is killed.
    pub fn create_but(
        path: &Path,
        title: &str,
        plan: &Plan,
        stays: impl Fn(&Op) -> bool,
    ) -> io::Result<Journal> {
        let steps = plan.steps.iter().enumerate();
        let undos = steps.filter_map(|(index, step)| Some((index, step.undo.clone()?)));
        let undos = undos.filter(|(_, op)| !stays(op)).collect();
        let pid = process::own_pid();
        let engine = (pid, process::start_time(pid).unwrap_or_default());
        let header = Header { version: VERSION, boot: boot_id(), title: title.into(), engine, undos };
        // others may add to it: each line goes to its end
        let mut file = File::options().append(true).create_new(true).open(path)?;
        file.lock()?;
        let mut line = serde_json::to_vec(&header)?;
        line.push(b'\n');
        file.write_all(&line).inspect_err(|_| {
            // a full disk: nothing was begun, and the next run takes this name
            let _ = std::fs::remove_file(path);
        })?;
        Ok(Journal { path: path.into(), file, written: line.len() as u64 })
    }

    /// Step `index` is about to be done.
    pub fn begin(&mut self, index: usize) {
        self.line(&format!("+{index}\n"));
    }

    /// Step `index` failed or found its work done already: nothing to undo.
    pub fn not_ours(&mut self, index: usize) {
        self.line(&format!("-{index}\n"));
    }

    /// The box is born.
    pub fn box_born(&mut self, pid: i32) {
        let start = process::start_time(pid).unwrap_or_default();
        self.line(&format!("box {pid} {start}\n"));
    }

    fn line(&mut self, text: &str) {
        // a journal on a full disk must not end a container: the run itself still undoes what it did
        if self.file.write_all(text.as_bytes()).is_ok() {
            self.written += text.len() as u64;
        }
    }

    /// What others have written down to be undone with the rest.
    pub fn added(&self) -> Vec<Op> {
        match self.file.metadata() {
            Ok(meta) if meta.len() > self.written => {
                let record = Record::read(&std::fs::read_to_string(&self.path).unwrap_or_default());
                record.map(|record| record.also).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// The box lives on, and somebody else will undo what is written here. The lock goes now: the box has a copy of
    /// its descriptor.
    pub fn leave(self) {
        let _ = self.file.unlock();
    }

    /// Everything is undone.
    pub fn close(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Writes down, for a run that lives, what is to be undone at its end besides: before it is done. Whoever does it sees
/// afterwards that the box still lives, or undoes it himself.
///
/// # Errors
/// What the kernel answers: `NotFound` where the run has come to its end.
pub fn add(path: &Path, op: &Op) -> io::Result<()> {
    let mut line = b"also ".to_vec();
    line.extend(serde_json::to_vec(op)?);
    line.push(b'\n');
    File::options().append(true).open(path)?.write_all(&line)
}

/// What cleaning up after one dead run came to.
#[derive(Debug)]
pub struct Cleaned {
    /// what the run was
    pub title: String,
    /// the undos that were done, with the kernel's answer
    pub undone: Vec<(Op, Answer)>,
}

/// Undoes what runs that were killed have left. Runs that live are left alone.
pub fn clean(directory: &Path) -> io::Result<Vec<Cleaned>> {
    let mut cleaned = Vec::new();
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(cleaned),
        Err(error) => return Err(error),
    };
    for entry in entries {
        match replay_file(&entry?.path()) {
            Ok(done) => cleaned.push(done),
            // it lives, or has just come to its end
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(cleaned)
}

/// The journals of runs that were killed.
pub fn dead(directory: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut dead: Vec<PathBuf> = paths.filter(|path| !is_alive(path)).collect();
    dead.sort();
    dead
}

/// Whether a run that lives has written down that it may have to undo something about this path.
pub fn is_watched(directory: &Path, path: &Path) -> bool {
    let journals = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let names = |journal: &PathBuf| {
        let text = std::fs::read_to_string(journal).unwrap_or_default();
        path.to_str().is_some_and(|path| text.contains(path))
    };
    journals.filter(names).any(|journal| is_alive(&journal))
}

/// Whether somebody holds a journal's lock, and is more than a box whose engine has died.
fn is_alive(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    if file.try_lock_shared().is_ok() {
        return false;
    }
    let record = Record::read(&std::fs::read_to_string(path).unwrap_or_default());
    record.is_none_or(|record| lives(record.header.engine))
}

/// Ends the box of one journal, if it still runs, and undoes what was done for it. The file goes when everything is
/// undone.
///
/// # Errors
/// `WouldBlock` while an engine that lives is taking this plan, `NotFound` where nothing is to undo.
pub fn replay_file(path: &Path) -> io::Result<Cleaned> {
    let file = File::options().read(true).write(true).open(path)?;
    match lock(&file, path)? {
        true => replay_locked(path),
        false => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// The box of a journal whose engine lives.
pub fn box_of(path: &Path) -> Option<Peer> {
    let record = Record::read(&std::fs::read_to_string(path).ok()?)?;
    let header = &record.header;
    if header.boot != boot_id() || !lives(header.engine) {
        return None;
    }
    let (pid, start) = *record.boxes.last()?;
    (process::start_time(pid) == Some(start)).then_some(Peer { pid, start })
}

fn replay_locked(path: &Path) -> io::Result<Cleaned> {
    let done = replay(&std::fs::read_to_string(path)?);
    if done.undone.iter().all(|(_, answer)| !matches!(answer, Answer::Error(_))) {
        match std::fs::remove_file(path) {
            // an undo has taken the directory that it was in
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(done)
}

/// Locks the journal of a dead run; false for one that lives. A box that has not executed its program yet still has
/// its engine's descriptors, and the lock with them: where the engine is dead, its box is of no use, and is ended.
fn lock(journal: &File, path: &Path) -> io::Result<bool> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        match journal.try_lock() {
            Ok(()) if is_at(journal, path)? => return Ok(true),
            Ok(()) => return Err(io::ErrorKind::NotFound.into()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {}
        }
        match Record::read(&std::fs::read_to_string(path)?) {
            Some(record) if !lives(record.header.engine) => record.end_boxes(),
            _ => return Ok(false),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(false)
}

/// Whether the file still has this name: a run that has just come to its end takes its journal away, and the next run
/// of a container makes one anew.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (here, there) = (file.metadata()?, std::fs::symlink_metadata(path)?);
    Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
}

/// Whether the process of this number and start is still there, other than as a zombie.
pub fn lives((pid, start): (i32, u64)) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let ended = stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']));
    // 0 stands in journals of before this was written down
    pid == 0 || !ended && process::start_time(pid) == Some(start)
}

/// What a journal says.
struct Record {
    header: Header,
    /// steps that were begun, in order
    begun: Vec<usize>,
    /// the boxes: process id, and when it was started
    boxes: Vec<(i32, u64)>,
    /// what others have made for it
    also: Vec<Op>,
}

impl Record {
    /// A header that was cut short means that not even the first step was begun.
    fn read(text: &str) -> Option<Record> {
        let mut lines = text.lines();
        let header = serde_json::from_str(lines.next()?).ok()?;
        let mut record = Record { header, begun: Vec::new(), boxes: Vec::new(), also: Vec::new() };
        for line in lines {
            if let Some(index) = line.strip_prefix('+').and_then(|index| index.parse::<usize>().ok()) {
                record.begun.push(index);
            } else if let Some(index) = line.strip_prefix('-').and_then(|index| index.parse::<usize>().ok()) {
                record.begun.retain(|other| *other != index);
            } else if let Some((pid, start)) = line.strip_prefix("box ").and_then(|rest| rest.split_once(' '))
                && let (Ok(pid), Ok(start)) = (pid.parse(), start.parse())
            {
                record.boxes.push((pid, start));
            } else if let Some(op) = line.strip_prefix("also ").and_then(|op| serde_json::from_str(op).ok()) {
                record.also.push(op);
            }
        }
        Some(record)
    }

    fn end_boxes(&self) {
        if self.header.boot == boot_id() {
            self.boxes.iter().for_each(|(pid, start)| end_process(*pid, *start));
        }
    }
}

fn replay(text: &str) -> Cleaned {
    let Some(mut record) = Record::read(text) else {
        return Cleaned { title: String::new(), undone: Vec::new() };
    };
    record.end_boxes();
    let box_pid = record.boxes.last().map(|(pid, _)| *pid);
    let mut undone = Vec::new();
    while let Some(index) = record.begun.pop() {
        if let Some((_, op)) = record.header.undos.iter().find(|(other, _)| *other == index) {
            undone.push((op.clone(), perform_undo(op, box_pid)));
        }
    }
    for op in record.also {
        let answer = perform_undo(&op, box_pid);
        undone.push((op, answer));
    }
    Cleaned { title: record.header.title, undone }
}

/// Kills a process if it is still the one that was started then, and waits until it is gone.
pub fn end_process(pid: i32, start: u64) {
    use std::os::fd::AsFd;
    let Ok(pidfd) = process::pidfd_open(pid) else { return };
    if process::start_time(pid) != Some(start) {
        return;
    }
    if process::signal(pidfd.as_fd(), libc::SIGKILL) != Err(Errno::SRCH) {
        let timeout = rustix::event::Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        let mut waiting = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
        let _ = rustix::event::poll(&mut waiting, Some(&timeout));
    }
}

/// A name of the time since this machine was started: numbers of processes are its alone.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into()
}

fn nanoseconds_now() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map(|time| time.as_nanos()).unwrap_or_default()
}
