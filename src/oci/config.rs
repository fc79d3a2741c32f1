//! Config: a bundle's config.json, from its text to the [`Spec`] that the recipe takes.
//!
//! ```text
//!   BUNDLE/config.json ── load ──> Config, member for member
//!                                    │ spec: every setting judged, with its place in the file
//!   the machine, the flags ──────────┤
//!                                    v
//!                                  Spec ── container::plan ──> steps
//! ```
//!
//! Nothing is made here. A setting that is wrong, or that is known and not supported, is an error with its name, its
//! value and the remedy; nothing that has a meaning is dropped in silence. See config.md and config-linux.md of the
//! OCI runtime specification 1.2.

use std::path::{Path, PathBuf};

use crate::cgroups::Hierarchy;
use crate::kernel;
use crate::privilege::seccomp;
use crate::rootfs::CgroupTree;
use crate::spec::{Life, Spec, Start};

pub mod document;
mod error;
pub mod home;
pub mod hooks;
mod limits;
pub mod mounts;
pub mod namespaces;
mod process;
mod resources;
mod root;
mod sysctls;
mod users;

pub use document::Config;
pub use error::{ConfigError, Problem};
pub use home::of as home;
pub use process::{Entry, Given, entry, notes};

/// Where a container is made, and by whom.
#[derive(Debug, Clone)]
pub struct Place {
    /// its name
    pub id: String,
    /// the bundle, an absolute path
    pub bundle: PathBuf,
    /// the container's own directory of the host, which is there already
    pub directory: PathBuf,
    /// what we may do here
    pub machine: Machine,
    /// where cgroups can be made
    pub hierarchy: Hierarchy,
    /// what the command line asks for
    pub flags: Flags,
}

/// What the command line asks for besides the bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--console-socket`
    pub console_socket: Option<PathBuf>,
    /// we stay and carry the terminal ourselves: `run` without `--detach`
    pub foreground: bool,
    /// `--pidfd-socket`
    pub pidfd_socket: Option<PathBuf>,
    /// `--preserve-fds`
    pub preserve_fds: u32,
    /// `LISTEN_FDS`: so many before those, which the program is told of
    pub listen_fds: u32,
    /// `--no-pivot`
    pub no_pivot: bool,
    /// `--no-new-keyring`
    pub no_new_keyring: bool,
    /// `--rootless`: where no cgroup can be made, and nothing is to be limited, go on without
    pub lenient: bool,
    /// what the container's life depends on
    pub life: Life,
    /// when its program starts
    pub start: Start,
}

/// What this process may do on this machine, and what the machine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// the effective user
    pub uid: u32,
    /// the effective group
    pub gid: u32,
    /// the initial user namespace: its root may make devices
    pub initial: bool,
    /// the kernel lets us set supplementary groups
    pub setgroups: bool,
    /// the kernel runs with AppArmor
    pub apparmor: bool,
    /// the kernel runs with SELinux
    pub selinux: bool,
    /// newuidmap(1), where it is installed
    pub newuidmap: Option<PathBuf>,
    /// newgidmap(1), where it is installed
    pub newgidmap: Option<PathBuf>,
    /// a container could write to this program, unless its box leaves that behind
    pub engine_in_reach: bool,
    /// which cgroup tree a container can be shown
    pub cgroups: CgroupTree,
}

impl Machine {
    /// Looks. `path` is where programs lie, as in PATH.
    pub fn look(path: &str, cgroups: CgroupTree) -> Machine {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let own = |file: &str| read(&format!("/proc/self/{file}"));
        let find = |name: &str| {
            let absolute = std::env::split_paths(path).filter(|directory| directory.is_absolute());
            absolute.map(|directory| directory.join(name)).find(|program| program.is_file())
        };
        Machine {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            initial: kernel::users::initial(),
            setgroups: own("setgroups").trim() != "deny",
            apparmor: read("/sys/module/apparmor/parameters/enabled").starts_with('Y'),
            selinux: Path::new("/sys/fs/selinux/enforce").exists(),
            newuidmap: find("newuidmap"),
            newgidmap: find("newgidmap"),
            engine_in_reach: false,
            cgroups,
        }
    }

    /// Whether we are root, if only of a user namespace.
    pub fn root(&self) -> bool {
        self.uid == 0
    }

    /// Whether we may do what only root of the whole machine may.
    pub fn all_powerful(&self) -> bool {
        self.root() && self.initial
    }
}

/// Reads the config.json of a bundle.
///
/// # Errors
/// A file that cannot be read, that is no JSON, or a member of another type, by its place.
pub fn load(bundle: &Path) -> Result<Config, ConfigError> {
    of(read(bundle)?)
}

/// The config.json of a bundle, as it is.
///
/// # Errors
/// A file that cannot be read, or that is no JSON.
pub fn read(bundle: &Path) -> Result<serde_json::Value, ConfigError> {
    let path = bundle.join("config.json");
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| ConfigError::Json { path, error }),
        Err(error) => Err(ConfigError::Read { path, error }),
    }
}

