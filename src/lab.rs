//! Labs: the list of them, the flags that each one has, and the stage on which it plays.
//!
//! ```text
//!   labs/08_overlay.rs ── main ──> flags ──> toy host ──> Stage ── plan ──> launch + Watcher
//! ```
//!
//! One mechanism = one module = one lab = one chapter = one snapshot: [`LABS`] names them all, and a test holds
//! the folders against it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use colored::control::SHOULD_COLORIZE;

use crate::host::{self, EnterError};
use crate::journal::Journal;
use crate::launch::{LaunchError, Verdict, launch};
use crate::observe::{Watcher, Watching};
use crate::probe::Probe;
use crate::step::Plan;
use crate::trace::{Change, Event};

mod flags;
mod turn;
pub mod work;

pub use flags::{Flags, Host};

/// One row: a lab, and where its mechanism lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lab {
    /// the lab's number and name: the binary, the chapter and the snapshots are called so
    pub name: &'static str,
    /// the module under src/
    pub module: &'static str,
    /// the question that it answers
    pub question: &'static str,
    /// the Docker command that uses the mechanism
    pub docker: &'static str,
}

const fn row(name: &'static str, module: &'static str, question: &'static str, docker: &'static str) -> Lab {
    Lab { name, module, question, docker }
}

/// Every lab, in the order of the course.
pub const LABS: &[Lab] = &[
    row("00-doctor", "doctor", "What does this machine allow, lab by lab?", "docker info"),
    row("01-process", "launch", "How does a program start, and how does it end?", "docker ps"),
    row("02-chroot", "chroot", "What does a process see when its root is another directory?", "docker run"),
    row(
        "03-namespaces",
        "namespaces",
        "How can two processes disagree about the same machine?",
        "docker run --pid",
    ),
    row("04-pivot-root", "chroot", "Which root has nothing above it?", "docker run"),
    row("05-user-namespace", "userns", "How can root be nobody in particular?", "dockerd --userns-remap"),
    row(
        "06-cgroups",
        "cgroups",
        "Who keeps a container from using everything?",
        "docker run --memory --cpus --pids-limit",
    ),
    row(
        "07-privilege",
        "privilege",
        "What may root not do?",
        "docker run --cap-drop --security-opt --read-only",
    ),
    row("08-overlay", "overlay", "What is a layer?", "docker diff"),
    row("09-veth-bridge", "veth", "How do two boxes talk to each other?", "docker network create"),
    row("10-ports", "ports", "Who can call a box, and whom does it see?", "docker run -p"),
    row(
        "12-storage",
        "storage",
        "What of a container's files outlives it?",
        "docker run -v --mount --tmpfs, docker volume",
    ),
    row("13-union-image", "layers", "What is an image, byte by byte?", "docker image inspect"),
    row("14-commit", "layers", "How does what a container wrote become an image?", "docker commit"),
    row("15-full-run", "container", "What happens in one docker run?", "docker run"),
    row(
        "16-registry",
        "engine::registry",
        "What goes over the wire when an image is pushed and pulled?",
        "docker push and docker pull",
    ),
    row("18-engine", "engine", "Who stays with a container when the command has ended?", "docker run -d"),
];

/// Where labs on the real machine keep their journals.
pub const JOURNALS: &str = "/run/stepbox/journal";

/// The row of a lab, by name.
pub fn find(name: &str) -> Option<&'static Lab> {
    LABS.iter().find(|lab| lab.name == name)
}

/// Why a lab did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// a step failed, or the reader stopped
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// work between the steps failed
    #[error("{0}")]
    Work(Box<dyn std::error::Error>),
}

/// The stage of one lab: where it works, and who watches.
pub struct Stage {
    /// the lab's own directory, empty at the start
    pub dir: PathBuf,
    watcher: Watcher,
    dry: bool,
    journal: Option<PathBuf>,
    title: &'static str,
}

impl Stage {
    /// Takes a plan, watched, and undoes it; in a dry run only lists it.
    pub fn run(&mut self, plan: &Plan) -> Result<(), LabError> {
        self.run_then(plan, |_| Ok(()))
    }

