//! `stepbox run`: options to a [`Request`], and how the run is watched.

mod attaching;
pub(super) mod container;
mod disks;
mod elsewhere;
pub(super) mod environment;
mod files;
mod health;
mod image;
mod isolation;
pub(super) mod keeping;
pub(super) mod limits;
mod mount;
mod network;
mod privilege;
mod size;
pub(super) mod watching;

use std::io::IsTerminal;
use std::process::ExitCode;

use super::containers::attach::NO_TERMINAL;
use crate::engine::commit::settings;
use crate::engine::containers::create::{self, Created};
use crate::engine::containers::life::Owner;
use crate::engine::containers::reserve::{free_name, reserve};
use crate::engine::containers::start::{self, StartError};
use crate::engine::containers::{self, Record};
use crate::engine::front::{Ahead, Front};
use crate::engine::health::Check;
use crate::engine::machine::Machine;
use crate::engine::monitor::here::Part;
use crate::engine::names;
use crate::engine::request::Request;
use crate::engine::run::{Ground, RunError, give_back, prepare};
use crate::engine::state::State;
use crate::engine::store::{Driver, Image, Store};
use crate::engine::volumes::open::How;
use crate::engine::volumes::{self, Volumes};
use crate::rootfs::Mount;

// The options of `run`, in groups. As in Docker, -h is the host name's.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(super) struct Args {
    /// In the background; print its id
    #[arg(short, long, help_heading = "Container")]
    detach: bool,
    #[command(flatten)]
    attaching: attaching::Args,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    watching: watching::Args,
}

// What `run` and `create` have in common.
#[derive(Debug, clap::Args)]
pub(super) struct Asked {
    #[command(flatten)]
    container: container::Args,
    #[command(flatten)]
    streams: attaching::Streams,
    #[command(flatten)]
    keeping: keeping::Args,
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
    _elsewhere: elsewhere::Args,
    /// The image, as stepbox/base
    #[arg(help_heading = None)]
    image: String,
    /// The program and its arguments, instead of the image's own
    #[arg(help_heading = None, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub(super) fn main(args: Args) -> ExitCode {
    // a box of its own leaves this program behind, and a monitor looks after itself
    guarded(false, || run(args))
}

/// Does what starts a container, with nothing open that it could find, and this program out of its reach.
pub(super) fn guarded(starts: bool, act: impl FnOnce() -> anyhow::Result<u8>) -> ExitCode {
    let code = |error: &anyhow::Error| {
        let of_run = error.downcast_ref::<RunError>().map(RunError::code);
        let of_start = error.downcast_ref::<StartError>().map(StartError::code);
        of_run.or(of_start).unwrap_or(125)
    };
    guarded_with(starts, code, act)
}

/// The same with exit codes of its own.
pub(super) fn guarded_with(
    starts: bool,
    code: impl FnOnce(&anyhow::Error) -> u8,
    act: impl FnOnce() -> anyhow::Result<u8>,
) -> ExitCode {
    // the box would find them in /proc/self/fd, where a link in an image can lead (CVE-2024-21626)
    if let Err(errno) = crate::kernel::process::close_inherited() {
        complain!("stepbox: cannot close what the caller left open: {errno}");
        return ExitCode::from(125);
    }
    if starts && let Err(errno) = super::program::keep_out_of_reach() {
        complain!("stepbox: cannot keep its own program from the container: {errno}");
        return ExitCode::from(125);
    }
    match act() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            if let Some(RunError::InReach) = error.downcast_ref() {
                // all is undone, and begins again
                let _ = super::program::keep_out_of_reach();
            }
            complain!("stepbox: {}", super::whole(&error));
            ExitCode::from(code(&error))
        }
    }
}

