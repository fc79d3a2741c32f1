//! Update: other limits, or another restart policy, for a container that is there, whatever it is doing.
//!
//! ```text
//!   lock ── asked, over what it has ── runs? its cgroup, step by step ── config.json
//!                └ two that do not go together       └ one is refused: those before are taken back
//! ```
//!
//! Its next start finds the new limits in its record, and its monitor the new policy when the program has ended.
//!
//! See docker-update(1), the kernel's cgroup-v2.rst. Lab 06-cgroups, tutorials/06-cgroups.md.

use std::path::{Path, PathBuf};

use super::life::{Lock, Status};
use super::pause::anew;
use super::{ContainerError, Record, cgroup, directory, process};
use crate::cgroups::{self, Cgroup, CgroupError};
use crate::engine::events::of;
use crate::engine::limits::{Asked, LimitError, by_option, in_our_words};
use crate::engine::request::{Request, Restart};
use crate::engine::state::State;
use crate::journal;
use crate::kernel::Op;
use crate::launch::{LaunchError, Observer, Unmet, launch};
use crate::step::Plan;

/// What is to be another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// limits; what is not said stays
    pub limits: Asked,
    /// `--restart`
    pub restart: Option<Restart>,
}

/// Why a container stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// it is not there
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// what no container can have
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// what this one cannot have
    #[error("Cannot update container {id}: {why}")]
    Refused {
        /// the container
        id: String,
        /// why not
        why: Refusal,
    },
    /// whoever watches has had enough
    #[error(transparent)]
    Quit(LaunchError),
}

