//! Doctor: what this machine allows, lab by lab, and the command that lifts what it does not.
//!
//! ```text
//!   Machine ── examinations ──> a small plan each ── launch ──> the kernel's answer ── gates ──> Finding
//!   read once                   really tried, then undone        errno                 which gate, which remedy
//!                                                                                          │
//!   LABS ── needs ───────────────────────────────────────────────────────────────────> Report
//! ```
//!
//! Nothing is concluded from a version number. Distributions patch their kernels, and containers forbid what
//! the kernel underneath allows. So each thing is tried in namespaces that end with the trial. When the kernel
//! refuses, the files that hold its switches say which switch it was.
//!
//! See user_namespaces(7). Lab 00-doctor, tutorials/00-doctor.md.

use serde::{Deserialize, Serialize};

use crate::lab::LABS;
use crate::launch::{LaunchError, StepError, launch};
use crate::step::Plan;

pub mod cgroup;
mod examinations;
pub mod gates;
pub mod machine;
mod text;

pub use examinations::{Examination, Way, examinations};
pub use machine::Machine;

/// How much of something this machine allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// all of it
    Works,
    /// a part of it; the reason says which part is missing
    Reduced,
    /// nothing of it
    Blocked,
}

/// What a trial came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// how much is allowed
    pub status: Status,
    /// what the kernel answered and which gate it was; empty where all is well and nothing need be said
    pub reason: String,
    /// commands, in order, that lift it
    pub fix: Vec<String>,
}

impl Finding {
    /// All is well.
    pub fn works(reason: impl Into<String>) -> Finding {
        Finding { status: Status::Works, reason: reason.into(), fix: Vec::new() }
    }

    /// A part is missing.
    pub fn reduced(reason: impl Into<String>, fix: Vec<String>) -> Finding {
        Finding { status: Status::Reduced, reason: reason.into(), fix }
    }

    /// It cannot be done.
    pub fn blocked(reason: impl Into<String>, fix: Vec<String>) -> Finding {
        Finding { status: Status::Blocked, reason: reason.into(), fix }
    }
}

/// Stands for the command to be run, in a remedy that runs it otherwise.
pub const COMMAND: &str = "[COMMAND]";

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// "user namespace"
    pub name: String,
    /// what came of it
    #[serde(flatten)]
    pub finding: Finding,
}

/// One lab, or `stepbox run`, and what the checks mean for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// "08-overlay"
    pub name: String,
    /// the worst that its needs came to; the reason begins with the name of the check
    #[serde(flatten)]
    pub finding: Finding,
}

/// Everything the doctor found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// where it was found
    pub machine: Machine,
    /// what was tried
    pub checks: Vec<Check>,
    /// what it means, lab by lab; the last row is `stepbox run`
    pub labs: Vec<Row>,
}

/// Tries everything on this machine, as this user. Changes nothing that outlives the trial.
///
/// The caller must be single-threaded: the trials clone.
pub fn examine() -> Report {
    let machine = Machine::read("/".as_ref());
    let check = |examination: Examination| {
        let finding = match &examination.way {
            Way::Try(plan) => attempt(plan, |result| (examination.judge)(&machine, result)),
            Way::Look(look) => look(&machine),
        };
        Check { name: examination.name.into(), finding }
    };
    let checks = examinations(&machine).into_iter().map(check).collect();
    Report::new(machine, checks)
}

/// Takes a plan unwatched, undoes it, and has its outcome judged.
fn attempt(plan: &Plan, judge: impl FnOnce(Result<(), &StepError>) -> Finding) -> Finding {
    match launch(plan, &mut (), None) {
        // it is undone only after it was judged: the judge may want to look at what is there now
        Ok(_running) => judge(Ok(())),
        Err(LaunchError::Step(error)) => judge(Err(&error)),
        Err(error) => Finding::blocked(error.to_string(), Vec::new()),
    }
}