    /// The same, with work between the plan's last step and its undoing.
    pub fn run_then(
        &mut self,
        plan: &Plan,
        work: impl FnOnce(&mut Stage) -> Result<(), LabError>,
    ) -> Result<(), LabError> {
        if self.dry {
            self.watcher.list(plan).map_err(|error| LabError::Work(error.into()))?;
            return work(self);
        }
        let journal = match &self.journal {
            Some(directory) => {
                Some(Journal::create(directory, self.title, plan).map_err(LaunchError::Journal)?)
            }
            None => None,
        };
        let running = match launch(plan, &mut self.watcher, journal) {
            Ok(running) => running,
            Err(error) => {
                // numbers stay those of the dry run, also where a refused plan is not the end
                self.watcher.next_plan(plan);
                return Err(error.into());
            }
        };
        let began = self.watcher.next_plan(plan);
        let result = work(self);
        self.watcher.back_to(began, |watcher| drop(running.undo(watcher)));
        result
    }

    /// Whether the steps are only listed.
    pub fn dry(&self) -> bool {
        self.dry
    }

    /// A heading for work that is not a plan.
    pub fn act(&mut self, title: &str, text: &str) {
        if !self.dry {
            self.watcher.tell(Event::Act { title: title.into(), text: text.into() });
        }
    }

    /// Does work that is not one kernel operation, with a pause before it and evidence looked at before and after.
    pub fn scope<E: std::error::Error + 'static>(
        &mut self,
        name: &str,
        why: &str,
        probes: &[Probe],
        work: impl FnOnce() -> Result<Vec<Change>, E>,
    ) -> Result<(), LabError> {
        if self.dry {
            return self.watcher.list_work(name, why).map_err(|error| LabError::Work(error.into()));
        }
        if self.watcher.before_work(name, why, probes) == Verdict::Quit {
            return Err(LaunchError::Quit.into());
        }
        let before: Vec<_> = probes.iter().map(|probe| probe.look(None)).collect();
        let began = Instant::now();
        let mut evidence = work().map_err(|error| LabError::Work(Box::new(error)))?;
        let micros = began.elapsed().as_micros() as u64;
        for (before, probe) in before.into_iter().zip(probes) {
            let after = probe.look(None);
            let (kind, subject) = (after.kind.into(), after.subject);
            evidence.push(Change {
                kind,
                subject,
                source: after.source,
                before: before.facts,
                after: after.facts,
            });
        }
        self.watcher.tell(Event::Scope { name: name.into(), why: why.into(), evidence, micros });
        Ok(())
    }
}

/// Runs a lab: reads its flags, makes the toy host, plays, and says how it went. The exit code is 0 when it came
/// to its end or was stopped by the reader, 125 when it could not be played.
pub fn main(name: &'static str, body: fn(&mut Stage) -> Result<(), LabError>) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "work") {
        return work::main(arguments.collect());
    }
    let lab = find(name).unwrap_or_else(|| panic!("{name} is not in LABS"));
    let flags = flags::parse(lab);
    if !flags.dry_run && flags.host == Host::Toy && !host::inside() {
        return enter_toy_host(lab, &flags);
    }
    if !flags.dry_run && flags.host == Host::Real && !rustix::process::geteuid().is_root() {
        complain!(
            "{name}: --host real changes this machine and needs root; without it, a lab plays in a toy host"
        );
        return ExitCode::from(125);
    }
    play(lab, flags, body)
}

/// Runs a lab that must look at the machine itself and changes nothing: as whoever we are, in no toy host.
pub fn main_on_machine(name: &'static str, body: fn(&mut Stage) -> Result<(), LabError>) -> ExitCode {
    let lab = find(name).unwrap_or_else(|| panic!("{name} is not in LABS"));
    let flags = flags::parse(lab);
    perform(lab, flags, Where { host: "real", dir: PathBuf::from("/"), journal: None }, body)
}

/// Where a lab plays.
struct Where {
    /// as the trace names it
    host: &'static str,
    dir: PathBuf,
    journal: Option<PathBuf>,
}

