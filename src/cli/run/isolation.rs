//! The options of `run` that say what the container shares with the host or with another container.

use std::path::PathBuf;

use crate::engine::containers::{self, ContainerError};
use crate::engine::request::{Share, Shm};
use crate::engine::state::State;
use crate::spec::Namespace;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Isolation")]
#[group(skip)]
pub(super) struct Args {
    /// Its processes: private, host, container:NAME
    #[arg(long, value_name = "MODE", value_parser = pid)]
    pid: Option<Mode>,
    /// Its queues and /dev/shm: private, shareable, none, host, container:NAME
    #[arg(long, value_name = "MODE", value_parser = ipc)]
    ipc: Option<Mode>,
    /// Its host name: private, host
    #[arg(long, value_name = "MODE", value_parser = uts)]
    uts: Option<Mode>,
    /// Its view of cgroups: private, host (default: private)
    #[arg(long, value_name = "MODE", value_parser = uts)]
    cgroupns: Option<Mode>,
    /// Its users: host
    #[arg(long, value_name = "MODE", value_parser = users)]
    userns: Option<Mode>,
    /// A kernel setting that belongs to a namespace (net.ipv4.ip_forward=1)
    #[arg(long, value_name = "NAME=VALUE", value_parser = sysctl)]
    pub(super) sysctl: Vec<(String, String)>,
}

/// What was asked for, before anybody has looked for the other container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Private,
    Shareable,
    None,
    Host,
    Bridge,
    Container(String),
}

pub(super) fn mode(text: &str, known: &[&str]) -> Result<Mode, String> {
    let (kind, name) = text.split_once(':').map_or((text, None), |(kind, name)| (kind, Some(name)));
    match (kind, name) {
        ("container", Some(name)) if known.contains(&"container:NAME") && !name.is_empty() => {
            Ok(Mode::Container(name.into()))
        }
        ("private", None) if known.contains(&kind) => Ok(Mode::Private),
        ("shareable", None) if known.contains(&kind) => Ok(Mode::Shareable),
        ("host", None) if known.contains(&kind) => Ok(Mode::Host),
        ("none", None) if known.contains(&kind) => Ok(Mode::None),
        ("bridge", None) if known.contains(&kind) => Ok(Mode::Bridge),
        _ => Err(format!("known here are {}", known.join(", "))),
    }
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

fn sysctl(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => Ok((name.into(), value.into())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

impl Args {
    /// # Errors
    /// The host's own name is not the container's to choose.
    pub(super) fn check(&self, hostname: bool, domainname: bool) -> anyhow::Result<()> {
        let conflicts = [(hostname, "hostname"), (domainname, "domainname")];
        let asked = conflicts.iter().find(|(asked, _)| *asked && self.uts == Some(Mode::Host));
        asked.map_or(Ok(()), |(_, what)| anyhow::bail!("conflicting options: {what} and the UTS mode"))
    }

    /// Whether others may have a part in its IPC namespace, as Docker has it: not without having been asked.
    pub(super) fn shareable(&self) -> bool {
        matches!(self.ipc, Some(Mode::Shareable | Mode::Host | Mode::Container(_)))
    }

    pub(super) fn share(&self, state: &State) -> anyhow::Result<Share> {
        if self.userns.is_some() && !rustix::process::geteuid().is_root() {
            anyhow::bail!("--userns host: without root a container is made in a user namespace of its own");
        }
        let namespace = |mode: &Option<Mode>, kind: &str| match mode {
            Some(Mode::Host) => Ok(Namespace::Host),
            Some(Mode::Container(name)) => Ok(Namespace::Join(namespaces_of(state, name)?.join(kind))),
            _ => anyhow::Ok(Namespace::New),
        };
        Ok(Share {
            shm: self.shm(state)?,
            pid: namespace(&self.pid, "pid")?,
            ipc: namespace(&self.ipc, "ipc")?,
            uts: namespace(&self.uts, "uts")?,
            cgroup: namespace(&self.cgroupns, "cgroup")?,
        })
    }

    fn shm(&self, state: &State) -> anyhow::Result<Shm> {
        Ok(match &self.ipc {
            None | Some(Mode::Private | Mode::Shareable | Mode::Bridge) => Shm::Own,
            Some(Mode::None) => Shm::None,
            Some(Mode::Host) => Shm::Hosts,
            Some(Mode::Container(name)) => {
                let namespaces = namespaces_of(state, name)?;
                let donor = containers::find(state, name)?;
                match donor.shareable {
                    true => Shm::Theirs(namespaces),
                    false => return Err(ContainerError::NotShareable(donor.id).into()),
                }
            }
        })
    }
}

/// The directory of the namespaces of a container that runs.
pub(super) fn namespaces_of(state: &State, name: &str) -> anyhow::Result<PathBuf> {
    let pid = containers::process(state, &containers::find(state, name)?)?;
    Ok(format!("/proc/{pid}/ns").into())
}
