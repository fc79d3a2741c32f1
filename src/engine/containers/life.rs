//! Life: what a container is doing, in `state.json` of its directory, and who answers for that.
//!
//! ```text
//!   created ──start──> running <──> paused
//!                       │   ^
//!              restarting   │ start          a monitor that was killed: whoever looks next undoes what the journal
//!                       v   │                says, and writes `exited`
//!                       exited ──rm──> gone
//! ```
//!
//! One process writes the file: the container's monitor while there is one, else whoever holds the lock of the
//! container. It is written beside and renamed, so that a reader sees the old state or the new one.
//!
//! See rename(2), flock(2), proc(5).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::engine::health::Health;
use crate::journal;
use crate::kernel::process;

/// What a container is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// nothing yet
    #[default]
    Created,
    /// its program runs
    Running,
    /// its processes are stopped where they are
    Paused,
    /// its program has ended, and is started again after a while
    Restarting,
    /// its program has ended
    Exited,
}

impl Status {
    /// Docker's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Restarting => "restarting",
            Status::Exited => "exited",
        }
    }
}

/// A process, named so that no other is ever meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// its number
    pub pid: i32,
    /// when it was started, in clock ticks since boot
    pub start: u64,
    /// since which start of the machine
    pub boot: String,
}

impl Owner {
    /// This process.
    pub fn me() -> Owner {
        Owner::of(process::own_pid())
    }

    /// The process of this number, which lives.
    pub fn of(pid: i32) -> Owner {
        Owner { pid, start: process::start_time(pid).unwrap_or_default(), boot: journal::boot_id() }
    }

    /// Whether it is still there.
    pub fn lives(&self) -> bool {
        journal::lives((self.pid, self.start)) && self.of_this_boot()
    }

    /// Whether the machine has not been started anew since.
    pub fn of_this_boot(&self) -> bool {
        self.boot == journal::boot_id()
    }
}

/// What is known of a container's life.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Life {
    /// what it is doing
    pub status: Status,
    /// who answers for it: its monitor, or the command in whose foreground it runs
    pub owner: Option<Owner>,
    /// how its program ended the last time
    pub exit_code: i32,
    /// why it could not be started, or not be cleaned up after
    pub error: String,
    /// when its program was started the last time, RFC 3339; none for never
    pub started: Option<String>,
    /// when that ended
    pub finished: Option<String>,
    /// memory ran out, and the kernel ended it
    pub oom_killed: bool,
    /// how often it was started again by itself
    pub restarts: u32,
    /// whether it is well, where it has a health check
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

impl Life {
    /// The file of a container's directory that holds this.
    pub fn file(directory: &Path) -> PathBuf {
        directory.join("state.json")
    }

    /// Reads it; none where nothing was written yet.
    pub fn read(directory: &Path) -> Option<Life> {
        serde_json::from_slice(&contents(&Life::file(directory)).ok()?).ok()
    }

    /// Writes it beside and renames it.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn save(&self, directory: &Path) -> io::Result<()> {
        self.save_when(directory, || ())
    }

    /// The same, doing something in the last moment before it is there: nobody sees the one without the other having
    /// begun, and who waits for this state comes after that.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn save_when(&self, directory: &Path, told: impl FnOnce()) -> io::Result<()> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        replace_when(&Life::file(directory), &text, told)
    }

    /// Whether it has a program that is running, stopped in the middle, or about to be started again.
    pub fn running(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused | Status::Restarting)
    }

    /// Nobody checks its health any more.
    pub fn unchecked(mut self) -> Life {
        if let Some(health) = &mut self.health {
            health.left_alone();
        }
        self
    }

    /// It was said to run, and who answered for it is gone.
    pub fn orphaned(&self) -> bool {
        self.running() && !self.owner.as_ref().is_some_and(Owner::lives)
    }
}

/// Room for one state more than the disk has: whoever is to write down how a program has ended has taken it before the
/// program began.
#[derive(Debug)]
pub struct Spare {
    file: File,
    path: PathBuf,
}

impl Spare {
    /// One block: a state is shorter.
    const ROOM: [u8; 4096] = [b' '; 4096];

    /// Takes the room, in a container's directory.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn new(directory: &Path) -> io::Result<Spare> {
        let path = directory.join("state.json.spare");
        let file = File::options().create(true).truncate(true).write(true).open(&path)?;
        file.write_all_at(&Spare::ROOM, 0)?;
        Ok(Spare { file, path })
    }

    /// Writes a state where the room is, and renames it.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn save(self, life: &Life, directory: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(life)?;
        self.file.write_all_at(&text, 0)?;
        std::fs::rename(&self.path, Life::file(directory))
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        // renamed, or gone with its container
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What a small file holds. For a list of many that is most of the work, so it is three system calls, not five.
pub(super) fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let (mut text, mut piece) = (Vec::new(), [0; 8192]);
    loop {
        let count = (&file).read(&mut piece)?;
        text.extend_from_slice(&piece[..count]);
        // a regular file gives less than was asked for at its end alone
        if count < piece.len() {
            return Ok(text);
        }
    }
}

/// Puts a file in the place of another one: a reader sees the old one or the new one, whole.
pub(in crate::engine) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    replace_when(path, text, || ())
}

fn replace_when(path: &Path, text: &[u8], told: impl FnOnce()) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(directory)?;
    new.write_all(text)?;
    told();
    new.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The lock of a container, held until it is dropped: whoever starts, removes or cleans up after it has it.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    fn file(directory: &Path) -> io::Result<File> {
        File::options().create(true).truncate(false).write(true).open(directory.join("lock"))
    }

    /// Waits for it.
    ///
    /// # Errors
    /// What the kernel answers; `NotFound` for a container that was removed meanwhile.
    pub fn take(directory: &Path) -> io::Result<Lock> {
        let file = Lock::file(directory)?;
        file.lock()?;
        match directory.join("lock").exists() {
            true => Ok(Lock { file }),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The same lock for another process: it is held until both have let go.
    ///
    /// # Errors
    /// What the kernel answers.
    pub(super) fn shared(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The same where nobody has it; none where somebody does.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub fn try_take(directory: &Path) -> io::Result<Option<Lock>> {
        let file = Lock::file(directory)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { file })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

/// What marks a container that somebody has stopped: its monitor does not start it again.
pub fn stopped(directory: &Path) -> PathBuf {
    directory.join("stopped")
}

/// What marks a container that is started again by hand: it stays, also where it was to be removed at its end.
pub fn stays(directory: &Path) -> PathBuf {
    directory.join("stays")
}

/// Now, as Docker writes it.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
}
