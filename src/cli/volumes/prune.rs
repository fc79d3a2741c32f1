//! `stepbox volume prune`.

use std::process::ExitCode;

use crate::cli::confirm::{prune, say_deleted};
use crate::cli::state;
use crate::engine::images::filter::Filter;
use crate::engine::state::State;
use crate::engine::volumes;

// The options of `volume prune`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Only those that pass: label=NAME[=VALUE], label!=NAME[=VALUE]
    #[arg(long, value_name = "FILTER")]
    filter: Vec<Filter>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let warning = "This will remove all local volumes not used by at least one container.";
        prune(self.force, warning, || remove(&state()?, &self.filter))
    }
}

/// Removes those that pass, says which, and how many bytes they had.
pub(in crate::cli) fn remove(state: &State, filter: &[Filter]) -> anyhow::Result<u64> {
    let pruned = volumes::filter::prune(state, filter)?;
    say_deleted("Volumes", pruned.gone.iter().map(String::as_str));
    Ok(pruned.freed)
}
