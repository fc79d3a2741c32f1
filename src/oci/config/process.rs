//! Process: `process`, of a container or of `exec --process`: the program, who runs it, and what it may do.

use super::document::{self, Config};
use super::error::{ConfigError, Problem};
use super::{Machine, Place, limits, users};
use crate::kernel::CText;
use crate::kernel::flags;
use crate::kernel::op::Exec;
use crate::oci::log::Level;
use crate::privilege::{Capabilities, Privilege, seccomp};
use crate::spec::{Console, Input, Process, Users, WindowSize};

/// What is to be executed, and who executes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// the program and what the kernel is told about it
    pub process: Process,
    /// who it runs as and what it may do
    pub privilege: Privilege,
}

/// What a process gets besides what its document says.
#[derive(Debug)]
pub struct Given<'a> {
    /// its user namespace
    pub users: &'a Users,
    /// its home directory, where its environment names none
    pub home: String,
    /// which system calls it may make
    pub seccomp: Option<seccomp::Profile>,
}

/// `document`, which stands at `at` in its file (`process`, or nothing), as what the recipe takes.
///
/// # Errors
/// The first setting that is wrong or not supported, by its place.
pub fn entry(
    document: &document::Process,
    at: &str,
    place: &Place,
    given: Given<'_>,
) -> Result<Entry, ConfigError> {
    let at = |member: &str| if at.is_empty() { member.to_string() } else { format!("{at}.{member}") };
    let cwd = &document.cwd;
    let wrong = |problem| Err(ConfigError::at(at("cwd"), format!("{cwd:?}"), problem));
    match () {
        () if cwd.as_os_str().is_empty() => return wrong(Problem::Missing("the working directory, as /")),
        () if !cwd.is_absolute() => return wrong(Problem::NotAbsolute),
        () if super::has_nul(cwd) => return wrong(Problem::Nul),
        () => {}
    }
    for (member, value) in
        [("commandLine", &document.command_line), ("user.username", &document.user.username)]
    {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            let problem = Problem::Unsupported("a setting for Windows");
            return Err(ConfigError::at(at(member), format!("{value:?}"), problem));
        }
    }
    let process = Process {
        init: false,
        exec: program(document, &at, &given.home, place.flags.listen_fds)?,
        cwd: cwd.clone(),
        console: console(document, &at, place)?,
        input: Input::Ours,
        piped: false,
        own_stdio: true,
        preserve_fds: place.flags.listen_fds.saturating_add(place.flags.preserve_fds),
        umask: umask(document, &at)?,
        rlimits: limits::rlimits(&at("rlimits"), &document.rlimits)?,
        oom_score_adj: limits::oom_score_adj(&at("oomScoreAdj"), document.oom_score_adj)?,
        personality: None,
        scheduler: limits::scheduler(&at("scheduler"), document.scheduler.as_ref())?,
        io_priority: limits::io_priority(&at("ioPriority"), document.io_priority.as_ref())?,
        affinity: limits::affinity(&at("execCPUAffinity"), document.exec_cpu_affinity.as_ref())?,
        pidfd_socket: place.flags.pidfd_socket.clone(),
        engine_in_reach: place.machine.engine_in_reach,
        keyring: (!place.flags.no_new_keyring).then(|| format!("_ses.{}", place.id)),
    };
    Ok(Entry { process, privilege: privilege(document, &at, place, given)? })
}

fn program(
    document: &document::Process,
    at: &dyn Fn(&str) -> String,
    home: &str,
    listen_fds: u32,
) -> Result<Exec, ConfigError> {
    let Some(name) = document.args.first() else {
        return Err(ConfigError::at(at("args"), "[]", Problem::Missing("the program and its arguments")));
    };
    texts(&at("args"), &document.args)?;
    environment(&at("env"), &document.env)?;
    // of a name that comes twice the last counts, as in a shell
    let mut env: Vec<&str> = Vec::new();
    let listening = match listen_fds {
        0 => Vec::new(),
        // sd_listen_fds(3) wants the program's own number, which is 1 in a PID namespace of its own
        count => vec![format!("LISTEN_FDS={count}"), "LISTEN_PID=1".into()],
    };
    for pair in document.env.iter().chain(&listening) {
        let key = |pair: &str| pair.split_once('=').map(|(key, _)| key.to_owned());
        env.retain(|other| key(other) != key(pair));
        env.push(pair);
    }
    let home = format!("HOME={home}");
    if !env.iter().any(|pair| pair.starts_with("HOME=") && pair.len() > "HOME=".len()) {
        env.retain(|pair| !pair.starts_with("HOME="));
        env.push(&home);
    }
    let path = env.iter().find_map(|pair| pair.strip_prefix("PATH=")).unwrap_or(PATH);
    let paths = match name.contains('/') || name.is_empty() {
        true => vec![name.into()],
        false => path.split(':').map(|directory| in_directory(directory, name)).collect(),
    };
    let argv = document.args.iter().map(CText::from).collect();
    Ok(Exec { paths, argv, env: env.iter().map(|pair| CText::from(*pair)).collect() })
}

