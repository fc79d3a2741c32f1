//! Exec: one program more in a container that exists, by the plan of [`crate::join`].
//!
//! ```text
//!   the container's own process (config.json as it was) ── changed by flags ──┐
//!   --process FILE ───────────────────────────────────────────────────────────┴─> join::Entry ─> join::plan
//! ```

use std::path::{Path, PathBuf};

use super::OciError;
use super::config::document::{Capabilities, Process, User};
use super::config::{self, Config, Flags, Given};
use super::create::{explain_program, place, write_pid};
use super::log::{Log, Steps};
use super::state::{Container, Status};
use crate::attend::attend;
use crate::cgroups::Cgroup;
use crate::join;
use crate::kernel::process::{Exit, differing};
use crate::kernel::signals::Signals;
use crate::launch::launch;
use crate::spec::{Life, Start, Users};
use crate::userns::Range;

/// What is asked for.
#[derive(Debug, Default)]
pub struct Request {
    /// the program and its arguments
    pub args: Vec<String>,
    /// all of it, in the shape of config.json's `process`, instead of the container's own
    pub process: Option<(PathBuf, std::io::Result<Vec<u8>>)>,
    /// a terminal
    pub terminal: bool,
    /// who gets its controlling end
    pub console_socket: Option<PathBuf>,
    /// where it starts
    pub cwd: Option<PathBuf>,
    /// variables besides the container's
    pub env: Vec<String>,
    /// `UID[:GID]`
    pub user: Option<String>,
    /// groups besides
    pub groups: Vec<u32>,
    /// capabilities besides
    pub capabilities: Vec<String>,
    /// no program gains privilege by being executed
    pub no_new_privs: Option<bool>,
    /// the AppArmor profile
    pub apparmor: Option<String>,
    /// the SELinux label
    pub label: Option<String>,
    /// cgroups below the container's own, as `[CONTROLLER[,CONTROLLER…]:]PATH`
    pub cgroups: Vec<String>,
    /// do not wait for its end
    pub detach: bool,
    /// a file that will hold its number
    pub pid_file: Option<PathBuf>,
    /// who gets a pidfd of it
    pub pidfd_socket: Option<PathBuf>,
    /// how many of our descriptors from 3 on it keeps
    pub preserve_fds: u32,
    /// also where it would stand still
    pub ignore_paused: bool,
    /// where programs of this machine lie, as in PATH
    pub path: String,
}

/// Runs it; its end comes back where it was waited for. What was not as asked for, and yet no error, is logged.
pub fn exec(container: &Container, request: Request, log: &mut Log) -> Result<Option<Exit>, OciError> {
    let entry = prepare(container, &request, log)?;
    let plan = join::plan(&entry);
    let signals = Signals::block_all().map_err(OciError::system("cannot block signals"))?;
    let running = match log.is_debug() {
        true => launch(&plan, &mut Steps(log), None),
        false => launch(&plan, &mut (), None),
    };
    let mut running = running.map_err(|error| explain_program(error, &entry.process))?;
    if let Some(file) = &request.pid_file {
        write_pid(file, running.box_pid().unwrap_or_default())?;
    }
    match request.detach {
        true => running.leave().map(|()| None).map_err(OciError::system("cannot let it go")),
        false => attend(&mut running, &signals, true, |_| ())
            .map(Some)
            .map_err(OciError::system("cannot wait for it")),
    }
}

/// What is to be run, and where: for [`join::plan`]. What was not as asked for, and yet no error, is logged.
///
/// # Errors
/// A container that does not run, a setting that is wrong.
pub fn prepare(container: &Container, request: &Request, log: &mut Log) -> Result<join::Entry, OciError> {
    let gone = || OciError::State("cannot exec in a stopped container".into());
    match container.status() {
        Status::Stopped | Status::Creating => return Err(gone()),
        Status::Paused if !request.ignore_paused => {
            let text = "cannot exec in a paused container (use --ignore-paused to override)";
            return Err(OciError::State(text.into()));
        }
        _ => {}
    }
    let init = container.init().ok_or_else(gone)?;
    let config: Config = config::of(container.record.config.clone())?;
    let document = document(&config, request)?;
    config::notes(&document).iter().for_each(|(level, text)| log.line(*level, text));
    let cgroups = directories(container.record.cgroup.as_ref(), init.pid, &request.cgroups)?;
    let namespaces =
        differing(init.pid).map_err(|(path, errno)| OciError::file("cannot look at", &path)(errno.into()))?;
    let (pid, start) = (init.pid, init.start);
    let life = if request.detach { Life::OfItsOwn } else { Life::OfTheEngine };
    let config::Entry { process, privilege } = entry(container, &config, &document, request, life)?;
    Ok(join::Entry { pid, start, namespaces, cgroups, privilege, process, life })
}

