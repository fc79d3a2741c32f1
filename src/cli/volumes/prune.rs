//! `stepbox volume prune`.

use std::process::ExitCode;

use crate::cli::confirm::confirm;
use crate::cli::{human, state};
use crate::engine::images::filter::Filter;
use crate::engine::volumes::filter::{Pruned, prune};

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
        let mut freed = 0;
        if self.force || confirm("This will remove all local volumes not used by at least one container.")? {
            let pruned = prune(&state()?, &self.filter)?;
            print!("{}", told(&pruned));
            freed = pruned.freed;
        }
        println!("Total reclaimed space: {}", human::size(freed, 4));
        Ok(ExitCode::SUCCESS)
    }
}

/// What went, with an empty line behind it; nothing where nothing went.
pub(in crate::cli) fn told(pruned: &Pruned) -> String {
    if pruned.gone.is_empty() {
        return String::new();
    }
    format!("Deleted Volumes:\n{}\n\n", pruned.gone.join("\n"))
}
