//! Describe: from a request, an image and a place to the [`Spec`] of one container. Reads the image's users; asks
//! nothing of the machine, so that the same words make the same plan everywhere.

use std::path::{Path, PathBuf};

use super::config::ImageConfig;
use super::devices::Lent;
use super::machine::Machine;
use super::request::{NetworkMode, Request, Seccomp, Share, Shm};
use super::run::RunError;
use super::store::Driver;
use super::{address_files, propagation, users};
use crate::cgroups::{Cgroup, Controller, Hierarchy, Resources, devices};
use crate::kernel::op::Exec;
use crate::overlay::Overlay;
use crate::ports::Published;
use crate::privilege::{self, Capabilities, Privilege};
use crate::rootfs::{self, CgroupTree, Devices, Mount, Root, Rootfs, Source};
use crate::spec::{
    Console, Existing, Hooks, Input, Life, Namespace, Namespaces, Net, Process, Spec, Start, Users, sysctl,
};
use crate::userns::Range;

/// Where a container is made, and what it gets that no other has.
#[derive(Debug, Clone)]
pub struct Place {
    /// 64 hexadecimal digits
    pub id: String,
    /// what we may do here
    pub machine: Machine,
    /// its network, its address taken
    pub net: Net,
    /// the host's ports that it has
    pub published: Vec<Published>,
    /// where containers have their directories
    pub containers: PathBuf,
    /// where cgroups can be made
    pub hierarchy: Hierarchy,
    /// which cgroup tree it is shown
    pub cgroups: CgroupTree,
    /// where the processors tell how hot they are
    pub throttles: Vec<PathBuf>,
    /// the host's resolv.conf
    pub resolvers: String,
    /// the host's hosts
    pub hosts: String,
    /// the host's devices that it is lent
    pub lent: Lent,
    /// which namespaces are not its alone
    pub share: Share,
    /// which network it was to get
    pub network: NetworkMode,
    /// its volumes
    pub volumes: Vec<Mount>,
    /// how the image was unpacked
    pub driver: Driver,
}

/// What the container will be.
pub fn describe(
    place: &Place,
    config: &ImageConfig,
    layers: &[PathBuf],
    request: &Request,
) -> Result<Spec, RunError> {
    let (id, machine, net) = (place.id.clone(), place.machine, place.net.clone());
    if !(request.groups.is_empty() || machine.root() && machine.setgroups) {
        return Err(RunError::NotRoot("--group-add"));
    }
    if !(request.device_rules.is_empty() || machine.all_powerful()) {
        return Err(RunError::NotRoot("--device-cgroup-rule"));
    }
    let user = users::find(request.user.as_deref().unwrap_or(&config.user), &request.groups, layers)?;
    let directory = place.containers.join(&id);
    let namespaces = namespaces(place);
    let hostname = hostname(&place.network, &namespaces.uts, request, &id);
    let (files, binds) = match &place.network {
        NetworkMode::Join { directory, .. } => (Vec::new(), address_files::of_another(directory)),
        _ => address_files::files(place, request, &directory, hostname.as_deref())?,
    };
    let mut mounts = mounts(place, request);
    mounts.extend(place.lent.binds.iter().cloned());
    // as Docker: they lie in /etc, and that is read-only
    let ours = binds.into_iter().map(|bind| if request.read_only { bind.read_only() } else { bind });
    let asked = request.tmpfs.iter().chain(&request.binds).chain(&place.volumes).cloned();
    let mut wanted: Vec<Mount> = ours.chain(asked).collect();
    // as Docker: what lies deeper is mounted later, whatever was said first
    wanted.sort_by_key(|mount| mount.target.components().count());
    mounts.extend(wanted);
    let propagation = propagation::settle(&mut mounts);
    let named = hostname.is_some() || request.domainname.is_some();
    let cwd = working_directory(request, config)?;
    let resources = resources(place, request);
    let cgroup = match &request.cgroup_parent {
        Some(parent) => Cgroup::below(&place.hierarchy, parent, &id, &resources)?,
        None => Cgroup::for_box(&place.hierarchy, &id, &resources),
    };
    Ok(Spec {
        rootfs: Rootfs {
            root: root(place, &directory, layers, request.remove),
            read_only: request.read_only,
            propagation,
            no_pivot: false,
            host_views: Vec::new(),
            open_on_host: false,
            in_order: false,
            mounts,
            make: if machine.all_powerful() { Devices::Make } else { Devices::Bind },
            devices: place.lent.nodes.clone(),
            masked: masked(place, request),
            read_only_paths: if request.privileged { Vec::new() } else { rootfs::read_only_by_default() },
            terminal: request.terminal,
            directories: vec![cwd.clone()],
        },
        sysctls: sysctls(place, request, &namespaces)?,
        privilege: privilege(machine, &user, request),
        process: Process {
            exec: program(request, config, hostname.as_deref(), &user.home)?,
            cwd,
            console: request.terminal.then_some(Console { socket: None, size: None }),
            input: if request.stdin { Input::Ours } else { Input::Null },
            keyring: Some(format!("_ses.{id}")),
            rlimits: request.rlimits.clone(),
            oom_score_adj: request.oom_score_adj,
            init: request.init,
            engine_in_reach: machine.engine_in_reach,
            ..Process::default()
        },
        hooks: Hooks::default(),
        life: Life::OfTheEngine,
        start: Start::AtOnce,
        namespaces: Namespaces { uts: if named { Namespace::New } else { namespaces.uts }, ..namespaces },
        id,
        directory,
        makes_directory: true,
        files,
        hostname,
        domainname: request.domainname.clone(),
        cgroup,
        resources,
        net,
        published: place.published.clone(),
    })
}

