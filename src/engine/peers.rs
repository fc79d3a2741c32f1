//! Peers: whose namespaces a container has a part in, by name; they are looked up anew each time it starts.
//!
//! ```text
//!   --network container:web ──kept──> Mode::Container("web") ──at each start──> web's process, web's hosts
//! ```
//!
//! That process is named by its number and its start: where it ends before its namespaces are joined, and the number is
//! given to a stranger, nothing is joined.
//!
//! See namespaces(7), setns(2), pidfd_open(2).

use serde::{Deserialize, Serialize};

use super::containers::{self, ContainerError};
use super::machine::Machine;
use super::request::{NetworkMode, Share, Shm};
use super::state::State;
use crate::kernel::op::Peer;
use crate::spec::{Existing, Namespace};

/// What was asked for one kind of namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// its own
    Private,
    /// its own, and others may have a part in it
    Shareable,
    /// none
    None,
    /// the host's
    Host,
    /// a bridge of the engine's
    Bridge,
    /// that of another container, by its name or id
    Container(String),
}

/// What was asked for each kind; nothing said is the engine's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// `--pid`
    pub pid: Option<Mode>,
    /// `--ipc`
    pub ipc: Option<Mode>,
    /// `--uts`
    pub uts: Option<Mode>,
    /// `--cgroupns`
    pub cgroup: Option<Mode>,
    /// `--network`
    pub network: Option<Mode>,
}

impl Peers {
    /// The name of its network; none where that is another container's.
    pub fn network_name(&self) -> Option<&'static str> {
        match self.network {
            Some(Mode::Host) => Some("host"),
            Some(Mode::None) => Some("none"),
            Some(Mode::Container(_)) => None,
            // who is not root has no bridge
            None if !Machine::look().root() => Some("none"),
            _ => Some("bridge"),
        }
    }

    /// Whether others may have a part in its IPC namespace, as Docker has it: not without having been asked.
    pub fn shareable(&self) -> bool {
        matches!(self.ipc, Some(Mode::Shareable | Mode::Host | Mode::Container(_)))
    }

    /// Which namespaces are not the container's alone, as the others are now.
    ///
    /// # Errors
    /// Another container that is not there, does not run, or keeps its memory to itself.
    pub fn share(&self, state: &State) -> Result<Share, ContainerError> {
        let namespace = |mode: &Option<Mode>| match mode {
            Some(Mode::Host) => Ok(Namespace::Host),
            Some(Mode::Container(name)) => Ok(Namespace::Join(Existing::Of(peer(state, name)?))),
            _ => Ok::<Namespace, ContainerError>(Namespace::New),
        };
        Ok(Share {
            shm: self.shm(state)?,
            pid: namespace(&self.pid)?,
            ipc: namespace(&self.ipc)?,
            uts: namespace(&self.uts)?,
            cgroup: namespace(&self.cgroup)?,
        })
    }

    fn shm(&self, state: &State) -> Result<Shm, ContainerError> {
        Ok(match &self.ipc {
            None | Some(Mode::Private | Mode::Shareable | Mode::Bridge) => Shm::Own,
            Some(Mode::None) => Shm::None,
            Some(Mode::Host) => Shm::Hosts,
            Some(Mode::Container(name)) => {
                let donor = containers::find(state, name)?;
                match donor.request.peers.shareable() {
                    true => Shm::Theirs(containers::process(state, &donor)?),
                    false => return Err(ContainerError::NotShareable(donor.id)),
                }
            }
        })
    }

    /// The network that it gets.
    ///
    /// # Errors
    /// As [`Peers::share`].
    pub fn network(&self, state: &State) -> Result<NetworkMode, ContainerError> {
        Ok(match &self.network {
            None => NetworkMode::Default,
            Some(Mode::Host) => NetworkMode::Host,
            Some(Mode::None) => NetworkMode::None,
            Some(Mode::Container(name)) => {
                let donor = containers::find(state, name)?;
                let directory = containers::directory(state, &donor);
                let hostname = std::fs::read_to_string(directory.join("hostname")).ok();
                let hostname = hostname.map(|text| text.trim_end().to_string());
                let peer = containers::process(state, &donor)?;
                NetworkMode::Join { peer, directory, hostname }
            }
            Some(_) => NetworkMode::Bridge,
        })
    }
}

/// The process of a container that runs.
fn peer(state: &State, name: &str) -> Result<Peer, ContainerError> {
    containers::process(state, &containers::find(state, name)?)
}
