//! Monitor: what stays with a container from its first program to its last.
//!
//! ```text
//!   program               monitor                                   attached clients
//!   stdout, stderr ─pipe─> carrier ──> log                           Ctrl-C, window size
//!   stdin         <─pipe──    │ └────> sockets ─── frames ─────────> their terminals
//!   terminal      <─ptmx──>   └─────── <────────── frames ────────── what is typed
//! ```
//!
//! One process for each detached container, with one thread and one poll loop; nothing in it grows while the container
//! is idle. A container in the foreground without a terminal has none: the command itself is it, see [`super::front`].
//!
//! ```text
//!   launch ──> running ──> poll … ──> the program has ended ──> drain ──> undo ──> exited ──> tell ──> again?
//!                                                                                            rm?  <──┘
//! ```
//!
//! See poll(2), pidfd_open(2), unix(7), signalfd(2).

pub mod carrier;
pub mod client;
pub mod ends;
pub mod frames;
pub mod here;
mod mind;
pub mod printer;
mod probe;
mod restart;
pub mod serve;
pub mod socket;
mod stdio;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;

use self::carrier::Carrier;
use self::client::Client;
use self::ends::Ends;
use self::mind::OfItsOwn;
use self::restart::BackOff;
use self::serve::{linger, timespec};
use self::socket::listen;
use self::stdio::Starter;
use super::containers::life::{self, Life, Owner, Spare, Status};
use super::containers::start::FirstWord;
use super::containers::{ContainerError, Record, directory, find, remove};
use super::events::{Event, of};
use super::front::mount_again;
use super::health::{Check, Health};
use super::log::{self, Log};
use super::proxy;
use super::request::LogKept;
use super::run::{self, Ground, RunError, prepare};
use super::state::State;
use super::store::Store;
use super::volumes::open::{How, open};
use crate::kernel::process::Exit;
use crate::kernel::signals::Signals;
use crate::kernel::{Errno, hint};
use crate::launch::{Running, launch};
use crate::spec::WindowSize;

