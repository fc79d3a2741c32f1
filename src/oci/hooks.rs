//! Hooks: those that are run when the container exists already, by `start` and `delete`. Those before are steps of the
//! one plan. See config.md, POSIX-platform Hooks.

use super::state::{Container, Status};
use super::{OciError, take};
use crate::kernel::op::Hook;
use crate::kernel::process::Exit;
use crate::kernel::{Errno, Op};
use crate::launch::{LaunchError, Unmet};
use crate::step::{Plan, Step};

/// Engines take a bundle away when they are done with the container, and hooks come after that.
const NO_BUNDLE: &[Errno] = &[Errno::NOENT, Errno::NOTDIR, Errno::ACCESS];

/// Runs hooks in order in the container's bundle, as far as that is still there, up to the first that fails.
pub fn run(container: &Container, name: &'static str, hooks: Vec<Hook>) -> Result<(), OciError> {
    if !hooks.is_empty() {
        let there = Op::Chdir { path: (&container.record.bundle).into() };
        take(Plan::default().then(Step::new("go to the bundle", there).or_any(NO_BUNDLE)))?;
    }
    for (at, hook) in hooks.into_iter().enumerate() {
        let path = hook.exec.paths.first().map(|path| path.to_string()).unwrap_or_default();
        let step = Step::new("run a hook", Op::Spawn(Box::new(hook)));
        take(Plan::default().then(step)).map_err(|error| OciError::Hook {
            name,
            at,
            what: format!("{path}: {}", reason(&error)),
        })?;
    }
    Ok(())
}

/// Runs hooks in order, all of them whatever happens; what went wrong comes back.
pub fn run_all(container: &Container, name: &'static str, hooks: Vec<Hook>) -> Vec<OciError> {
    let one = |(at, hook)| match run(container, name, vec![hook]) {
        Err(OciError::Hook { name, what, .. }) => Some(OciError::Hook { name, at, what }),
        Err(error) => Some(error),
        Ok(()) => None,
    };
    hooks.into_iter().enumerate().filter_map(one).collect()
}

fn reason(error: &OciError) -> String {
    let OciError::Launch(LaunchError::Step(step)) = error else { return error.to_string() };
    what(step.what)
}

/// What became of a hook, in words.
pub fn what(unmet: Unmet) -> String {
    match unmet {
        Unmet::Errno(Errno::TIMEDOUT) => "it ran longer than its timeout allows".into(),
        Unmet::Errno(errno) => super::errno_words(errno),
        Unmet::Failed(Exit::Signal(libc::SIGSYS)) | Unmet::Died(Exit::Signal(libc::SIGSYS)) => {
            "it was killed by SIGSYS (bad system call: the seccomp filter does not allow it)".into()
        }
        Unmet::Failed(exit) | Unmet::Died(exit) | Unmet::Otherwise(exit, _) => match exit {
            Exit::Code(_) => format!("it {exit}"),
            Exit::Signal(_) => format!("it was {exit}"),
        },
        Unmet::NotRefused(_) | Unmet::Survived(_) => "it succeeded, which was not expected".into(),
    }
}

/// The state that hooks read, for a container that exists.
pub fn state(container: &Container, status: Status) -> String {
    let record = &container.record;
    let mut state = serde_json::json!({
        "ociVersion": record.oci_version, "id": record.id, "status": status, "bundle": record.bundle,
    });
    if let (Some(init), true) = (record.init, status != Status::Stopped) {
        state["pid"] = init.pid.into();
    }
    if !record.annotations.is_empty() {
        state["annotations"] = serde_json::json!(record.annotations);
    }
    state.to_string()
}
