//! The commands about containers: `stepbox ps` and `stepbox container ls` are the same command.

mod list;
mod remove;

use std::process::ExitCode;

use clap::Subcommand;

/// What is said without `container` before it, in Docker's words.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List containers that run, or all
    Ps(list::Args),
    /// Remove containers that have ended
    Rm(remove::Args),
}

/// What is said after `container`.
#[derive(Debug, Subcommand)]
pub(super) enum Group {
    /// List containers that run, or all
    #[command(visible_aliases = ["list", "ps"])]
    Ls(list::Args),
    /// Remove containers that have ended
    Rm(remove::Args),
    /// Run a program in a new container, in the foreground
    Run(Box<super::run::Args>),
}

impl Verb {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        match self {
            Verb::Ps(args) => args.main(),
            Verb::Rm(args) => args.main(),
        }
    }
}

impl Group {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        match self {
            Group::Ls(args) => args.main(),
            Group::Rm(args) => args.main(),
            Group::Run(args) => Ok(super::run::main(*args)),
        }
    }
}
