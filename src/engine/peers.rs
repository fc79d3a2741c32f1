//! Peers: whose namespaces a container has a part in, by name; they are looked up anew each time it starts.
//!
//! ```text
//!   --network container:web ──kept──> Mode::Container("web") ──at each start──> /proc/PID/ns/net, web's hosts
//! ```
//!
//! See namespaces(7), setns(2).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::containers::{self, ContainerError};
use super::request::{NetworkMode, Share, Shm};
use super::state::State;
use crate::spec::Namespace;

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
    /// Whether others may have a part in its IPC namespace, as Docker has it: not without having been asked.
    pub fn shareable(&self) -> bool {
        matches!(self.ipc, Some(Mode::Shareable | Mode::Host | Mode::Container(_)))
    }

    /// Which namespaces are not the container's alone, as the others are now.
    ///
    /// # Errors
    /// Another container that is not there, does not run, or keeps its memory to itself.
    pub fn share(&self, state: &State) -> Result<Share, ContainerError> {
        let namespace = |mode: &Option<Mode>, kind: &str| match mode {
            Some(Mode::Host) => Ok(Namespace::Host),
            Some(Mode::Container(name)) => Ok(Namespace::Join(namespaces_of(state, name)?.join(kind))),
            _ => Ok::<Namespace, ContainerError>(Namespace::New),
        };
        Ok(Share {
            shm: self.shm(state)?,
            pid: namespace(&self.pid, "pid")?,
            ipc: namespace(&self.ipc, "ipc")?,
            uts: namespace(&self.uts, "uts")?,
            cgroup: namespace(&self.cgroup, "cgroup")?,
        })
    }

    fn shm(&self, state: &State) -> Result<Shm, ContainerError> {
        Ok(match &self.ipc {
            None | Some(Mode::Private | Mode::Shareable | Mode::Bridge) => Shm::Own,
            Some(Mode::None) => Shm::None,
            Some(Mode::Host) => Shm::Hosts,
            Some(Mode::Container(name)) => {
                let namespaces = namespaces_of(state, name)?;
                let donor = containers::find(state, name)?;
                match donor.request.peers.shareable() {
                    true => Shm::Theirs(namespaces),
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
                let directory = state.containers().join(containers::find(state, name)?.id);
                let hostname = std::fs::read_to_string(directory.join("hostname")).ok();
                let hostname = hostname.map(|text| text.trim_end().to_string());
                let file = namespaces_of(state, name)?.join("net");
                NetworkMode::Join { file, directory, hostname }
            }
            Some(_) => NetworkMode::Bridge,
        })
    }
}

/// The directory of the namespaces of a container that runs.
fn namespaces_of(state: &State, name: &str) -> Result<PathBuf, ContainerError> {
    let pid = containers::process(state, &containers::find(state, name)?)?;
    Ok(format!("/proc/{pid}/ns").into())
}
