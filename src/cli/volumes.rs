//! `stepbox volume`: directories that outlive containers.

mod create;
mod inspect;
pub(super) mod list;
pub(super) mod prune;
mod remove;

use std::process::ExitCode;

use clap::Subcommand;

/// What is said after `volume`.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum Group {
    /// Make a volume
    Create(create::Args),
    /// Show everything about volumes
    Inspect(inspect::Args),
    /// List volumes
    #[command(visible_alias = "list")]
    Ls(list::Args),
    /// Remove volumes that no container has
    Prune(prune::Args),
    /// Remove volumes
    #[command(visible_alias = "remove")]
    Rm(remove::Args),
}

impl Group {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        match self {
            Group::Create(args) => args.main(),
            Group::Inspect(args) => args.main(),
            Group::Ls(args) => args.main(),
            Group::Prune(args) => args.main(),
            Group::Rm(args) => args.main(),
        }
    }
}
