//! Spec: what a container should be. Data only; nothing here touches the machine.

use std::path::{Path, PathBuf};

use crate::cgroups::{Hierarchy, Limits};
use crate::kernel::op::Exec;
use crate::namespaces::Offsets;
use crate::privilege::Privilege;
use crate::rootfs::Rootfs;
use crate::userns::Range;
use crate::veth::{Network, Port};

/// Everything that the recipe needs to know about one container.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// 64 hexadecimal digits
    pub id: String,
    /// the container's own directory on the host
    pub directory: PathBuf,
    /// files made in that directory, as `hosts`
    pub files: Vec<(PathBuf, String)>,
    /// what the container finds below `/`
    pub rootfs: Rootfs,
    /// which namespaces it gets
    pub namespaces: Namespaces,
    /// the host name, where the UTS namespace is its own
    pub hostname: Option<String>,
    /// the kernel's settings: a file below /proc/sys, as `net/ipv4/ip_forward`, and its text
    pub sysctls: Vec<(PathBuf, String)>,
    /// the machine's cgroups
    pub hierarchy: Hierarchy,
    /// what it may use at most
    pub limits: Limits,
    /// how it reaches others
    pub net: Net,
    /// who the program runs as, and what it may do
    pub privilege: Privilege,
    /// the program
    pub process: Process,
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

/// Where a namespace comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespace {
    /// the host's
    Host,
    /// a new one
    New,
    /// the one that this file names, as /proc/PID/ns/ipc
    Join(PathBuf),
}

impl Namespace {
    /// The file of one that exists already.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Namespace::Join(file) => Some(file),
            Namespace::Host | Namespace::New => None,
        }
    }
}

/// Who is who among users: user_namespaces(7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// the host's users
    Host,
    /// root is this user of the host, and nobody else is anybody
    Root(u32, u32),
    /// whole ranges, for users and for groups
    Ranges(Vec<Range>, Vec<Range>),
    /// the namespace that this file names
    Join(PathBuf),
}

/// A time namespace: time_namespaces(7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Time {
    /// a new one, and by how much its clocks run ahead
    New(Offsets),
    /// the one that this file names
    Join(PathBuf),
}

/// How a container reaches others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Net {
    /// the host's own network
    Host,
    /// a loopback, nothing else
    None,
    /// the namespace that this file names, as it is
    Join(PathBuf),
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

/// The program and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// the program, its arguments and environment
    pub exec: Exec,
    /// the working directory
    pub cwd: PathBuf,
    /// it gets a terminal of its own
    pub terminal: bool,
    /// standard input stays open; else it is /dev/null
    pub stdin: bool,
}