/// What it calls itself; none where that is not its own to say.
pub(super) fn hostname(
    network: &NetworkMode,
    uts: &Namespace,
    request: &Request,
    id: &str,
) -> Option<String> {
    match network {
        NetworkMode::Join { hostname, .. } => hostname.clone(),
        NetworkMode::Host if request.hostname.is_none() => None,
        _ if *uts == Namespace::Host && request.hostname.is_none() => None,
        _ => Some(request.hostname.clone().unwrap_or_else(|| id[..12].into())),
    }
}

fn namespaces(place: &Place) -> Namespaces {
    let machine = place.machine;
    let Share { pid, ipc, uts, cgroup, .. } = place.share.clone();
    // who reads another network's names by its own host name would be misled
    let uts = if place.network == NetworkMode::Host && uts == Namespace::New { Namespace::Host } else { uts };
    let ours = |id| Range::one(0, id);
    let net = match &place.network {
        NetworkMode::Join { peer, .. } => Some(&Existing::Of(*peer)),
        _ => None,
    };
    let joined = [pid.existing(), ipc.existing(), net].into_iter().flatten().next();
    let user = match joined {
        _ if machine.root() => Users::Host,
        // what another container's users own, nobody else may join
        Some(existing) => Users::Join(existing.users()),
        None => Users::One(ours(machine.uid), ours(machine.gid)),
    };
    Namespaces { user, pid, ipc, uts, cgroup, time: None }
}

fn masked(place: &Place, request: &Request) -> Vec<PathBuf> {
    let mut masked = rootfs::masked_by_default();
    masked.extend(place.throttles.iter().cloned());
    if request.privileged { Vec::new() } else { masked }
}

