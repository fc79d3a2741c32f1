//! Probe: the health check of a container, run by its monitor beside everything else.
//!
//! ```text
//!   monitor                             go-between                          probe
//!   fork ─────────────────────────────> joins the container, as exec does ─> the check's program
//!   poll: what it prints <───────────────────────────────────────────────── 1, 2
//!         its answer     <───────────── exit code, or why it did not run
//!         too long? KILL ─────────────> dies, and the probe with it
//! ```
//!
//! Nothing that a container does can hold up its monitor: whatever opens, reads or waits in the container's name does so
//! in the go-between. While the container is paused nobody is probed; inotify(7) tells the monitor.
//!
//! See poll(2), prctl(2) PR_SET_PDEATHSIG, [`crate::engine::exec`].

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::inotify;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::engine::containers::pause::stands_still;
use crate::engine::containers::{Record, find, life};
use crate::engine::events::of;
use crate::engine::exec;
use crate::engine::health::{Check, Condition, Outcome, Output, too_long};
use crate::engine::names;
use crate::engine::run::RunError;
use crate::engine::state::State;
use crate::kernel::apart::{Apart, beside};
use crate::kernel::process::{self, Exit};

/// Who checks a container again and again.
#[derive(Debug)]
pub(super) struct Prober {
    check: Check,
    /// the container's first process
    pid: i32,
    directory: PathBuf,
    /// of the container's directory: it tells when somebody pauses the container; none where the user has too many
    watch: Option<OwnedFd>,
    began: Instant,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// the next check begins then
    Waiting(Instant),
    /// it has time until then
    Probing(Probe, Instant),
    /// the container is paused, or at its end
    Still,
}

/// One check.
#[derive(Debug)]
struct Probe {
    id: String,
    apart: Apart,
    pidfd: OwnedFd,
    pipe: Option<OwnedFd>,
    output: Output,
    start: String,
    began: Instant,
}

/// What has come of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// nothing
    Nothing,
    /// something to be written down
    Known,
    /// the same, and the container is healthy or unhealthy now, which it was not
    Changed(Condition),
}

impl Prober {
    /// For a container that has just been started; none where it has no check.
    pub(super) fn begin(directory: &Path, record: &Record, pid: i32) -> Option<Prober> {
        let check = Check::of(&record.config)?;
        let watch = watch(directory).ok();
        let began = Instant::now();
        let stage = Stage::Waiting(began + check.pause(Condition::Starting, Duration::ZERO));
        Some(Prober { check, pid, directory: directory.into(), watch, began, stage })
    }

    /// What poll(2) is to wait for, to be handed to [`Prober::turn`] with what it found, in this order.
    pub(super) fn wait_for(&self) -> Vec<PollFd<'_>> {
        let mut fds: Vec<PollFd<'_>> =
            self.watch.iter().map(|watch| PollFd::new(watch, PollFlags::IN)).collect();
        if let Stage::Probing(probe, _) = &self.stage {
            fds.push(PollFd::from_borrowed_fd(probe.apart.as_fd(), PollFlags::IN));
            fds.extend(probe.pipe.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        }
        fds
    }

    /// How long it may wait.
    pub(super) fn patience(&self) -> Option<Duration> {
        match &self.stage {
            Stage::Waiting(due) | Stage::Probing(_, due) => {
                Some(due.saturating_duration_since(Instant::now()))
            }
            Stage::Still => None,
        }
    }

    /// Does what is to be done now; what has come of it stands in the container's record.
    pub(super) fn turn(&mut self, found: &[PollFlags], state: &State, record: &mut Record) -> Turned {
        let first = usize::from(self.watch.is_some());
        let heard = first == 1 && found.first().is_some_and(|found| !found.is_empty()) && self.heard();
        if heard && self.paused(record) {
            return Turned::Known;
        }
        let found = |at: usize| found.get(first + at).is_some_and(|found| !found.is_empty());
        let now = Instant::now();
        match &mut self.stage {
            Stage::Still => Turned::Nothing,
            Stage::Waiting(due) if now < *due => Turned::Nothing,
            // nobody has told us
            Stage::Waiting(_) if self.watch.is_none() && stands_still(&self.directory, record) => {
                record.life = std::mem::take(&mut record.life).unchecked();
                self.stage = self.next(record);
                Turned::Known
            }
            Stage::Waiting(_) => match Probe::begin(state, &record.id, &self.check) {
                Ok(probe) => {
                    let told = [
                        of::exec("exec_create", &probe.id, &self.check.command, record),
                        of::exec("exec_start", &probe.id, &self.check.command, record),
                    ];
                    state.events().tell(&told);
                    self.stage = Stage::Probing(probe, now + self.check.timeout);
                    Turned::Nothing
                }
                Err(errno) => {
                    let failed = format!("cannot begin: {}", crate::kernel::hint::errno_text(errno));
                    let outcome = outcome(life::now(), -1, failed);
                    self.told(outcome, now, record)
                }
            },
            Stage::Probing(probe, due) => {
                if found(1) {
                    probe.read();
                }
                if found(0) {
                    let (code, text) = probe.ended();
                    if code >= 0 {
                        state.events().tell(&[of::exec_die(&probe.id, code, record)]);
                    }
                    let (start, began) = (std::mem::take(&mut probe.start), probe.began);
                    return self.told(outcome(start, code, text), began, record);
                }
                if now < *due {
                    return Turned::Nothing;
                }
                state.events().tell(&[of::exec_die(&probe.id, Exit::Signal(libc::SIGKILL).code(), record)]);
                let (start, began) = (std::mem::take(&mut probe.start), probe.began);
                // with its stage it is dropped, and killed
                self.told(outcome(start, -1, too_long(self.check.timeout)), began, record)
            }
        }
    }