fn enter_toy_host(lab: &Lab, flags: &Flags) -> ExitCode {
    let outputs: Vec<(&str, &Path)> = [("--json", &flags.json), ("--html", &flags.html)]
        .into_iter()
        .filter_map(|(option, path)| Some((option, path.as_deref()?)))
        .collect();
    let entered = host::enter(&flags::without_outputs(std::env::args_os().skip(1)), &outputs);
    if flags.step {
        // the lab inside had taken the terminal
        crate::kernel::process::take_foreground();
    }
    match entered {
        Ok(code) => ExitCode::from(code as u8),
        Err(EnterError::Launch(error)) => {
            complain!("SKIP {}: this machine refuses a toy host\n{error}\nsee: stepbox doctor", lab.name);
            ExitCode::from(125)
        }
        Err(error) => {
            complain!("{}: {error}", lab.name);
            ExitCode::from(125)
        }
    }
}

fn play(lab: &'static Lab, flags: Flags, body: fn(&mut Stage) -> Result<(), LabError>) -> ExitCode {
    let real = flags.host == Host::Real && !flags.dry_run;
    let dir = if real { real_directory() } else { PathBuf::from(host::LAB) };
    if real && let Err(error) = std::fs::create_dir_all(&dir) {
        complain!("{}: cannot make {}: {error}", lab.name, dir.display());
        return ExitCode::from(125);
    }
    let journal = real.then(|| PathBuf::from(JOURNALS));
    let host = if real { "real" } else { "toy" };
    let code = perform(lab, flags, Where { host, dir: dir.clone(), journal }, body);
    if real {
        let _ = std::fs::remove_dir_all(&dir);
    }
    code
}

fn perform(
    lab: &'static Lab,
    flags: Flags,
    place: Where,
    body: fn(&mut Stage) -> Result<(), LabError>,
) -> ExitCode {
    // a trace that cannot be written is said before anything is begun
    for path in [&flags.json, &flags.html].into_iter().flatten().filter(|_| !flags.dry_run) {
        if let Err(error) = std::fs::File::create(path) {
            complain!("{}: cannot write {}: {error}", lab.name, path.display());
            return ExitCode::from(125);
        }
    }
    let watching = Watching {
        step: flags.step,
        auto: flags.auto.filter(|wait| !wait.is_zero()),
        from: flags.from,
        until: flags.until,
        narrate: true,
        to_stderr: false,
        colour: !flags.no_color && SHOULD_COLORIZE.should_colorize(),
        json: flags.json.clone(),
        html: flags.html.clone(),
    };
    if flags.step && host::inside() {
        // our group's leader is outside of the toy host's PID namespace: a shell opened here could not give back to it
        crate::kernel::process::take_foreground();
    }
    close_inherited();
    // re-executed through /proc/self/exe, the process would be called "exe"
    let _ = rustix::thread::set_name(crate::kernel::CText::from(lab.name).as_c_str());
    let watcher = Watcher::new(watching, lab.name, lab.question, place.host);
    let Where { dir, journal, .. } = place;
    let mut stage = Stage { dir, watcher, dry: flags.dry_run, journal, title: lab.name };
    let result = body(&mut stage);
    if flags.dry_run {
        return ExitCode::SUCCESS;
    }
    let stopped = stage.watcher.stopped();
    let (outcome, code) = match &result {
        Ok(()) => ("the lab is over; everything is undone".to_string(), 0),
        Err(LabError::Launch(LaunchError::Quit)) if stopped => {
            (format!("{}; everything is undone", stage.watcher.stop()), 0)
        }
        Err(error) => (format!("failed: {error}").replace('\n', "; "), 125),
    };
    if let Err(error) = stage.watcher.finish(&outcome, None) {
        complain!("{}: cannot write the trace: {error}", lab.name);
        return ExitCode::from(125);
    }
    if code != 0 && !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        complain!("{}: {outcome}", lab.name);
    }
    ExitCode::from(code)
}

fn real_directory() -> PathBuf {
    PathBuf::from(format!("/run/stepbox/lab-{}", std::process::id()))
}

/// Whatever was handed to this process beyond its three standard descriptors is not handed on to a box.
fn close_inherited() {
    use crate::kernel::linux::{Context, Prepared, call};
    let _ = call(&crate::kernel::Op::CloseRange { first: 3 }, &Prepared::AsItIs, &mut Context::default());
}
