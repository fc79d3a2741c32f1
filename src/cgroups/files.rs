//! Files: what the two versions call the same things.

use std::path::Path;

use super::{Controller, v1, v2};
use crate::probe::Probe;

/// For each thing a file, and the value in its notation; -1 is no limit.
pub(super) struct Files {
    /// bytes
    pub(super) memory: fn(i64) -> (&'static str, String),
    /// bytes of memory; bytes of both together
    pub(super) swap: fn(i64, i64) -> (&'static str, String),
    /// microseconds, in a period of so many, or in the usual one
    pub(super) cpus: fn(i64, Option<u64>) -> (&'static str, String),
    /// how many
    pub(super) pids: fn(i64) -> (&'static str, String),
    /// where a limit is read
    pub(super) limits: fn(Controller) -> &'static [&'static str],
    /// where it is counted that a limit has bitten: a file, and the word before the number
    pub(super) bites: fn(Controller) -> &'static [(&'static str, &'static str)],
    /// a file, what to write into it for "stop", what for "go on"
    pub(super) freeze: (&'static str, &'static str, &'static str),
    /// a file, and what it holds when all have stopped; whether "stop" is to be written again until then
    pub(super) frozen: (&'static str, &'static str, bool),
}

pub(super) fn table(v1: bool) -> &'static Files {
    if v1 { &v1::FILES } else { &v2::FILES }
}

/// The files that show what is set.
pub(super) fn shown(controller: Controller, v1: bool) -> &'static [&'static str] {
    (table(v1).limits)(controller)
}

pub(super) fn probe(directory: &Path, controller: Controller, v1: bool) -> Probe {
    Probe::Files(directory.display().to_string(), shown(controller, v1).to_vec())
}
