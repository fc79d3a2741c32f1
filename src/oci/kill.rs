//! Kill: a signal for a container's first process, or for all of them.

use std::os::fd::AsFd;

use super::state::{Container, Status};
use super::{OciError, take};
use crate::kernel::{Errno, process, signals};
use crate::step::{Plan, Step};

/// A signal by its number or its name, with or without `SIG`, in any case; `RTMIN+n` and `RTMAX-n` too.
pub fn signal(text: &str) -> Result<i32, OciError> {
    signals::named(text).ok_or_else(|| OciError::Signal(text.into()))
}

/// Sends it to the first process. The number may have become another's meanwhile, so a pidfd is opened first and
/// asked whether it is still the one.
pub fn one(container: &Container, number: i32) -> Result<(), OciError> {
    let not_running = || OciError::State("container not running".into());
    let init = container.init().ok_or_else(not_running)?;
    let pidfd = process::pidfd_open(init.pid).map_err(|_| not_running())?;
    if !init.alive() {
        return Err(not_running());
    }
    match process::signal(pidfd.as_fd(), number) {
        Ok(()) => Ok(()),
        Err(Errno::SRCH) => Err(not_running()),
        Err(errno) => Err(OciError::system("unable to signal init")(errno)),
    }
}

/// Sends it to every process of the container; with none left that is no error, as with runc.
pub fn all(container: &Container, number: i32) -> Result<(), OciError> {
    let steps = container.record.cgroup.as_ref().map(|cgroup| cgroup.signal(number)).unwrap_or_default();
    if steps.is_empty() {
        return Err(OciError::Unsupported(
            "kill --all: this container has no cgroup, so its processes are not known; \
             without --all the first one gets the signal"
                .into(),
        ));
    }
    // a cgroup that is gone has nobody in it
    let steps =
        steps.into_iter().map(|step| Step { undo: None, ..step.or_any(&[Errno::NOENT, Errno::NODEV]) });
    take(Plan::default().then(steps))
}

/// Ends all of it, and waits until it has ended.
pub fn end(container: &Container) -> Result<(), OciError> {
    match container.status() {
        Status::Stopped | Status::Creating => {}
        Status::Created | Status::Running | Status::Paused => match one(container, libc::SIGKILL) {
            Ok(()) | Err(OciError::State(_)) => {}
            Err(error) => return Err(error),
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        let cases = [
            ("9", 9),
            ("KILL", 9),
            ("SIGKILL", 9),
            ("sigterm", 15),
            ("0", 0),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("SIGPOLL", 29),
            ("SYS", 31),
        ];
        for (text, number) in cases {
            assert_eq!(signal(text).ok(), Some(number), "{text}");
        }
        for text in ["", "SIG", "NOPE", "65", "-9", "999", "RTMIN+99", "KILL "] {
            assert!(signal(text).is_err(), "{text}");
        }
    }
}
