//! Spec: what a container should be. Data only; nothing here touches the machine.

use std::path::PathBuf;

mod process;
pub mod sysctl;

use crate::cgroups::{Cgroup, Resources};
use crate::kernel::op::{Hook, Peer};
use crate::namespaces::Offsets;
use crate::ports::Published;
use crate::privilege::Privilege;
use crate::rootfs::Rootfs;
use crate::userns::{Helpers, Range};
use crate::veth::{Network, Port};

pub use process::{Affinity, Console, Input, IoPriority, Process, Rlimit, WindowSize};

/// Everything that the recipe needs to know about one container.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// 64 hexadecimal digits
    pub id: String,
    /// the container's own directory on the host
    pub directory: PathBuf,
    /// the plan makes that directory, and takes it away in the end
    pub makes_directory: bool,
    /// files made in that directory, as `hosts`
    pub files: Vec<(PathBuf, String)>,
    /// what the container finds below `/`
    pub rootfs: Rootfs,
    /// which namespaces it gets
    pub namespaces: Namespaces,
    /// the host name, where the UTS namespace is its own
    pub hostname: Option<String>,
    /// the NIS domain name, where the UTS namespace is its own
    pub domainname: Option<String>,
    /// the kernel's settings: a file below /proc/sys, as `net/ipv4/ip_forward`, and its text
    pub sysctls: Vec<(PathBuf, String)>,
    /// its cgroup
    pub cgroup: Cgroup,
    /// what it may use at most
    pub resources: Resources,
    /// how it reaches others
    pub net: Net,
    /// ports of the host that lead into it
    pub published: Vec<Published>,
    /// who the program runs as, and what it may do
    pub privilege: Privilege,
    /// the program
    pub process: Process,
    /// programs of others that are run on the way
    pub hooks: Hooks,
    /// what its life depends on
    pub life: Life,
    /// when its program starts
    pub start: Start,
}

/// What a container's life depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Life {
    /// it ends when the process that made it ends
    #[default]
    OfTheEngine,
    /// it lives on
    OfItsOwn,
}

/// When a container's program starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Start {
    /// as soon as everything is made
    #[default]
    AtOnce,
    /// when somebody writes into this fifo of the host, which is made by the plan
    AfterFifo(PathBuf),
}

/// Programs of others that are run on the way, in this order: the runtime specification's hooks (config.md,
/// POSIX-platform Hooks). Those that are run after the start belong to whoever starts and deletes the container.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hooks {
    /// on the host, when the namespaces are there and the root is not yet exchanged
    pub prestart: Vec<Hook>,
    /// the same, after those
    pub create_runtime: Vec<Hook>,
    /// in the container's namespaces, before the root is exchanged
    pub create_container: Vec<Hook>,
    /// in the container, right before its program
    pub start_container: Vec<Hook>,
    /// where those on the host begin; `None`: wherever we are
    pub directory: Option<PathBuf>,
}

impl Hooks {
    /// Whether any is run on the host.
    pub fn on_host(&self) -> bool {
        !self.prestart.is_empty() || !self.create_runtime.is_empty()
    }

    /// The specification's name of the list in which this one stands, and its place there.
    pub fn place(&self, hook: &Hook) -> Option<(&'static str, usize)> {
        let Hooks { prestart, create_runtime, create_container, start_container, directory: _ } = self;
        let lists = [
            ("prestart", prestart),
            ("createRuntime", create_runtime),
            ("createContainer", create_container),
            ("startContainer", start_container),
        ];
        lists.iter().find_map(|(name, list)| Some((*name, list.iter().position(|one| one == hook)?)))
    }
}

/// Which namespaces a container gets. The mount namespace is always its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaces {
    /// who is who among users
    pub user: Users,
    /// which processes there are
    pub pid: Namespace,
    /// message queues and shared memory
    pub ipc: Namespace,
    /// host name and domain name
    pub uts: Namespace,
    /// which cgroups there are
    pub cgroup: Namespace,
    /// since when the machine runs; `None` for the host's clocks
    pub time: Option<Time>,
}

/// Where a namespace is found that exists already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existing {
    /// by the file that names it, as /proc/PID/ns/ipc
    File(PathBuf),
    /// it is the one that this process is in
    Of(Peer),
}

impl Existing {
    /// The user namespace in the same place.
    pub fn users(&self) -> Existing {
        match self {
            Existing::File(file) => Existing::File(file.with_file_name("user")),
            Existing::Of(peer) => Existing::Of(*peer),
        }
    }
}

/// Where a namespace comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespace {
    /// the host's
    Host,
    /// a new one
    New,
    /// one that exists already
    Join(Existing),
}

impl Namespace {
    /// Where it is, if it exists already.
    pub fn existing(&self) -> Option<&Existing> {
        match self {
            Namespace::Join(existing) => Some(existing),
            Namespace::Host | Namespace::New => None,
        }
    }
}

/// Who is who among users: user_namespaces(7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// the host's users
    Host,
    /// one user and one group, each the own one, under another number; the price is setgroups(2)
    One(Range, Range),
    /// whole ranges, for users and for groups
    Ranges(Vec<Range>, Vec<Range>),
    /// the same, written by programs that may do it for somebody who is not root
    Helped(Vec<Range>, Vec<Range>, Helpers),
    /// those of a namespace that exists already
    Join(Existing),
}

impl Users {
    /// Whether the user namespace is made for the box.
    pub fn is_new(&self) -> bool {
        !matches!(self, Users::Host | Users::Join(_))
    }
}

/// A time namespace: time_namespaces(7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Time {
    /// a new one, and by how much its clocks run ahead
    New(Offsets),
    /// one that exists already
    Join(Existing),
}

/// How a container reaches others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Net {
    /// the host's own network
    Host,
    /// a loopback, nothing else
    None,
    /// a namespace that exists already, as it is
    Join(Existing),
    /// a port on a bridge
    Bridge {
        /// the bridge
        network: Network,
        /// the container's end
        port: Port,
        /// the file that says the address is taken
        lease: PathBuf,
        /// the process that holds the address: the engine, for as long as it lives
        holder: u32,
    },
}
