//! `stepbox exec`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use crate::cli::run::{container, environment, guarded_with, watching};
use crate::cli::state;
use crate::engine::containers::find;
use crate::engine::exec::{Asked, exec, prepare};
use crate::engine::run::RunError;
use crate::kernel::process::Exit;

// The options of `exec`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(in crate::cli) struct Args {
    /// In the background
    #[arg(short, long)]
    detach: bool,
    /// Keep standard input open
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    #[command(flatten)]
    env: environment::Args,
    /// The working directory, instead of the container's
    #[arg(short, long, value_name = "DIR", value_parser = container::absolute)]
    workdir: Option<PathBuf>,
    /// The user, instead of the container's: name or uid, and perhaps group
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// With all capabilities; the filter of system calls stays the container's
    #[arg(long)]
    privileged: bool,
    #[command(flatten)]
    watching: watching::Args,
    /// Its name, id, or the beginning of its id
    #[arg(help_heading = None)]
    container: String,
    /// The program and its arguments
    #[arg(help_heading = None, required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> ExitCode {
        guarded_with(!self.watching.dry_run, |error| code(error, self.detach), || self.exec())
    }

    fn exec(&self) -> anyhow::Result<u8> {
        let watch = &self.watching;
        if self.detach && self.tty {
            bail!("--detach and --tty: nobody would hold the terminal's other end; leave one of them out");
        }
        if self.detach && (watch.anybody() || watch.dry_run) {
            bail!("--detach: whoever watches each step does so in the foreground; leave it out");
        }
        if self.interactive && self.tty && !std::io::stdin().is_terminal() {
            bail!("the input device is not a TTY");
        }
        let asked = Asked {
            command: self.command.clone(),
            env: self.env.env()?,
            workdir: self.workdir.clone(),
            user: self.user.clone(),
            stdin: self.interactive,
            terminal: self.tty,
            privileged: self.privileged,
            detach: self.detach,
            probe: false,
        };
        let state = state()?;
        let record = find(&state, &self.container)?;
        let prepared = prepare(&state, &record, &asked)?;
        let code = match watch.anybody() || watch.dry_run {
            false => exec(prepared, &asked, &mut ())?.map(Exit::code),
            true => {
                let title = format!("stepbox exec {}", self.container);
                let plan = prepared.plan.clone();
                let question = "How does one program more come into a container?";
                watch.watched((&title, question), &plan, |watcher| exec(prepared, &asked, watcher))?
            }
        };
        Ok(code.unwrap_or(0) as u8)
    }
}

/// Docker's exit codes: 127 and 126 where the program could not be started, but for one in the background; else 1.
fn code(error: &anyhow::Error, detached: bool) -> u8 {
    match error.downcast_ref() {
        _ if detached => 1,
        Some(error @ RunError::Exec { .. }) => error.code(),
        Some(RunError::Workdir(..) | RunError::User(_) | RunError::NotMapped { .. }) => 126,
        _ => 1,
    }
}
