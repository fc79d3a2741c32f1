//! `stepbox start`.

use std::process::ExitCode;

use crate::cli::run::guarded;
use crate::cli::state;
use crate::engine::containers::find;
use crate::engine::containers::start::{StartError, start};

/// The options of `start`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Names, ids, or beginnings of ids
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        Ok(guarded(true, || {
            let state = state()?;
            let mut failed = Vec::new();
            for name in &self.containers {
                let result =
                    find(&state, name).map_err(StartError::from).and_then(|record| start(&state, &record));
                match result {
                    Ok(()) => println!("{name}"),
                    Err(error) => {
                        eprintln!("stepbox: {error}");
                        failed.push(name.as_str());
                    }
                }
            }
            if !failed.is_empty() {
                eprintln!("stepbox: failed to start containers: {}", failed.join(", "));
                return Ok(1);
            }
            Ok(0)
        }))
    }
}
