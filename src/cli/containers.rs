//! The commands about containers: `stepbox ps` and `stepbox container ls` are the same command.

mod commit;
mod copy;
mod diff;
mod export;
mod list;
mod remove;

use std::process::ExitCode;

use clap::Subcommand;

/// What is said without `container` before it, in Docker's words.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make an image of what a container changed
    Commit(commit::Args),
    /// Copy files between a container and the host
    Cp(copy::Args),
    /// List what a container changed: A added, C changed, D deleted
    Diff(diff::Args),
    /// Write all files of a container as one tar archive
    Export(export::Args),
    /// List containers that run, or all
    Ps(list::Args),
    /// Remove containers that have ended
    Rm(remove::Args),
}

/// What is said after `container`.
#[derive(Debug, Subcommand)]
pub(super) enum Group {
    /// Make an image of what a container changed
    Commit(commit::Args),
    /// Copy files between a container and the host
    Cp(copy::Args),
    /// List what a container changed: A added, C changed, D deleted
    Diff(diff::Args),
    /// Write all files of a container as one tar archive
    Export(export::Args),
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
            Verb::Commit(args) => args.main(),
            Verb::Cp(args) => args.main(),
            Verb::Diff(args) => args.main(),
            Verb::Export(args) => args.main(),
            Verb::Ps(args) => args.main(),
            Verb::Rm(args) => args.main(),
        }
    }
}

impl Group {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        match self {
            Group::Commit(args) => args.main(),
            Group::Cp(args) => args.main(),
            Group::Diff(args) => args.main(),
            Group::Export(args) => args.main(),
            Group::Ls(args) => args.main(),
            Group::Rm(args) => args.main(),
            Group::Run(args) => Ok(super::run::main(*args)),
        }
    }
}
