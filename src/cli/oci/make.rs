//! Commands that change something: create, run, exec, start, kill, delete, pause, resume, update.

use std::path::PathBuf;

use super::Site;
use crate::oci::create::{Request, When};
use crate::oci::run::{Failure, Outcome};
use crate::oci::{OciError, delete, freeze, kill, run, start as begin};

// What `create` and `run` have in common.
#[derive(Debug, clap::Args)]
struct Making {
    /// The bundle: a directory with config.json [default: the current one]
    #[arg(short, long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// A Unix socket that gets the controlling end of the container's terminal
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,
    /// Write the first process's number into FILE
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Pass N descriptors from 3 on to the program
    #[arg(long, value_name = "N", default_value = "0")]
    preserve_fds: u32,
    /// Share the session keyring of whoever calls
    #[arg(long)]
    no_new_keyring: bool,
    /// Move the root over the host's instead of exchanging them: for a host that runs from an initramfs
    #[arg(long)]
    no_pivot: bool,
    /// A Unix socket that gets a pidfd of the container's first process
    #[arg(long, value_name = "SOCKET")]
    pidfd_socket: Option<PathBuf>,
    /// The container's name: letters, digits and _ + - .
    #[arg(value_name = "CONTAINER")]
    id: String,
}

// The options of `create`.
#[derive(Debug, clap::Args)]
pub(super) struct Create {
    #[command(flatten)]
    making: Making,
}

// The options of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    making: Making,
    /// Do not wait for its end
    #[arg(short, long)]
    detach: bool,
    /// Do not delete it when it has ended
    #[arg(long)]
    keep: bool,
    /// (already so: this runtime adopts nobody's orphans)
    #[arg(long)]
    no_subreaper: bool,
}

// The options of `kill`.
#[derive(Debug, clap::Args)]
pub(super) struct Kill {
    /// Every process of the container, not only the first
    #[arg(short, long)]
    all: bool,
    /// The container
    #[arg(value_name = "CONTAINER")]
    id: String,
    /// A name (TERM, SIGTERM) or a number
    #[arg(value_name = "SIGNAL", default_value = "SIGTERM")]
    signal: String,
}

// The options of `delete`.
#[derive(Debug, clap::Args)]
pub(super) struct Delete {
    /// Kill it first, if it still runs; and no error where it does not exist
    #[arg(short, long)]
    force: bool,
    /// The container
    #[arg(value_name = "CONTAINER")]
    id: String,
}

impl Making {
    fn request(self, site: &Site, when: When) -> Result<Request, OciError> {
        let absolute =
            |file: PathBuf| std::path::absolute(&file).map_err(OciError::file("cannot find", &file));
        Ok(Request {
            id: self.id,
            bundle: self.bundle.unwrap_or_else(|| ".".into()),
            console_socket: self.console_socket,
            pid_file: self.pid_file.map(absolute).transpose()?,
            pidfd_socket: self.pidfd_socket,
            listen_fds: listen_fds(),
            preserve_fds: self.preserve_fds,
            no_new_keyring: self.no_new_keyring,
            no_pivot: self.no_pivot,
            when,
            careful: true,
            lenient: site.lenient,
            path: std::env::var("PATH").unwrap_or_default(),
        })
    }
}

/// How many of our descriptors from 3 on are sockets that somebody has opened for the program: sd_listen_fds(3). Those of
/// another process, whose number stands there, are not ours.
pub(super) fn listen_fds() -> u32 {
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    let ours = number("LISTEN_PID") == Some(std::process::id());
    number("LISTEN_FDS").filter(|_| ours).unwrap_or_default()
}

/// What went wrong besides is logged; the one failure that counts is handed on.
fn told(site: &mut Site, result: Result<Outcome, Failure>) -> Result<u8, OciError> {
    let (troubles, result) = match result {
        Ok(outcome) => (outcome.troubles, Ok(outcome.exit.map_or(0, |exit| exit.code() as u8))),
        Err(failure) => (failure.troubles, Err(failure.error)),
    };
    troubles.iter().for_each(|trouble| site.log.warning(&trouble.to_string()));
    result
}

impl Create {
    /// How many descriptors from 3 on are for the container.
    pub(super) fn preserved(&self) -> u32 {
        self.making.preserve_fds
    }

    pub(super) fn obey(self, site: &mut Site) -> Result<u8, OciError> {
        let request = self.making.request(site, When::Started)?;
        let result = run::go(&site.root, request, false, &mut site.log);
        told(site, result)
    }
}

impl Run {
    /// How many descriptors from 3 on are for the container.
    pub(super) fn preserved(&self) -> u32 {
        self.making.preserve_fds
    }

    pub(super) fn obey(self, site: &mut Site) -> Result<u8, OciError> {
        let when = if self.detach { When::Detached } else { When::Foreground };
        let request = self.making.request(site, when)?;
        let result = run::go(&site.root, request, self.keep, &mut site.log);
        told(site, result)
    }
}

pub(super) fn start(site: &mut Site, id: &str) -> Result<u8, OciError> {
    let container = site.root.find(id)?;
    begin::start(&container)?;
    begin::poststart(&container).map(|()| 0)
}

impl Kill {
    pub(super) fn obey(self, site: &mut Site) -> Result<u8, OciError> {
        let container = site.root.find(&self.id)?;
        let signal = kill::signal(&self.signal)?;
        match self.all {
            true => kill::all(&container, signal),
            false => kill::one(&container, signal),
        }
        .map(|()| 0)
    }
}

impl Delete {
    pub(super) fn obey(self, site: &mut Site) -> Result<u8, OciError> {
        for trouble in delete::delete(&site.root, &self.id, self.force)? {
            site.log.warning(&trouble.to_string());
        }
        Ok(0)
    }
}

pub(super) fn pause(site: &mut Site, id: &str) -> Result<u8, OciError> {
    freeze::pause(&site.root.find(id)?).map(|()| 0)
}

pub(super) fn resume(site: &mut Site, id: &str) -> Result<u8, OciError> {
    freeze::resume(&site.root.find(id)?).map(|()| 0)
}
