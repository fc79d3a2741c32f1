//! `stepbox run`: options to a [`Request`], and how the run is watched.

mod isolation;
mod limits;
mod privilege;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::engine::containers::{self, Record};
use crate::engine::machine::Machine;
use crate::engine::reference::Reference;
use crate::engine::request::Request;
use crate::engine::run::{RunError, foreground, prepare};
use crate::engine::state::State;
use crate::engine::store::{Image, Store};
use crate::engine::{base, names};
use crate::launch::LaunchError;
use crate::observe::{Watcher, Watching};
use crate::rootfs::{Mount, Source};
use crate::spec::Spec;
use crate::step::Plan;

/// The options of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Remove the container when it has ended
    #[arg(long)]
    rm: bool,
    /// Keep standard input open
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// Set an environment variable (NAME=value, or NAME to pass ours on)
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// The working directory inside
    #[arg(short, long, value_name = "DIR", value_parser = absolute)]
    workdir: Option<PathBuf>,
    /// The user inside: name or uid, and perhaps group (USER[:GROUP])
    #[arg(short, long)]
    user: Option<String>,
    /// The container's name
    #[arg(long, value_parser = container_name)]
    name: Option<String>,
    /// The host name inside
    #[arg(long, value_parser = host_name)]
    hostname: Option<String>,
    /// Show a directory or file of the host inside
    #[arg(short, long, value_name = "HOST:CONTAINER[:ro]", value_parser = volume)]
    volume: Vec<Mount>,
    #[command(flatten)]
    limits: limits::Args,
    #[command(flatten)]
    isolation: isolation::Args,
    /// Nothing of its / can be written, but for volumes and --tmpfs
    #[arg(long)]
    read_only: bool,
    /// Another group that the user inside belongs to (name or gid)
    #[arg(long, value_name = "GROUP")]
    group_add: Vec<String>,
    #[command(flatten)]
    privilege: privilege::Args,
    /// Pause before each kernel operation
    #[arg(long)]
    step: bool,
    /// Say what happens, and why, without pausing
    #[arg(long)]
    explain: bool,
    /// Print the plan; do nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the trace to FILE as JSON
    #[arg(long, value_name = "FILE")]
    json_trace: Option<PathBuf>,
    /// Write the trace to FILE as one page that steps back and forth
    #[arg(long, value_name = "FILE")]
    html_trace: Option<PathBuf>,
    /// The image, as stepbox/base
    image: String,
    /// The program and its arguments, instead of the image's own
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    match Path::new(text).is_absolute() {
        true => Ok(text.into()),
        false => Err("must be an absolute path".into()),
    }
}

fn container_name(text: &str) -> Result<String, String> {
    match names::valid(text) {
        true => Ok(text.into()),
        false => Err("only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, two letters at least".into()),
    }
}

fn host_name(text: &str) -> Result<String, String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '.';
    match !text.is_empty() && text.len() <= 63 && text.chars().all(allowed) && !text.starts_with('-') {
        true => Ok(text.into()),
        false => Err("1 to 63 letters, digits, dots and hyphens".into()),
    }
}

fn volume(text: &str) -> Result<Mount, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts.as_slice() {
        [source, target] => (source, target, "rw"),
        [source, target, mode] => (source, target, *mode),
        _ => return Err("expected HOST:CONTAINER or HOST:CONTAINER:ro".into()),
    };
    if !source.starts_with('/') {
        return Err(format!(
            "{source:?} is not an absolute path; named volumes are not part of this version"
        ));
    }
    let target = limits::target(target)?;
    let bind = Mount::bind(clean(source), target, true);
    match mode {
        "ro" => Ok(bind.read_only()),
        "rw" => Ok(bind),
        other => Err(format!("{other:?} is not a mode that is known here: ro or rw")),
    }
}

/// `..` taken away by its text, as Docker does: a source that is missing is made, and nothing beside it.
fn clean(path: &str) -> PathBuf {
    use std::path::Component;
    let mut cleaned = PathBuf::from("/");
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => _ = cleaned.pop(),
            _ => {}
        }
    }
    cleaned
}

pub(super) fn main(args: Args) -> ExitCode {
    // the box would find them in /proc/self/fd, where a link in an image can lead (CVE-2024-21626)
    if let Err(errno) = crate::kernel::process::close_inherited() {
        eprintln!("stepbox: cannot close what the caller left open: {errno}");
        return ExitCode::from(125);
    }
    if !args.dry_run
        && let Err(errno) = super::program::keep_out_of_reach()
    {
        eprintln!("stepbox: cannot keep its own program from the container: {errno}");
        return ExitCode::from(125);
    }
    match run(args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("stepbox: {error:#}");
            let code = error.downcast_ref::<RunError>().map_or(125, RunError::code);
            ExitCode::from(code)
        }
    }
}

