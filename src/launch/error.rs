//! Errors: which step failed, how, and what to do about it.

use std::fmt;

use crate::kernel::process::Exit;
use crate::kernel::{Errno, Op, hint};

/// Why a plan was not taken to its end. Everything done has been undone.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// a step failed
    #[error("{0}")]
    Step(Box<StepError>),
    /// the observer stopped it
    #[error("stopped by the reader")]
    Quit,
    /// the journal could not be written, so nothing was begun
    #[error("cannot write the journal: {0}")]
    Journal(#[from] std::io::Error),
}

/// A step that did not do what it should.
#[derive(Debug)]
pub struct StepError {
    /// the step's name
    pub step: &'static str,
    /// its operation
    pub op: Op,
    /// what happened instead
    pub what: Unmet,
    /// undos that failed afterwards, each with its errno
    pub not_undone: Vec<(Op, Errno)>,
}

/// How a step went otherwise than expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet {
    /// the kernel refused
    Errno(Errno),
    /// the kernel was expected to refuse, and did not
    NotRefused(Errno),
    /// a program that has to succeed did not
    Failed(Exit),
    /// a program ended so, and was meant to end in the other way
    Otherwise(Exit, Exit),
    /// the box's process was expected to end so, and lives
    Survived(Exit),
    /// the box's process ended in the middle of the plan
    Died(Exit),
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} = ", self.step, self.op)?;
        match self.what {
            Unmet::Errno(errno) => {
                f.write_str(&hint::errno_text(errno))?;
                if let Some(hint) = hint::hint(&self.op, errno) {
                    write!(f, "\nhint: {hint}")?;
                }
            }
            Unmet::NotRefused(errno) => {
                write!(f, "success, though {} was expected", hint::errno_text(errno))?
            }
            Unmet::Failed(exit) => write!(f, "{exit}")?,
            Unmet::Otherwise(exit, wanted) => write!(f, "{exit}, though {wanted} was expected")?,
            Unmet::Survived(wanted) => write!(f, "success, though {wanted} was expected")?,
            Unmet::Died(exit) => write!(f, "the box's process ended here: {exit}")?,
        }
        for (op, errno) in &self.not_undone {
            write!(f, "\nnot undone: {op} = {}", hint::errno_text(*errno))?;
        }
        Ok(())
    }
}
