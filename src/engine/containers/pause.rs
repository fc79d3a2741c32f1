//! Pause: all processes of a container stand still, by the freezer of its cgroup, until somebody lets them go on.
//!
//! ```text
//!   pause      mark it ── freeze ── wait until the last has stopped
//!   unpause    thaw ── the mark goes
//! ```
//!
//! It is paused where it is marked and its cgroup is frozen: whoever is killed between the two leaves a container that
//! runs. See the kernel's freezer-subsystem.rst and cgroup-v2.rst. Lab 06-cgroups, tutorials/06-cgroups.md.

use std::io;
use std::path::{Path, PathBuf};

use super::life::{Lock, Status};
use super::{ContainerError, Record, cgroup, directory, locked};
use crate::cgroups::{Cgroup, Controller};
use crate::engine::events::of;
use crate::engine::state::State;
use crate::launch::launch;
use crate::step::{Plan, Step};

fn mark(directory: &Path) -> PathBuf {
    directory.join("paused")
}

/// Whether a container that runs stands still.
pub(in crate::engine) fn stands_still(directory: &Path, record: &Record) -> bool {
    mark(directory).exists() && cgroup(record).is_ok_and(|cgroup| cgroup.frozen().unwrap_or(false))
}

/// Stops every process of a container where it is.
///
/// # Errors
/// One that does not run or is paused already, one that cannot be paused, and what the kernel answers.
pub fn pause(state: &State, record: &Record) -> Result<(), ContainerError> {
    let path = directory(state, record);
    let (_lock, record) = anew(state, record)?;
    match record.life.status {
        Status::Running => {}
        Status::Paused => return Err(ContainerError::AlreadyPaused(record.id)),
        Status::Restarting => return Err(ContainerError::Restarting(record.id)),
        Status::Created | Status::Exited => return Err(ContainerError::NotRunning(record.id)),
    }
    let cgroup = freezer(&record)?;
    std::fs::write(mark(&path), "")?;
    take(&record, cgroup.pause()).inspect_err(|_| {
        let _ = std::fs::remove_file(mark(&path));
    })?;
    // its monitor looks at each write, and saw the first one too early
    std::fs::write(mark(&path), "")?;
    state.events().tell(&[of::container(&record, "pause")]);
    Ok(())
}

/// Lets them go on.
///
/// # Errors
/// One that is not paused, and what the kernel answers.
pub fn unpause(state: &State, record: &Record) -> Result<(), ContainerError> {
    let path = directory(state, record);
    let (_lock, record) = anew(state, record)?;
    match record.life.status {
        Status::Paused => thaw(state, &path, &record),
        _ => Err(ContainerError::NotPaused(record.id)),
    }
}

/// The same for whoever has sent it a signal, which it takes when it goes on. One that is not paused is fine.
pub(super) fn wake(state: &State, record: &Record) -> Result<(), ContainerError> {
    match record.life.status {
        Status::Paused => thaw(state, &directory(state, record), record),
        _ => Ok(()),
    }
}

/// The same for one whose monitor was killed: where cgroups are of version 1, what stands still cannot even die.
pub(super) fn let_die(directory: &Path, record: &Record) {
    if mark(directory).exists()
        && let Ok(cgroup) = freezer(record)
    {
        // what it has lost of its cgroup cannot hold it
        let _ = go_on(directory, record, &cgroup);
    }
}

fn thaw(state: &State, path: &Path, record: &Record) -> Result<(), ContainerError> {
    let cgroup = freezer(record)?;
    // before its monitor can tell of an end that has waited for this
    state.events().tell(&[of::container(record, "unpause")]);
    go_on(path, record, &cgroup)
}

fn go_on(path: &Path, record: &Record, cgroup: &Cgroup) -> Result<(), ContainerError> {
    take(record, cgroup.thaw())?;
    match std::fs::remove_file(mark(path)) {
        // it was removed with its end
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// A container's lock, and what it is by then.
pub(super) fn anew(state: &State, record: &Record) -> Result<(Lock, Record), ContainerError> {
    let lock = locked(state, record)?;
    // another command may have done it while we waited
    let now = Record::read(&directory(state, record));
    Ok((lock, now.ok_or_else(|| ContainerError::NoSuch(record.name.clone()))?))
}

fn freezer(record: &Record) -> Result<Cgroup, ContainerError> {
    let cgroup = cgroup(record)?;
    match cgroup.directory(Controller::Freezer).is_some_and(|directory| directory.is_dir()) {
        true => Ok(cgroup),
        false => Err(ContainerError::NoFreezer(record.name.clone())),
    }
}

/// Takes steps whose work stays.
fn take(record: &Record, steps: impl IntoIterator<Item = Step>) -> Result<(), ContainerError> {
    let plan = Plan::default().then(steps);
    let stuck = |what: String| ContainerError::Freeze { name: record.name.clone(), what };
    let running = launch(&plan, &mut (), None).map_err(|error| stuck(error.to_string()))?;
    running.leave().map_err(|errno| stuck(errno.to_string()))
}
