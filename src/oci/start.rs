//! Start: lets the program of a created container go.

use super::config::{self, Config};
use super::state::{Container, Status};
use super::{OciError, hooks, take};
use crate::kernel::{Errno, Op};
use crate::launch::{LaunchError, Unmet};
use crate::step::{Plan, Step};

/// Writes into the container's fifo, then takes it away: from then on the container counts as running.
pub fn start(container: &Container) -> Result<(), OciError> {
    match container.status() {
        Status::Created => {}
        Status::Running => return Err(OciError::State("cannot start an already running container".into())),
        Status::Stopped => return Err(OciError::State("cannot start a container that has stopped".into())),
        status => return Err(OciError::State(format!("cannot start a container in the {status} state"))),
    }
    let path = container.fifo();
    let go = Step::new("let it go", Op::LetGo { path: (&path).into() });
    match take(Plan::default().then(go)) {
        Err(OciError::Launch(LaunchError::Step(error))) if error.what == Unmet::Errno(Errno::NXIO) => {
            // two may start it at once: the other was faster
            let why = match container.init() {
                Some(_) => "cannot start an already running container",
                None => "cannot start a container that has stopped",
            };
            return Err(OciError::State(why.into()));
        }
        other => other?,
    }
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(OciError::file("cannot remove", &path)),
    }
}

/// Runs the hooks for which the program must run.
pub fn poststart(container: &Container) -> Result<(), OciError> {
    let config: Config = config::of(container.record.config.clone())?;
    let state = hooks::state(container, Status::Running);
    hooks::run("poststart", config::hooks::poststart(&config, &state))
}
