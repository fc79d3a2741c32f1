//! Remove: a container's directory, and with it all that is this container's alone.
//!
//! ```text
//!   lock ── does it run? ── config.json goes first: nobody sees it any more ── .gone-ID ── the rest
//! ```
//!
//! Killed on the way, it leaves a directory that nobody sees and that `stepbox clean` removes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::life::Lock;
use super::reserve::{self, lock_names};
use super::{ContainerError, Record, clean_up, directory, end, find};
use crate::engine::events::of;
use crate::engine::state::State;
use crate::engine::volumes::Volumes;
use crate::journal;

/// What the name of a directory begins with that is being removed.
const GONE: &str = ".gone-";
/// How long somebody else may take to remove a container that was to be removed anyway.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a container's directory is one that somebody began to remove.
pub fn is_half_removed(directory: &Path) -> bool {
    directory.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(GONE.as_bytes()))
}

/// The name of a container's directory while it is being removed.
fn gone(state: &State, record: &Record) -> PathBuf {
    state.containers().join(format!("{GONE}{}", record.id))
}

/// Waits for whoever removes this one; whoever is killed at it leaves it to `stepbox clean`.
fn until_removed(gone: &Path) {
    let end = Instant::now() + PATIENCE;
    while gone.exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Removes a container that does not run; with `force` also one that does, which is killed; with `volumes` also those
/// that were made for it and that no other has.
///
/// # Errors
/// [`ContainerError`]; what could be removed is gone.
pub fn remove(state: &State, wanted: &str, force: bool, volumes: bool) -> Result<Record, ContainerError> {
    let mut record = find(state, wanted)?;
    let path = directory(state, &record);
    let lock = loop {
        if record.running() {
            if !force {
                return Err(running(record));
            }
            match end::kill(state, &record, libc::SIGKILL) {
                // it was between two runs, or has just ended
                Err(ContainerError::NotRunning(_)) => end::stop(state, &record, Some(Duration::ZERO))?,
                other => other?,
            }
        }
        let lock = match Lock::take(&path) {
            // it was removed with its end, or is being removed
            Err(error) if force && error.kind() == io::ErrorKind::NotFound => {
                until_removed(&gone(state, &record));
                return Ok(record);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ContainerError::NoSuch(wanted.into()));
            }
            lock => lock?,
        };
        match clean_up(state, &path) {
            // another command has started it while we waited
            Some(now) if now.running() => record = now,
            None if !force => return Err(ContainerError::NoSuch(wanted.into())),
            _ => break lock,
        }
    };
    let volumes = volumes || record.request.remove;
    take_away(state, &record, volumes)
        .map_err(|error| ContainerError::Remove { name: record.name.clone(), error })?;
    drop(lock);
    Ok(record)
}

fn running(record: Record) -> ContainerError {
    ContainerError::Running { id: record.id, status: record.life.status }
}

/// Removes the directories of containers whose maker was killed before anybody could see them, and the names that were
/// reserved for such; how many directories there were.
///
/// # Errors
/// What the kernel answers.
pub fn sweep(state: &State) -> io::Result<usize> {
    let mut swept = 0;
    {
        let _names = lock_names(state)?;
        reserve::remove_dead(state)?;
    }
    for entry in std::fs::read_dir(state.containers()).into_iter().flatten() {
        let path = entry?.path();
        let _names = lock_names(state)?;
        if Record::file(&path).exists() || journal::is_watched(&state.journals(), &path) {
            continue;
        }
        match Lock::try_take(&path) {
            Ok(Some(_lock)) => crate::kernel::remove::remove(&path)?,
            Ok(None) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        swept += 1;
    }
    Ok(swept)
}

/// Removes a container's directory, and with `volumes` those that were made for it; the caller has its lock, or is its
/// monitor.
///
/// # Errors
/// What the kernel answers.
pub fn take_away(state: &State, record: &Record, volumes: bool) -> io::Result<()> {
    let path = directory(state, record);
    match std::fs::remove_file(Record::file(&path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // by another name nobody waits for its lock, or makes the file of that anew
    let gone = gone(state, record);
    match std::fs::rename(&path, &gone).and_then(|()| crate::kernel::remove::remove(&gone)) {
        // somebody sweeps here, too
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if volumes {
        Volumes::of(state).remove_anonymous(record.volumes());
    }
    state.events().tell(&[of::container(record, "destroy")]);
    Ok(())
}