/// Why this container cannot have it.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// a quota is there already
    #[error("Conflicting options: Nano CPUs cannot be updated as CPU {0} has already been set")]
    HasQuota(&'static str),
    /// `--cpus` is a quota by itself
    #[error("Conflicting options: CPU {0} cannot be updated as NanoCPUs has already been set")]
    HasCpus(&'static str),
    /// swap counts memory, too
    #[error(
        "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
    )]
    Swap,
    /// it is removed at its end
    #[error("Restart policy cannot be updated because AutoRemove is enabled for the container")]
    AutoRemove,
    /// nobody would start it again
    #[error(
        "it runs in the foreground of a command, without a monitor, which would start it again\nhint: start it again with stepbox start; then it has one"
    )]
    NoMonitor,
    /// it cannot be limited so here
    #[error("{}", in_our_words(.0))]
    Cgroup(#[from] CgroupError),
    /// the kernel has refused a limit
    #[error("{0}")]
    Kernel(String),
    /// its record
    #[error("cannot keep the container's state: {0}")]
    State(#[from] std::io::Error),
    /// it has ended meanwhile
    #[error("it has ended meanwhile, and is as before")]
    Ended,
}

/// An update that is thought out, and not done yet.
#[derive(Debug)]
pub struct Prepared {
    /// what will be done to its cgroup; nothing where it does not run
    pub plan: Plan,
    cgroup: Option<Cgroup>,
    record: Record,
    path: PathBuf,
    _lock: Lock,
}

/// Looks at the container, and says what is to be done.
///
/// # Errors
/// What it cannot have; nothing has been done.
pub fn prepare(state: &State, record: &Record, change: &Change) -> Result<Prepared, UpdateError> {
    change.limits.check()?;
    let path = directory(state, record);
    let (lock, mut record) = anew(state, record)?;
    let refused = |why| UpdateError::Refused { id: record.id.clone(), why };
    let mut request = changed(&record, change).map_err(refused)?;
    let runs = matches!(record.life.status, Status::Running | Status::Paused);
    let (mut plan, mut limited) = (Plan::default(), None);
    if runs && change.limits.anything() {
        let cgroup = cgroup(&record)?;
        let read = |path: &Path| std::fs::read_to_string(path).ok();
        let steps = cgroup.pids().and_then(|pids| cgroup.extend(&request.limits, &pids, &read));
        plan = plan.then(steps.map_err(|error| refused(error.into()))?);
        limited = Some(cgroup);
    }
    // as Docker shows it: none
    request.limits.pids.limit = request.limits.pids.limit.map(|most| most.max(0));
    record.request = request;
    Ok(Prepared { plan, cgroup: limited, record, path, _lock: lock })
}

/// What it asks for from now on; in Docker's order and words.
fn changed(record: &Record, change: &Change) -> Result<Request, Refusal> {
    let (asked, old) = (&change.limits, &record.request);
    let now = &old.limits;
    let said = |value: Option<u64>| value.filter(|value| *value != 0);
    let has_cpus = old.cpus.is_some();
    if said(asked.cpus).is_some() {
        match (now.cpu.period, now.cpu.quota) {
            (Some(_), _) => return Err(Refusal::HasQuota("Period")),
            (_, Some(1..)) if !has_cpus => return Err(Refusal::HasQuota("Quota")),
            _ => {}
        }
    }
    if said(asked.period).is_some() && has_cpus {
        return Err(Refusal::HasCpus("Period"));
    }
    if matches!(asked.quota, Some(1..)) && has_cpus {
        return Err(Refusal::HasCpus("Quota"));
    }
    if let Some(memory) = said(asked.memory)
        && asked.memory_swap.unwrap_or(0) == 0
        && i64::try_from(memory).unwrap_or(i64::MAX) > now.memory.swap.unwrap_or(0)
    {
        return Err(Refusal::Swap);
    }
    if let Some(policy) = change.restart.filter(|policy| *policy != Restart::No) {
        let in_front = record.engine.is_some() && record.life.owner == record.engine;
        match () {
            _ if old.remove => return Err(Refusal::AutoRemove),
            _ if in_front && policy != old.restart => return Err(Refusal::NoMonitor),
            _ => {}
        }
    }
    let cpus = match asked.quota {
        Some(quota) if quota != 0 => None,
        _ => said(asked.cpus).or(old.cpus),
    };
    let restart = change.restart.unwrap_or(old.restart);
    Ok(Request { limits: asked.over(now), cpus, restart, ..old.clone() })
}

impl Prepared {
    /// Does it: its cgroup, then its record; or neither.
    ///
    /// # Errors
    /// What the kernel answers; then everything is as before.
    pub fn take<O: Observer>(self, state: &State, observer: &mut O) -> Result<(), UpdateError> {
        let id = self.record.id.clone();
        let refused = |why| UpdateError::Refused { id: id.clone(), why };
        let made = made(&self.plan);
        let journal = state.journal(&id);
        made.iter()
            .try_for_each(|op| journal::add(&journal, op))
            .map_err(|error| refused(Refusal::State(error)))?;
        let running = launch(&self.plan, observer, None).map_err(|error| match error {
            LaunchError::Quit => UpdateError::Quit(error),
            error => refused(Refusal::Kernel(in_words(&error))),
        })?;
        self.gather(&made).map_err(refused)?;
        // whoever takes what it had away at its end has seen what was added, or it has ended before
        if !made.is_empty() && process(state, &self.record).is_err() {
            return Err(refused(Refusal::Ended));
        }
        self.record.save(&self.path).map_err(|error| refused(Refusal::State(error)))?;
        running.leave().map_err(|errno| refused(Refusal::State(errno.into())))?;
        state.events().tell(&[of::container(&self.record, "update")]);
        Ok(())
    }

    /// Brings those after the others who were born while their parents were moved.
    fn gather(&self, made: &[Op]) -> Result<(), Refusal> {
        /// so often somebody forks faster than he is moved
        const ROUNDS: usize = 100;
        let Some(cgroup) = &self.cgroup else { return Ok(()) };
        for op in made {
            let Op::RemoveCgroup { path } = op else { continue };
            for _ in 0..ROUNDS {
                let plan = Plan::default().then(cgroup.strays(path.as_path())?);
                if plan.steps.is_empty() {
                    break;
                }
                let moved = launch(&plan, &mut (), None);
                let moved = moved.map_err(|error| Refusal::Kernel(in_words(&error)))?;
                moved.leave().map_err(|errno| Refusal::State(errno.into()))?;
            }
        }
        Ok(())
    }
}

/// The cgroups that are made, to be removed at the container's end: the innermost first.
fn made(plan: &Plan) -> Vec<Op> {
    let undos = plan.steps.iter().rev().filter_map(|step| step.undo.clone());
    undos.filter(|op| matches!(op, Op::RemoveCgroup { .. } | Op::LeaveCgroup { .. })).collect()
}

/// Which option it was that the kernel has refused.
fn in_words(error: &LaunchError) -> String {
    let explained = match error {
        LaunchError::Step(step) if step.not_undone.is_empty() => match step.what {
            Unmet::Errno(errno) => cgroups::explain(&step.op, errno).map(by_option),
            _ => None,
        },
        // what could not be taken back is said there
        _ => None,
    };
    explained.unwrap_or_else(|| error.to_string())
}
