//! Journal: what a run would have to undo, written down before it is done, so that `stepbox clean` can do it
//! after kill -9.
//!
//! ```text
//!   {"version":1,"boot":"…","title":"…","undos":[[3,{"Rmdir":{"path":"…"}}], …]}     once, before the first step
//!   +3                                                                          step 3 is about to be done
//!   -3                                                                          it was not ours to undo after all
//!   box 4711 99813                                                              the box: process id, start time
//! ```
//!
//! A living run holds a lock on its journal, so `clean` leaves it alone. `clean` replays; it never guesses by name.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::kernel::{Errno, Op, process};
use crate::launch::{Answer, perform_undo};
use crate::step::Plan;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    boot: String,
    title: String,
    undos: Vec<(usize, Op)>,
}

/// The journal of one running plan.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Writes down every undo of the plan, in one write, and locks the file for as long as this process lives.
    pub fn create(directory: &Path, title: &str, plan: &Plan) -> io::Result<Journal> {
        std::fs::create_dir_all(directory)?;
        let steps = plan.steps.iter().enumerate();
        let undos = steps.filter_map(|(index, step)| Some((index, step.undo.clone()?))).collect();
        let header = Header { version: VERSION, boot: boot_id(), title: title.into(), undos };
        let path = directory.join(format!("{}-{}.journal", std::process::id(), start_time_now()));
        let mut file = File::options().write(true).create_new(true).open(&path)?;
        file.lock()?;
        let mut line = serde_json::to_vec(&header)?;
        line.push(b'\n');
        file.write_all(&line)?;
        Ok(Journal { path, file })
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
        let start = start_time(pid).unwrap_or_default();
        self.line(&format!("box {pid} {start}\n"));
    }

    fn line(&mut self, text: &str) {
        // a journal on a full disk must not end a container: the run itself still undoes what it did
        let _ = self.file.write_all(text.as_bytes());
    }

    /// Everything is undone.
    pub fn close(self) {
        let _ = std::fs::remove_file(&self.path);
    }
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
        let path = entry?.path();
        let file = match File::options().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if !lock(&file, &path)? {
            continue;
        }
        let done = replay(&std::fs::read_to_string(&path)?);
        if done.undone.iter().all(|(_, answer)| !matches!(answer, Answer::Error(_))) {
            std::fs::remove_file(&path)?;
        }
        cleaned.push(done);
    }
    Ok(cleaned)
}

/// Locks the journal of a dead run; false for one that lives. A box that has not executed its program yet still has
/// its engine's descriptors, and the lock with them: where the engine is dead, its box dies in a moment.
fn lock(journal: &File, path: &Path) -> io::Result<bool> {
    for _ in 0..1000 {
        match journal.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if engine_lives(path) => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(2)),
        }
    }
    Ok(false)
}

/// Whether there is a process, other than a zombie, with the number that the journal's name begins with.
fn engine_lives(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let pid = name.split('-').next().unwrap_or_default();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Replays one journal. A header that was cut short means that not even the first step was begun.
fn replay(text: &str) -> Cleaned {
    let mut lines = text.lines();
    let header: Option<Header> = lines.next().and_then(|line| serde_json::from_str(line).ok());
    let Some(header) = header else { return Cleaned { title: String::new(), undone: Vec::new() } };
    let same_boot = header.boot == boot_id();
    let (mut begun, mut box_pid) = (Vec::new(), None);
    for line in lines {
        if let Some(index) = line.strip_prefix('+').and_then(|index| index.parse::<usize>().ok()) {
            begun.push(index);
        } else if let Some(index) = line.strip_prefix('-').and_then(|index| index.parse::<usize>().ok()) {
            begun.retain(|other| *other != index);
        } else if let Some((pid, start)) = line.strip_prefix("box ").and_then(|rest| rest.split_once(' ')) {
            box_pid = pid.parse().ok();
            if let (true, Some(pid), Ok(start)) = (same_boot, box_pid, start.parse()) {
                end_process(pid, start);
            }
        }
    }
    let mut undone = Vec::new();
    while let Some(index) = begun.pop() {
        if let Some((_, op)) = header.undos.iter().find(|(other, _)| *other == index) {
            undone.push((op.clone(), perform_undo(op, box_pid)));
        }
    }
    Cleaned { title: header.title, undone }
}

/// Kills a process if it is still the one that was started then, and waits until it is gone.
fn end_process(pid: i32, start: u64) {
    use std::os::fd::AsFd;
    let Ok(pidfd) = process::pidfd_open(pid) else { return };
    if start_time(pid) != Some(start) {
        return;
    }
    if process::signal(pidfd.as_fd(), libc::SIGKILL) != Err(Errno::SRCH) {
        let timeout = rustix::event::Timespec { tv_sec: 5, tv_nsec: 0 };
        let mut waiting = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
        let _ = rustix::event::poll(&mut waiting, Some(&timeout));
    }
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into()
}

/// When a process was started, in clock ticks since boot: with its number, a name that is never given twice.
fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn start_time_now() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map(|time| time.as_nanos()).unwrap_or_default()
}
