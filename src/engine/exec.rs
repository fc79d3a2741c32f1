//! Exec: one program more in a container that runs.
//!
//! ```text
//!   Record: its config, what was asked for ──┐
//!   its process: namespaces, /etc/passwd ────┼─> join::Entry ── join::plan ──> launch ──> attend ──> exit code
//!   options of exec ─────────────────────────┘
//! ```
//!
//! It has what the container's own program has: namespaces, cgroups, capabilities, filter, limits. What is read of the
//! container is read before its process is held, by a number that the plan checks: where that was given to another
//! meanwhile, nothing runs.
//!
//! See [`crate::join`].

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::containers::life::Status;
use super::containers::{ContainerError, Record, cgroup, process};
use super::describe;
use super::events::{Events, of};
use super::machine::Machine;
use super::names;
use super::run::{RunError, explain};
use super::state::State;
use super::users;
use crate::attend::attend;
use crate::join::{self, Entry};
use crate::kernel::Op;
use crate::kernel::process::{Exit, differing, start_time};
use crate::kernel::signals::Signals;
use crate::launch::{LaunchError, Observer, launch};
use crate::privilege::Capabilities;
use crate::spec::{Console, Input, Life, Process};
use crate::step::Plan;

/// What is asked for: `stepbox exec`'s options, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// the program and its arguments
    pub command: Vec<String>,
    /// `-e`, as `NAME=value`, besides those of the container
    pub env: Vec<String>,
    /// `-w`, instead of the container's
    pub workdir: Option<PathBuf>,
    /// `-u`, instead of the container's
    pub user: Option<String>,
    /// `-i`
    pub stdin: bool,
    /// `-t`
    pub terminal: bool,
    /// `--privileged`: all capabilities; as in Docker the filter stays the container's
    pub privileged: bool,
    /// `-d`: nobody waits for it
    pub detach: bool,
    /// it checks the container's health: what it prints goes to the monitor alone, which also tells of it
    pub probe: bool,
}

/// The steps that run it, and where it starts.
#[derive(Debug)]
pub struct Prepared {
    /// the steps
    pub plan: Plan,
    cwd: PathBuf,
    container: ContainerError,
    record: Record,
    events: Events,
}

/// Looks at the container, and says what is to be done.
///
/// # Errors
/// A container that does not run or stands still; a user whom it does not know.
pub fn prepare(state: &State, record: &Record, asked: &Asked) -> Result<Prepared, RunError> {
    let gone = || ContainerError::NotRunning(record.id.clone());
    let pid = entered(state, record)?;
    let start = start_time(pid).ok_or_else(gone)?;
    let (machine, request) = (Machine::look(), &record.request);
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let user = asked.user.as_deref().unwrap_or(&record.config.user);
    let user = users::find(user, &request.groups, &[root])?;
    let mut privilege = describe::privilege(machine, &user, request);
    if asked.privileged {
        privilege.capabilities = Capabilities::of_user(user.uid, machine.capabilities);
    }
    let namespaces = differing(pid).map_err(|_| gone())?;
    // a container whose cgroups were removed under it is still a container
    let cgroups = cgroup(record)?.beside(pid).into_iter().filter(|directory| directory.exists()).collect();
    let life = if asked.detach { Life::OfItsOwn } else { Life::OfTheEngine };
    let process = program(state, record, asked, &user.home)?;
    let cwd = process.cwd.clone();
    let plan = join::plan(&Entry { pid, start, namespaces, cgroups, privilege, process, life });
    Ok(Prepared { plan, cwd, container: gone(), record: record.clone(), events: state.events() })
}

/// The process of a container that can be entered.
fn entered(state: &State, record: &Record) -> Result<i32, ContainerError> {
    let gone = || ContainerError::NotRunning(record.id.clone());
    match record.life.status {
        Status::Paused => return Err(ContainerError::Paused(record.name.clone())),
        Status::Restarting => return Err(ContainerError::Restarting(record.id.clone())),
        Status::Created | Status::Exited => return Err(gone()),
        Status::Running => {}
    }
    let pid = process(state, record).map_err(|_| gone())?;
    let root = |path: &str| std::fs::metadata(path).map(|root| (root.dev(), root.ino()));
    // a run in the foreground is written down before its root is its own: until then, what is there is the host's
    match (root(&format!("/proc/{pid}/root/")), root("/")) {
        (Ok(theirs), Ok(ours)) if theirs != ours => Ok(pid),
        _ => Err(gone()),
    }
}

fn program(state: &State, record: &Record, asked: &Asked, home: &str) -> Result<Process, RunError> {
    let (request, config) = (&record.request, &record.config);
    let peers = &request.peers;
    let hostname = match (peers.network(state), peers.share(state)) {
        (Ok(network), Ok(share)) => describe::hostname(&network, &share.uts, request, &record.id),
        // whose name it has is gone
        _ => None,
    };
    let said = [config.env.as_slice(), request.env.as_slice(), asked.env.as_slice()];
    let env = describe::environment(hostname.as_deref(), asked.terminal, home, said);
    let cwd = match &asked.workdir {
        Some(directory) => directory.clone(),
        None => describe::working_directory(request, config)?,
    };
    Ok(Process {
        exec: describe::executable(&asked.command, &env)?,
        cwd,
        console: asked.terminal.then_some(Console { socket: None, size: None }),
        input: match (asked.detach, asked.stdin) {
            (true, _) => Input::Silence,
            (false, true) => Input::Ours,
            (false, false) => Input::Null,
        },
        own_stdio: asked.probe,
        keyring: Some(format!("_ses.{}", record.id)),
        rlimits: request.rlimits.clone(),
        oom_score_adj: request.oom_score_adj,
        ..Process::default()
    })
}

/// Runs it, and waits for its end; nothing comes back of one that runs on alone.
///
/// # Errors
/// A program, a user, a directory that cannot be had, a container that has ended meanwhile.
pub fn exec<O: Observer>(
    prepared: Prepared,
    asked: &Asked,
    observer: &mut O,
) -> Result<Option<Exit>, RunError> {
    let Prepared { plan, cwd, container, record, events } = prepared;
    let signals = Signals::block_all()?;
    let id = names::new_id();
    // told when it runs, with the times of before
    let begun = ["exec_create", "exec_start"].map(|action| of::exec(action, &id, &asked.command, &record));
    let launched = launch(&plan, observer, None).map_err(|error| match &error {
        LaunchError::Step(step) if matches!(step.op, Op::PidfdOpen { .. }) => container.into(),
        _ => explain(error, &cwd),
    });
    if !asked.probe {
        events.tell(&begun);
    }
    let mut running = launched?;
    if asked.detach {
        return running.leave().map(|()| None).map_err(RunError::System);
    }
    let exit = attend(&mut running, &signals, asked.stdin, |_| ())?;
    if !asked.probe {
        events.tell(&[of::exec_die(&id, exit.code(), &record)]);
    }
    Ok(Some(exit))
}
