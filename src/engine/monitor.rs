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
//! is idle. A container in the foreground without a terminal has none: the command itself attends to it.
//!
//! ```text
//!   launch ──> running ──> poll … ──> the program has ended ──> drain ──> undo ──> exited ──> tell ──> again?
//!                                                                                            rm?  <──┘
//! ```
//!
//! See poll(2), pidfd_open(2), unix(7), signalfd(2).

pub mod carrier;
pub mod client;
pub mod frames;
mod probe;
mod restart;
mod socket;
mod stdio;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::termios::{Winsize, tcsetwinsize};

use self::carrier::{Asked, Carrier};
use self::client::Client;
use self::probe::Prober;
use self::restart::BackOff;
use self::socket::listen;
pub use self::socket::socket_name;
use self::stdio::Starter;
use super::containers::end::ends_for_good;
use super::containers::life::{self, Life, Owner, Status};
use super::containers::start::FirstWord;
use super::containers::{ContainerError, Record, directory, find, remove};
use super::events::of;
use super::health::{Check, Health};
use super::log::{self, Log};
use super::request::LogKept;
use super::run::{self, Ground, RunError, prepare};
use super::state::State;
use super::store::Store;
use super::volumes::open::{How, open};
use crate::kernel::orphans::reap_but;
use crate::kernel::process::{self, Exit};
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
        Ok(Monitor { state, directory, record, ground, listener, signals, first, window })
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
            let told = of::ended(&self.record, exit, self.record.life.oom_killed);
            // before anybody sees that it has ended: who stops it tells that afterwards
            self.record.life.save_when(&self.directory, || self.state.events().tell(&told))?;
            let goes = pause.is_none() && self.record.request.remove;
            let gone = if goes { remove::take_away(self.state, &self.record, true) } else { Ok(()) };
            carrier.tell(exit);
            let Some(pause) = pause else {
                self.linger(&mut carrier, None)?;
                return Ok(gone?);
            };
            self.linger(&mut carrier, Some(PATIENCE))?;
            if !self.pause(pause)? {
                let life = &mut self.record.life;
                (life.status, life.owner) = (Status::Exited, None);
                self.save()?;
                return Ok(());
            }
            self.look_again();
            self.record.life.restarts += 1;
        }
    }

    /// What is asked for may be another by now: `update`, `rename`.
    fn look_again(&mut self) {
        if let Some(record) = Record::read(&self.directory) {
            self.record = Record { life: std::mem::take(&mut self.record.life), ..record };
        }
    }

    fn save(&self) -> io::Result<()> {
        self.record.life.save(&self.directory)
    }

    /// It could not be started: what it was stays, with the reason.
    fn failed(&mut self, error: MonitorError) -> MonitorError {
        let code = if let MonitorError::Run(error) = &error { error.code() } else { 125 };
        let life = &mut self.record.life;
        let status = if life.started.is_some() { Status::Exited } else { Status::Created };
        let error_text = error.to_string();
        *life = Life { status, owner: None, error: error_text, exit_code: code.into(), ..life.clone() };
        let _ = self.save();
        self.state.events().tell(&of::not_started(&self.record));
        error
    }

    /// Runs the program once, from its launch until everything is undone.
    fn run(&mut self, starter: &mut Option<Starter>) -> Result<(Carrier, i32), MonitorError> {
        let request = &self.record.request;
        // only its first run fills a volume that is empty
        let how = if self.record.life.started.is_none() { How::Fill } else { How::Keep };
        let volumes = open(self.state, request, &self.record.id, how).map_err(RunError::from)?;
        let id = self.record.id.clone();
        let mut spec = prepare(self.state, &self.ground, id, request, volumes.mounts)?;
        let (title, typed, terminal) = (request.title.clone(), request.stdin, request.terminal);
        let stdin_once = request.stdin_once;
        spec.makes_directory = false;
        spec.process.own_stdio = true;
        if let Some(terminal) = &mut spec.process.console {
            terminal.size = self.window;
        }
        let result = crate::container::plan(&spec).map_err(RunError::from).and_then(|plan| {
            let journal = run::journal(self.state, &spec.id, &title, &plan, |_| false)?;
            let pipes = (!terminal).then(|| stdio::Pipes::new(typed)).transpose()?;
            let running = launch(&plan, &mut (), Some(journal));
            stdio::to_null()?;
            drop(volumes.held);
            let mut running = running.map_err(|error| run::explain(error, &spec.process.cwd))?;
            let ends = stdio::ends(pipes, &mut running)?;
            let mut carrier = Carrier::new(ends, self.log()?, stdin_once)?;
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
                    self.obey(asked, &running, &carrier);
                }
            }
            if let Some(starter) = starter.take() {
                starter.told(&FirstWord::Pid(running.box_pid().unwrap_or_default()));
            }
            let exit = self.serve(&mut running, &mut carrier)?;
            self.record.life.oom_killed = spec.cgroup.out_of_memory();
            carrier.drain(&life::now());
            for (op, errno) in running.undo(&mut ()) {
                self.record.life.error = format!("not undone: {op}: {}", hint::errno_text(errno));
            }
            Ok((carrier, exit.code()))
        });
        // where the step that owns the address was never taken, nobody else gives it back
        super::network::give_back(&spec.net)?;
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
    fn serve(&mut self, running: &mut Running<'_>, carrier: &mut Carrier) -> io::Result<Exit> {
        let mut prober = Prober::begin(&self.directory, &self.record, running.box_pid().unwrap_or_default());
        loop {
            let pidfd = running.pidfd().ok_or(Errno::CHILD)?;
            let mut fds = vec![
                PollFd::from_borrowed_fd(pidfd, PollFlags::IN),
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(&self.listener, if carrier.full() { PollFlags::empty() } else { PollFlags::IN }),
            ];
            fds.extend(prober.iter().flat_map(Prober::wait_for));
            let own = fds.len();
            fds.extend(carrier.wait_for());
            let most = prober.as_ref().and_then(Prober::patience).map(timespec);
            match poll(&mut fds, most.as_ref()) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let found: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
            drop(fds);
            if let Some(prober) = &mut prober {
                let turned = prober.turn(&found[3..own], self.state, &mut self.record);
                self.checked(turned)?;
            }
            if !found[1].is_empty() {
                while let Some(signal) = self.signals.next() {
                    match signal {
                        // where the box shares the host's processes, those whose parent has died are ours
                        libc::SIGCHLD => reap_but(running.box_pid().unwrap_or_default())?,
                        // the machine goes down
                        libc::SIGTERM => drop(process::signal(pidfd, signal)),
                        _ => {}
                    }
                }
            }
            if found[own..].iter().any(|found| !found.is_empty()) {
                for asked in carrier.carry(&found[own..], &life::now()) {
                    self.obey(asked, running, carrier);
                }
            }
            if !found[2].is_empty() {
                carrier.attach(&self.listener)?;
            }
            if !found[0].is_empty() {
                return Ok(running.wait()?);
            }
        }
    }

    fn obey(&mut self, asked: Asked, running: &Running<'_>, carrier: &Carrier) {
        match (asked, carrier.terminal()) {
            (Asked::Resize { rows, columns }, Some(ptmx)) => {
                self.window = Some(WindowSize { rows, columns });
                let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
                let _ = tcsetwinsize(ptmx, size);
                self.state.events().tell(&[of::resized(&self.record, rows, columns)]);
            }
            (Asked::Resize { .. }, None) => {}
            (Asked::Signal(signal), _) => {
                // as `kill`: whoever sends it does not want it back
                if ends_for_good(&self.record, signal) {
                    let _ = std::fs::write(life::stopped(&self.directory), "");
                }
                if let Some(pidfd) = running.pidfd() {
                    let _ = process::signal(pidfd, signal);
                    self.state.events().tell(&[of::kill(&self.record, signal)]);
                }
            }
        }
    }

    /// Until everybody who is attached has read everything, or for so long.
    fn linger(&self, carrier: &mut Carrier, most: Option<Duration>) -> Result<(), Errno> {
        let began = Instant::now();
        while carrier.owes() && most.is_none_or(|most| began.elapsed() < most) {
            let mut fds = carrier.wait_for();
            let wait = most.map(|most| timespec(most.saturating_sub(began.elapsed())));
            match poll(&mut fds, wait.as_ref()) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let found: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
            drop(fds);
            carrier.carry(&found, &life::now());
        }
        Ok(())
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

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: duration.subsec_nanos().into() }
}
