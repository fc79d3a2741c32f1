//! `stepbox start`.

use std::process::ExitCode;

use anyhow::bail;

use super::attach::{code, keys};
use crate::cli::run::guarded;
use crate::cli::state;
use crate::engine::attach::keys::Wanted;
use crate::engine::attach::{self, Attachment, Wishes};
use crate::engine::containers::find;
use crate::engine::containers::start::{StartError, start};
use crate::engine::monitor::here::Part;

// The options of `start`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Attach to what it prints, pass signals on, and end with its exit code
    #[arg(short, long)]
    attach: bool,
    /// The same, and carry what is typed
    #[arg(short, long)]
    interactive: bool,
    /// The keys that leave its terminal, as ctrl-a,d (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    detach_keys: Wanted,
    /// Names, ids, or beginnings of ids
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        Ok(guarded(true, || match self.attach || self.interactive {
            // as Docker: 1, whatever `run` would say
            true => self.attached().or_else(|error| {
                complain!("stepbox: {error:#}");
                Ok(1)
            }),
            false => self.in_background(),
        }))
    }

    fn attached(&self) -> anyhow::Result<u8> {
        let [container] = self.containers.as_slice() else {
            bail!("you cannot start and attach multiple containers at once");
        };
        let state = state()?;
        let record = find(&state, container)?;
        let request = &record.request;
        let wishes = Wishes {
            part: Part::of_all(self.interactive && request.stdin),
            terminal: request.terminal,
            proxy: true,
            keys: keys(&self.detach_keys)?,
        };
        Ok(code(attach::start(&state, &record, Attachment::new(wishes)?)?))
    }

    fn in_background(&self) -> anyhow::Result<u8> {
        let state = state()?;
        let mut failed = Vec::new();
        for name in &self.containers {
            let started =
                find(&state, name).map_err(StartError::from).and_then(|record| start(&state, &record, None));
            match started {
                Ok(_) => println!("{name}"),
                Err(error) => {
                    complain!("stepbox: {error}");
                    failed.push(name.as_str());
                }
            }
        }
        if !failed.is_empty() {
            complain!("stepbox: failed to start containers: {}", failed.join(", "));
            return Ok(1);
        }
        Ok(0)
    }
}