fn run(args: Args) -> anyhow::Result<u8> {
    let asked = &args.asked;
    if args.detach {
        if args.watching.anybody() || args.watching.dry_run {
            anyhow::bail!("--detach: whoever watches each step does so in the foreground; leave it out");
        }
        if let Err(error) = asked.streams.check_detached() {
            // as Docker: 1
            complain!("stepbox: {error}");
            return Ok(1);
        }
        let (state, created) = asked.create(true)?;
        println!("{}", created.record.id);
        let result = start::start_locked(&state, &created.record, &created.lock, None);
        if result.is_err() && created.record.request.remove {
            containers::remove::take_away(&state, &created.record, true)?;
        }
        result?;
        return Ok(0);
    }
    if asked.container.interactive && asked.container.tty && !std::io::stdin().is_terminal() {
        anyhow::bail!("{NO_TERMINAL}");
    }
    let in_this_process = args.watching.anybody() || args.watching.dry_run;
    let part = asked.streams.part(asked.container.interactive);
    let needs_monitor =
        asked.container.tty || asked.keeping.need_monitor() || args.attaching.of_monitor(part).is_some();
    if needs_monitor && !in_this_process {
        let (state, created) = asked.create(false)?;
        return args.attaching.run(&state, created, part);
    }
    args.attaching.check_in_this_process(part)?;
    asked.keeping.check_in_this_process()?;
    asked.check()?;
    let state = super::state()?;
    let store = super::store()?;
    let (image, _hold) = asked.source.held(&store, &asked.image, args.watching.dry_run)?;
    let mut request = asked.request(&image, false, args.watching.dry_run)?;
    // what the image says is known only now
    if Check::of(&settings(&image.config, &request)).is_some() {
        if !in_this_process {
            let created = asked.create_of(&state, &store, (&image, request))?;
            return args.attaching.run(&state, created, part);
        }
        anyhow::ensure!(
            args.watching.dry_run,
            "HEALTHCHECK of the image: a container whose steps are watched has no monitor, which would do that; add \
             --no-healthcheck"
        );
    }
    let (id, wanted, dry_run) = (names::new_id(), asked.container.name.as_deref(), args.watching.dry_run);
    // Docker looks at the name first
    let (name, reserved) = match dry_run {
        true => (free_name(&state, wanted)?, None),
        false => reserve(&state, &id, wanted).map(|name| (name.name().to_owned(), Some(name)))?,
    };
    volumes::asked::settle(&state, &mut request, &image.config).map_err(RunError::from)?;
    let how = if dry_run { How::Look } else { How::Fill };
    let opened = volumes::open::open(&state, &request, &id, how).map_err(RunError::from)?;
    let ahead = Ahead { volumes: opened.held, name: reserved };
    let ended = in_front(&args, &state, (&image, store.driver()), &request, (id, name, opened.mounts), ahead);
    if ended.is_err() {
        Volumes::of(&state).remove_anonymous(&request.volumes);
    }
    ended
}

/// Runs it in the foreground, when its name and its volumes are there.
fn in_front(
    args: &Args,
    state: &State,
    (image, driver): (&Image, Driver),
    request: &Request,
    (id, name, volumes): (String, String, Vec<Mount>),
    ahead: Ahead,
) -> anyhow::Result<u8> {
    let asked = &args.asked;
    let mut spec = prepare(state, &Ground::of(image, driver), (id, &name), request, volumes)?;
    (spec.process.piped, spec.process.own_stdio) = (!request.terminal, !request.terminal);
    let record = Record {
        engine: Some(Owner::me()),
        ..Record::new(&spec, (&asked.image, image), driver, name, request.clone())
    };
    spec.files.push((Record::file(&spec.directory), record.text()));
    let exit = asked
        .keeping
        .write_id(&record.id)
        .and_then(|()| crate::container::plan(&spec).map_err(|error| RunError::from(error).into()))
        .and_then(|plan| {
            let part = asked.streams.part(asked.container.interactive);
            let front = Front { state, spec: &spec, plan: &plan, record: &record, part };
            watched(args, &front, ahead)
        });
    // where the step that owns the address was never taken, nobody else gives it back
    give_back(state, &spec)?;
    Ok(exit?.unwrap_or(0) as u8)
}

impl Asked {
    /// Makes the container, and leaves it locked.
    pub(super) fn create(&self, detached: bool) -> anyhow::Result<(State, Created)> {
        self.check()?;
        self.keeping.check_id_file()?;
        let state = super::state()?;
        let store = super::store()?;
        let (image, _hold) = self.source.held(&store, &self.image, false)?;
        let request = self.request(&image, detached, false)?;
        let created = self.create_of(&state, &store, (&image, request))?;
        Ok((state, created))
    }

