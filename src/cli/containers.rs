//! The commands about containers: `stepbox ps` and `stepbox container ls` are the same command.

pub(super) mod attach;
mod commit;
mod copy;
mod create;
mod diff;
mod exec;
mod export;
mod inspect;
mod kill;
mod list;
mod logs;
mod pause;
mod port;
pub(super) mod prune;
mod remove;
mod rename;
mod restart;
pub(super) mod row;
mod start;
mod stats;
mod stop;
mod top;
mod update;
mod wait;

use std::process::ExitCode;

use clap::Subcommand;

/// What is said without `container` before it, in Docker's words.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum Verb {
    /// Attach this terminal to a container that runs
    Attach(attach::Args),
    /// Make an image of what a container changed
    Commit(commit::Args),
    /// Copy files between a container and the host
    Cp(copy::Args),
    /// List what a container changed: A added, C changed, D deleted
    Diff(diff::Args),
    /// Run one program more in a container that runs
    Exec(Box<exec::Args>),
    /// Write all files of a container as one tar archive
    Export(export::Args),
    /// Make a container, without starting it
    Create(Box<create::Args>),
    /// Send containers a signal (default: KILL)
    Kill(kill::Args),
    /// Print what a container has printed
    Logs(logs::Args),
    /// Stop all processes of containers where they are
    Pause(pause::Args),
    /// List the ports that a container has published: none in this version
    Port(port::Args),
    /// List containers that run, or all
    Ps(list::Args),
    /// Give a container another name
    Rename(rename::Args),
    /// Stop containers, and start them again
    Restart(restart::Args),
    /// Remove containers that have ended
    Rm(remove::Args),
    /// Start containers that do not run
    Start(start::Args),
    /// Show what containers use, again each second
    Stats(stats::Args),
    /// Stop containers: their signal, and after a while KILL
    Stop(stop::Args),
    /// List the processes of a container
    Top(top::Args),
    /// Let all processes of containers go on
    Unpause(pause::Args),
    /// Give containers other limits, or another restart policy
    Update(Box<update::Args>),
    /// Wait until containers have ended, then print their exit codes
    Wait(wait::Args),
}

/// What is said after `container`.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum Group {
    /// Show everything about containers
    Inspect(inspect::Args),
    /// List containers that run, or all
    #[command(visible_alias = "list")]
    Ls(list::Args),
    /// Remove all containers that do not run
    Prune(prune::Args),
    /// Run a program in a new container
    Run(Box<super::run::Args>),
    #[command(flatten)]
    Verb(Verb),
}

impl Verb {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        match self {
            Verb::Attach(args) => args.main(),
            Verb::Commit(args) => args.main(),
            Verb::Cp(args) => args.main(),
            Verb::Diff(args) => args.main(),
            Verb::Exec(args) => Ok(args.main()),
            Verb::Export(args) => args.main(),
            Verb::Create(args) => args.main(),
            Verb::Kill(args) => args.main(),
            Verb::Logs(args) => args.main(),
            Verb::Pause(args) => args.pause(),
            Verb::Port(args) => args.main(),
            Verb::Ps(args) => args.main(),
            Verb::Rename(args) => args.main(),
            Verb::Restart(args) => args.main(),
            Verb::Rm(args) => args.main(),
            Verb::Start(args) => args.main(),
            Verb::Stats(args) => args.main(),
            Verb::Stop(args) => args.main(),
            Verb::Top(args) => args.main(),
            Verb::Unpause(args) => args.unpause(),
            Verb::Update(args) => args.main(),
            Verb::Wait(args) => args.main(),
        }
    }
}

impl Group {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        match self {
            Group::Inspect(args) => args.main(),
            Group::Ls(args) => args.main(),
            Group::Prune(args) => args.main(),
            Group::Run(args) => Ok(super::run::main(*args)),
            Group::Verb(verb) => verb.main(),
        }
    }
}
