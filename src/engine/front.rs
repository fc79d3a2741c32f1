//! Front: a container in front of somebody, without a terminal. The command that runs it is its own monitor.
//!
//! ```text
//!   program                this command                         others
//!   stdout, stderr ─pipe─> carrier ─┬─> our own 1 and 2
//!   stdin         <─pipe──          ├─> log, begun with the first line
//!   signals       <─── ours         └─> sockets: attach, wait
//! ```
//!
//! A monitor of its own would be one exec more: a quarter of a whole start. To carry costs two pipes before the clone
//! (three with `-i`), and a socket after it, while the program is already starting; a program that prints nothing has no
//! log file. The price is that the container ends where this command is killed (SIGKILL), and that the pipes of a program
//! whose reader is gone are closed: it hears of it as in any pipeline. What must outlive the command (a terminal that is
//! left, a restart policy, signals that are not passed on) has a monitor: [`super::monitor`].
//!
//! See pipe(7), poll(2), unix(7).

use std::path::Path;
use std::time::Duration;

use super::containers::Record;
use super::containers::life::{self, Life, Status};
use super::containers::reserve::Reserved;
use super::events::{Event, of};
use super::log::{self, Log};
use super::monitor::carrier::{Asked, Carrier};
use super::monitor::ends::Ends;
use super::monitor::here::{Here, Part};
use super::monitor::serve::{Heard, linger, serve};
use super::monitor::socket::listen;
use super::ports::given;
use super::proxy;
use super::request::LogKept;
use super::run::{self, RunError, explain_start};
use super::state::State;
use super::volumes::Volumes;
use super::volumes::open::Held;
use crate::attend::{Raw, copy_window_size, pass_on};
use crate::container::leaves_the_engine;
use crate::kernel::binary;
use crate::kernel::process::{Exit, signal};
use crate::kernel::signals::Signals;
use crate::kernel::{Errno, Op, hint};
use crate::launch::{Observer, Running, launch};
use crate::spec::Spec;
use crate::step::Plan;

/// A container that is to run in the foreground.
#[derive(Debug)]
pub struct Front<'a> {
    /// where its things are kept
    pub state: &'a State,
    /// what it is
    pub spec: &'a Spec,
    /// how it is made
    pub plan: &'a Plan,
    /// what is known of it: what was asked for, when it was made
    pub record: &'a Record,
    /// what of it is to be seen here
    pub part: Part,
}

/// What is held for a container until its program runs; from then on its record and its mounts do.
#[derive(Debug)]
pub struct Ahead {
    /// nobody removes them
    pub volumes: Held,
    /// nobody else gets it; none for a dry run
    pub name: Option<Reserved>,
}

