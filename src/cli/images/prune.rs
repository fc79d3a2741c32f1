//! `stepbox image prune`.

use std::process::ExitCode;

use anyhow::Context;

use crate::cli::confirm::{prune, say_deleted};
use crate::cli::{state, store};
use crate::engine::images::filter::Filter;
use crate::engine::images::remove::Gone;
use crate::engine::state::State;
use crate::engine::store::Store;
use crate::engine::{containers, images};

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
        prune(self.force, what, || remove(&state()?, &store()?, self.all, &self.filter))
    }
}

/// Removes those that pass, says what went, and how many bytes that freed.
pub(in crate::cli) fn remove(
    state: &State,
    store: &Store,
    all: bool,
    filter: &[Filter],
) -> anyhow::Result<u64> {
    let pruned = images::prune::prune(store, containers::list(state), all, filter)?;
    let line = |what: &Gone| match what {
        Gone::Untagged(name) => format!("untagged: {name}"),
        Gone::Deleted(digest) => format!("deleted: {digest}"),
    };
    let lines: Vec<String> = pruned.gone.iter().map(line).collect();
    say_deleted("Images", lines.iter().map(String::as_str));
    pruned.freed.context("nothing of it is removed from the disk yet")
}