/// Where a program is looked for when nobody says.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An empty directory of PATH is the working directory: environ(7).
fn in_directory(directory: &str, name: &str) -> CText {
    if directory.is_empty() { format!("./{name}").into() } else { format!("{directory}/{name}").into() }
}

/// Texts that the kernel takes: without NUL.
pub(super) fn texts(place: &str, texts: &[String]) -> Result<(), ConfigError> {
    let bad = texts.iter().enumerate().find(|(_, text)| text.contains('\0'));
    bad.map_or(Ok(()), |(index, text)| {
        Err(ConfigError::at(format!("{place}[{index}]"), format!("{text:?}"), Problem::Nul))
    })
}

/// Each NAME=value.
pub(super) fn environment(place: &str, env: &[String]) -> Result<(), ConfigError> {
    texts(place, env)?;
    let bad = env.iter().enumerate().find(|(_, pair)| pair.find('=').is_none_or(|at| at == 0));
    bad.map_or(Ok(()), |(index, pair)| {
        Err(ConfigError::at(format!("{place}[{index}]"), format!("{pair:?}"), Problem::NoEquals))
    })
}

fn console(
    document: &document::Process,
    at: &dyn Fn(&str) -> String,
    place: &Place,
) -> Result<Option<Console>, ConfigError> {
    let socket = place.flags.console_socket.clone();
    if !document.terminal {
        return match socket {
            None => Ok(None),
            Some(_) => Err(ConfigError::at(at("terminal"), "false", Problem::NoTerminal)),
        };
    }
    if socket.is_none() && !place.flags.foreground {
        return Err(ConfigError::at(at("terminal"), "true", Problem::NoConsoleSocket));
    }
    let size = match document.console_size {
        None => None,
        Some(size) => {
            let number = |member: &str, value: u64| {
                let problem = Problem::Range("a terminal has at most 65535 rows and columns");
                u16::try_from(value).map_err(|_| ConfigError::at(at(member), value, problem))
            };
            let rows = number("consoleSize.height", size.height)?;
            Some(WindowSize { rows, columns: number("consoleSize.width", size.width)? })
        }
    };
    Ok(Some(Console { socket, size }))
}

fn umask(document: &document::Process, at: &dyn Fn(&str) -> String) -> Result<u32, ConfigError> {
    match document.user.umask {
        Some(mask) if mask > 0o777 => {
            Err(ConfigError::at(at("user.umask"), mask, Problem::Range("at most 511, octal 0777")))
        }
        mask => Ok(mask.unwrap_or(0o022)),
    }
}

fn privilege(
    document: &document::Process,
    at: &dyn Fn(&str) -> String,
    place: &Place,
    given: Given<'_>,
) -> Result<Privilege, ConfigError> {
    let user = &document.user;
    let ids = [("user.uid", user.uid, false), ("user.gid", user.gid, true)]
        .map(|(name, id, group)| (at(name), id, group));
    let more = user.additional_gids.iter().enumerate();
    let more = more.map(|(index, gid)| (format!("{}[{index}]", at("user.additionalGids")), *gid, true));
    for (place, id, group) in ids.into_iter().chain(more) {
        if id == u32::MAX {
            return Err(ConfigError::at(place, id, Problem::Range("ids end at 4294967294")));
        }
        users::check(&place, id, given.users, group)?;
    }
    let (apparmor, selinux) = labels(document, at, &place.machine)?;
    Ok(Privilege {
        uid: user.uid,
        gid: user.gid,
        groups: groups(document, at, &place.machine, given.users)?,
        capabilities: capabilities(document, at)?,
        no_new_privs: document.no_new_privileges,
        seccomp: given.seccomp,
        apparmor,
        selinux,
    })
}

