//! What those left behind that were killed: journals, leases, containers, things half made.

use std::path::Path;

use super::{Finding, Looked, Remedy};
use crate::engine::containers::Record;
use crate::engine::containers::life::Lock;
use crate::engine::containers::remove::is_half_removed;
use crate::engine::containers::reserve;
use crate::engine::network;
use crate::engine::ports::given;
use crate::engine::state::State;
use crate::engine::store::Store;
use crate::engine::volumes::Volumes;
use crate::journal;

/// Looks for them. Journals come first: what they undo is gone for the others.
pub(super) fn look(state: &State, store: &Store, findings: &mut Vec<Finding>, looked: &mut Looked) {
    let mut found = |place: &Path, what: &str, remedy| {
        findings.push(Finding { place: place.display().to_string(), what: what.into(), remedy });
    };
    for path in journal::dead(&state.journals()) {
        found(&path, "the run that wrote this journal was killed", Remedy::Undo(path.clone()));
    }
    for path in network::dead_leases(state) {
        found(&path, "whoever took this address has died", Remedy::Free(path.clone()));
    }
    for path in given::dead(state).unwrap_or_default() {
        found(&path, "whoever took these ports has died", Remedy::Free(path.clone()));
    }
    for path in reserve::dead(state).unwrap_or_default() {
        found(&path, "whoever reserved this name has died", Remedy::Remove(path.clone()));
    }
    let volumes = Volumes::of(state);
    for path in volumes.leftovers() {
        found(&path, "whoever made or removed this volume has died", Remedy::Remove(path.clone()));
    }
    for known in volumes.list().into_iter().filter(|known| known.damaged) {
        let file = volumes.file(&known.place);
        found(&file, "what is written down of this volume cannot be read", Remedy::Aside(file.clone()));
    }
    match store.leftovers() {
        Ok(paths) => {
            for path in paths {
                found(&path, "whoever was making this has died", Remedy::Remove(path.clone()));
            }
        }
        Err(error) => {
            found(&store.root().join("tmp"), &error.to_string(), Remedy::Nothing("make it readable"))
        }
    }
    let entries = std::fs::read_dir(state.containers()).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        looked.containers += 1;
        match Record::read(&path) {
            Some(record) if record.life.orphaned() => {
                found(&path, "the monitor of this container was killed", Remedy::End(record.id));
            }
            Some(_) => {}
            // it is being made, or removed
            None if matches!(Lock::try_take(&path), Ok(None)) || !path.exists() => {}
            None if journal::is_watched(&state.journals(), &path) => {}
            None if is_half_removed(&path) => {
                found(&path, "whoever removed this container has died", Remedy::Remove(path.clone()));
            }
            None => found(&path, "it has no record that can be read", Remedy::Aside(path.clone())),
        }
    }
}
