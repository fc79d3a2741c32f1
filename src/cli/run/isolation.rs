//! The options of `run` that say what the container shares with the host or with another container.

use crate::engine::peers::{Mode, Peers};

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

    /// # Errors
    /// What only root of the machine can give.
    pub(super) fn peers(&self, network: Option<Mode>) -> anyhow::Result<Peers> {
        if self.userns.is_some() && !rustix::process::geteuid().is_root() {
            anyhow::bail!("--userns host: without root a container is made in a user namespace of its own");
        }
        Ok(Peers {
            pid: self.pid.clone(),
            ipc: self.ipc.clone(),
            uts: self.uts.clone(),
            cgroup: self.cgroupns.clone(),
            network,
        })
    }
}
