//! `stepbox registry serve`: the images of this machine for others.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Subcommand;

use crate::api::registry::{Settings, serve};
use crate::engine::shelf::{Allowed, Shelf, folder_name};
use crate::engine::store::Store;

/// What is said after `registry`.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum Group {
    /// Offer the images of this machine as a registry, for pull and push, until Ctrl-C
    Serve(Serve),
}

// `stepbox registry serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
    /// Offer images for pull alone
    #[arg(long)]
    read_only: bool,
    /// Let clients delete tags and manifests
    #[arg(long, conflicts_with = "read_only")]
    allow_delete: bool,
    /// Let in only whom this file names, as htpasswd -B writes it; it is read once
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,
    /// Certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Listen beyond this machine without TLS
    #[arg(long)]
    insecure: bool,
    /// A name of this registry, beyond localhost, this machine's name and address, and those of the certificate
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Serve this OCI image layout instead of the local images
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
    /// Close connections that stand still for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl Group {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        match self {
            Group::Serve(serve) => serve.main(),
        }
    }
}

impl Serve {
    fn main(self) -> anyhow::Result<ExitCode> {
        let (store, folder) = match &self.dir {
            None => (super::store()?, None),
            Some(directory) => {
                let store = layout(directory, self.read_only)?;
                let folder = folder_name(store.root());
                (store, Some(folder))
            }
        };
        let allowed = Allowed { push: !self.read_only, delete: self.allow_delete };
        let root = store.root().display().to_string();
        let shelf = Shelf::new(store, folder, allowed)?;
        let settings = Settings {
            listen: self.listen,
            insecure: self.insecure,
            passwords: self.htpasswd,
            tls: self.tls_cert.zip(self.tls_key),
            hosts: self.hosts,
            patience: Duration::from_secs(self.timeout),
        };
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let what = if allowed.push { "pull and push" } else { "pull alone" };
        // nobody may be there to read it
        let log = Arc::new(|line: &str| drop(writeln!(std::io::stderr(), "{line}")));
        serve(shelf, &settings, log, |address| {
            let mut out = std::io::stdout();
            let _ = writeln!(out, "serving {root} on {scheme}://{address} for {what}");
            let _ = out.flush();
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// An OCI image layout; a directory that is not there yet, or empty, becomes one.
fn layout(directory: &Path, read_only: bool) -> anyhow::Result<Store> {
    let shown = directory.display();
    if directory.join("index.json").is_file() {
        return Ok(Store::layout(directory)?);
    }
    let empty = match std::fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    ensure!(empty && !read_only, "{shown} is no OCI image layout: it has no index.json");
    Ok(Store::open(directory)?)
}
