//! Freeze: all processes of a container stand still, and go on.

use super::state::{Container, Status};
use super::{OciError, take};
use crate::step::Plan;

/// Stops every process where it is, and waits until the last has stopped.
pub fn pause(container: &Container) -> Result<(), OciError> {
    match container.status() {
        Status::Created | Status::Running => {}
        // runc's words, which containerd looks for
        _ => return Err(OciError::State("container not running".into())),
    }
    let steps = container.record.cgroup.as_ref().map(|cgroup| cgroup.pause()).unwrap_or_default();
    if steps.is_empty() {
        return Err(no_freezer("pause"));
    }
    take(Plan::default().then(steps.into_iter().map(|step| crate::step::Step { undo: None, ..step })))
}

/// Lets them go on.
pub fn resume(container: &Container) -> Result<(), OciError> {
    if container.status() != Status::Paused {
        return Err(OciError::State("container not paused".into()));
    }
    thaw(container)
}

/// The same, whatever it is doing.
pub fn thaw(container: &Container) -> Result<(), OciError> {
    let step = container.record.cgroup.as_ref().and_then(|cgroup| cgroup.thaw());
    take(Plan::default().then(step.ok_or_else(|| no_freezer("resume"))?))
}

fn no_freezer(command: &str) -> OciError {
    OciError::Unsupported(format!(
        "{command}: this container has no cgroup that can be frozen: as another user than root it needs one that is \
         delegated (systemd-run --user --scope -p Delegate=yes)"
    ))
}
