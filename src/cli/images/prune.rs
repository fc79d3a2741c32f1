//! `stepbox image prune`.

use std::process::ExitCode;

use crate::cli::confirm::confirm;
use crate::cli::{human, state, store};
use crate::engine::containers;
use crate::engine::images::filter::Filter;
use crate::engine::images::prune::{Pruned, prune};
use crate::engine::images::remove::Gone;

// The options of `image prune`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Every image that no container uses, not only those without a name
    #[arg(short, long)]
    all: bool,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Only those that pass: until=TIME, label=NAME[=VALUE], label!=NAME[=VALUE]
    #[arg(long, value_name = "FILTER")]
    filter: Vec<Filter>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let what = match self.all {
            true => "This will remove all images without at least one container associated to them.",
            false => "This will remove all dangling images.",
        };
        let mut freed = 0;
        if self.force || confirm(what)? {
            let pruned = prune(&store()?, containers::list(&state()?), self.all, &self.filter)?;
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
    let line = |what: &Gone| match what {
        Gone::Untagged(name) => format!("untagged: {name}\n"),
        Gone::Deleted(digest) => format!("deleted: {digest}\n"),
    };
    format!("Deleted Images:\n{}\n", pruned.gone.iter().map(line).collect::<String>())
}
