//! `stepbox rename`.

use std::process::ExitCode;

use anyhow::ensure;

use crate::cli::state;
use crate::engine::containers::{find, rename::rename};

// The names.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Its name, id, or the beginning of its id
    container: String,
    /// The new name
    name: String,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        ensure!(
            !self.container.is_empty() && !self.name.is_empty(),
            "Neither old nor new names may be empty"
        );
        let state = state()?;
        let result = find(&state, &self.container).and_then(|record| rename(&state, &record, &self.name));
        if let Err(error) = result {
            complain!("stepbox: {error}");
            anyhow::bail!("failed to rename container named {}", self.container);
        }
        Ok(ExitCode::SUCCESS)
    }
}