/// How long what a client has not read yet may hold up the container's next start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no monitor.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// its container
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// its image
    #[error(transparent)]
    Image(#[from] super::store::StoreError),
    /// its program
    #[error(transparent)]
    Run(#[from] RunError),
    /// what the kernel said
    #[error("the monitor was refused a system call: {0}")]
    System(#[from] io::Error),
}

impl From<Errno> for MonitorError {
    fn from(errno: Errno) -> MonitorError {
        MonitorError::System(errno.into())
    }
}

/// Is the monitor of a container until it has ended. The command that started it reads our standard output.
pub fn main(state: &State, store: &Store, id: &str) -> Result<(), MonitorError> {
    let (starter, first) = stdio::detach()?;
    let mut starter = Some(starter);
    let result = Monitor::new(state, store, id, first).and_then(|mut monitor| monitor.stay(&mut starter));
    if let Err(error) = &result
        && let Some(starter) = starter
    {
        let code = if let MonitorError::Run(error) = error { error.code() } else { 125 };
        starter.told(&FirstWord::Error { text: error.to_string(), code });
    }
    result
}

/// What a monitor holds.
struct Monitor<'a> {
    state: &'a State,
    directory: PathBuf,
    record: Record,
    ground: Ground,
    listener: OwnedFd,
    signals: Signals,
    /// whoever started it, and stays
    first: Option<Client>,
    /// how large its terminal is to be
    window: Option<WindowSize>,
    /// where its end is written on a full disk
    spare: Option<Spare>,
}

impl<'a> Monitor<'a> {
    fn new(
        state: &'a State,
        store: &Store,
        id: &str,
        mut first: Option<Client>,
    ) -> Result<Monitor<'a>, MonitorError> {
        // its end is not that of whoever started it
        rustix::process::setsid()
            .or_else(|errno| if errno == Errno::PERM { Ok(rustix::process::getpid()) } else { Err(errno) })?;
        rustix::process::umask(Mode::from_raw_mode(0o022));
        let signals = Signals::block_all()?;
        let record = find(state, id)?;
        let ground = record.ground(store)?;
        let directory = directory(state, &record);
        let listener = listen(&directory)?;
        let window = first.as_mut().and_then(Client::window);
        Ok(Monitor { state, directory, record, ground, listener, signals, first, window, spare: None })
    }

    /// Runs the container's program, again and again where that is wanted.
    fn stay(&mut self, starter: &mut Option<Starter>) -> Result<(), MonitorError> {
        let mut back_off = BackOff::default();
        self.record.life.restarts = 0;
        loop {
            let began = Instant::now();
            let (mut carrier, exit) = match self.run(starter) {
                Ok(ended) => ended,
                Err(error) => return Err(self.failed(error)),
            };
            self.look_again();
            let stopped = life::stopped(&self.directory).exists();
            let policy = self.record.request.restart;
            let life = &mut self.record.life;
            let pause = back_off.next(policy, exit, stopped, life.restarts, began.elapsed());
            life.status = if pause.is_some() { Status::Restarting } else { Status::Exited };
            life.exit_code = exit;
            life.finished = Some(life::now());
            life.health.iter_mut().for_each(Health::left_alone);
            if pause.is_none() {
                life.owner = None;
            }
            let ends = pause.is_none() && self.record.request.remove;
            let stays = ends && life::stays(&self.directory).exists();
            // before anybody can know that it has ended, and start it
            let again = if stays { mount_again(&self.directory) } else { Ok(()) };
            let told = of::ended(&self.record, exit, self.record.life.oom_killed);
            let mut kept = again.and(self.save(&told));
            if ends && !stays {
                kept = kept.and_then(|()| remove::take_away(self.state, &self.record, true));
            }
            // also where the disk is full: whoever is attached hears how it has ended
            carrier.tell(exit);
            let Some(pause) = pause else {
                linger(&mut carrier, None, None)?;
                return Ok(kept?);
            };
            linger(&mut carrier, None, Some(PATIENCE))?;
            if !self.pause(pause)? {
                let life = &mut self.record.life;
                (life.status, life.owner) = (Status::Exited, None);
                self.save(&[])?;
                return Ok(());
            }
            self.look_again();
            self.record.life.restarts += 1;
        }
    }

    /// What is asked for may be another by now: `update`, `rename`.
    fn look_again(&mut self) {
        look_again(&self.directory, &mut self.record);
    }

    /// Writes down what it is, and tells this just before anybody sees it: who waits for its end tells what comes of
    /// that afterwards.
    fn save(&mut self, told: &[Event]) -> io::Result<()> {
        let (events, mut told) = (self.state.events(), Some(told));
        let mut tell = || events.tell(told.take().unwrap_or_default());
        // another monitor may have its own when somebody attached keeps us here
        let (life, spare) = (&self.record.life, self.spare.take());
        life.save_when(&self.directory, &mut tell).or_else(|error| match spare {
            Some(spare) => {
                tell();
                spare.save(life, &self.directory)
            }
            None => Err(error),
        })
    }

    /// It could not be started: what it was stays, with the reason.
    fn failed(&mut self, error: MonitorError) -> MonitorError {
        let code = if let MonitorError::Run(error) = &error { error.code() } else { 125 };
        let life = &mut self.record.life;
        let status = if life.started.is_some() { Status::Exited } else { Status::Created };
        let error_text = error.to_string();
        *life = Life { status, owner: None, error: error_text, exit_code: code.into(), ..life.clone() };
        let _ = self.save(&[]);
        self.state.events().tell(&of::not_started(&self.record));
        error
    }

    /// Runs the program once, from its launch until everything is undone.
    fn run(&mut self, starter: &mut Option<Starter>) -> Result<(Carrier, i32), MonitorError> {
        self.spare = Some(Spare::new(&self.directory).map_err(RunError::from)?);
        let request = &self.record.request;
        let volumes = open(self.state, request, &self.record.id, How::Keep).map_err(RunError::from)?;
        let id = self.record.id.clone();
        let mut spec = prepare(self.state, &self.ground, (id, &self.record.name), request, volumes.mounts)?;
        let (title, stdin_once) = (request.title.clone(), request.stdin_once);
        spec.makes_directory = false;
        (spec.process.piped, spec.process.own_stdio) = (true, true);
        if let Some(terminal) = &mut spec.process.console {
            terminal.size = self.window;
        }
        let result = crate::container::plan(&spec).map_err(RunError::from).and_then(|plan| {
            let journal = run::journal(self.state, &spec.id, &title, &plan, |_| false)?;
            let running = launch(&plan, &mut (), Some(journal));
            drop(volumes.held);
            let mut running = running.map_err(|error| run::explain_start(error, &spec, &self.record.name))?;
            let proxy = proxy::begin(self.state, &mut running, &spec)?;
            let mut carrier = Carrier::new(Ends::of(&mut running)?, self.log()?, stdin_once)?;
            let life = &mut self.record.life;
            let last = life.health.take();
            *life = Life {
                status: Status::Running,
                owner: Some(Owner::me()),
                exit_code: 0,
                error: String::new(),
                started: Some(life::now()),
                finished: life.finished.take(),
                oom_killed: false,
                restarts: life.restarts,
                health: Check::of(&self.record.config).map(|_| Health::begun(last)),
            };
            life.save(&self.directory)?;
            self.state.events().tell(&of::started(&self.record));
            if let Some(first) = self.first.take() {
                for asked in carrier.admit(first) {
                    self.mind().obey(asked, &running, &carrier);
                }
            }
            if let Some(starter) = starter.take() {
                starter.told(&FirstWord::Pid(running.box_pid().unwrap_or_default()));
            }
            let exit = self.serve(&mut running, &mut carrier)?;
            drop(proxy);
            self.record.life.oom_killed = spec.cgroup.out_of_memory();
            carrier.drain(&life::now());
            if carrier.lost() > 0 {
                self.record.life.error =
                    format!("{} lines of its log found no room on the disk", carrier.lost());
            }
            for (op, errno) in running.undo(&mut ()) {
                self.record.life.error = format!("not undone: {op}: {}", hint::errno_text(errno));
            }
            Ok((carrier, exit.code()))
        });
        // where the step that owns the address was never taken, nobody else gives it back
        run::give_back(self.state, &spec)?;
        Ok(result?)
    }

    fn log(&self) -> io::Result<Option<Log>> {
        match self.record.request.log {
            LogKept::None => Ok(None),
            LogKept::JsonFile(rotation) => {
                Log::open(&log::file(&self.directory, &self.record.id), rotation).map(Some)
            }
        }
    }

    /// Carries, listens and passes on until the program has ended.
    fn serve(&mut self, running: &mut Running<'_>, carrier: &mut Carrier) -> Result<Exit, Errno> {
        let Monitor { state, directory, record, listener, signals, window, .. } = self;
        let mut mind = OfItsOwn::new((state, directory), record, window);
        mind.probe(running.box_pid().unwrap_or_default());
        serve::serve(running, carrier, signals, Some(listener), &mut mind)
    }

    fn mind(&mut self) -> OfItsOwn<'_> {
        OfItsOwn::new((self.state, &self.directory), &mut self.record, &mut self.window)
    }

    /// Before the next start; false where somebody has stopped it meanwhile.
    fn pause(&self, pause: Duration) -> Result<bool, Errno> {
        let began = Instant::now();
        while began.elapsed() < pause {
            if life::stopped(&self.directory).exists() {
                return Ok(false);
            }
            let wait = timespec(pause.saturating_sub(began.elapsed()));
            match poll(&mut [PollFd::new(&self.signals, PollFlags::IN)], Some(&wait)) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            while self.signals.next().is_some() {}
        }
        Ok(!life::stopped(&self.directory).exists())
    }
}

fn look_again(directory: &Path, record: &mut Record) {
    if let Some(read) = Record::read(directory) {
        *record = Record { life: std::mem::take(&mut record.life), ..read };
    }
}
