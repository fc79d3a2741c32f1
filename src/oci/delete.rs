//! Delete: undoes everything that was made for a container, also for one whose making was cut short.
//!
//! ```text
//!   kill         --force: its processes end
//!   journal      replayed: what was made goes, the last first
//!   directory    gone: the name is free
//!   poststop     hooks, when everything is gone (runtime.md, Lifecycle)
//! ```

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use super::config::{self, Config};
use super::state::{Container, Record, Root, Status, journal};
use super::{OciError, control, freeze, hooks, kill};
use crate::journal as journals;
use crate::launch::Answer;

/// How long a killed container may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Deletes a container. What went wrong and yet did not keep it from going comes back.
pub fn delete(root: &Root, id: &str, force: bool) -> Result<Vec<OciError>, OciError> {
    let directory = match root.directory(id) {
        // as runc: who forces is content when it is gone
        Err(OciError::Missing { .. }) if force => return Ok(Vec::new()),
        other => other?,
    };
    match root.find(id) {
        Ok(container) => whole(&container, force),
        Err(error) if !force => Err(error),
        // its making was cut short before anything was said of it
        Err(_) => remains(&directory).map(|()| Vec::new()),
    }
}

fn whole(container: &Container, force: bool) -> Result<Vec<OciError>, OciError> {
    match container.status() {
        Status::Stopped => {}
        Status::Creating if force => {}
        // its program has not begun: as runc, and as engines rely on
        Status::Created => end(container)?,
        status if !force => {
            let id = &container.record.id;
            return Err(OciError::State(format!(
                "cannot delete container {id} that is not stopped: {status}"
            )));
        }
        _ => end(container)?,
    }
    // where it shares the PID namespace of others, its processes do not end with the first
    if container.record.cgroup.as_ref().and_then(control::pids).is_some_and(|pids| !pids.is_empty()) {
        kill::all(container, libc::SIGKILL)?;
    }
    let config: Result<Config, _> = config::of(container.record.config.clone());
    remains(&container.directory)?;
    Ok(match config {
        Ok(config) => poststop(container, &config),
        Err(error) => vec![error.into()],
    })
}

/// Ends its processes and waits until the first is gone.
pub(super) fn end(container: &Container) -> Result<(), OciError> {
    let began = Instant::now();
    while container.init().is_some() {
        kill::end(container)?;
        if container.record.cgroup.is_some() {
            // a process that is frozen under version 1 does not even die
            let _ = kill::all(container, libc::SIGKILL);
            let _ = freeze::thaw(container);
        }
        if began.elapsed() > PATIENCE {
            return Err(OciError::State(format!(
                "container {} does not end: its process {} is still there {} seconds after SIGKILL",
                container.record.id,
                container.init().map_or(0, |init| init.pid),
                PATIENCE.as_secs()
            )));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Replays the journal, then removes the directory.
fn remains(directory: &Path) -> Result<(), OciError> {
    let path = journal(directory);
    match journals::replay_file(&path) {
        Ok(cleaned) => {
            let failed = cleaned.undone.iter().find(|(_, answer)| matches!(answer, Answer::Error(_)));
            if let Some((op, answer)) = failed {
                return Err(OciError::State(format!(
                    "not undone: {op} = {answer}; delete it again when that is solved"
                )));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            return Err(OciError::State("the container is being made by somebody who still lives".into()));
        }
        Err(error) => return Err(OciError::file("cannot replay", &path)(error)),
    }
    remove_directory(directory)
}

/// Removes a container's directory: state.json last, so that who is killed half-way leaves something that can be found.
pub(super) fn remove_directory(directory: &Path) -> Result<(), OciError> {
    for name in ["exec.fifo", "journal"] {
        let _ = std::fs::remove_file(directory.join(name));
    }
    let _ = std::fs::remove_file(Record::file(directory));
    crate::kernel::remove::remove(directory).map_err(OciError::file("cannot remove", directory))
}

/// Runs the hooks for which everything must be gone. Those that fail do not keep the others from running.
pub(super) fn poststop(container: &Container, config: &Config) -> Vec<OciError> {
    let state = hooks::state(container, Status::Stopped);
    hooks::run_all(container, "poststop", config::hooks::poststop(config, &state))
}
