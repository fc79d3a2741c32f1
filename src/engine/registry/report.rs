//! Reports: what a pull or push tells whoever watches, while it is at it.

use std::fmt;

/// Who watches. Called from several threads.
pub trait Report: Sync {
    /// A line about the whole transfer.
    fn say(&self, _line: &str) {}

    /// What becomes of a layer, which is named by the first twelve digits of its digest.
    fn layer(&self, _id: &str, _stage: Stage<'_>) {}
}

/// Nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Report for Silent {}

/// What becomes of a layer. It prints as Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage<'a> {
    /// it will be fetched
    Wanted,
    /// somebody else on this machine is fetching it
    Waiting,
    /// it comes
    Downloading {
        /// bytes so far
        done: u64,
        /// bytes in all
        total: u64,
    },
    /// it is fetched and unpacked
    Pulled,
    /// it was here
    Present,
    /// it will be sent, if the registry lacks it
    Preparing,
    /// it goes
    Pushing {
        /// bytes so far
        done: u64,
        /// bytes in all
        total: u64,
    },
    /// it is there
    Pushed,
    /// the registry took it from another of its repositories
    Mounted(&'a str),
    /// the registry had it
    Known,
    /// the connection broke; it goes on in a moment
    Retrying,
}

impl fmt::Display for Stage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Wanted => "Pulling fs layer",
            Stage::Waiting => "Waiting",
            Stage::Downloading { .. } => "Downloading",
            Stage::Pulled => "Pull complete",
            Stage::Present => "Already exists",
            Stage::Preparing => "Preparing",
            Stage::Pushing { .. } => "Pushing",
            Stage::Pushed => "Pushed",
            Stage::Mounted(from) => return write!(f, "Mounted from {from}"),
            Stage::Known => "Layer already exists",
            Stage::Retrying => "Retrying",
        })
    }
}
