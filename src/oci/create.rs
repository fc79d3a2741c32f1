//! Create: from a bundle to a container that waits for `start`, or runs at once.
//!
//! ```text
//!   mkdir ROOT/ID        the name is taken
//!   state.json           without a process: whoever looks now sees `creating`
//!   journal              every undo, before the first step is taken
//!   launch ────────────> the box … waits at its fifo, or runs
//!   state.json           with the process
//!   pid file             last: whoever waits for it may use the container at once
//! ```
//!
//! Killed between any two lines, what is there says enough to undo it: `delete --force`.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::config::{self, Config, Flags, Machine, Place};
use super::delete::{self, poststop};
use super::hooks;
use super::log::Log;
use super::state::{Container, Record, Root, Who, fifo, journal};
use super::{OCI_VERSION, OciError};
use crate::cgroups::{Cgroup, CgroupError, Controller};
use crate::container;
use crate::journal::Journal;
use crate::kernel::{Errno, Op, binary, departure};
use crate::launch::{LaunchError, Observer, Running, Unmet, launch};
use crate::rootfs::CgroupTree;
use crate::spec::{Life, Process, Spec, Start};
use crate::step::Plan;

/// What is asked for, besides the bundle's configuration.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// the container's name
    pub id: String,
    /// the directory of its config.json
    pub bundle: PathBuf,
    /// who gets the controlling end of its terminal
    pub console_socket: Option<PathBuf>,
    /// a file that will hold its first process's number, by an absolute path: hooks are run elsewhere
    pub pid_file: Option<PathBuf>,
    /// who gets a pidfd of its first process
    pub pidfd_socket: Option<PathBuf>,
    /// how many of our descriptors from 3 on are sockets that it listens at: sd_listen_fds(3)
    pub listen_fds: u32,
    /// how many of our descriptors after those it keeps
    pub preserve_fds: u32,
    /// it shares the session keyring of whoever called us
    pub no_new_keyring: bool,
    /// the host's root is no mount that could be exchanged: the container's is moved over it
    pub no_pivot: bool,
    /// when its program runs
    pub when: When,
    /// nothing is started that could write to our own program: CVE-2019-5736
    pub careful: bool,
    /// where cgroups cannot be made, go on without
    pub lenient: bool,
    /// where programs of this machine lie, as in PATH
    pub path: String,
}

/// When a container's program runs, and who waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// after `start`; nobody waits
    #[default]
    Started,
    /// at once; nobody waits
    Detached,
    /// at once, and its end is ours
    Foreground,
}

/// A container that is about to be made: its name is taken, nothing else is done.
#[derive(Debug)]
pub struct Draft {
    container: Container,
    config: Config,
    request: Request,
    spec: Spec,
    made: bool,
}

/// Takes the name and plans. What is wrong with the configuration shows here, and leaves nothing behind.
pub fn draft(root: &Root, request: Request, log: &mut Log) -> Result<(Draft, Plan), OciError> {
    super::state::check_id(&request.id)?;
    let bundle = std::fs::canonicalize(&request.bundle)
        .map_err(OciError::file("cannot use the bundle", &request.bundle))?;
    let document = config::read(&bundle)?;
    let config: Config = config::of(document.clone())?;
    let directory = root.take(&request.id)?;
    let planned = plan(&directory, &bundle, &request, &config);
    // then all of this is done once more
    if !matches!(planned, Err(OciError::InReach)) {
        let notes = config.process.iter().flat_map(config::notes);
        notes.for_each(|(level, text)| log.line(level, &text));
    }
    let draft = planned.and_then(|(spec, plan)| {
        fit(&spec.cgroup, log)?;
        let record = Record {
            oci_version: OCI_VERSION.into(),
            id: request.id.clone(),
            creator: Who::me(),
            init: None,
            rootfs: spec.rootfs.tree().to_path_buf(),
            bundle: bundle.clone(),
            created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%fZ").to_string(),
            owner: rustix::process::getuid().as_raw(),
            annotations: config.annotations.clone(),
            cgroup: (!spec.cgroup.directories().is_empty()).then(|| spec.cgroup.clone()),
            config: document,
        };
        record.save(&directory)?;
        let container = Container { directory: directory.clone(), record };
        Ok((Draft { container, config, request, spec, made: false }, plan))
    });
    draft.inspect_err(|_| {
        let _ = delete::remove_directory(&directory);
    })
}

/// Whoever joins a frozen cgroup stops at once, and nobody waits for that. That others run in it already is only said:
/// its limits count them, too, and freezing it freezes them.
fn fit(cgroup: &Cgroup, log: &mut Log) -> Result<(), CgroupError> {
    match cgroup.vacant() {
        Err(shared @ CgroupError::Occupied { .. }) => {
            log.warning(&shared.to_string());
            let frozen = cgroup.directory(Controller::Freezer).filter(|_| cgroup.frozen().unwrap_or(false));
            frozen.map_or(Ok(()), |directory| Err(CgroupError::Frozen(directory)))
        }
        other => other,
    }
}

