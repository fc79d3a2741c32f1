//! The commands about images: `stepbox images` and `stepbox image ls` are the same command.

mod bars;
mod history;
mod import;
mod inspect;
pub(super) mod list;
mod load;
pub(super) mod prune;
pub(super) mod pull;
mod push;
mod remove;
mod save;
mod tag;

use std::process::ExitCode;

use clap::Subcommand;

/// What is said without `image` before it, in Docker's words.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum Verb {
    /// List images
    Images(list::Args),
    /// Make an image of a root file system in a tar archive (plain, gzip or zstd)
    Import(import::Args),
    /// Get an image from a registry
    Pull(pull::Args),
    /// Send an image to a registry
    Push(push::Args),
    /// Load images from an archive of docker save, skopeo or an OCI tool
    Load(load::Args),
    /// Save images to one archive (on standard output, or -o)
    Save(save::Args),
    /// Give an image one more name
    Tag(tag::Args),
    /// Remove images
    Rmi(remove::Args),
    /// Show how the layers of an image came to be
    History(history::Args),
}

/// What is said after `image`.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum Group {
    /// List images
    #[command(visible_alias = "list")]
    Ls(list::Args),
    /// Make an image of a root file system in a tar archive (plain, gzip or zstd)
    Import(import::Args),
    /// Get an image from a registry
    Pull(pull::Args),
    /// Send an image to a registry
    Push(push::Args),
    /// Load images from an archive of docker save, skopeo or an OCI tool
    Load(load::Args),
    /// Save images to one archive (on standard output, or -o)
    Save(save::Args),
    /// Give an image one more name
    Tag(tag::Args),
    /// Remove images
    #[command(visible_alias = "remove")]
    Rm(remove::Args),
    /// Remove images that nothing needs
    Prune(prune::Args),
    /// Show everything about images
    Inspect(inspect::Args),
    /// Show how the layers of an image came to be
    History(history::Args),
}

impl Verb {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        match self {
            Verb::Images(args) => args.main(),
            Verb::Import(args) => args.main(),
            Verb::Pull(args) => args.main(),
            Verb::Push(args) => args.main(),
            Verb::Load(args) => args.main(),
            Verb::Save(args) => args.main(),
            Verb::Tag(args) => args.main(),
            Verb::Rmi(args) => args.main(),
            Verb::History(args) => args.main(),
        }
    }
}

impl Group {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        match self {
            Group::Ls(args) => args.main(),
            Group::Import(args) => args.main(),
            Group::Pull(args) => args.main(),
            Group::Push(args) => args.main(),
            Group::Load(args) => args.main(),
            Group::Save(args) => args.main(),
            Group::Tag(args) => args.main(),
            Group::Rm(args) => args.main(),
            Group::Prune(args) => args.main(),
            Group::Inspect(args) => args.main(),
            Group::History(args) => args.main(),
        }
    }
}
