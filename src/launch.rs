//! Launch: the one loop that takes a plan's steps, in one process or, from the clone on, in two.
//!
//! ```text
//!   host                                     box
//!   steps before the clone
//!   clone3 ──────────────────────────────>   born with the same list
//!   "run until step n" ──────────────────>   runs its steps up to n
//!                       <─────── (index, errno, value)
//!   its own steps …
//!   "run until step n" ──────────────────>   … execve: the socket closes by itself
//!                       <─────── end of file: success at the exec step, a crash anywhere else
//! ```
//!
//! Unobserved, a loan reaches to the box's last step before the host's next; observed, one step. The box sends
//! numbers, never prose. What it needs is built before the clone. Undos run in reverse, by the host.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::journal::Journal;
use crate::kernel::linux::{self, Context, Prepared};
use crate::kernel::process::{self, Cloned, Exit};
use crate::kernel::{Errno, Op, hint};
use crate::step::{Expect, Lane, Plan, Step};

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
    /// the box's program ended
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
            Unmet::Died(exit) => write!(f, "the box's process ended here: {exit}")?,
        }
        for (op, errno) in &self.not_undone {
            write!(f, "\nnot undone: {op} = {}", hint::errno_text(*errno))?;
        }
        Ok(())
    }
}

/// One step of the box, with everything it needs.
struct Loaned<'p> {
    index: usize,
    op: &'p Op,
    prepared: Prepared,
    expect: Expect,
}

/// A plan that has been taken to its end: the box's program may be running.
#[derive(Debug)]
pub struct Running<'p> {
    plan: &'p Plan,
    context: Context,
    done: Vec<usize>,
    journal: Option<Journal>,
    exit: Option<Exit>,
}

/// Takes the steps of a plan. On failure everything that was done is undone, in reverse order.
///
/// The caller must be single-threaded if the plan clones.
pub fn launch<'p, O: Observer>(
    plan: &'p Plan,
    observer: &mut O,
    journal: Option<Journal>,
) -> Result<Running<'p>, LaunchError> {
    let mut running = Running { plan, context: Context::default(), done: Vec::new(), journal, exit: None };
    let mut acts = plan.acts.iter().peekable();
    let mut index = 0;
    while let Some(step) = plan.steps.get(index) {
        if O::WATCHING {
            while let Some((_, title, text)) = acts.next_if(|act| act.0 <= index) {
                observer.act(title, text);
            }
            if observer.before(running.at(index)) == Verdict::Quit {
                running.undo(observer);
                return Err(LaunchError::Quit);
            }
        }
        let (at, answer) = match step.lane {
            Lane::Host => (index, running.host_step(index, step)),
            Lane::Container => running.lend(if O::WATCHING { index } else { last_of_loan(plan, index) }),
        };
        if O::WATCHING
            && let Ok(answer) = answer
        {
            observer.after(running.at(at), answer);
        }
        let step = &plan.steps[at];
        let unmet = match answer {
            Ok(answer) => judge(step.expect, answer),
            Err(exit) => Some(Unmet::Died(exit)),
        };
        if let Some(what) = unmet {
            let not_undone = running.undo(observer);
            let error = StepError { step: step.name, op: step.op.clone(), what, not_undone };
            return Err(LaunchError::Step(Box::new(error)));
        }
        index = at + 1;
    }
    Ok(running)
}

fn last_of_loan(plan: &Plan, index: usize) -> usize {
    let rest = &plan.steps[index..];
    index + rest.iter().take_while(|step| step.lane == Lane::Container).count() - 1
}

fn judge(expect: Expect, answer: Answer) -> Option<Unmet> {
    match (expect, answer) {
        (Expect::Fails(wanted), Answer::Error(errno)) if errno == wanted => None,
        (Expect::OrElse(other), Answer::Error(errno)) if errno == other => None,
        (_, Answer::Error(errno)) => Some(Unmet::Errno(errno)),
        (Expect::Fails(wanted), _) => Some(Unmet::NotRefused(wanted)),
        _ => None,
    }
}