    /// Writes down how a check has ended, and waits for the next one.
    fn told(&mut self, outcome: Outcome, began: Instant, record: &mut Record) -> Turned {
        if outcome.exit_code != 0 && process::is_ending(self.pid) {
            // the probe has not failed, it died with the container
            self.stage = Stage::Still;
            return Turned::Nothing;
        }
        let mut turned = Turned::Known;
        if let Some(health) = &mut record.life.health
            && health.take(outcome, &self.check, began.saturating_duration_since(self.began))
        {
            turned = Turned::Changed(health.status);
        }
        self.stage = self.next(record);
        turned
    }

    fn next(&self, record: &Record) -> Stage {
        let status = record.life.health.as_ref().map_or(Condition::Starting, |health| health.status);
        Stage::Waiting(Instant::now() + self.check.pause(status, self.began.elapsed()))
    }

    /// Whether something has changed in the container's directory.
    fn heard(&self) -> bool {
        let (mut room, mut heard) = ([0u8; 4096], false);
        while let Some(watch) = &self.watch
            && rustix::io::read(watch, &mut room).is_ok_and(|count| count > 0)
        {
            heard = true;
        }
        heard
    }

    /// Looks whether the container is paused or goes on; whether it has been paused just now. As in Docker a check that
    /// runs is given up, and what nobody checks is unhealthy.
    fn paused(&mut self, record: &mut Record) -> bool {
        let still = stands_still(&self.directory, record);
        match (still, &self.stage) {
            (true, Stage::Still) => false,
            (true, _) => {
                self.stage = Stage::Still;
                if let Some(health) = &mut record.life.health {
                    health.left_alone();
                }
                true
            }
            (false, Stage::Still) => {
                self.stage = self.next(record);
                false
            }
            (false, _) => false,
        }
    }
}

fn watch(directory: &Path) -> Result<OwnedFd, Errno> {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let what = inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::DELETE;
    inotify::add_watch(&watch, directory, what | inotify::WatchFlags::ONLYDIR)?;
    Ok(watch)
}

fn outcome(start: String, exit_code: i32, output: String) -> Outcome {
    Outcome { start, end: life::now(), exit_code, output }
}

impl Probe {
    fn begin(state: &State, id: &str, check: &Check) -> Result<Probe, Errno> {
        let (pipe, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let apart = beside(theirs.as_fd(), || {
            let answer = run(state, id, check).map_err(|error| error.to_string());
            serde_json::to_vec(&answer).unwrap_or_default()
        })?;
        let pidfd = process::pidfd_open(apart.pid())?;
        let (id, output, start, began) = (names::new_id(), Output::default(), life::now(), Instant::now());
        Ok(Probe { id, apart, pidfd, pipe: Some(pipe), output, start, began })
    }

    /// Reads what is there. One that prints without an end does not hold us: the pipe is read as often as poll(2) says.
    fn read(&mut self) {
        let mut piece = [0u8; 4096];
        let Some(pipe) = &self.pipe else { return };
        match rustix::io::read(pipe, &mut piece) {
            Ok(count @ 1..) => self.output.take(&piece[..count]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(_) | Err(_) => self.pipe = None,
        }
    }

    /// Its exit code, and what it printed; of what it left running nothing more is read.
    fn ended(&mut self) -> (i32, String) {
        const MOST: usize = 32;
        for _ in 0..MOST {
            self.read();
        }
        let answer = self.apart.take_answer().unwrap_or_default();
        match serde_json::from_slice::<Result<i32, String>>(&answer) {
            Ok(Ok(code)) => (code, self.output.text()),
            Ok(Err(text)) => (-1, text),
            Err(_) => (-1, "the process that was to run it was killed".into()),
        }
    }
}

/// Whoever is between the monitor and the probe dies with this, and the probe with him.
impl Drop for Probe {
    fn drop(&mut self) {
        let _ = process::signal(self.pidfd.as_fd(), libc::SIGKILL);
        let _ = self.apart.take_answer();
    }
}

/// In the go-between.
fn run(state: &State, id: &str, check: &Check) -> Result<i32, RunError> {
    let record = find(state, id)?;
    let asked = exec::Asked { command: check.command.clone(), probe: true, ..exec::Asked::default() };
    Ok(exec::exec(&exec::prepare(state, &record, &asked)?, &asked, &mut ())?.code())
}
