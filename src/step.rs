//! Steps and plans: what a mechanism hands over instead of doing it.
//!
//! ```text
//!   overlay::steps()  cgroups::create()  veth::host() …      pure: they touch nothing
//!          └──────────────┬──────────────────┘
//!                        Plan ──> launch ──> kernel          one loop does everything
//!                         ├─────> dry run, snapshot          the same list, only printed
//!                         └─────> journal ──> clean          the same list's undos, after a crash
//! ```

use crate::kernel::process::Exit;
use crate::kernel::{Errno, Op};
use crate::probe::Probe;
pub use crate::trace::Lane;

/// One kernel operation, why it is done, what undoes it, and what shows that it happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// what is done, as "mount the overlay"
    pub name: &'static str,
    /// the reason, one sentence, for a learner
    pub why: &'static str,
    /// which process does it
    pub lane: Lane,
    /// the operation
    pub op: Op,
    /// what takes it back; done by the host, after the box is gone
    pub undo: Option<Op>,
    /// read-only evidence, looked at before and after, only when somebody watches
    pub show: Vec<Probe>,
    /// which answer of the kernel counts as success
    pub expect: Expect,
}

/// Which answer of the kernel counts as success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// no error
    #[default]
    Success,
    /// this error, provoked on purpose
    Fails(Errno),
    /// no answer at all: the box's process ends so, in the middle of the call
    Dies(Exit),
    /// the program that was run ends with this code, on purpose
    Exits(i32),
    /// no error, or this one, which means that somebody was here before; then there is nothing to undo
    OrElse(Errno),
    /// no error, or one of these
    OrAny(&'static [Errno]),
}

impl Step {
    /// A step of the host that is expected to succeed.
    pub fn new(name: &'static str, op: Op) -> Step {
        Step { name, why: "", lane: Lane::Host, op, undo: None, show: Vec::new(), expect: Expect::Success }
    }

    /// The reason.
    pub fn why(mut self, why: &'static str) -> Step {
        self.why = why;
        self
    }

    /// What takes it back.
    pub fn undo(mut self, op: Op) -> Step {
        self.undo = Some(op);
        self
    }

    /// Evidence to look at.
    pub fn show(mut self, probe: Probe) -> Step {
        self.show.push(probe);
        self
    }

    /// The error that this step is there to provoke.
    pub fn fails(mut self, errno: Errno) -> Step {
        self.expect = Expect::Fails(errno);
        self
    }

    /// The signal that ends the box's process at this step. No step of the box may come after it.
    pub fn dies(mut self, signal: i32) -> Step {
        self.expect = Expect::Dies(Exit::Signal(signal));
        self
    }

    /// The code with which the program that this step runs is meant to end.
    pub fn exits(mut self, code: i32) -> Step {
        self.expect = Expect::Exits(code);
        self
    }

    /// The error that is as good as success.
    pub fn or_else(mut self, errno: Errno) -> Step {
        self.expect = Expect::OrElse(errno);
        self
    }

    /// The errors that are as good as success.
    pub fn or_any(mut self, errnos: &'static [Errno]) -> Step {
        self.expect = Expect::OrAny(errnos);
        self
    }

    /// The same step, done by the box.
    pub fn inside(mut self) -> Step {
        self.lane = Lane::Container;
        self
    }
}

/// A list of steps, in order, with headings for the reader.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// the steps
    pub steps: Vec<Step>,
    /// headings: the index of the step that each stands before, its title and a sentence
    pub acts: Vec<(usize, &'static str, &'static str)>,
}

impl Plan {
    /// Adds steps as they are: those that a mechanism has not placed are the host's.
    pub fn then(mut self, steps: impl IntoIterator<Item = Step>) -> Plan {
        self.steps.extend(steps);
        self
    }

    /// Adds steps that the box does.
    pub fn inside(mut self, steps: impl IntoIterator<Item = Step>) -> Plan {
        self.steps.extend(steps.into_iter().map(Step::inside));
        self
    }

    /// Adds a heading before the next step.
    pub fn act(mut self, title: &'static str, text: &'static str) -> Plan {
        self.acts.push((self.steps.len(), title, text));
        self
    }

    /// Shows this evidence around every step that has none of its own.
    pub fn showing(mut self, probe: Probe) -> Plan {
        for step in self.steps.iter_mut().filter(|step| step.show.is_empty()) {
            step.show.push(probe.clone());
        }
        self
    }
}

/// One step is a list of one.
impl IntoIterator for Step {
    type Item = Step;
    type IntoIter = std::iter::Once<Step>;
    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}