impl<'p> Running<'p> {
    fn at(&self, index: usize) -> At<'p> {
        let (total, step) = (self.plan.steps.len(), &self.plan.steps[index]);
        At { index, total, step, box_pid: self.context.box_pid }
    }

    fn host_step(&mut self, index: usize, step: &'p Step) -> Result<Answer, Exit> {
        if step.undo.is_some()
            && let Some(journal) = &mut self.journal
        {
            journal.begin(index);
        }
        let answer = match &step.op {
            Op::Clone { flags } => self.clone_box(index, *flags).map(i64::from),
            Op::WaitBox => match self.wait() {
                Ok(exit) => return Ok(Answer::Ended(exit)),
                Err(errno) => Err(errno),
            },
            op => Prepared::new(op, self.context.box_pid)
                .and_then(|prepared| linux::call(op, &prepared, &mut self.context)),
        };
        match answer {
            Ok(value) => {
                if step.undo.is_some() {
                    self.done.push(index);
                }
                Ok(Answer::Value(value))
            }
            Err(errno) => {
                if step.undo.is_some()
                    && let Some(journal) = &mut self.journal
                {
                    journal.not_ours(index);
                }
                Ok(Answer::Error(errno))
            }
        }
    }

    /// Clones the box. In the box this does not return.
    fn clone_box(&mut self, index: usize, flags: u64) -> Result<i32, Errno> {
        debug_assert!(self.context.pidfd.is_none() || self.exit.is_some(), "one box at a time");
        let mut program = Vec::new();
        for (index, step) in self.plan.steps.iter().enumerate().skip(index + 1) {
            match &step.op {
                Op::Clone { .. } => break,
                op if step.lane == Lane::Container => {
                    let prepared = Prepared::new(op, None)?;
                    program.push(Loaned { index, op, prepared, expect: step.expect });
                }
                _ => {}
            }
        }
        let (ours, theirs) = process::loan_pair()?;
        match process::clone(flags)? {
            Cloned::Box => {
                drop(ours);
                box_lane(&program, theirs)
            }
            Cloned::Host(pid, pidfd) => {
                self.exit = None;
                if let Some(journal) = &mut self.journal {
                    journal.box_born(pid);
                }
                let loan = Some(ours);
                self.context = Context { loan, box_pid: Some(pid), pidfd: Some(pidfd), ..Context::default() };
                Ok(pid)
            }
        }
    }

    /// Lets the box run up to and including step `last`. Returns the step it came to, and its answer.
    fn lend(&mut self, last: usize) -> (usize, Result<Answer, Exit>) {
        let Some(loan) = &self.context.loan else { return (last, Ok(Answer::Error(Errno::SRCH))) };
        let _ = process::transmit(loan.as_fd(), &(last as u32).to_ne_bytes());
        loop {
            let mut bytes = [0u8; 16];
            match process::receive(loan.as_fd(), &mut bytes) {
                Ok((1, Some(ptmx))) => self.context.ptmx = Some(ptmx),
                Ok((16, _)) => return unpack(bytes),
                _ => break,
            }
        }
        match self.plan.steps[last].op {
            Op::Exec(_) | Op::Exit { .. } => (last, Ok(Answer::Value(0))),
            _ => {
                let exit = self.wait().unwrap_or(Exit::Signal(libc::SIGKILL));
                (last, Err(exit))
            }
        }
    }

    /// The box's process id, once there is a box.
    pub fn box_pid(&self) -> Option<i32> {
        self.context.box_pid
    }

    /// The box's pidfd, once there is a box.
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.context.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// The controlling end of the box's terminal, if it made one. It is handed out once.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.context.ptmx.take()
    }

    /// Waits for the box's program to end; says so again when asked again.
    pub fn wait(&mut self) -> Result<Exit, Errno> {
        if let Some(exit) = self.exit {
            return Ok(exit);
        }
        let exit = process::wait(self.context.pidfd.as_ref().ok_or(Errno::CHILD)?.as_fd())?;
        self.exit = Some(exit);
        Ok(exit)
    }

    /// How the box's program ended, if it was waited for.
    pub fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// What these steps have made stays: they are not undone, neither at the end nor by `clean`.
    pub fn keep(&mut self, stays: impl Fn(&Op) -> bool) {
        let plan = self.plan;
        let stays = |index: &usize| plan.steps[*index].undo.as_ref().is_some_and(&stays);
        if let Some(journal) = &mut self.journal {
            self.done.iter().filter(|index| stays(index)).for_each(|index| journal.not_ours(*index));
        }
        self.done.retain(|index| !stays(index));
    }

    /// Ends the box if it still runs, and undoes what was done, in reverse order. Goes on past an undo that fails;
    /// those that failed come back, each with its errno.
    pub fn undo<O: Observer>(mut self, observer: &mut O) -> Vec<(Op, Errno)> {
        self.take_back(observer)
    }

    fn take_back<O: Observer>(&mut self, observer: &mut O) -> Vec<(Op, Errno)> {
        self.context.loan = None;
        if self.exit.is_none()
            && let Some(pidfd) = &self.context.pidfd
        {
            let _ = process::signal(pidfd.as_fd(), libc::SIGKILL);
        }
        let mut failed = Vec::new();
        loop {
            // a frozen box dies only when it is thawed, so a write is taken back before the box is waited for
            let last = self.done.last().and_then(|index| self.plan.steps[*index].undo.as_ref());
            if self.exit.is_none() && !matches!(last, Some(Op::Write { .. })) {
                let _ = self.wait();
            }
            let Some(index) = self.done.pop() else { break };
            let at = self.at(index);
            let Some(op) = &at.step.undo else { continue };
            let answer = perform_undo(op, self.context.box_pid);
            if O::WATCHING {
                observer.undone(at, op, answer);
            }
            if let Answer::Error(errno) = answer {
                failed.push((op.clone(), errno));
            }
        }
        if failed.is_empty()
            && let Some(journal) = self.journal.take()
        {
            journal.close();
        }
        failed
    }
}

