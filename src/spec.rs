//! Spec: what a container should be. Data only; nothing here touches the machine.

use std::path::PathBuf;

use crate::cgroups::{Hierarchy, Limits};
use crate::kernel::op::Exec;
use crate::privilege::Privilege;
use crate::rootfs::Rootfs;
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

/// Which namespaces a container gets. Mount, PID and IPC namespaces are always its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespaces {
    /// a user namespace in which this user and group of the host are root
    pub user: Option<(u32, u32)>,
    /// a UTS namespace
    pub uts: bool,
    /// a cgroup namespace
    pub cgroup: bool,
}

/// How a container reaches others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Net {
    /// the host's own network
    Host,
    /// a loopback, nothing else
    None,
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
