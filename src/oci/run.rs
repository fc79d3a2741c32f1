//! Run: create and start in one, and in the foreground everything up to the end.

use super::OciError;
use super::create::{Draft, Request, When, draft};
use super::delete::{poststop, remove_directory};
use super::hooks;
use super::log::{Log, Steps};
use super::state::{Root, Status};
use crate::attend::attend;
use crate::kernel::process::Exit;
use crate::kernel::signals::Signals;
use crate::launch::Running;

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// how the program ended, where we have waited for it
    pub exit: Option<Exit>,
    /// what went wrong on the way, and yet kept nothing from being done
    pub troubles: Vec<OciError>,
}

/// A failure, and what else went wrong when it was undone.
#[derive(Debug)]
pub struct Failure {
    /// the failure
    pub error: OciError,
    /// what else
    pub troubles: Vec<OciError>,
}

impl From<OciError> for Failure {
    fn from(error: OciError) -> Failure {
        Failure { error, troubles: Vec::new() }
    }
}

/// Makes a container; with [`When::Foreground`] it also waits for its end, and deletes it unless it is to be kept. What
/// is not as asked for, and yet no error, is logged.
pub fn go(root: &Root, request: Request, keep: bool, log: &mut Log) -> Result<Outcome, Failure> {
    let when = request.when;
    let (mut draft, plan) = draft(root, request, log)?;
    let signals = Signals::block_all().map_err(OciError::system("cannot block signals"));
    let made = signals.and_then(|signals| {
        let running = match log.is_debug() {
            true => draft.make(&plan, &mut Steps(log)),
            false => draft.make(&plan, &mut ()),
        };
        Ok((running?, signals))
    });
    match made {
        Err(error) => Err(Failure { error, troubles: draft.give_up() }),
        Ok((running, signals)) => match when {
            When::Started => leave(draft, running),
            When::Detached => {
                let begun = after_start(&draft);
                match begun {
                    Ok(()) => leave(draft, running),
                    Err(error) => give_up(draft, running, error),
                }
            }
            When::Foreground => foreground(draft, running, &signals, keep),
        },
    }
}

fn after_start(draft: &Draft) -> Result<(), OciError> {
    let state = hooks::state(draft.container(), Status::Running);
    hooks::run(draft.container(), "poststart", super::config::hooks::poststart(draft.config(), &state))
}

fn leave(draft: Draft, running: Running<'_>) -> Result<Outcome, Failure> {
    match running.leave() {
        Ok(()) => Ok(Outcome { exit: None, troubles: Vec::new() }),
        Err(errno) => {
            let error = OciError::system("the container ended before it could be left alone")(errno);
            Err(Failure { error, troubles: draft.give_up() })
        }
    }
}

fn give_up(draft: Draft, running: Running<'_>, error: OciError) -> Result<Outcome, Failure> {
    let mut troubles = undo(running);
    troubles.extend(draft.give_up());
    Err(Failure { error, troubles })
}

fn undo(running: Running<'_>) -> Vec<OciError> {
    let failed = running.undo(&mut ());
    let describe = |(op, errno)| OciError::system(format!("not undone: {op}"))(errno);
    failed.into_iter().map(describe).collect()
}

fn foreground(
    draft: Draft,
    mut running: Running<'_>,
    signals: &Signals,
    keep: bool,
) -> Result<Outcome, Failure> {
    if let Err(error) = after_start(&draft) {
        return give_up(draft, running, error);
    }
    let exit = match attend(&mut running, signals, true, |_| ()) {
        Ok(exit) => exit,
        Err(errno) => {
            let error = OciError::system("cannot wait for the container")(errno);
            return give_up(draft, running, error);
        }
    };
    if keep {
        let left = running.leave().map_err(OciError::system("cannot keep the container"));
        return Ok(Outcome { exit: Some(exit), troubles: left.err().into_iter().collect() });
    }
    let mut troubles = undo(running);
    troubles.extend(remove_directory(&draft.container().directory).err());
    troubles.extend(poststop(draft.container(), draft.config()));
    Ok(Outcome { exit: Some(exit), troubles })
}