/// A run that is dropped on the way out of a function is taken back like any other.
impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.take_back(&mut ());
    }
}

/// Performs one undo. What is gone already counts as undone; a cgroup or a mount that is still busy is tried
/// again for a moment, because the kernel lets go of a dead process's things a little later.
pub fn perform_undo(op: &Op, box_pid: Option<i32>) -> Answer {
    let mut context = Context { box_pid, ..Context::default() };
    for _ in 0..200 {
        match Prepared::new(op, box_pid).and_then(|prepared| linux::call(op, &prepared, &mut context)) {
            Ok(value) => return Answer::Value(value),
            Err(Errno::NOENT | Errno::NODEV | Errno::SRCH) => return Answer::Value(0),
            Err(Errno::INVAL) if matches!(op, Op::Umount { .. }) => return Answer::Value(0),
            Err(Errno::BUSY) => {
                let pause = Op::Nanosleep { milliseconds: 2 };
                let _ = linux::call(&pause, &Prepared::AsItIs, &mut context);
            }
            Err(errno) => return Answer::Error(errno),
        }
    }
    Answer::Error(Errno::BUSY)
}

fn unpack(bytes: [u8; 16]) -> (usize, Result<Answer, Exit>) {
    let [a, b, c, d, e, f, g, h, value @ ..] = bytes;
    let (index, errno) = (u32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h]));
    let answer = match errno {
        0 => Answer::Value(i64::from_ne_bytes(value)),
        errno => Answer::Error(Errno::from_raw_os_error(errno)),
    };
    (index as usize, Ok(answer))
}

/// The box's side: waits to be lent a range of steps, takes them, reports the last. Numbers only, no allocation.
fn box_lane(program: &[Loaned<'_>], loan: OwnedFd) -> ! {
    let mut context = Context { loan: Some(loan), ..Context::default() };
    let mut next = 0;
    loop {
        let mut bytes = [0u8; 4];
        let Some(loan) = &context.loan else { process::leave(125) };
        match process::receive(loan.as_fd(), &mut bytes) {
            Ok((4, _)) => {}
            _ => process::leave(125),
        }
        let last = u32::from_ne_bytes(bytes) as usize;
        let mut report = (last, Answer::Value(0));
        while let Some(step) = program.get(next).filter(|step| step.index <= last) {
            next += 1;
            let answer = match linux::call(step.op, &step.prepared, &mut context) {
                Ok(value) => Answer::Value(value),
                Err(errno) => Answer::Error(errno),
            };
            report = (step.index, answer);
            if judge(step.expect, answer).is_some() {
                break;
            }
        }
        let (errno, value) = match report.1 {
            Answer::Error(errno) => (errno.raw_os_error(), -1),
            Answer::Value(value) => (0, value),
            Answer::Ended(_) => (0, 0),
        };
        let mut bytes = [0u8; 16];
        bytes[..4].copy_from_slice(&(report.0 as u32).to_ne_bytes());
        bytes[4..8].copy_from_slice(&errno.to_ne_bytes());
        bytes[8..].copy_from_slice(&value.to_ne_bytes());
        let Some(loan) = &context.loan else { process::leave(125) };
        if process::transmit(loan.as_fd(), &bytes).is_err() {
            process::leave(125);
        }
    }
}
