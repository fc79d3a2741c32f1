//! Reserving: a name is a container's from the moment in which somebody begins to make it.
//!
//! ```text
//!   names' lock     has a record this name? has a reservation?     run/names/ID holds the name, and is locked
//!   volumes, steps  for as long as they take, or the reader of `--step`
//!   config.json     now the record has it                          run/names/ID goes
//! ```
//!
//! Only a run in the foreground needs one: its record is a step of its plan. `create` and `rename` look and write while
//! they hold the names' lock. Where a maker is killed, the kernel lets go of the lock on his file and the name is free;
//! the file goes with the next reservation, or with `stepbox clean`.
//!
//! See flock(2).

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::PathBuf;

use super::{ContainerError, called, named};
use crate::engine::names;
use crate::engine::state::State;

/// The lock of all names, held until the file is closed: for as long as it takes to look whether a name is free and
/// to write it down.
pub(super) fn lock_names(state: &State) -> io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(state.run.join("names.lock"))?;
    file.lock()?;
    Ok(file)
}

/// A name that no container has, or will have in a moment: this one, or one that is made up.
///
/// # Errors
/// [`ContainerError::NameTaken`].
pub fn free_name(state: &State, wanted: Option<&str>) -> Result<String, ContainerError> {
    // before the records: one that has gone by then has become a record
    let mut promised = promised(state);
    match wanted {
        Some(name) => {
            let other = promised.find(|promise| promise.name == name).map(|promise| promise.id);
            match other.or_else(|| named(state, name).map(|record| record.id)) {
                Some(id) => Err(ContainerError::NameTaken { name: name.into(), id }),
                None => Ok(name.into()),
            }
        }
        None => {
            let mut taken: HashSet<String> = promised.map(|promise| promise.name).collect();
            taken.extend(called(state).map(|called| called.name));
            Ok(names::new_name_but(|name| taken.contains(name)))
        }
    }
}

/// A name that nobody else gets until this is dropped.
#[derive(Debug)]
pub struct Reserved {
    name: String,
    path: PathBuf,
    /// let go after the file has gone
    file: File,
}

impl Reserved {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // what cannot be removed now is not locked any more, and counts for nothing
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Reserves a free name, this one or one that is made up, for the container of this id.
///
/// # Errors
/// As [`free_name`], and what the kernel answers.
pub fn reserve(state: &State, id: &str, wanted: Option<&str>) -> Result<Reserved, ContainerError> {
    let _names = lock_names(state)?;
    remove_dead(state)?;
    let name = free_name(state, wanted)?;
    std::fs::create_dir_all(state.names())?;
    let path = state.names().join(id);
    let file = File::create_new(&path)?;
    let reserved = Reserved { name, path, file };
    reserved.file.lock()?;
    (&reserved.file).write_all(reserved.name.as_bytes())?;
    Ok(reserved)
}

/// Reservations whose maker was killed.
///
/// # Errors
/// What the kernel answers to the lock of the names.
pub fn dead(state: &State) -> io::Result<Vec<PathBuf>> {
    // who reserves a name holds it until his file is locked
    let _names = lock_names(state)?;
    Ok(unlocked(state))
}

/// Removes them; the caller holds the names' lock.
pub(super) fn remove_dead(state: &State) -> io::Result<()> {
    unlocked(state).into_iter().try_for_each(|path| match std::fs::remove_file(path) {
        // its maker has just come to that himself
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    })
}

/// A name that its maker, who lives, will write down.
struct Promise {
    id: String,
    name: String,
}

fn promised(state: &State) -> impl Iterator<Item = Promise> {
    files(state).filter(is_locked).filter_map(|path| {
        let id = path.file_name()?.to_str()?.into();
        Some(Promise { id, name: std::fs::read_to_string(&path).ok()? })
    })
}

fn unlocked(state: &State) -> Vec<PathBuf> {
    files(state).filter(|path| !is_locked(path)).collect()
}

fn files(state: &State) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(state.names()).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Shared, so that two who look do not take each other for the maker.
fn is_locked(path: &PathBuf) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
