//! `stepbox kill`.

use std::process::ExitCode;

use anyhow::Context;

use crate::cli::{each, state};
use crate::engine::containers::{end, find};
use crate::kernel::signals;

// The options of `kill`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The signal, by its name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
    /// Names, ids, or beginnings of ids
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        let number = signals::named(&self.signal).filter(|number| *number > 0);
        let number = number.with_context(|| format!("Invalid signal: {}", self.signal))?;
        Ok(each(&self.containers, |name| {
            let kill = || end::kill(&state, &find(&state, name)?, number);
            kill().with_context(|| format!("Cannot kill container: {name}")).map(|()| println!("{name}"))
        }))
    }
}