/// What was read from the file of `exec --process`.
///
/// # Errors
/// As [`load`].
pub fn process(path: &Path, text: &std::io::Result<Vec<u8>>) -> Result<document::Process, ConfigError> {
    let again = |error: &std::io::Error| std::io::Error::new(error.kind(), error.to_string());
    let read = text.as_ref().map_err(|error| ConfigError::Read { path: path.into(), error: again(error) });
    let json = serde_json::from_slice(read?);
    of(json.map_err(|error| ConfigError::Json { path: path.into(), error })?)
}

/// From JSON that was read already. A member that is null counts as left out.
///
/// # Errors
/// As [`load`].
pub fn of<T: serde::de::DeserializeOwned>(mut json: serde_json::Value) -> Result<T, ConfigError> {
    drop_nulls(&mut json);
    serde_path_to_error::deserialize(json)
        .map_err(|error| ConfigError::Type { place: error.path().to_string(), error: error.into_inner() })
}

fn drop_nulls(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// What the container will be. Looks at the files that the configuration names; makes nothing.
///
/// # Errors
/// The first setting that is wrong or not supported, by its place.
pub fn spec(config: &Config, place: &Place) -> Result<Spec, ConfigError> {
    version(config)?;
    unsupported(config)?;
    let listed = namespaces::Listed::read(config)?;
    let (namespaces, net) = namespaces::namespaces(config, &listed, place)?;
    namespaces::names(config, &listed)?;
    let sysctls = sysctls::settings(config, &listed)?;
    let hooks = hooks::hooks(config, place)?;
    let document = process::required(config)?;
    let rootfs = root::rootfs(config, document, &namespaces, place)?;
    let seccomp = filter(config, place, "creating")?;
    let home = home::of(rootfs.tree(), document.user.uid);
    let given = Given { users: &namespaces.user, home, seccomp };
    let Entry { mut process, privilege } = entry(document, "process", place, given)?;
    process.personality = personality(config)?;
    let name = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    Ok(Spec {
        id: place.id.clone(),
        directory: place.directory.clone(),
        makes_directory: false,
        files: Vec::new(),
        rootfs,
        namespaces,
        hostname: name(&config.hostname),
        domainname: name(&config.domainname),
        sysctls,
        cgroup: resources::cgroup(config, place)?,
        resources: resources::resources(config, place),
        net,
        published: Vec::new(),
        privilege,
        process,
        hooks,
        life: place.flags.life,
        start: place.flags.start.clone(),
    })
}

/// `linux.personality`, which every program of the container has.
///
/// # Errors
/// A domain that is not known, a flag.
pub fn personality(config: &Config) -> Result<Option<u32>, ConfigError> {
    limits::personality(config.linux.personality.as_ref())
}

/// `linux.seccomp`. Who decides about calls is told of the container as hooks are; `status` is the container's.
///
/// # Errors
/// The first member that is wrong, by its place.
pub fn filter(config: &Config, place: &Place, status: &str) -> Result<Option<seccomp::Profile>, ConfigError> {
    let Some(wanted) = &config.linux.seccomp else { return Ok(None) };
    let mut profile = seccomp::profile::oci(wanted)?;
    if let Some(listener) = &mut profile.listener {
        listener.state = hooks::members(config, place, status);
    }
    Ok(Some(profile))
}

/// Semantic versioning: whatever begins with 1 keeps what 1.0.0 promised.
fn version(config: &Config) -> Result<(), ConfigError> {
    let version = config.oci_version.as_str();
    let wrong = |problem| Err(ConfigError::at("ociVersion", format!("{version:?}"), problem));
    let mut numbers = version.split(['-', '+']).next().unwrap_or_default().split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        _ if version.is_empty() => wrong(Problem::Missing("the version of the specification, as 1.2.0")),
        (Some(Ok(1)), Some(Ok(_)), Some(Ok(_)), None) => Ok(()),
        _ => wrong(Problem::Version),
    }
}

/// What has a meaning that we cannot give it.
fn unsupported(config: &Config) -> Result<(), ConfigError> {
    let linux = &config.linux;
    let devices = (!linux.net_devices.is_empty()).then(|| serde_json::json!(linux.net_devices));
    let label = linux.mount_label.clone().filter(|label| !label.is_empty()).map(serde_json::Value::from);
    // the default is what every program begins with
    let policy = linux.memory_policy.as_ref().filter(|policy| policy["mode"] != "MPOL_DEFAULT");
    let settings = [
        ("vm", config.vm.as_ref(), "containers are processes here, not virtual machines"),
        ("windows", config.windows.as_ref(), "this is Linux"),
        ("solaris", config.solaris.as_ref(), "this is Linux"),
        ("zos", config.zos.as_ref(), "this is Linux"),
        ("linux.intelRdt", linux.intel_rdt.as_ref(), "cache and memory bandwidth are not divided here"),
        ("linux.memoryPolicy", policy, "memory nodes are chosen by linux.resources.cpu.mems"),
        ("linux.netDevices", devices.as_ref(), "devices are not moved here: a prestart hook can do it"),
        ("linux.mountLabel", label.as_ref(), "mounts are not labelled here"),
    ];
    for (place, value, why) in settings {
        if let Some(value) = value {
            return Err(ConfigError::at(place, value, Problem::Unsupported(why)));
        }
    }
    Ok(())
}

/// No text for the kernel holds one.
fn has_nul(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().contains(&0)
}
