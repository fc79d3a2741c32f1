//! `stepbox run`: options to a [`Request`], and how the run is watched.

mod container;
mod environment;
mod files;
mod image;
mod isolation;
mod limits;
mod mount;
mod network;
mod privilege;
mod size;
mod watching;

use std::io::IsTerminal;
use std::process::ExitCode;

use crate::engine::commit;
use crate::engine::containers::{self, Record};
use crate::engine::machine::Machine;
use crate::engine::names;
use crate::engine::request::Request;
use crate::engine::run::{RunError, foreground, prepare};
use crate::engine::state::State;
use crate::launch::LaunchError;
use crate::observe::{Watcher, Watching};
use crate::spec::Spec;
use crate::step::Plan;

/// The options of `run`, in groups. As in Docker, -h is the host name's.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(super) struct Args {
    #[command(flatten)]
    container: container::Args,
    #[command(flatten)]
    files: files::Args,
    #[command(flatten)]
    limits: limits::Args,
    #[command(flatten)]
    network: network::Args,
    #[command(flatten)]
    isolation: isolation::Args,
    #[command(flatten)]
    privilege: privilege::Args,
    #[command(flatten)]
    source: image::Args,
    #[command(flatten)]
    watching: watching::Args,
    /// The image, as stepbox/base
    #[arg(help_heading = None)]
    image: String,
    /// The program and its arguments, instead of the image's own
    #[arg(help_heading = None, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub(super) fn main(args: Args) -> ExitCode {
    // the box would find them in /proc/self/fd, where a link in an image can lead (CVE-2024-21626)
    if let Err(errno) = crate::kernel::process::close_inherited() {
        eprintln!("stepbox: cannot close what the caller left open: {errno}");
        return ExitCode::from(125);
    }
    if !args.watching.dry_run
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
    if args.container.interactive && args.container.tty && !std::io::stdin().is_terminal() {
        anyhow::bail!("the input device is not a terminal: leave out -t, or run it in a terminal");
    }
    let named = [args.container.hostname.is_some(), args.container.domainname.is_some()];
    args.network.check(named != [false; 2])?;
    args.isolation.check(named[0], named[1])?;
    args.files.check()?;
    let state = super::state()?;
    let store = super::store()?;
    let image = args.source.find(&store, &args.image, args.watching.dry_run)?;
    let chains = crate::layers::chain_ids(&image.diff_ids);
    // until the record says what the container stands on; a dry run stands on nothing
    let _hold = (!args.watching.dry_run).then(|| store.hold(&chains)).transpose()?;
    let image = match image.layers.iter().all(|layer| layer.is_dir()) {
        true => image,
        // removed just before it was held
        false => args.source.find(&store, &args.image, args.watching.dry_run)?,
    };
    let request = request(&state, &args)?;
    let name = free_name(&state, args.container.name.clone())?;
    let mut spec = prepare(&state, &image, store.driver(), &request)?;
    let record = Record {
        id: spec.id.clone(),
        name,
        image: args.image.clone(),
        image_id: Some(image.id),
        layers: crate::layers::chain_ids(&image.diff_ids),
        command: spec.process.exec.argv.iter().map(|word| word.as_path().display().to_string()).collect(),
        created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        shareable: args.isolation.shareable(),
        engine: std::process::id(),
        exit_code: None,
        lower: image.layers.clone(),
        config: commit::settings(&image.config, &request),
        shown: containers::shown(&spec, &request),
        read_only: request.read_only,
    };
    spec.files.push((Record::file(&spec.directory), record.text()));
    let exit = crate::container::plan(&spec)
        .map_err(|error| RunError::from(error).into())
        .and_then(|plan| watched(&args, &state, &spec, &plan, &request));
    // where the step that owns the address was never taken, nobody else gives it back
    crate::engine::network::give_back(&spec.net)?;
    let Some(code) = exit? else { return Ok(0) };
    if !args.container.rm {
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
    let args = &args.watching;
    if !args.anybody() && !args.dry_run {
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

fn request(state: &State, args: &Args) -> anyhow::Result<Request> {
    let (container, files) = (&args.container, &args.files);
    let capabilities = args.privilege.capabilities(Machine::look().capabilities);
    Ok(Request {
        // not the whole command line: an environment variable may be a secret, and journals and traces are read
        title: format!("stepbox run {}", args.image),
        hostname: container.hostname.clone(),
        domainname: container.domainname.clone(),
        remove: container.rm,
        stdin: container.interactive,
        terminal: container.tty,
        entrypoint: container.entrypoint(),
        init: container.init,
        env: container.env()?,
        workdir: container.workdir.clone(),
        user: container.user.clone(),
        groups: container.group_add.clone(),
        binds: files.binds(args.watching.dry_run)?,
        tmpfs: files.in_memory(),
        read_only: files.read_only,
        shm_size: files.shm_size,
        limits: args.limits.limits()?,
        rlimits: args.limits.ulimit.clone(),
        oom_score_adj: args.limits.oom_score_adj,
        cgroup_parent: args.limits.cgroup_parent.clone(),
        network: args.network.mode(state)?,
        lookup: args.network.lookup(),
        share: args.isolation.share(state)?,
        sysctls: args.isolation.sysctl.clone(),
        privileged: args.privilege.privileged(),
        capabilities,
        no_new_privs: args.privilege.no_new_privs(),
        seccomp: args.privilege.seccomp(capabilities)?,
        devices: args.privilege.device.clone(),
        command: args.command.clone(),
    })
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
