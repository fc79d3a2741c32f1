//! Run: from what the user asked for and the image to a [`Spec`], then launch and attend.
//!
//! ```text
//!   Request + Image + machine ──> Spec ── container::plan ──> launch ──> attend ──> exit code
//! ```

use std::path::{Path, PathBuf};

use super::describe::{Place, describe};
use super::devices;
use super::machine::Machine;
use super::network::{self, NetworkError};
use super::request::{NetworkMode, Request};
use super::state::State;
use super::store::{Driver, Image};
use super::users::UserError;
use crate::cgroups::{self, CgroupError};
use crate::journal::Journal;
use crate::kernel::process::Exit;
use crate::kernel::signals::Signals;
use crate::kernel::{Errno, Op, hint};
use crate::launch::{LaunchError, Observer, Unmet, launch};
use crate::spec::{Net, Spec};
use crate::step::Plan;

/// Why a container did not run. Everything done has been undone.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// the plan failed
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// the program cannot be executed
    #[error("cannot run {program:?}: {}", exec_reason(*errno))]
    Exec {
        /// the program's name, as asked for
        program: String,
        /// what execve said
        errno: Errno,
    },
    /// the working directory cannot be entered
    #[error("cannot start in {}: {}{}", .0.display(), hint::errno_text(*.1), workdir_hint(.0, *.1))]
    Workdir(PathBuf, Errno),
    /// the user is not known to the image
    #[error(transparent)]
    User(#[from] UserError),
    /// the user or group has no number outside
    #[error(
        "cannot be {what} {id}: this user namespace maps no such {what}, and without root only 0 can be mapped\nhint: run it as root, or with --user 0"
    )]
    NotMapped {
        /// `user` or `group`
        what: &'static str,
        /// its number inside
        id: u32,
    },
    /// no network can be had
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// no command
    #[error("no command specified: name one after the image, because the image has none")]
    NoCommand,
    /// a byte that no argument of a program can hold
    #[error("{0} holds a NUL byte, which no program can be given")]
    Nul(&'static str),
    /// a limit that cannot be set here
    #[error("{}", super::limits::in_our_words(.0))]
    Cgroup(CgroupError),
    /// nobody knows the host's address
    #[error(
        "unable to derive the IP value for host-gateway\nhint: a container reaches the host through a bridge: use --network bridge, or say the address"
    )]
    NoGateway,
    /// the name is taken
    #[error(
        "the container name {name:?} is already in use by container {id}; remove it with: stepbox rm {name}"
    )]
    NameTaken {
        /// the name
        name: String,
        /// who has it
        id: String,
    },
    /// a bind mount's source
    #[error("cannot bind {}: {error}", path.display())]
    Bind {
        /// the source
        path: PathBuf,
        /// what the system said
        error: std::io::Error,
    },
    /// a bind mount's source that is not there, and is not made
    #[error("invalid mount config for type \"bind\": bind source path does not exist: {}\nhint: make it first, or use --volume, which makes it", .0.display())]
    NoSource(PathBuf),
    /// a device of the host that is not there
    #[error("cannot lend the device {}: {error}", path.display())]
    Device {
        /// its name on the host
        path: PathBuf,
        /// what the system said
        error: std::io::Error,
    },
    /// it is none
    #[error("not a device node: {}; show a file or directory with --volume", .0.display())]
    NoDevice(PathBuf),
    /// a setting that the container has no namespace of its own for
    #[error(
        "sysctl {name:?} {}\nhint: leave it out; a container sets what its own network, IPC and UTS namespaces hold",
        why
    )]
    Sysctl {
        /// its name
        name: String,
        /// why not
        why: &'static str,
    },
    /// what root of the whole machine alone may do
    #[error("{0} needs root of the whole machine")]
    NotRoot(&'static str),
    /// files of the engine
    #[error("cannot keep the container's state: {0}")]
    State(#[from] std::io::Error),
    /// a system call of the engine's own
    #[error("the engine was refused a system call: {0}")]
    System(#[from] Errno),
}

/// Not as its source: its text would follow ours, in words that are not the command line's.
impl From<CgroupError> for RunError {
    fn from(error: CgroupError) -> RunError {
        RunError::Cgroup(error)
    }
}

fn workdir_hint(path: &Path, errno: Errno) -> String {
    let hint = hint::hint(&Op::Chdir { path: path.into() }, errno);
    hint.map_or(String::new(), |hint| format!("\nhint: {hint}"))
}

fn exec_reason(errno: Errno) -> String {
    match errno {
        Errno::NOENT => "executable file not found in $PATH".into(),
        Errno::ACCESS => "permission denied".into(),
        Errno::NOEXEC => "exec format error: a program for another machine, or a script without #!".into(),
        other => hint::errno_text(other),
    }
}

impl RunError {
    /// Docker's exit code: 127 for a program that is not there, 126 for one that cannot be executed, else 125.
    pub fn code(&self) -> u8 {
        match self {
            RunError::Exec { errno: Errno::NOENT | Errno::NOTDIR, .. } => 127,
            RunError::Exec { .. } => 126,
            _ => 125,
        }
    }
}

/// What the container will be, on this machine. Takes an address where one is needed.
pub fn prepare(state: &State, image: &Image, driver: Driver, request: &Request) -> Result<Spec, RunError> {
    let machine = Machine::look();
    let id = super::names::new_id();
    // what can fail comes before an address is taken
    let lent = devices::find(&request.devices, request.privileged, machine)?;
    let (hierarchy, mounts) = cgroups::look(Path::new("/"))?;
    let net = match request.network {
        NetworkMode::Host => Net::Host,
        NetworkMode::None => Net::None,
        NetworkMode::Join { ref file, .. } => Net::Join(file.clone()),
        NetworkMode::Default if !machine.root() => Net::None,
        NetworkMode::Bridge if !machine.root() => return Err(NetworkError::NotRoot.into()),
        NetworkMode::Default | NetworkMode::Bridge => network::take_port(state, &id)?,
    };
    let place = Place {
        lent,
        id,
        driver,
        machine,
        net,
        containers: state.containers(),
        hierarchy,
        cgroups: machine.cgroup_tree(&mounts),
        throttles: super::machine::throttles(Path::new("/")),
        resolvers: std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
        hosts: std::fs::read_to_string("/etc/hosts").unwrap_or_default(),
    };
    describe(&place, &image.config, &image.layers, request).inspect_err(|_| {
        let _ = network::give_back(&place.net);
    })
}

/// Runs a container in the foreground: takes the plan, attends to it, undoes it. Signals are blocked from before
/// the first step, so that none can end us half-way.
pub fn foreground<O: Observer>(
    state: &State,
    spec: &Spec,
    plan: &Plan,
    request: &Request,
    observer: &mut O,
) -> Result<Exit, RunError> {
    std::fs::create_dir_all(state.containers())?;
    // the container's / takes its mode from upper: the user's habit must not close it
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let journal = Journal::create(&state.journals(), &request.title, plan)?;
    let signals = Signals::block_all()?;
    let mut running = launch(plan, observer, Some(journal)).map_err(|error| explain(error, spec))?;
    let exit = crate::attend::attend(&mut running, &signals, request.stdin)?;
    if !request.remove {
        running
            .keep(|op| matches!(op, Op::RemoveTree { path } if path.as_path().starts_with(&spec.directory)));
    }
    for (op, errno) in running.undo(observer) {
        eprintln!("stepbox: not undone: {op}: {}", hint::errno_text(errno));
    }
    Ok(exit)
}

/// The steps at which the user, not the engine, may be wrong.
fn explain(error: LaunchError, spec: &Spec) -> RunError {
    let LaunchError::Step(step) = &error else { return error.into() };
    let Unmet::Errno(errno) = step.what else { return error.into() };
    match &step.op {
        Op::Exec(exec) => {
            let name = exec.argv.first().map(|name| name.as_path().display().to_string());
            RunError::Exec { program: name.unwrap_or_default(), errno }
        }
        Op::Chdir { path } if path.as_path() == spec.process.cwd => {
            RunError::Workdir(spec.process.cwd.clone(), errno)
        }
        Op::Getcwd => RunError::Workdir(spec.process.cwd.clone(), errno),
        Op::Setresuid { uid } if errno == Errno::INVAL => RunError::NotMapped { what: "user", id: *uid },
        Op::Setresgid { gid } if errno == Errno::INVAL => RunError::NotMapped { what: "group", id: *gid },
        _ => error.into(),
    }
}
