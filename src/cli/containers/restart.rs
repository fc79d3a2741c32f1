//! `stepbox restart`.

use std::process::ExitCode;

use crate::cli::run::guarded;
use crate::cli::{each, state};
use crate::engine::containers::start::StartError;
use crate::engine::containers::{end, find};

// The options of `restart`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Seconds until it is killed (default: the container's own, or 10; below 0: as long as it takes)
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Names, ids, or beginnings of ids
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let mut code = ExitCode::SUCCESS;
        let guard = guarded(true, || {
            let state = state()?;
            code = each(&self.containers, |name| {
                let record = find(&state, name).map_err(StartError::from)?;
                let most = self.time.map_or_else(|| end::stop_timeout(&record), end::patience);
                end::restart(&state, &record, most).map(|()| println!("{name}"))
            });
            Ok(0)
        });
        Ok(if guard == ExitCode::SUCCESS { code } else { guard })
    }
}