fn run(args: Args) -> anyhow::Result<u8> {
    if args.interactive && args.tty && !std::io::stdin().is_terminal() {
        anyhow::bail!("the input device is not a terminal: leave out -t, or run it in a terminal");
    }
    if args.hostname.is_some() && args.isolation.shares_names() {
        anyhow::bail!("conflicting options: --hostname, and the network or host name of another");
    }
    let state = super::state()?;
    let store = super::store()?;
    let image = find_image(&store, &args.image)?;
    let mut request = request(&state, &args)?;
    find_sources(&mut request.binds, args.dry_run)?;
    let name = free_name(&state, args.name.clone())?;
    let mut spec = prepare(&state, &image, store.driver(), &request)?;
    let record = Record {
        id: spec.id.clone(),
        name,
        image: args.image.clone(),
        command: spec.process.exec.argv.iter().map(|word| word.as_path().display().to_string()).collect(),
        created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        engine: std::process::id(),
        exit_code: None,
    };
    spec.files.push((Record::file(&spec.directory), record.text()));
    let exit = crate::container::plan(&spec)
        .map_err(|error| RunError::from(error).into())
        .and_then(|plan| watched(&args, &state, &spec, &plan, &request));
    // where the step that owns the address was never taken, nobody else gives it back
    crate::engine::network::give_back(&spec.net)?;
    let Some(code) = exit? else { return Ok(0) };
    if !args.rm {
        Record { exit_code: Some(code), ..record }.save(&spec.directory)?;
    }
    Ok(code as u8)
}

/// Runs it with whoever watches. `None` when the reader stopped it or only wanted the plan.
fn watched(
    args: &Args,
    state: &State,
    spec: &Spec,
    plan: &Plan,
    request: &Request,
) -> anyhow::Result<Option<i32>> {
    let watches = args.step || args.explain || args.json_trace.is_some() || args.html_trace.is_some();
    if !watches && !args.dry_run {
        return Ok(Some(foreground(state, spec, plan, request, &mut ())?.code()));
    }
    let watching = Watching {
        step: args.step,
        from: 1,
        narrate: args.step || args.explain || args.dry_run,
        to_stderr: !args.dry_run,
        colour: std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        json: args.json_trace.clone(),
        html: args.html_trace.clone(),
        ..Watching::default()
    };
    let mut watcher = Watcher::new(watching, &request.title, "What happens in one run?", "real");
    if args.dry_run {
        watcher.list(plan)?;
        return Ok(None);
    }
    let result = foreground(state, spec, plan, request, &mut watcher);
    let (outcome, code) = match &result {
        Ok(exit) => (format!("{exit}; what it needed is undone"), Some(exit.code())),
        Err(RunError::Launch(LaunchError::Quit)) => {
            ("stopped by the reader; everything is undone".into(), None)
        }
        Err(error) => (format!("failed: {error}"), None),
    };
    watcher.finish(&outcome, code)?;
    match result {
        Ok(exit) => Ok(Some(exit.code())),
        Err(RunError::Launch(LaunchError::Quit)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The image; the base image is made when it is first asked for.
fn find_image(store: &Store, name: &str) -> anyhow::Result<Image> {
    let base: Reference = base::NAME.parse()?;
    match name.parse::<Reference>() {
        Ok(reference) if reference == base => Ok(base::ensure(store)?),
        _ => Ok(store.resolve(name)?),
    }
}

fn request(state: &State, args: &Args) -> anyhow::Result<Request> {
    let mut env = Vec::new();
    for pair in &args.env {
        match pair.split_once('=') {
            Some(("", _)) => anyhow::bail!("invalid environment variable {pair:?}: it has no name"),
            Some(_) => env.push(pair.clone()),
            None => env.extend(std::env::var(pair).map(|value| format!("{pair}={value}"))),
        }
    }
    let capabilities = args.privilege.capabilities(Machine::look().capabilities);
    Ok(Request {
        // not the whole command line: an environment variable may be a secret, and journals and traces are read
        title: format!("stepbox run {}", args.image),
        hostname: args.hostname.clone(),
        remove: args.rm,
        stdin: args.interactive,
        terminal: args.tty,
        env,
        workdir: args.workdir.clone(),
        user: args.user.clone(),
        binds: args.volume.clone(),
        limits: args.limits.limits(),
        network: args.isolation.network(state)?,
        privileged: args.privilege.privileged(),
        read_only: args.read_only,
        tmpfs: args.limits.tmpfs.clone(),
        shm_size: args.limits.shm_size,
        devices: args.limits.device.clone(),
        rlimits: args.limits.ulimit.clone(),
        sysctls: args.limits.sysctl.clone(),
        groups: args.group_add.clone(),
        oom_score_adj: args.limits.oom_score_adj,
        share: args.isolation.share(state)?,
        capabilities,
        no_new_privs: args.privilege.no_new_privs(),
        seccomp: args.privilege.seccomp(capabilities)?,
        command: args.command.clone(),
    })
}

/// As Docker does for -v: a source that is missing becomes a directory; a dry run makes none.
fn find_sources(binds: &mut [Mount], dry_run: bool) -> Result<(), RunError> {
    for bind in binds {
        let Source::Bind { path, directory, .. } = &mut bind.source else { continue };
        let describe = |error| RunError::Bind { path: path.clone(), error };
        match std::fs::metadata(&path) {
            Ok(meta) => *directory = meta.is_dir(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && dry_run => *directory = true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                std::fs::create_dir_all(&path).map_err(describe)?;
            }
            Err(error) => return Err(describe(error)),
        }
    }
    Ok(())
}

fn free_name(state: &State, wanted: Option<String>) -> Result<String, RunError> {
    let taken = containers::list(state);
    let holder = |name: &str| taken.iter().find(|record| record.name == name);
    match wanted {
        Some(name) => match holder(&name) {
            Some(other) => Err(RunError::NameTaken { name, id: other.id[..12].into() }),
            None => Ok(name),
        },
        None => loop {
            let name = names::new_name();
            if holder(&name).is_none() {
                return Ok(name);
            }
        },
    }
}
