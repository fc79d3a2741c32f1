//! `stepbox wait`.

use std::process::ExitCode;

use crate::cli::{each, state};
use crate::engine::containers::{end, find};

// What `wait` takes.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Names, ids, or beginnings of ids
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        Ok(each(&self.containers, |name| {
            end::wait(&state, &find(&state, name)?).map(|code| println!("{code}"))
        }))
    }
}
