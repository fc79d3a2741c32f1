//! Turns: cgroups are the machine's own also in a toy host, so two labs that use one name go one after the other.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use super::{LabError, Stage};
use crate::cgroups::{self, Cgroup, Controller, Hierarchy, Resources};
use crate::launch::perform_undo;

impl Stage {
    /// This machine's cgroup hierarchies. A dry run agrees on every machine: there it is version 2, all of it ours.
    pub fn cgroups(&self) -> Result<Hierarchy, LabError> {
        if self.dry {
            return Ok(Hierarchy::version_2());
        }
        let all = cgroups::detect(Path::new("/")).map_err(|error| LabError::Work(error.into()))?;
        Ok(all.keep(&Controller::ALL))
    }

    /// Waits until no other lab uses this cgroup id, and keeps it until the file is dropped. What a lab has left
    /// by being killed is removed: nobody else can be using it.
    pub fn take_turns(&self, hierarchy: &Hierarchy, id: &str) -> Result<Option<File>, LabError> {
        let Some(parent) = Controller::ALL.into_iter().find_map(|one| hierarchy.usable(one).ok()) else {
            return Ok(None);
        };
        if self.dry {
            return Ok(None);
        }
        let turn = take(parent).map_err(|error| LabError::Work(error.into()))?;
        let cgroup = Cgroup::of_box(hierarchy, id);
        let made = cgroup.create(&Resources::default()).unwrap_or_default();
        if cgroup.directories().iter().any(|(_, directory)| directory.exists()) {
            let frozen = cgroup.freeze();
            for op in frozen.iter().chain(&made).filter_map(|step| step.undo.as_ref()) {
                perform_undo(op, None);
            }
        }
        Ok(Some(turn))
    }
}

fn take(parent: &Path) -> io::Result<File> {
    let turn = File::open(parent)?;
    match turn.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            complain!("another lab is using cgroups; waiting for its end");
            turn.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    Ok(turn)
}
