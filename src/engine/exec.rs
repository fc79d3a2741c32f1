//! Exec: one program more in a container that runs.
//!
//! ```text
//!   Record: its config, what was asked for ──┐
//!   its process: namespaces, /etc/passwd ────┼─> join::Entry ── join::plan ──> launch ──> attend ──> exit code
//!   options of exec ─────────────────────────┘
//! ```
//!
//! Whoever waits for it is the command itself; of one with a terminal, or in the background, somebody who stays when the
//! command goes: the terminal can be left.
//!
//! It has what the container's own program has: namespaces, cgroups, capabilities, filter, limits. What is read of the
//! container is read before its process is held, by a number that the plan checks: where that was given to another
//! meanwhile, nothing runs.
//!
//! See [`crate::join`].

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::termios::{Winsize, tcsetwinsize};

use super::containers::life::{Status, now};
use super::containers::{ContainerError, Record, cgroup, directory, process};
use super::describe;
use super::events::{Event, Events, of};
use super::machine::Machine;
use super::monitor::carrier::{Asked as Said, Carrier};
use super::monitor::client::Client;
use super::monitor::ends::Ends;
use super::monitor::serve::{Heard, linger, serve};
use super::names;
use super::run::{RunError, explain};
use super::state::State;
use super::users;
use crate::attend::attend;
use crate::join::{self, Entry};
use crate::kernel::apart::stay_behind;
use crate::kernel::op::Peer;
use crate::kernel::process::{Exit, differing, signal};
use crate::kernel::signals::Signals;
use crate::kernel::{Errno, Op};
use crate::launch::{LaunchError, Observer, Running, launch};
use crate::privilege::Capabilities;
use crate::spec::{Console, Input, Life, Process, WindowSize};
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
    /// it lives on when this command has gone: see [`behind`]
    pub lives_on: bool,
    /// how large its terminal is
    pub window: Option<WindowSize>,
    /// it checks the container's health: what it prints goes to the monitor alone, which also tells of it
    pub probe: bool,
}

/// The steps that run it, and where it starts.
#[derive(Debug)]
pub struct Prepared {
    /// the steps
    pub plan: Plan,
    cwd: PathBuf,
    container: String,
    /// none where whoever runs it tells of it himself
    story: Option<Story>,
}

/// What is told of it.
#[derive(Debug)]
struct Story {
    id: String,
    command: Vec<String>,
    record: Record,
    directory: PathBuf,
    events: Events,
}

impl Story {
    fn begun(&self) -> [Event; 2] {
        ["exec_create", "exec_start"].map(|action| of::exec(action, &self.id, &self.command, &self.record))
    }
}

impl Prepared {
    fn ended(&self, exit: Exit) {
        if let Some(Story { id, record, directory, events, .. }) = &self.story {
            // it can be renamed meanwhile
            let now = Record::read(directory);
            events.tell(&[of::exec_die(id, exit.code(), now.as_ref().unwrap_or(record))]);
        }
    }
}

/// Looks at the container, and says what is to be done.
///
/// # Errors
/// A container that does not run or stands still; a user whom it does not know.
pub fn prepare(state: &State, record: &Record, asked: &Asked) -> Result<Prepared, RunError> {
    let gone = || ContainerError::NotRunning(record.id.clone());
    // as its journal has them: the start of whoever has the number now may be a stranger's
    let Peer { pid, start } = entered(state, record)?;
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
    let life = if asked.lives_on { Life::OfItsOwn } else { Life::OfTheEngine };
    let process = program(state, record, asked, &user.home)?;
    let cwd = process.cwd.clone();
    let plan = join::plan(&Entry { pid, start, namespaces, cgroups, privilege, process, life });
    let story = (!asked.probe).then(|| Story {
        id: names::new_id(),
        command: asked.command.clone(),
        record: record.clone(),
        directory: directory(state, record),
        events: state.events(),
    });
    Ok(Prepared { plan, cwd, container: record.id.clone(), story })
}

