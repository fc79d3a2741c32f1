//! `exec`: the options, and what they mean.

use std::path::PathBuf;

use super::Site;
use crate::oci::OciError;
use crate::oci::exec::{Request, exec};

// The options of `exec`.
#[derive(Debug, clap::Args)]
pub(super) struct Exec {
    /// Take everything from FILE, in the shape of config.json's process
    #[arg(short, long, value_name = "FILE")]
    process: Option<PathBuf>,
    /// Do not wait for its end
    #[arg(short, long)]
    detach: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// A Unix socket that gets the controlling end of the terminal
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,
    /// The working directory
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Set a variable (NAME=value)
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// The user, by number
    #[arg(short, long, value_name = "UID[:GID]")]
    user: Option<String>,
    /// Add a group, by number
    #[arg(short = 'g', long, value_name = "GID")]
    additional_gids: Vec<u32>,
    /// Add a capability
    #[arg(short, long, value_name = "NAME")]
    cap: Vec<String>,
    /// No program gains privilege by being executed
    #[arg(long)]
    no_new_privs: bool,
    /// The AppArmor profile
    #[arg(long, value_name = "PROFILE")]
    apparmor: Option<String>,
    /// The SELinux label
    #[arg(long, value_name = "LABEL")]
    process_label: Option<String>,
    /// Run it in an existing cgroup below the container's own
    #[arg(long, value_name = "[CONTROLLER:]PATH")]
    cgroup: Vec<String>,
    /// Also in a container that is paused: it begins when that goes on
    #[arg(long)]
    ignore_paused: bool,
    /// Write its number into FILE
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// A Unix socket that gets a pidfd of the process
    #[arg(long, value_name = "SOCKET")]
    pidfd_socket: Option<PathBuf>,
    /// Pass N descriptors from 3 on to the program
    #[arg(long, value_name = "N", default_value = "0")]
    preserve_fds: u32,
    #[arg(skip)]
    process_text: Option<std::io::Result<Vec<u8>>>,
    /// The container
    #[arg(value_name = "CONTAINER")]
    id: String,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Exec {
    /// Reads the file of `--process`: it may be a descriptor of our caller's, as in `-p <(…)`, which is closed next.
    pub(super) fn read_process(&mut self) {
        self.process_text = self.process.as_ref().map(std::fs::read);
    }

    /// How many descriptors from 3 on are for the container.
    pub(super) fn preserved(&self) -> u32 {
        self.preserve_fds
    }

    pub(super) fn obey(self, site: &mut Site) -> Result<u8, OciError> {
        let container = site.root.find(&self.id)?;
        let request = Request {
            args: self.command,
            process: self.process.zip(self.process_text),
            terminal: self.tty,
            console_socket: self.console_socket,
            cwd: self.cwd,
            env: self.env,
            user: self.user,
            groups: self.additional_gids,
            capabilities: self.cap,
            no_new_privs: self.no_new_privs.then_some(true),
            apparmor: self.apparmor,
            label: self.process_label,
            cgroups: self.cgroup,
            detach: self.detach,
            pid_file: self.pid_file,
            pidfd_socket: self.pidfd_socket,
            preserve_fds: self.preserve_fds,
            ignore_paused: self.ignore_paused,
            path: std::env::var("PATH").unwrap_or_default(),
        };
        let exit = exec(&container, request, &mut site.log)?;
        Ok(exit.map_or(0, |exit| exit.code() as u8))
    }
}