    /// The same of an image that is held.
    fn create_of(
        &self,
        state: &State,
        store: &Store,
        (image, request): (&Image, Request),
    ) -> anyhow::Result<Created> {
        let name = self.container.name.as_deref();
        let created = create::create(state, (&self.image, image), store.driver(), name, request)?;
        self.keeping.write_id(&created.record.id)?;
        Ok(created)
    }

    fn check(&self) -> anyhow::Result<()> {
        let named = [self.container.hostname.is_some(), self.container.domainname.is_some()];
        self.network.check(named != [false; 2])?;
        self.isolation.check(named[0], named[1])?;
        self.files.check()?;
        self.keeping.check(self.container.rm)?;
        self.network.warn();
        Ok(())
    }

    fn request(&self, image: &Image, detached: bool, dry_run: bool) -> anyhow::Result<Request> {
        let (container, files, limits) = (&self.container, &self.files, self.limits.asked());
        let capabilities = self.privilege.capabilities(Machine::look().capabilities);
        Ok(Request {
            // not the whole command line: an environment variable may be a secret, and journals and traces are read
            title: format!("stepbox run {}", self.image),
            hostname: container.hostname.clone(),
            domainname: container.domainname.clone(),
            remove: container.rm,
            stdin: container.interactive,
            stdin_once: container.interactive && !detached,
            terminal: container.tty,
            entrypoint: container.entrypoint(),
            init: container.init,
            env: container.env.env()?,
            workdir: container.workdir.clone(),
            user: container.user.clone(),
            groups: container.group_add.clone(),
            binds: files.binds(dry_run)?,
            volumes: files.volumes(),
            volumes_from: files.volumes_from.clone(),
            tmpfs: files.in_memory(),
            read_only: files.read_only,
            shm_size: files.shm_size,
            limits: self.limits.with(limits.resources()?)?,
            cpus: limits.cpus.filter(|cpus| *cpus > 0),
            rlimits: self.limits.ulimit.clone(),
            oom_score_adj: self.limits.oom_score_adj,
            attaches: if detached { Part::none() } else { self.streams.part(container.interactive) },
            id_file: self.keeping.cidfile.clone(),
            by_fields: files.by_fields(),
            cap_add: written(&self.privilege.cap_add),
            cap_drop: written(&self.privilege.cap_drop),
            security_opt: written(&self.privilege.security_opt),
            cgroup_parent: self.limits.cgroup_parent.clone(),
            peers: self.isolation.peers(self.network.mode())?,
            expose: self.network.expose(),
            publish: self.network.publish(),
            publish_all: self.network.publish_all,
            mac: self.network.mac(),
            lookup: self.network.lookup(),
            sysctls: self.isolation.sysctl.clone(),
            privileged: self.privilege.privileged(),
            capabilities,
            no_new_privs: self.privilege.no_new_privs(),
            seccomp: self.privilege.seccomp(capabilities)?,
            devices: self.privilege.device.clone(),
            device_rules: self.privilege.device_cgroup_rule.clone(),
            restart: self.keeping.restart.unwrap_or_default(),
            log: self.keeping.log()?,
            labels: self.keeping.labels(&image.config)?,
            stop_signal: self.keeping.stop_signal(&image.config),
            stop_timeout: self.keeping.stop_timeout,
            health: self.keeping.health.settings()?,
            command: self.command.clone(),
        })
    }
}

/// Options as they were written, without what they mean.
fn written<T>(options: &[(String, T)]) -> Vec<String> {
    options.iter().map(|(text, _)| text.clone()).collect()
}

/// Runs it with whoever watches. `None` when the reader stopped it or only wanted the plan.
fn watched(args: &Args, front: &Front<'_>, ahead: Ahead) -> anyhow::Result<Option<i32>> {
    let args = &args.watching;
    if !args.dry_run {
        front.is_out_of_reach()?;
    }
    if !args.anybody() && !args.dry_run {
        return Ok(Some(front.run(ahead, &mut ())?.code()));
    }
    args.watched((&front.record.request.title, "What happens in one run?"), front.plan, |watcher| {
        front.run(ahead, watcher).map(Some)
    })
}