/// The process of a container that can be entered.
fn entered(state: &State, record: &Record) -> Result<Peer, ContainerError> {
    let gone = || ContainerError::NotRunning(record.id.clone());
    match record.life.status {
        Status::Paused => return Err(ContainerError::Paused(record.name.clone())),
        Status::Restarting => return Err(ContainerError::Restarting(record.id.clone())),
        Status::Created | Status::Exited => return Err(gone()),
        Status::Running => {}
    }
    let peer = process(state, record).map_err(|_| gone())?;
    let root = |path: &str| std::fs::metadata(path).map(|root| (root.dev(), root.ino()));
    // a run in the foreground is written down before its root is its own: until then, what is there is the host's
    match (root(&format!("/proc/{}/root/", peer.pid)), root("/")) {
        (Ok(theirs), Ok(ours)) if theirs != ours => Ok(peer),
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
        console: asked.terminal.then_some(Console { socket: None, size: asked.window }),
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

/// Runs it, and waits for its end.
///
/// # Errors
/// A program, a user, a directory that cannot be had, a container that has ended meanwhile.
pub fn exec<O: Observer>(prepared: &Prepared, asked: &Asked, observer: &mut O) -> Result<Exit, RunError> {
    let signals = Signals::block_all()?;
    let mut running = launched(prepared, observer)?;
    let exit = attend(&mut running, &signals, asked.stdin)?;
    prepared.ended(exit);
    Ok(exit)
}

fn launched<'p, O: Observer>(prepared: &'p Prepared, observer: &mut O) -> Result<Running<'p>, RunError> {
    let begun = prepared.story.as_ref().map(Story::begun);
    let launched = launch(&prepared.plan, observer, None);
    if let (Some(story), Some(begun)) = (&prepared.story, begun) {
        // told when it runs, with the times of before
        story.events.tell(&begun);
    }
    launched.map_err(|error| match &error {
        LaunchError::Step(step) if matches!(step.op, Op::PidfdOpen { .. }) => {
            ContainerError::NotRunning(prepared.container.clone()).into()
        }
        _ => explain(error, &prepared.cwd),
    })
}

/// Runs it with somebody who stays with it when this command goes, and carries between it and whoever is attached at the
/// other end of this socket; `not_for_him` is that end. Somebody has to wait for it: a process that has ended and that
/// nobody waits for is in its PID namespace still, and the container's first process could not end before it. Not
/// everywhere does the host's process 1 wait for those whose parent has gone.
///
/// # Errors
/// As [`exec`].
pub fn behind(prepared: &Prepared, attached: Option<OwnedFd>, not_for_him: &[RawFd]) -> Result<(), RunError> {
    let word = stay_behind(not_for_him, |word| {
        let mut word = File::from(word);
        let begun = Signals::block_all().map_err(RunError::System).and_then(|signals| {
            let mut running = launched(prepared, &mut ())?;
            let carrier = Carrier::new(Ends::of(&mut running)?, None, false)?;
            Ok((signals, running, carrier))
        });
        match begun {
            Ok((signals, mut running, mut carrier)) => {
                let _ = word.write_all(BEGUN);
                drop(word);
                // nobody is left to be told of an error
                let _ = carry(prepared, &signals, &mut running, &mut carrier, attached);
            }
            Err(error) => {
                let _ = word.write_all(&[code(&error)]).and_then(|()| write!(word, "{error}"));
            }
        }
    })?;
    let mut said = Vec::new();
    File::from(word).read_to_end(&mut said)?;
    match said.split_first() {
        Some((0, _)) => Ok(()),
        Some((code, text)) => {
            Err(RunError::Behind { text: String::from_utf8_lossy(text).into_owned(), code: *code })
        }
        None => Err(RunError::System(Errno::CHILD)),
    }
}

/// Docker's exit codes: 127 and 126 where the program could not be started, else 1.
pub fn code(error: &RunError) -> u8 {
    match error {
        RunError::Exec { .. } => error.code(),
        RunError::Workdir(..) | RunError::User(_) | RunError::NotMapped { .. } => 126,
        RunError::Behind { code, .. } => *code,
        _ => 1,
    }
}

/// What is said of a program that runs.
const BEGUN: &[u8] = b"\0";

/// Until it has ended, and whoever is attached has read everything.
fn carry(
    prepared: &Prepared,
    signals: &Signals,
    running: &mut Running<'_>,
    carrier: &mut Carrier,
    attached: Option<OwnedFd>,
) -> Result<(), Errno> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let obey = |asked, running: &Running<'_>, carrier: &Carrier| match (asked, carrier.terminal()) {
        (Said::Resize { rows, columns }, Some(ptmx)) => {
            let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            let _ = tcsetwinsize(ptmx, size);
        }
        (Said::Resize { .. }, None) => {}
        (Said::Signal(number), _) => {
            running.pidfd().map(|pidfd| signal(pidfd, number));
        }
    };
    if let Some(socket) = attached {
        rustix::io::ioctl_fionbio(&socket, true)?;
        for asked in carrier.admit(Client::new(socket)) {
            obey(asked, running, carrier);
        }
    }
    let mut heed = |heard: Heard, running: &Running<'_>, carrier: &Carrier| match heard {
        Heard::Asked(asked) => obey(asked, running, carrier),
        Heard::Signal(_) => {}
    };
    let exit = serve(running, carrier, signals, None, &mut heed)?;
    prepared.ended(exit);
    carrier.end(exit.code(), &now());
    linger(carrier, None, Some(PATIENCE))
}