/// What every container has, as this one wants it.
fn mounts(place: &Place, request: &Request) -> Vec<Mount> {
    let machine = place.machine;
    let bind_sysfs = matches!(place.net, Net::Host | Net::Join(_)) && !machine.all_powerful();
    let mut mounts = rootfs::mounts_by_default(&place.cgroups, bind_sysfs, machine.all_powerful());
    match &place.share.shm {
        Shm::Own => {}
        Shm::None => mounts.retain(|mount| mount.target != Path::new("/dev/shm")),
        other => {
            let shared = match other {
                Shm::Theirs(peer) => Mount::of_another(*peer, !machine.root(), "/dev/shm"),
                _ => Mount::bind("/dev/shm", "/dev/shm", true),
            };
            let old = mounts.iter_mut().find(|mount| mount.target == Path::new("/dev/shm"));
            old.into_iter().for_each(|mount| *mount = shared.clone());
        }
    }
    // nor mount its queues, which mq_open(3) finds without
    if place.share.ipc == Namespace::Host && !machine.all_powerful() {
        mounts.retain(|mount| mount.target != Path::new("/dev/mqueue"));
    }
    for mount in &mut mounts {
        // who has not made the PID namespace cannot mount its proc: the host's shows the same
        if place.share.pid == Namespace::Host && !machine.all_powerful() && mount.target == Path::new("/proc")
        {
            *mount = Mount::bind("/proc", "/proc", true);
            mount.options.set_below =
                libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
        }
        if let Source::New { data, .. } = &mut mount.source
            && mount.target == Path::new("/dev/shm")
        {
            *data = format!("mode=1777,size={}k", request.shm_size.div_ceil(1024));
        }
        // as Docker: what is privileged and read-only may write into its cgroups, not into /sys
        let stays = request.read_only && mount.target == Path::new("/sys");
        if request.privileged && !stays {
            mount.options.flags &= !libc::MS_RDONLY;
            mount.options.set_below &= !libc::MOUNT_ATTR_RDONLY;
        }
    }
    mounts
}

/// Docker's rule: what belongs to the whole machine may not be set, and what belongs to a namespace only where it is
/// the container's own.
fn sysctls(
    place: &Place,
    request: &Request,
    namespaces: &Namespaces,
) -> Result<Vec<(PathBuf, String)>, RunError> {
    let net = if place.network == NetworkMode::Host { Namespace::Host } else { Namespace::New };
    let check = |(name, value): &(String, String)| {
        let wrong = |why| RunError::Sysctl { name: name.clone(), why };
        if name.replace('/', ".") == "kernel.hostname" {
            return Err(wrong("is set by --hostname"));
        }
        let owner = sysctl::owner(name).ok_or(wrong("belongs to the whole machine, not to a namespace"))?;
        match owner.is_own(&net, &namespaces.ipc, &namespaces.uts) {
            true => Ok((sysctl::file(name).ok_or(wrong("is no name of a setting"))?, value.clone())),
            false => Err(wrong("belongs to a namespace that is the host's here")),
        }
    };
    let asked: Vec<(PathBuf, String)> = request.sysctls.iter().map(check).collect::<Result<_, _>>()?;
    let usual = usual_sysctls(place).into_iter().map(|(name, value)| (PathBuf::from(name), value.to_owned()));
    let usual = usual.filter(|(file, _)| !asked.iter().any(|(other, _)| other == file));
    Ok(usual.chain(asked.iter().cloned()).collect())
}

/// As Docker since 20.10: in a network of its own a container needs no capability to listen on any port, nor to ping. Which
/// groups may ping cannot be said in a user namespace that has not all of them.
fn usual_sysctls(place: &Place) -> Vec<(&'static str, &'static str)> {
    const PORTS: (&str, &str) = ("net/ipv4/ip_unprivileged_port_start", "0");
    const PING: (&str, &str) = ("net/ipv4/ping_group_range", "0 2147483647");
    match place.network {
        NetworkMode::Host | NetworkMode::Join { .. } => Vec::new(),
        _ if place.machine.all_powerful() => vec![PORTS, PING],
        _ => vec![PORTS],
    }
}

/// Which devices may be used, only root of the machine can say.
fn resources(place: &Place, request: &Request) -> Resources {
    let filters = place.machine.all_powerful() && place.hierarchy.usable(Controller::Devices).is_ok();
    let rules = match request.privileged {
        true => devices::all(),
        false => {
            let asked = place.lent.rules.iter().chain(&request.device_rules).cloned();
            devices::default().into_iter().chain(asked).collect()
        }
    };
    Resources { devices: filters.then_some(rules), ..request.limits.clone() }
}