fn groups(
    document: &document::Process,
    at: &dyn Fn(&str) -> String,
    machine: &Machine,
    users: &Users,
) -> Result<Option<Vec<u32>>, ConfigError> {
    let wanted = &document.user.additional_gids;
    let can = match users {
        Users::One(..) => false,
        Users::Helped(..) => true,
        Users::Host | Users::Ranges(..) | Users::Join(_) => machine.root() && machine.setgroups,
    };
    match (can, wanted.is_empty()) {
        (true, _) => Ok(Some(wanted.clone())),
        (false, true) => Ok(None),
        (false, false) => {
            Err(ConfigError::at(at("user.additionalGids"), format!("{wanted:?}"), Problem::NoGroups))
        }
    }
}

/// The five sets. A name that is not known gives nothing, and [`super::notes`] says so: configurations are written
/// for newer kernels, too.
fn capabilities(
    document: &document::Process,
    at: &dyn Fn(&str) -> String,
) -> Result<Capabilities, ConfigError> {
    let Some(sets) = &document.capabilities else { return Ok(Capabilities::default()) };
    let bits =
        |names: &[String]| names.iter().filter_map(|name| known(name)).fold(0, |all, bit| all | 1 << bit);
    let (bounding, permitted, effective) =
        (bits(&sets.bounding), bits(&sets.permitted), bits(&sets.effective));
    let inheritable = bits(&sets.inheritable);
    // the kernel raises no other; those are warned of
    let ambient = bits(&sets.ambient) & permitted & inheritable;
    let within = [
        ("effective", effective, permitted, "not in capabilities.permitted"),
        ("inheritable", inheritable, bounding, "not in capabilities.bounding: operation not permitted"),
    ];
    for (name, set, limit, what) in within {
        if set & !limit != 0 {
            let value = flags::capabilities(set & !limit);
            return Err(ConfigError::at(at(&format!("capabilities.{name}")), value, Problem::Range(what)));
        }
    }
    Ok(Capabilities { bounding, permitted, effective, inheritable, ambient })
}

/// The number of a capability by the specification's name, which has CAP_ in front.
fn known(name: &str) -> Option<u32> {
    name.strip_prefix("CAP_").and_then(flags::capability)
}

/// What is said and cannot be had, and still is no error: capabilities that are not known, and ambient ones that the
/// kernel does not raise. Those are in every bundle that `runc spec` of a certain age has written: for `--debug`.
pub fn notes(document: &document::Process) -> Vec<(Level, String)> {
    let Some(sets) = &document.capabilities else { return Vec::new() };
    let document::Capabilities { bounding, effective, inheritable, permitted, ambient } = sets;
    let mut unknown: Vec<&str> = [bounding, effective, inheritable, permitted, ambient]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .filter(|name| known(name).is_none())
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    let mut notes = Vec::new();
    if !unknown.is_empty() {
        let names = unknown.join(" ");
        notes.push((Level::Warning, format!("ignoring unknown or unavailable capabilities: [{names}]")));
    }
    let lacks = |name: &&String| !permitted.contains(name) || !inheritable.contains(name);
    let not_raised: Vec<&str> =
        ambient.iter().filter(lacks).map(String::as_str).filter(|name| known(name).is_some()).collect();
    if !not_raised.is_empty() {
        let names = not_raised.join(" ");
        let text =
            format!("ignoring ambient capabilities that are not both permitted and inheritable: [{names}]");
        notes.push((Level::Debug, text));
    }
    notes
}

fn labels(
    document: &document::Process,
    at: &dyn Fn(&str) -> String,
    machine: &Machine,
) -> Result<(Option<String>, Option<String>), ConfigError> {
    let wanted = |label: &Option<String>| label.clone().filter(|label| !label.is_empty());
    let (apparmor, selinux) = (wanted(&document.apparmor_profile), wanted(&document.selinux_label));
    let each = [
        ("apparmorProfile", &apparmor, machine.apparmor, Problem::NoAppArmor),
        ("selinuxLabel", &selinux, machine.selinux, Problem::NoSelinux),
    ];
    for (name, label, there, problem) in each {
        let Some(label) = label else { continue };
        let wrong = |problem| Err(ConfigError::at(at(name), format!("{label:?}"), problem));
        if label.contains(['\0', '\n']) {
            return wrong(Problem::Nul);
        }
        if !there {
            return wrong(problem);
        }
    }
    Ok((apparmor, selinux))
}

/// Whether the program of a configuration is there: a container can be created without one only by mistake.
pub(super) fn required(config: &Config) -> Result<&document::Process, ConfigError> {
    let missing = || ConfigError::at("process", "none", Problem::Missing("what to run"));
    config.process.as_ref().ok_or_else(missing)
}
