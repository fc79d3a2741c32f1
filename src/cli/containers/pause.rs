//! `stepbox pause` and `stepbox unpause`.

use std::process::ExitCode;

use crate::cli::{each, state};
use crate::engine::containers::{find, pause};

// The options of both: none.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Names, ids, or beginnings of ids
    #[arg(required = true)]
    containers: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn pause(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        Ok(each(&self.containers, |name| {
            pause::pause(&state, &find(&state, name)?).map(|()| println!("{name}"))
        }))
    }

    pub(in crate::cli) fn unpause(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        Ok(each(&self.containers, |name| {
            pause::unpause(&state, &find(&state, name)?).map(|()| println!("{name}"))
        }))
    }
}
