//! Start: lets the program of a created container go.

use super::config::{self, Config};
use super::state::{Container, Status};
use super::{OciError, delete, hooks, take};
use crate::kernel::op::Begun;
use crate::kernel::{CText, Errno, Op};
use crate::launch::{LaunchError, Unmet};
use crate::step::{Plan, Step};

/// Writes into the container's fifo, then takes it away: from then on the container counts as running. Where it has hooks,
/// their turn is waited for: those of the start must succeed, and those after it must find the program.
pub fn start(container: &Container) -> Result<(), OciError> {
    match container.status() {
        Status::Created => {}
        Status::Running => return Err(OciError::State("cannot start an already running container".into())),
        Status::Stopped => return Err(OciError::State("cannot start a container that has stopped".into())),
        status => return Err(OciError::State(format!("cannot start a container in the {status} state"))),
    }
    let config: Config = config::of(container.record.config.clone())?;
    let waits = !config.hooks.start_container.is_empty() || !config.hooks.poststart.is_empty();
    match take(plan(container.fifo().as_path().into(), waits)) {
        Err(OciError::Launch(LaunchError::Step(error))) => match error.what {
            // two may start it at once: the other was faster
            Unmet::Errno(Errno::NXIO | Errno::NOENT) if container.init().is_some() => {
                Err(OciError::State("cannot start an already running container".into()))
            }
            Unmet::Errno(Errno::NXIO | Errno::NOENT) => {
                Err(OciError::State("cannot start a container that has stopped".into()))
            }
            Unmet::Errno(Errno::CANCELED) => {
                // it is about to: who asks for its status next shall not be told otherwise
                let _ = delete::end(container);
                let text =
                    "error running startContainer hook: the container's standard error says which, and why";
                Err(OciError::State(text.into()))
            }
            _ => Err(LaunchError::Step(error).into()),
        },
        other => other,
    }
}

fn plan(path: CText, waits: bool) -> Plan {
    let listen = Step::new("listen at the fifo", Op::Begun(Begun::Listen { path: path.clone() }))
        .why("while the box waits there: later nobody would be heard");
    let wait = Step::new("wait for its program", Op::Begun(Begun::Await))
        .why("exec closes the box's end, and so does its death");
    let go = Step::new("let it go", Op::LetGo { path: path.clone() }).why("the box reads this, and goes on");
    let gone = Step::new("take the fifo away", Op::Unlink { path })
        .why("without it the container counts as running")
        .or_else(Errno::NOENT);
    Plan::default().then(waits.then_some(listen)).then([go, gone]).then(waits.then_some(wait))
}

/// Runs the hooks for which the program must run. Where one fails the program ends: runtime.md, Lifecycle, step 9.
pub fn poststart(container: &Container) -> Result<(), OciError> {
    let config: Config = config::of(container.record.config.clone())?;
    let state = hooks::state(container, Status::Running);
    hooks::run(container, "poststart", config::hooks::poststart(&config, &state)).inspect_err(|_| {
        // what went wrong first is what is said
        let _ = delete::end(container);
    })
}
