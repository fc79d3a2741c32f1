//! Rename: another name for a container, which nobody else has.

use super::reserve::{free_name, lock_names};
use super::{ContainerError, Record, directory, locked};
use crate::engine::events::of;
use crate::engine::names;
use crate::engine::state::State;

/// Calls a container by another name, also while it runs.
///
/// # Errors
/// A name that is none, its own, or another's.
pub fn rename(state: &State, record: &Record, name: &str) -> Result<(), ContainerError> {
    let name = name.strip_prefix('/').unwrap_or(name);
    if !names::valid(name) {
        return Err(ContainerError::Name(name.into()));
    }
    if record.name == name {
        return Err(ContainerError::SameName);
    }
    let path = directory(state, record);
    let _lock = locked(state, record)?;
    let _names = lock_names(state)?;
    let name = free_name(state, Some(name)).map_err(|error| ContainerError::Rename(Box::new(error)))?;
    let record = Record::read(&path).ok_or_else(|| ContainerError::NoSuch(record.name.clone()))?;
    let old = record.name.clone();
    let record = Record { name, ..record };
    record.save(&path)?;
    state.events().tell(&[of::renamed(&record, &old)]);
    Ok(())
}
