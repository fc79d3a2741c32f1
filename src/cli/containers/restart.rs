//! `stepbox restart`.

use std::process::ExitCode;

use crate::cli::run::guarded;
use crate::cli::{each, state};
use crate::engine::containers::start::{StartError, start};
use crate::engine::containers::{end, find};
use crate::engine::events::of;

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
                let record = find(&state, name)?;
                let most = self.time.map_or_else(|| end::stop_timeout(&record), end::patience);
                end::stop(&state, &record, most)?;
                let record = find(&state, name)?;
                start(&state, &record, None)?;
                state.events().tell(&[of::container(&record, "restart")]);
                println!("{name}");
                Ok::<(), StartError>(())
            });
            Ok(0)
        });
        Ok(if guard == ExitCode::SUCCESS { code } else { guard })
    }
}