impl Report {
    /// What these checks mean for each lab and for the engine.
    pub fn new(machine: Machine, checks: Vec<Check>) -> Report {
        let row = |name: &str| Row { name: name.into(), finding: named(weigh(&checks, needs(name)), name) };
        let labs = LABS.iter().map(|lab| lab.name).chain(["stepbox run"]).map(row).collect();
        let spelled = |check: Check| Check { finding: named(check.finding, "stepbox doctor"), ..check };
        let checks = checks.into_iter().map(spelled).collect();
        Report { machine, checks, labs }
    }

    /// Whether a lab, or `stepbox run`, cannot be played at all: exit code 1. What is only reduced is played.
    pub fn blocked(&self) -> bool {
        self.labs.iter().any(|row| row.finding.status == Status::Blocked)
    }

    /// The report for a terminal.
    pub fn text(&self, colour: bool) -> String {
        text::report(self, colour)
    }
}

/// A check that a lab depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// without it there is no lab
    Must(&'static str),
    /// without it, the lab is without this part
    May(&'static str, &'static str),
}

use Need::{May, Must};

/// What the toy host is made of.
const TOY: [Need; 5] =
    [Must("user namespace"), Must("namespaces"), Must("proc"), Must("tmpfs"), Must("veth")];

// ANCHOR: needs
/// What a container of the engine can be without: it runs all the same.
const RUN: [Need; 7] = [
    Must("pivot_root"),
    Must("store"),
    May("cgroups", "limits (-m, --cpus, --pids-limit)"),
    May("host links", "a bridge (only --network none and host)"),
    May("veth", "a bridge"),
    May("bridge", "a bridge"),
    May("nf_tables", "a way out of the bridge"),
];

fn needs(name: &str) -> Vec<Need> {
    let more: &[Need] = match name {
        "00-doctor" => return Vec::new(),
        "stepbox run" => return RUN.into(),
        "03-namespaces" => &[May("time namespace", "clocks of its own")],
        "04-pivot-root" => &[Must("pivot_root")],
        "05-user-namespace" => &[Must("user's namespace")],
        "06-cgroups" => &[May("cgroups", "limits (it shows the refusal instead)")],
        "08-overlay" | "12-storage" | "13-union-image" | "14-commit" => &[Must("overlay")],
        "09-veth-bridge" => &[Must("bridge")],
        "10-ports" => &[Must("bridge"), Must("nf_tables")],
        "15-full-run" => &[Must("overlay"), Must("pivot_root"), Must("bridge"), Must("nf_tables")],
        "18-engine" => &[Must("overlay"), Must("pivot_root")],
        _ => &[],
    };
    [&TOY, more].concat()
}
// ANCHOR_END: needs

/// The worst of what is needed: the first thing that blocks, or all that is missing.
fn weigh(checks: &[Check], needs: Vec<Need>) -> Finding {
    let mut worst = Finding::works("");
    for need in needs {
        let (Must(name) | May(name, _)) = need;
        let Some(check) = checks.iter().find(|check| check.name == name) else { continue };
        let found = &check.finding;
        let reason = match (found.status, need) {
            (Status::Works, _) => continue,
            (Status::Blocked, Must(_)) => {
                return Finding::blocked(format!("{name}: {}", found.reason), found.fix.clone());
            }
            (Status::Blocked, May(_, part)) => format!("without {part}, because of {name}: {}", found.reason),
            (Status::Reduced, _) => format!("{name}: {}", found.reason),
        };
        worst.status = Status::Reduced;
        let comma = if worst.reason.is_empty() { "" } else { "; " };
        worst.reason = format!("{}{comma}{reason}", worst.reason);
        let new: Vec<_> = found.fix.iter().filter(|fix| !worst.fix.contains(fix)).cloned().collect();
        worst.fix.extend(new);
    }
    worst
}

/// The finding with its remedies spelled out for this lab or command. A lab is built by us and run by root, so that
/// no file of root's is left under target/.
fn named(finding: Finding, name: &str) -> Finding {
    let spell = |fix: &String| match name.starts_with("stepbox") {
        true => fix.replace(COMMAND, name),
        false if fix.contains(COMMAND) => {
            format!("cargo build --bin {name} && {}", fix.replace(COMMAND, &format!("target/debug/{name}")))
        }
        false => fix.clone(),
    };
    Finding { fix: finding.fix.iter().map(spell).collect(), ..finding }
}