fn plan(
    directory: &Path,
    bundle: &Path,
    request: &Request,
    config: &Config,
) -> Result<(Spec, Plan), OciError> {
    let (life, start) = match request.when {
        When::Started => (Life::OfItsOwn, Start::AfterFifo(fifo(directory))),
        When::Detached => (Life::OfItsOwn, Start::AtOnce),
        When::Foreground => (Life::OfTheEngine, Start::AtOnce),
    };
    let flags = Flags {
        console_socket: request.console_socket.clone(),
        foreground: request.when == When::Foreground,
        pidfd_socket: request.pidfd_socket.clone(),
        preserve_fds: request.preserve_fds,
        listen_fds: request.listen_fds,
        no_pivot: request.no_pivot,
        no_new_keyring: request.no_new_keyring,
        lenient: request.lenient,
        life,
        start,
    };
    let mut place = place(&request.id, bundle, directory, &request.path, flags)?;
    place.machine.engine_in_reach = request.careful && departure::wanted();
    let spec = config::spec(config, &place)?;
    spec.cgroup.vacant()?;
    let plan = container::plan(&spec)?;
    if request.careful && !container::leaves_the_engine(&plan) && binary::in_reach() != Ok(false) {
        return Err(OciError::InReach);
    }
    Ok((spec, plan))
}

/// This machine, as far as a container's making depends on it. `path` is where programs lie, as in PATH.
pub(super) fn place(
    id: &str,
    bundle: &Path,
    directory: &Path,
    path: &str,
    flags: Flags,
) -> Result<Place, OciError> {
    let cgroups = Path::new("/sys/fs/cgroup");
    let (hierarchy, mounts) =
        crate::cgroups::look(Path::new("/")).map_err(OciError::file("cannot read", cgroups))?;
    let mut machine = Machine::look(path, CgroupTree::None);
    machine.cgroups = CgroupTree::of(&mounts, machine.all_powerful());
    Ok(Place { id: id.into(), bundle: bundle.into(), directory: directory.into(), machine, hierarchy, flags })
}

impl Draft {
    /// The container's record and directory.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// Makes the container. Signals should be blocked by now, so that none ends us half-way. On failure everything is
    /// undone, and the poststop hooks are run.
    pub fn make<'p, O: Observer>(
        &mut self,
        plan: &'p Plan,
        observer: &mut O,
    ) -> Result<Running<'p>, OciError> {
        let directory = self.container.directory.clone();
        let path = journal(&directory);
        let title = format!("stepbox oci {}", self.request.id);
        let journal =
            Journal::create_at(&path, &title, plan).map_err(OciError::file("cannot write", &path))?;
        self.made = true;
        let running = launch(plan, observer, Some(journal));
        let running = running.map_err(|error| explain(error, &self.spec))?;
        let pid = running.box_pid().unwrap_or_default();
        self.container.record.init = Who::of(pid).or(Some(Who { pid, start: 0 }));
        self.container.record.save(&directory)?;
        if let Some(file) = &self.request.pid_file {
            write_pid(file, pid)?;
        }
        Ok(running)
    }

    /// Gives the name back after a failure, and says what else went wrong on the way.
    pub fn give_up(self) -> Vec<OciError> {
        let mut troubles = Vec::new();
        if self.made {
            troubles.extend(poststop(&self.container, &self.config));
        }
        if let Err(error) = delete::remove_directory(&self.container.directory) {
            troubles.push(error);
        }
        troubles
    }

    /// The configuration, for the hooks that come later.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// Whoever waits for the file must not find it empty: it is written beside and renamed.
pub fn write_pid(file: &Path, pid: i32) -> Result<(), OciError> {
    let wrong = || OciError::file("cannot write the pid file", file);
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    let mut new = new.prefix(".pid").permissions(permissions).tempfile_in(parent).map_err(wrong())?;
    write!(new, "{pid}").map_err(wrong())?;
    new.persist(file).map_err(|error| wrong()(error.error)).map(drop)
}

/// The steps at which the configuration, not the runtime, may be wrong: in runc's words, which engines look for.
pub fn explain(error: LaunchError, spec: &Spec) -> OciError {
    let LaunchError::Step(step) = &error else { return error.into() };
    match &step.op {
        Op::Spawn(hook) => {
            // newuidmap and newgidmap are no hooks: the step's own name says what they were to do
            let Some((name, at)) = spec.hooks.place(hook) else { return error.into() };
            let path = hook.exec.paths.first().map(ToString::to_string).unwrap_or_default();
            OciError::Hook { name, at, what: format!("{path}: {}", hooks::what(step.what)) }
        }
        Op::Mount { kind, target, .. } if step.what == Unmet::Errno(Errno::LOOP) => OciError::State(format!(
            "unable to start container process: filesystem {:?} must be mounted on ordinary directory: {} is a link",
            kind.as_path(),
            target.as_path().display()
        )),
        _ => explain_program(error, &spec.process),
    }
}

/// The same for a program alone.
pub(super) fn explain_program(error: LaunchError, process: &Process) -> OciError {
    let LaunchError::Step(step) = &error else { return error.into() };
    match (&step.op, step.what) {
        (Op::ConnectListener { .. }, _) => OciError::State(format!(
            "unable to start container process: failed to connect with seccomp agent: {error}"
        )),
        (Op::Depart, Unmet::Errno(errno)) if errno != Errno::AGAIN => OciError::InReach,
        (Op::Exec(_) | Op::Depart | Op::LookUp { .. }, Unmet::Errno(errno)) => {
            let name = process.exec.argv.first().map(|name| name.as_path().display().to_string());
            OciError::Exec { program: name.unwrap_or_default(), errno }
        }
        (Op::Chdir { path }, Unmet::Errno(errno)) if path.as_path() == process.cwd => {
            OciError::Cwd { cwd: process.cwd.clone(), errno }
        }
        (Op::Getcwd, Unmet::Errno(Errno::NOENT)) => OciError::State(format!(
            "unable to start container process: the working directory {} is outside of container mount namespace root \
             -- possible container breakout detected",
            process.cwd.display()
        )),
        _ => error.into(),
    }
}
