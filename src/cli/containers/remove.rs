//! `stepbox rm`.

use std::process::ExitCode;

use crate::cli::{each, state};
use crate::engine::containers::remove::remove;

// The options of `rm`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Also containers that run: they are killed
    #[arg(short, long)]
    force: bool,
    /// Also the volumes that were made for it alone
    #[arg(short, long)]
    volumes: bool,
    /// Names, ids, or beginnings of ids
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        Ok(each(&self.containers, |name| {
            remove(&state, name, self.force, self.volumes).map(|_| println!("{name}"))
        }))
    }
}