/// What is to be executed, as config.json would say it.
fn document(config: &Config, request: &Request) -> Result<Process, OciError> {
    let mut process = match &request.process {
        Some((file, text)) => config::process(file, text)?,
        None => {
            let mut process = config.process.clone().unwrap_or_default();
            process.terminal = request.terminal;
            process.args = request.args.clone();
            process
        }
    };
    if process.args.is_empty() {
        return Err(OciError::Usage("process args cannot be empty".into()));
    }
    process.cwd = request.cwd.clone().unwrap_or(process.cwd);
    process.env.extend(request.env.iter().cloned());
    process.no_new_privileges = request.no_new_privs.unwrap_or(process.no_new_privileges);
    process.apparmor_profile = request.apparmor.clone().or(process.apparmor_profile);
    process.selinux_label = request.label.clone().or(process.selinux_label);
    if let Some(user) = request.user.as_deref().filter(|user| !user.is_empty()) {
        change_user(&mut process.user, user)?;
    }
    process.user.additional_gids.extend(&request.groups);
    if !request.capabilities.is_empty() {
        let sets = process.capabilities.get_or_insert_with(Capabilities::default);
        for name in &request.capabilities {
            let upper = name.to_ascii_uppercase();
            let name = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
            for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
                set.push(name.clone());
            }
        }
    }
    Ok(process)
}

fn change_user(user: &mut User, text: &str) -> Result<(), OciError> {
    let number = |what: &str, text: &str| {
        text.parse::<u32>().map_err(|_| {
            OciError::Usage(format!(
                "--user: {text:?} is not the number of a {what}: UID or UID:GID is expected"
            ))
        })
    };
    match text.split_once(':') {
        None => user.uid = number("user", text)?,
        Some((uid, gid)) => (user.uid, user.gid) = (number("user", uid)?, number("group", gid)?),
    }
    Ok(())
}

fn entry(
    container: &Container,
    config: &Config,
    document: &Process,
    request: &Request,
    life: Life,
) -> Result<config::Entry, OciError> {
    let record = &container.record;
    let flags = Flags {
        console_socket: request.console_socket.clone(),
        foreground: !request.detach,
        pidfd_socket: request.pidfd_socket.clone(),
        preserve_fds: request.preserve_fds,
        listen_fds: 0,
        no_pivot: false,
        no_new_keyring: false,
        lenient: true,
        life,
        start: Start::AtOnce,
    };
    let place = place(&record.id, &record.bundle, &container.directory, &request.path, flags)?;
    let users = users(config);
    // looked up through the container's root, which the container cannot make anything else
    let root = container.init().map(|init| format!("/proc/{}/root", init.pid)).unwrap_or_default();
    let home = config::home(Path::new(&root), document.user.uid);
    let at = if request.process.is_some() { "" } else { "process" };
    let seccomp = config::filter(config, &place, "running")?;
    let given = Given { users: &users, home, seccomp };
    let mut entry = config::entry(document, at, &place, given)?;
    entry.process.personality = config::personality(config)?;
    Ok(entry)
}

/// Which ids exist for the program.
fn users(config: &Config) -> Users {
    let own = |namespace: &config::document::Namespace| namespace.kind == "user" && namespace.path.is_none();
    if !config.linux.namespaces.iter().any(own) {
        return Users::Host;
    }
    let ranges = |map: &[config::document::IdMapping]| {
        let range = |one: &config::document::IdMapping| Range {
            inside: one.container_id,
            outside: one.host_id,
            count: one.size,
        };
        map.iter().map(range).collect()
    };
    Users::Ranges(ranges(&config.linux.uid_mappings), ranges(&config.linux.gid_mappings))
}

/// Where the program is counted: in the container's cgroups, or in others below them.
fn directories(cgroup: Option<&Cgroup>, init: i32, below: &[String]) -> Result<Vec<PathBuf>, OciError> {
    let Some(cgroup) = cgroup else { return Ok(Vec::new()) };
    if below.is_empty() {
        // what is gone cannot be joined; a container whose cgroups were removed under it is still a container
        return Ok(cgroup.beside(init).into_iter().filter(|directory| directory.exists()).collect());
    }
    let mut directories = cgroup.directories();
    for text in below {
        let (controllers, path) = match text.split_once(':') {
            Some((controllers, path)) => (Some(controllers.split(',').collect::<Vec<_>>()), path),
            None => (None, text.as_str()),
        };
        let path = Path::new(path.trim_start_matches('/'));
        if path.components().any(|part| part == std::path::Component::ParentDir) {
            return Err(OciError::Usage(format!("--cgroup: {} is not a sub cgroup path", path.display())));
        }
        let mut found = false;
        for (controller, directory) in &mut directories {
            let named = controllers.as_ref().is_none_or(|names| names.contains(&controller.name()));
            if named {
                found = true;
                directory.push(path);
            }
        }
        if !found {
            return Err(OciError::Usage(format!("--cgroup {text:?}: unknown controller for this container")));
        }
    }
    let directories: Vec<PathBuf> = directories.into_iter().map(|(_, directory)| directory).collect();
    for directory in &directories {
        if !directory.join("cgroup.procs").exists() {
            let text = format!(
                "--cgroup: adding pid to {}/cgroup.procs: no such file or directory",
                directory.display()
            );
            return Err(OciError::Usage(text));
        }
    }
    Ok(directories)
}
