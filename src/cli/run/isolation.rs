//! The options of `run` that say what the container shares with the host or with another container.

use std::path::PathBuf;

use crate::engine::containers;
use crate::engine::request::{NetworkMode, Share};
use crate::engine::state::State;
use crate::spec::Namespace;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Its network: bridge, none, host, container:NAME (default: bridge as root, none otherwise)
    #[arg(long, value_parser = network)]
    network: Option<Mode>,
    /// Its processes: private, host, container:NAME
    #[arg(long, value_parser = pid)]
    pid: Option<Mode>,
    /// Its message queues and shared memory: private, shareable, none, host, container:NAME
    #[arg(long, value_parser = ipc)]
    ipc: Option<Mode>,
    /// Its host name: private, host
    #[arg(long, value_parser = uts)]
    uts: Option<Mode>,
    /// Its view of cgroups: private, host
    #[arg(long, value_parser = uts)]
    cgroupns: Option<Mode>,
    /// Its users: host
    #[arg(long, value_parser = users)]
    userns: Option<Mode>,
}

/// What was asked for, before anybody has looked for the other container.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mode {
    Private,
    None,
    Host,
    Bridge,
    Container(String),
}

fn mode(text: &str, known: &[&str]) -> Result<Mode, String> {
    let (kind, name) = text.split_once(':').map_or((text, None), |(kind, name)| (kind, Some(name)));
    match (kind, name) {
        ("container", Some(name)) if known.contains(&"container:NAME") && !name.is_empty() => {
            Ok(Mode::Container(name.into()))
        }
        ("private" | "shareable", None) if known.contains(&kind) => Ok(Mode::Private),
        ("host", None) if known.contains(&kind) => Ok(Mode::Host),
        ("none", None) if known.contains(&kind) => Ok(Mode::None),
        ("bridge", None) if known.contains(&kind) => Ok(Mode::Bridge),
        _ => Err(format!("known here are {}", known.join(", "))),
    }
}

fn network(text: &str) -> Result<Mode, String> {
    mode(text, &["bridge", "none", "host", "container:NAME"])
}

fn pid(text: &str) -> Result<Mode, String> {
    mode(text, &["private", "host", "container:NAME"])
}

fn ipc(text: &str) -> Result<Mode, String> {
    mode(text, &["private", "shareable", "none", "host", "container:NAME"])
}

fn uts(text: &str) -> Result<Mode, String> {
    mode(text, &["private", "host"])
}

fn users(text: &str) -> Result<Mode, String> {
    mode(text, &["host"])
}

impl Args {
    pub(super) fn network(&self, state: &State) -> anyhow::Result<NetworkMode> {
        Ok(match &self.network {
            None => NetworkMode::Default,
            Some(Mode::Host) => NetworkMode::Host,
            Some(Mode::None) => NetworkMode::None,
            Some(Mode::Container(name)) => {
                let directory = state.containers().join(containers::find(state, name)?.id);
                let hostname = std::fs::read_to_string(directory.join("hostname")).ok();
                let hostname = hostname.map(|text| text.trim_end().to_string());
                NetworkMode::Join { file: file_of(state, name, "net")?, directory, hostname }
            }
            Some(_) => NetworkMode::Bridge,
        })
    }

    /// Whether the host name is not this container's to choose.
    pub(super) fn shares_names(&self) -> bool {
        matches!(self.network, Some(Mode::Container(_))) || self.uts == Some(Mode::Host)
    }

    pub(super) fn share(&self, state: &State) -> anyhow::Result<Share> {
        if self.userns.is_some() && !rustix::process::geteuid().is_root() {
            anyhow::bail!("--userns host: without root a container is made in a user namespace of its own");
        }
        let namespace = |mode: &Option<Mode>, kind| match mode {
            Some(Mode::Host) => Ok(Namespace::Host),
            Some(Mode::Container(name)) => file_of(state, name, kind).map(Namespace::Join),
            _ => Ok(Namespace::New),
        };
        Ok(Share {
            pid: namespace(&self.pid, "pid")?,
            ipc: namespace(&self.ipc, "ipc")?,
            no_shm: self.ipc == Some(Mode::None),
            uts: namespace(&self.uts, "uts")?,
            cgroup: namespace(&self.cgroupns, "cgroup")?,
        })
    }
}

/// The file of a namespace of a container that runs.
fn file_of(state: &State, name: &str, kind: &str) -> anyhow::Result<PathBuf> {
    let pid = containers::process(state, &containers::find(state, name)?)?;
    Ok(format!("/proc/{pid}/ns/{kind}").into())
}
