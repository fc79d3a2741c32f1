//! Start: a monitor for a container, and its first word.
//!
//! ```text
//!   command                              monitor (this program once more, in a session of its own)
//!   lock the container
//!   spawn ─────────────────────────────>  plan, launch, state.json: running
//!         <── {"pid":4711}  ───────────   or {"error":"…","code":127}, and it ends
//!   unlock                                unlock, and stays
//! ```
//!
//! The monitor's standard output is the pipe. Its end without a word is an error, too. Its standard input is the socket of
//! whoever is attached before there is anything to be missed, or nothing. Its standard error is the lock: where the command
//! is killed, the container stays locked until its monitor has written down what became of it.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::life::{Lock, Status, stays, stopped};
use super::{ContainerError, Record, clean_up, directory, locked};
use crate::engine::state::State;

/// The word by which the engine's program is told to be a monitor.
pub const MONITOR: &str = "monitor";

/// A monitor's first word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstWord {
    /// the program runs, as this process
    Pid(i32),
    /// it does not
    Error {
        /// why
        text: String,
        /// Docker's exit code for that: 125, 126 or 127
        code: u8,
    },
}

/// Why a container could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// it, or another one
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// as its monitor says
    #[error("{text}")]
    Refused {
        /// why
        text: String,
        /// Docker's exit code for that
        code: u8,
    },
    /// its processes are stopped
    #[error("cannot start a paused container, try unpause instead")]
    Paused,
}

impl StartError {
    /// Docker's exit code: what `run` ends with.
    pub fn code(&self) -> u8 {
        match self {
            StartError::Refused { code, .. } => *code,
            _ => 125,
        }
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> StartError {
        ContainerError::from(error).into()
    }
}

/// Starts a container that does not run, with whoever is at the other end of this socket attached from its first byte
/// on. One that runs stays as it is; then false comes back.
///
/// # Errors
/// [`StartError`]; then the container is as before, but for its `life.error`.
pub fn start(state: &State, record: &Record, attached: Option<OwnedFd>) -> Result<bool, StartError> {
    let path = directory(state, record);
    let lock = locked(state, record)?;
    // another command may have done it while we waited
    let record = clean_up(state, &path).ok_or_else(|| ContainerError::NoSuch(record.name.clone()))?;
    match record.life.status {
        Status::Paused => Err(StartError::Paused),
        Status::Running | Status::Restarting => Ok(false),
        Status::Created | Status::Exited => start_locked(state, &record, &lock, attached).map(|()| true),
    }
}

/// The same for a container whose lock is held.
///
/// # Errors
/// As [`start`].
pub fn start_locked(
    state: &State,
    record: &Record,
    lock: &Lock,
    attached: Option<OwnedFd>,
) -> Result<(), StartError> {
    let path = directory(state, record);
    for mark in [stopped(&path), stays(&path)] {
        match std::fs::remove_file(mark) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let monitor = |error| ContainerError::Monitor { name: record.name.clone(), error };
    let mut child = Command::new("/proc/self/exe")
        .args([MONITOR, &record.id])
        .stdin(attached.map_or_else(Stdio::null, Stdio::from))
        .stdout(Stdio::piped())
        .stderr(lock.shared()?)
        .current_dir("/")
        .spawn()
        .map_err(monitor)?;
    let mut said = String::new();
    let pipe = child.stdout.take().map(|mut pipe| pipe.read_to_string(&mut said));
    pipe.transpose().map_err(monitor)?;
    match serde_json::from_str(&said) {
        Ok(FirstWord::Pid(_)) => Ok(()),
        Ok(FirstWord::Error { text, code }) => {
            let _ = child.wait();
            Err(StartError::Refused { text, code })
        }
        Err(_) => {
            let end = child.wait().map_err(monitor)?;
            let error = io::Error::other(format!("it has ended without a word: {end}"));
            Err(monitor(error).into())
        }
    }
}
