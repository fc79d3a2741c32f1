//! `stepbox exec`.

use std::io::IsTerminal;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use super::attach::{self, keys};
use crate::attend::window_size;
use crate::cli::run::{container, environment, guarded_with, watching};
use crate::cli::state;
use crate::engine::attach::keys::Wanted;
use crate::engine::attach::{Attachment, End, Wishes};
use crate::engine::containers::find;
use crate::engine::exec::{Asked, Prepared, behind, code, exec, prepare};
use crate::engine::monitor::here::Part;
use crate::spec::WindowSize;

// The options of `exec`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(in crate::cli) struct Args {
    /// In the background
    #[arg(short, long)]
    detach: bool,
    /// The keys that leave its terminal, as ctrl-a,d (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    detach_keys: Wanted,
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
        guarded_with(!self.watching.dry_run, |error| exit_code(error, self.detach), || self.exec())
    }

    fn exec(&self) -> anyhow::Result<u8> {
        let watch = &self.watching;
        if self.detach && (watch.anybody() || watch.dry_run) {
            bail!("--detach: whoever watches each step does so in the foreground; leave it out");
        }
        if self.interactive && self.tty && !std::io::stdin().is_terminal() {
            bail!("the input device is not a TTY");
        }
        let watched = watch.anybody() || watch.dry_run;
        let asked = Asked {
            command: self.command.clone(),
            env: self.env.env()?,
            workdir: self.workdir.clone(),
            user: self.user.clone(),
            stdin: self.interactive,
            terminal: self.tty,
            privileged: self.privileged,
            detach: self.detach,
            lives_on: self.detach || self.tty && !watched,
            window: window_size().map(|size| WindowSize { rows: size.ws_row, columns: size.ws_col }),
            probe: false,
        };
        let state = state()?;
        let record = find(&state, &self.container)?;
        let prepared = prepare(&state, &record, &asked)?;
        if watched {
            let title = format!("stepbox exec {}", self.container);
            let question = "How does one program more come into a container?";
            let code = watch.watched((&title, question), &prepared.plan, |watcher| {
                exec(&prepared, &asked, watcher).map(Some)
            })?;
            return Ok(code.unwrap_or(0) as u8);
        }
        match (self.detach, self.tty) {
            (true, _) => behind(&prepared, None, &[]).map(|()| 0).map_err(Into::into),
            (false, true) => self.attached(&prepared),
            (false, false) => Ok(exec(&prepared, &asked, &mut ())?.code() as u8),
        }
    }

    /// As Docker: its terminal can be left, and then it goes on.
    fn attached(&self, prepared: &Prepared) -> anyhow::Result<u8> {
        let wishes = Wishes {
            part: Part::of_all(self.interactive),
            terminal: true,
            proxy: false,
            keys: keys(&self.detach_keys)?,
        };
        let mut somebody = Attachment::new(wishes)?;
        let (ours, theirs) = somebody.before_all()?;
        behind(prepared, Some(theirs), &[ours.as_raw_fd()])?;
        match somebody.stay(&ours)? {
            End::Detached => bail!("read escape sequence"),
            End::Lost => bail!("whoever carried its terminal is gone"),
            end => Ok(attach::code(end)),
        }
    }
}

/// Docker's: one in the background has none of its own.
fn exit_code(error: &anyhow::Error, detached: bool) -> u8 {
    error.downcast_ref().filter(|_| !detached).map_or(1, code)
}