/// What a program of this container may do.
pub(super) fn privilege(machine: Machine, user: &users::User, request: &Request) -> Privilege {
    Privilege {
        uid: user.uid,
        gid: user.gid,
        groups: (machine.root() && machine.setgroups).then(|| user.groups.clone()),
        capabilities: Capabilities::of_user(user.uid, request.capabilities),
        no_new_privs: request.no_new_privs || !machine.all_powerful(),
        seccomp: match &request.seccomp {
            Seccomp::Profile(profile) => Some((**profile).clone()),
            _ if request.privileged => None,
            Seccomp::Default => Some(privilege::seccomp::default_profile(request.capabilities)),
            Seccomp::Unconfined => None,
        },
        apparmor: None,
        selinux: None,
    }
}

fn root(place: &Place, directory: &Path, layers: &[PathBuf], throw_away: bool) -> Root {
    let path = directory.join("root");
    if let Some(make) = layers.last().and_then(|tree| place.driver.branch(tree, &path)) {
        return Root::Branch { make, path };
    }
    let [upper, work, merged] = ["upper", "work", "merged"].map(|name| directory.join(name));
    let lower = layers.iter().rev().cloned().collect();
    let overlay = Overlay { lower, upper, work, merged, userxattr: !place.machine.all_powerful() };
    Root::Overlay { overlay, throw_away }
}

/// Where a program starts that is not told.
pub(super) fn working_directory(request: &Request, config: &ImageConfig) -> Result<PathBuf, RunError> {
    if config.working_dir.contains('\0') {
        return Err(RunError::Nul("the image's working directory"));
    }
    Ok(match &request.workdir {
        Some(path) => path.clone(),
        None if config.working_dir.is_empty() => "/".into(),
        None => Path::new("/").join(&config.working_dir),
    })
}

/// The image's entry point and command, or the user's, and the environment.
fn program(
    request: &Request,
    config: &ImageConfig,
    hostname: Option<&str>,
    home: &str,
) -> Result<Exec, RunError> {
    // as Docker: the image's command belongs to the image's entry point
    let (mut argv, rest) = match &request.entrypoint {
        Some(entrypoint) => (entrypoint.clone(), None),
        None => (config.entrypoint.clone().unwrap_or_default(), config.cmd.clone()),
    };
    match request.command.is_empty() {
        true => argv.extend(rest.unwrap_or_default()),
        false => argv.extend(request.command.iter().cloned()),
    }
    executable(&argv, &environment(hostname, request.terminal, home, [&config.env, &request.env]))
}

/// What a program of this container finds in its environment: what every one does, then these, the last first.
pub(super) fn environment<const N: usize>(
    hostname: Option<&str>,
    terminal: bool,
    home: &str,
    said: [&[String]; N],
) -> Vec<String> {
    const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut env: Vec<String> = vec![PATH.into()];
    let mut set = |pair: String| {
        let key = pair.split_once('=').map_or(pair.as_str(), |(key, _)| key).to_owned();
        match env.iter_mut().find(|other| other.split_once('=').is_some_and(|(other, _)| other == key)) {
            Some(other) => *other = pair,
            None => env.push(pair),
        }
    };
    if let Some(hostname) = hostname {
        set(format!("HOSTNAME={hostname}"));
    }
    if terminal {
        set("TERM=xterm".into());
    }
    set(format!("HOME={home}"));
    said.into_iter().flatten().cloned().for_each(set);
    env
}

/// A program by its words, to be looked for where this environment says.
pub(super) fn executable(argv: &[String], env: &[String]) -> Result<Exec, RunError> {
    let Some(name) = argv.first() else { return Err(RunError::NoCommand) };
    if argv.iter().chain(env).any(|text| text.contains('\0')) {
        return Err(RunError::Nul("the command or the environment"));
    }
    let path = env.iter().find_map(|pair| pair.strip_prefix("PATH=")).unwrap_or_default();
    // an empty name is looked for nowhere: execve(2) answers ENOENT, and the code is 127 as Docker's
    let paths = match name.contains('/') || name.is_empty() {
        true => vec![name.into()],
        false => path.split(':').map(|directory| format!("{directory}/{name}").into()).collect(),
    };
    Ok(Exec { paths, argv: argv.iter().map(Into::into).collect(), env: env.iter().map(Into::into).collect() })
}
