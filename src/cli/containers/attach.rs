//! `stepbox attach`, and what every command that attaches has in common.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::cli::{connection, state};
use crate::engine::attach::keys::{DetachKeys, Wanted};
use crate::engine::attach::{Attachment, End, Wishes, attach};
use crate::engine::containers::find;
use crate::engine::monitor::here::Part;

// The options of `attach`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The keys that leave its terminal, as ctrl-a,d (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    detach_keys: Wanted,
    /// Carry nothing that is typed
    #[arg(long)]
    no_stdin: bool,
    /// Pass signals on, where it has no terminal (default: true)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", hide_default_value = true, hide_possible_values = true,
          action = clap::ArgAction::Set)]
    sig_proxy: bool,
    /// A name, an id, or the beginning of an id
    container: String,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        let record = find(&state, &self.container)?;
        let request = &record.request;
        if record.running() && !self.no_stdin && request.terminal && !std::io::stdin().is_terminal() {
            bail!("{NO_TERMINAL}");
        }
        let wishes = Wishes {
            part: Part::of_all(!self.no_stdin && request.stdin),
            terminal: request.terminal,
            proxy: self.sig_proxy,
            keys: keys(&self.detach_keys)?,
        };
        match attach(&state, &record, Attachment::new(wishes)?)? {
            End::Detached => bail!("read escape sequence"),
            end => Ok(ExitCode::from(code(end))),
        }
    }
}

/// Whoever types into a terminal needs one.
pub(in crate::cli) const NO_TERMINAL: &str =
    "the input device is not a terminal: leave out -t, or run it in a terminal";

/// The keys that leave a terminal: those of the command line, else those of the user's `config.json`, where Docker has
/// them, else Ctrl-P Ctrl-Q.
pub(in crate::cli) fn keys(wanted: &Wanted) -> anyhow::Result<DetachKeys> {
    if let Some(keys) = &wanted.0 {
        return Ok(keys.clone());
    }
    let said = connection::credentials().map(|file| file.detach_keys()).transpose().unwrap_or_else(|error| {
        // as Docker: who cannot read it goes on without
        complain!("stepbox: {error}");
        None
    });
    Ok(match said.flatten() {
        Some(keys) => keys.parse().context("detachKeys of config.json")?,
        None => DetachKeys::default(),
    })
}

/// The exit code of a command that was attached: the program's own, or 128 + the signal that ended us.
pub(in crate::cli) fn code(end: End) -> u8 {
    match end {
        End::Exit(code) => code as u8,
        End::Signal(signal) => 128 + signal as u8,
        // a container whose monitor is gone has been settled before
        End::Detached | End::Lost => 0,
    }
}
