//! Run: from what the user asked for and the image to a [`Spec`]; and why that did not run.
//!
//! ```text
//!   Request + Image + machine ──> Spec ── container::plan ──> Front, or a monitor
//! ```

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::config::ImageConfig;
use super::containers::ContainerError;
use super::containers::update::UpdateError;
use super::describe::{Place, describe};
use super::devices;
use super::machine::Machine;
use super::network::{self, NetworkError};
use super::ports::given::{self, PortsTaken};
use super::propagation;
use super::request::{NetworkMode, Request, Share};
use super::state::State;
use super::store::{Driver, Image};
use super::users::UserError;
use super::volumes::error::VolumeError;
use crate::cgroups::{self, CgroupError};
use crate::journal::Journal;
use crate::kernel::{Errno, Op, hint};
use crate::launch::{LaunchError, Unmet};
use crate::rootfs::Mount;
use crate::spec::{Existing, Net, Spec};
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
    /// no port of the host can be had
    #[error(
        "driver failed programming external connectivity on endpoint {name}: {error}{}",
        error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default()
    )]
    Ports {
        /// the container's name
        name: String,
        /// why not
        error: Box<PortsTaken>,
    },
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
    /// a bind that is to travel, of what does not
    #[error("path {} is mounted on {} but it is not a {wanted} mount\nhint: mount --make-shared {}", path.display(), point.display(), point.display())]
    NotShared {
        /// the source
        path: PathBuf,
        /// the mount that it lies on
        point: PathBuf,
        /// what it would have to be
        wanted: &'static str,
    },
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
    /// another container that it was to have a part in
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// other limits than it has
    #[error(transparent)]
    Update(Box<UpdateError>),
    /// a volume
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// as whoever stays with it says
    #[error("{text}")]
    Behind {
        /// why
        text: String,
        /// the exit code for that
        code: u8,
    },
    /// what would be started could write to our own program
    #[error("its own program cannot be kept from the container")]
    InReach,
    /// files of the engine
    #[error("cannot keep the container's state: {0}")]
    State(#[from] std::io::Error),
    /// a system call of the engine's own
    #[error("the engine was refused a system call: {0}")]
    System(#[from] Errno),
}

impl From<UpdateError> for RunError {
    fn from(error: UpdateError) -> RunError {
        match error {
            UpdateError::Quit(quit) => RunError::Launch(quit),
            other => RunError::Update(Box::new(other)),
        }
    }
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

/// What a container stands on.
#[derive(Debug, Clone)]
pub struct Ground {
    /// how the image was unpacked
    pub driver: Driver,
    /// what it says of the program
    pub config: ImageConfig,
    /// the directories of its layers, top-most last
    pub layers: Vec<PathBuf>,
}

impl Ground {
    /// An image that this driver has unpacked.
    pub fn of(image: &Image, driver: Driver) -> Ground {
        Ground { driver, config: image.config.clone(), layers: image.layers.clone() }
    }
}

/// What the container of this id and name will be, on this machine, with these volumes, and as the others are now. Takes
/// an address where one is needed, and ports of the host where they are wanted: [`give_back`].
///
/// # Errors
/// What cannot be had; then nothing is taken.
pub fn prepare(
    state: &State,
    ground: &Ground,
    (id, name): (String, &str),
    request: &Request,
    volumes: Vec<Mount>,
) -> Result<Spec, RunError> {
    let machine = Machine::look();
    let (share, network) = (request.peers.share(state)?, request.peers.network(state)?);
    // what can fail comes before an address is taken
    propagation::check(&request.binds, machine)?;
    let lent = devices::find(&request.devices, request.privileged, machine)?;
    let mut place = place(state, ground.driver, id)?;
    let net = match network {
        NetworkMode::Host => Net::Host,
        NetworkMode::None => Net::None,
        NetworkMode::Join { peer, .. } => Net::Join(Existing::Of(peer)),
        NetworkMode::Default if !machine.root() => Net::None,
        NetworkMode::Bridge if !machine.root() => return Err(NetworkError::NotRoot.into()),
        // not by its own id: the cable of the run before goes a moment after that has ended
        NetworkMode::Default | NetworkMode::Bridge => {
            network::take_port(state, &super::names::new_id(), request.mac)?
        }
    };
    if request.mac.is_some() && !matches!(net, Net::Bridge { .. }) {
        return Err(NetworkError::NoCable.into());
    }
    place = Place { lent, share, network, net, volumes, ..place };
    let described = publish(state, &mut place, name, request, &ground.config)
        .and_then(|()| describe(&place, &ground.config, &ground.layers, request));
    described.inspect_err(|_| {
        let _ = network::give_back(&place.net).and_then(|()| given::give_back(state, &place.id));
    })
}

/// Takes the ports that are wanted, where it has a network of its own that leads anywhere.
fn publish(
    state: &State,
    place: &mut Place,
    name: &str,
    request: &Request,
    image: &ImageConfig,
) -> Result<(), RunError> {
    let inside = match &place.net {
        Net::Bridge { port, .. } => port.address,
        // somebody of ours will be in there
        Net::None if place.network == NetworkMode::Default => Ipv4Addr::LOCALHOST,
        _ => return Ok(()),
    };
    let given =
        given::wanted(request, image).and_then(|wanted| given::give(state, &place.id, &wanted, inside));
    let refused = |error| RunError::Ports { name: name.into(), error: Box::new(error) };
    place.published = given.map_err(refused)?;
    Ok(())
}

/// Gives back what was taken for a container whose plan was not launched, or not as far as the steps whose undos do it.
///
/// # Errors
/// What the kernel answers.
pub fn give_back(state: &State, spec: &Spec) -> std::io::Result<()> {
    network::give_back(&spec.net)?;
    given::give_back(state, &spec.id)
}

/// The same before it starts: its files and its program. Who else there is, and whom its users are, shows at the start.
///
/// # Errors
/// A request that makes no container.
pub fn sketch(
    state: &State,
    ground: &Ground,
    id: String,
    request: &Request,
    volumes: Vec<Mount>,
) -> Result<Spec, RunError> {
    let (groups, sysctls, lookup) = Default::default();
    let request = Request { user: Some("0".into()), groups, sysctls, lookup, ..request.clone() };
    let place = Place { volumes, ..place(state, ground.driver, id)? };
    describe(&place, &ground.config, &ground.layers, &request)
}

/// This machine, for a container without any part in another, and without a network.
fn place(state: &State, driver: Driver, id: String) -> Result<Place, RunError> {
    let machine = Machine::look();
    let (hierarchy, mounts) = cgroups::look(Path::new("/"))?;
    Ok(Place {
        lent: devices::Lent::default(),
        share: Share::default(),
        network: NetworkMode::None,
        id,
        volumes: Vec::new(),
        driver,
        machine,
        net: Net::None,
        published: Vec::new(),
        containers: state.containers(),
        hierarchy,
        cgroups: machine.cgroup_tree(&mounts),
        throttles: super::machine::throttles(Path::new("/")),
        resolvers: std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
        hosts: std::fs::read_to_string("/etc/hosts").unwrap_or_default(),
    })
}

/// The journal of a container's run, without what is to stay.
pub(super) fn journal(
    state: &State,
    id: &str,
    title: &str,
    plan: &Plan,
    stays: impl Fn(&Op) -> bool,
) -> std::io::Result<Journal> {
    std::fs::create_dir_all(state.journals())?;
    Journal::create_but(&state.journal(id), title, plan, stays)
}

/// The same of a box that was to leave our program behind: there is another way than this one. But setresuid(2) leaves it
/// to the next exec, whichever that is, to say that its user has too many processes.
pub(super) fn explain_start(error: LaunchError, spec: &Spec, name: &str) -> RunError {
    let process = &spec.process;
    match &error {
        LaunchError::Step(step) if step.op == Op::Depart => match step.what {
            Unmet::Errno(errno @ Errno::AGAIN) => {
                let name = process.exec.argv.first().map(|name| name.as_path().display().to_string());
                RunError::Exec { program: name.unwrap_or_default(), errno }
            }
            _ => RunError::InReach,
        },
        LaunchError::Step(step) => match (&step.op, &step.what) {
            (Op::Listen(listen), Unmet::Errno(errno)) if listen.slot < spec.published.len() => {
                let error = Box::new(PortsTaken::Refused(spec.published[listen.slot], *errno));
                RunError::Ports { name: name.into(), error }
            }
            _ => explain(error, &process.cwd),
        },
        _ => explain(error, &process.cwd),
    }
}

/// The steps at which the user, not the engine, may be wrong; `cwd` is where the program was to start.
pub(super) fn explain(error: LaunchError, cwd: &Path) -> RunError {
    let LaunchError::Step(step) = &error else { return error.into() };
    let Unmet::Errno(errno) = step.what else { return error.into() };
    match &step.op {
        Op::Exec(exec) => {
            let name = exec.argv.first().map(|name| name.as_path().display().to_string());
            RunError::Exec { program: name.unwrap_or_default(), errno }
        }
        Op::Chdir { path } if path.as_path() == cwd => RunError::Workdir(cwd.into(), errno),
        Op::Getcwd => RunError::Workdir(cwd.into(), errno),
        Op::Setresuid { uid } if errno == Errno::INVAL => RunError::NotMapped { what: "user", id: *uid },
        Op::Setresgid { gid } if errno == Errno::INVAL => RunError::NotMapped { what: "group", id: *gid },
        _ => error.into(),
    }
}
