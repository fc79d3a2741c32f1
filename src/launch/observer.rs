//! Observer: somebody who watches a plan being taken, and what there is to see.

use std::fmt;

use crate::kernel::process::Exit;
use crate::kernel::{Errno, Op, hint};
use crate::step::Step;

/// Somebody who watches a plan being taken. `()` watches nothing and costs nothing.
pub trait Observer {
    /// Whether anybody looks at all; where not, steps of the box are taken without stopping between them.
    const WATCHING: bool = true;
    /// A heading.
    fn act(&mut self, _title: &str, _text: &str) {}
    /// Before a step.
    fn before(&mut self, _at: At<'_>) -> Verdict {
        Verdict::Go
    }
    /// After a step.
    fn after(&mut self, _at: At<'_>, _answer: Answer) {}
    /// After a step was undone.
    fn undone(&mut self, _at: At<'_>, _op: &Op, _answer: Answer) {}
}

impl Observer for () {
    const WATCHING: bool = false;
}

/// Where in the plan we are.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// the step's place in the plan, from 0
    pub index: usize,
    /// how many steps the plan has
    pub total: usize,
    /// the step
    pub step: &'a Step,
    /// the box's process, once there is one
    pub box_pid: Option<i32>,
}

/// What an observer says before a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// take it
    Go,
    /// stop here and undo everything
    Quit,
}

/// What the kernel answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// success, with the call's return value
    Value(i64),
    /// an error
    Error(Errno),
    /// a program ended: the box's, or one that was run on the way
    Ended(Exit),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Value(value) => write!(f, "{value}"),
            Answer::Error(errno) => write!(f, "-1 {}", hint::errno_text(*errno)),
            Answer::Ended(exit) => write!(f, "{exit}"),
        }
    }
}