impl Front<'_> {
    /// To be asked before it is run.
    ///
    /// # Errors
    /// [`RunError::InReach`]: this process has to execute itself first, see [`binary::keep_out_of_reach`].
    pub fn is_out_of_reach(&self) -> Result<(), RunError> {
        match leaves_the_engine(self.plan) || binary::in_reach() == Ok(false) {
            true => Ok(()),
            false => Err(RunError::InReach),
        }
    }

    /// Runs it: takes the plan, attends to it, undoes it. Signals are blocked from before the first step, so that none
    /// can end us half-way.
    ///
    /// # Errors
    /// Why it did not run; then everything is undone.
    pub fn run<O: Observer>(&self, ahead: Ahead, observer: &mut O) -> Result<Exit, RunError> {
        let Front { state, spec, plan, record, .. } = *self;
        let request = &record.request;
        std::fs::create_dir_all(state.containers())?;
        // the container's / takes its mode from upper: the user's habit must not close it
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        // its files are the user's, also where this process is killed in the very moment in which the program starts
        let of_the_user = |op: &Op| self.is_of_the_user(op);
        let journal =
            run::journal(state, &spec.id, &request.title, plan, |op| !request.remove && of_the_user(op))?;
        let signals = Signals::block_all()?;
        let begun = ["create", "attach"].map(|action| of::container(record, action));
        let launched =
            launch(plan, observer, Some(journal)).map_err(|error| explain_start(error, spec, &record.name));
        self.told(&begun, launched.is_ok());
        let mut running = launched?;
        drop(ahead);
        let proxy = proxy::begin(state, &mut running, spec)?;
        if !request.remove {
            running.keep(of_the_user);
        }
        let (exit, mut carrier) = self.attend(&mut running, &signals)?;
        // nobody can know that it has ended before others can have its ports
        drop(proxy);
        given::give_back(state, &spec.id)?;
        let record = &self.now();
        let oom = spec.cgroup.out_of_memory();
        let stays = !request.remove || life::stays(&spec.directory).exists();
        if stays && request.remove {
            running.keep(of_the_user);
        }
        let ended = of::ended(record, exit.code(), oom);
        if !stays {
            // before its directory goes: who waits for that tells what comes of it afterwards
            state.events().tell(&ended);
        }
        if O::WATCHING {
            // whoever reads along sees what it printed before what is undone
            linger(&mut carrier, Some(&signals), Some(Duration::from_secs(1)))?;
        }
        for (op, errno) in running.undo(observer) {
            complain!("stepbox: not undone: {op}: {}", hint::errno_text(errno));
        }
        self.write_down(record, exit, oom, stays.then_some(ended.as_slice()))?;
        carrier.tell(exit.code());
        linger(&mut carrier, Some(&signals), None)?;
        for (stream, errno) in carrier.here().into_iter().flat_map(Here::broken) {
            complain!("stepbox: write /dev/{}: {}", stream.name(), hint::errno_text(errno));
        }
        Ok(exit)
    }

    /// What is known of it by now: it can be renamed while it runs.
    fn now(&self) -> Record {
        Record::read(&self.spec.directory).unwrap_or_else(|| self.record.clone())
    }

    /// Tells that it runs, or why there was something that went: one write for all, when the program has begun.
    fn told(&self, begun: &[Event], runs: bool) {
        let Front { state, record, .. } = *self;
        let then = match runs {
            true => of::started(record),
            false => [of::not_started(record), vec![of::container(record, "destroy")]].concat(),
        };
        state.events().tell(&[begun, &then].concat());
    }

    fn is_of_the_user(&self, op: &Op) -> bool {
        matches!(op, Op::RemoveTree { path } if path.as_path().starts_with(&self.spec.directory))
    }

    /// Until its program has ended, and what it printed last is read.
    fn attend(&self, running: &mut Running<'_>, signals: &Signals) -> Result<(Exit, Carrier), Errno> {
        let Front { state, spec, record, part, .. } = *self;
        let request = &record.request;
        let log = match request.log {
            LogKept::None => None,
            LogKept::JsonFile(rotation) => {
                Some(Log::when_needed(&log::file(&spec.directory, &spec.id), rotation))
            }
        };
        let part = Part { stdin: part.stdin && request.stdin, ..part };
        let carrier = Carrier::new(Ends::of(running)?, log, request.stdin_once)?;
        let mut carrier = carrier.with(Here::new(part));
        let raw = carrier.terminal().filter(|_| part.stdin).and_then(|_| Raw::begin());
        carrier.terminal().into_iter().for_each(copy_window_size);
        // where nobody can be listened to, the container runs all the same
        let listener = listen(&spec.directory).ok();
        let mut heed = |heard: Heard, running: &Running<'_>, carrier: &Carrier| {
            let passed = match heard {
                Heard::Signal(number) => pass_on(number, running, carrier.terminal()).then_some(number),
                Heard::Asked(Asked::Signal(number)) => {
                    running.pidfd().and_then(|pidfd| signal(pidfd, number).ok()).map(|()| number)
                }
                // the terminal is as large as that in front of us
                Heard::Asked(Asked::Resize { .. }) => None,
            };
            if let Some(number) = passed {
                state.events().tell(&[of::kill(&self.now(), number)]);
            }
        };
        let exit = serve(running, &mut carrier, signals, listener.as_ref(), &mut heed)?;
        carrier.drain(&life::now());
        drop(raw);
        Ok((exit, carrier))
    }

    /// What has become of it, before anybody is told; `ended` is to be told where it stays.
    fn write_down(
        &self,
        record: &Record,
        exit: Exit,
        oom_killed: bool,
        ended: Option<&[Event]>,
    ) -> std::io::Result<()> {
        let Front { state, spec, .. } = *self;
        let (request, exit_code) = (&record.request, exit.code());
        let Some(ended) = ended else {
            Volumes::of(state).remove_anonymous(&request.volumes);
            state.events().tell(&[of::container(record, "destroy")]);
            return Ok(());
        };
        if request.remove {
            mount_again(&spec.directory)?;
        }
        let (status, started, finished) = (Status::Exited, Some(record.created.clone()), Some(life::now()));
        Life { status, exit_code, started, finished, oom_killed, ..Life::default() }
            .save_when(&spec.directory, || state.events().tell(ended))
    }
}

/// The kernel marks the work directory of an overlay that syncs nothing, and does not mount it a second time: nothing is
/// known to have reached the disk. But this machine has not been switched off since, so a new one will do: kernel,
/// overlayfs.rst, "Volatile mount".
pub(super) fn mount_again(directory: &Path) -> std::io::Result<()> {
    let work = directory.join("work");
    if !work.is_dir() {
        return Ok(());
    }
    crate::kernel::remove::remove(&work)?;
    std::fs::create_dir(work)
}
