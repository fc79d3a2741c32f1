//! How the commands that speak to a registry find it and prove who they are.

use std::path::PathBuf;

use anyhow::Context;

use crate::engine::registry::credentials::Credentials;
use crate::engine::registry::{Client, Insecure, Settings};

// The options of every command that speaks to a registry.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Connection {
    /// Needs no trusted certificate, nor TLS (or STEPBOX_INSECURE_REGISTRIES)
    #[arg(long, value_name = "HOST[:PORT]")]
    insecure_registry: Vec<Insecure>,
    /// Trust those in FILE as well (PEM; SSL_CERT_FILE: instead)
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
}

impl Connection {
    /// A client for registries.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let mut insecure = self.insecure_registry.clone();
        for host in std::env::var("STEPBOX_INSECURE_REGISTRIES").unwrap_or_default().split(',') {
            if !host.trim().is_empty() {
                insecure.push(host.trim().parse().context("STEPBOX_INSECURE_REGISTRIES")?);
            }
        }
        let authorities = self.cacert.clone();
        let settings = Settings { insecure, authorities, credentials: credentials(), ..Settings::default() };
        Ok(Client::new(settings)?)
    }
}

/// Where this user's names and passwords are; nowhere for one without a home.
pub(super) fn credentials() -> Option<Credentials> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")))?;
    Some(Credentials::open(&directory))
}
