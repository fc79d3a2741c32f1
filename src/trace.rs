//! Trace: what a run did, as one kind of event, and the three ways to show it.
//!
//! ```text
//!   launch ──┐                          ┌─> text  (narrated, coloured, for a terminal)
//!            ├─> Event, Event, Event … ─┼─> json  (schema below, for programs)
//!   scope  ──┘                          └─> html  (one page, steps back and forth)
//! ```
//!
//! Renderers know only this file. Evidence is what the kernel said, read before and after a step; never what
//! we meant to do. Chapter: tutorials/architecture.md.

use serde::{Deserialize, Serialize};

pub mod diff;
pub mod html;
pub mod json;
pub mod stable;
pub mod text;

/// The version of the JSON schema; it changes when a field changes its meaning or goes away.
pub const VERSION: u32 = 1;

/// Which process acts: the host (the engine) or the box (the container's first process).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// the process that makes the container
    Host,
    /// the process that becomes the container; printed as `box`
    #[serde(rename = "box")]
    Container,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A heading: the steps that follow belong to this part of the lab.
    Act {
        /// the heading
        title: String,
        /// one or two sentences
        text: String,
    },
    /// One step of the plan was taken.
    Step(StepEvent),
    /// Work that is not one kernel operation (unpack, hash, parse) was done.
    Scope {
        /// what was done, as "verify the layer"
        name: String,
        /// the reason, one sentence
        why: String,
        /// what came out, looked at before and after
        evidence: Vec<Change>,
        /// how long it took, in microseconds
        micros: u64,
    },
    /// One step was undone.
    Undo {
        /// the number of the step that is undone
        index: usize,
        /// the step's name
        name: String,
        /// the call that undoes it, as strace prints it
        call: String,
        /// what the kernel answered, as strace prints it
        result: String,
    },
    /// The run is over.
    End {
        /// how it ended, one sentence
        outcome: String,
        /// the exit code of the box's program, where there was one
        exit_code: Option<i32>,
    },
}

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepEvent {
    /// its number in the plan, from 1
    pub index: usize,
    /// how many steps the plan has
    pub total: usize,
    /// "mount the overlay"
    pub name: String,
    /// the reason, one sentence; may be empty
    pub why: String,
    /// which process did it
    pub lane: Lane,
    /// the call, as strace prints it
    pub call: String,
    /// what the kernel answered, as strace prints it: `0`, `3`, `-1 EBUSY (Device or resource busy)`
    pub result: String,
    /// the step was meant to fail, and failed so
    pub provoked: bool,
    /// the call that would undo it, where there is one
    pub undo: Option<String>,
    /// what the kernel showed before and after
    pub evidence: Vec<Change>,
    /// how long the call took, in microseconds
    pub micros: u64,
}

/// One probe's view before and after a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// what sort of evidence this is: `tree`, `namespaces`, `mounts`, `links`, `ids`, `caps`, `cgroup`, `process`, `file`, `layers`, `content`, `wire`, `frames`, `time`, `owners`, `filter`
    pub kind: String,
    /// whose: `host`, `box`, a directory, a namespace
    pub subject: String,
    /// where it was read: a path under /proc, /sys or of a directory
    pub source: String,
    /// before the step; empty where there was nothing yet
    pub before: Vec<Fact>,
    /// after the step
    pub after: Vec<Fact>,
}

impl Change {
    /// What work that is no step has found: nothing was there before, and it was read where it is.
    pub fn found(kind: &str, subject: &str, after: Vec<Fact>) -> Change {
        let (kind, subject) = (kind.to_string(), subject.to_string());
        Change { kind, source: subject.clone(), subject, before: Vec::new(), after }
    }
}

/// One line of evidence: a key that names a thing, and what the kernel says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// the thing: a path, a namespace, a link, a file
    pub key: String,
    /// what the kernel says of it; may be empty
    pub value: String,
}

impl Fact {
    /// This thing, and what is said of it.
    pub fn new(key: impl Into<String>, value: impl ToString) -> Fact {
        Fact { key: key.into(), value: value.to_string() }
    }
}

/// A whole trace: what the JSON file and the HTML page hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// always `stepbox-trace`
    pub schema: String,
    /// [`VERSION`]
    pub version: u32,
    /// the lab's name or the command line
    pub title: String,
    /// the question that the lab answers, or what the command does
    pub question: String,
    /// `toy` or `real`
    pub host: String,
    /// the kernel's release
    pub kernel: String,
    /// everything that happened, in order
    pub events: Vec<Event>,
}

/// A step that was not taken, as `--dry-run` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanLine {
    /// its number in the plan, from 1
    pub index: usize,
    /// which process would do it
    pub lane: Lane,
    /// "mount the overlay"
    pub name: String,
    /// the reason, one sentence; may be empty
    pub why: String,
    /// the call, as strace prints it
    pub call: String,
    /// the call that would undo it, where there is one
    pub undo: Option<String>,
}

impl Lane {
    /// The lane's printed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Container => "box",
        }
    }
}

impl Trace {
    /// An empty trace of this schema.
    pub fn new(title: &str, question: &str, host: &str, kernel: &str) -> Self {
        Self {
            schema: json::SCHEMA.to_owned(),
            version: VERSION,
            title: title.to_owned(),
            question: question.to_owned(),
            host: host.to_owned(),
            kernel: kernel.to_owned(),
            events: Vec::new(),
        }
    }
}

/// Whether a result, printed as strace does, reports an errno.
pub fn failed(result: &str) -> bool {
    result.starts_with('-')
}
