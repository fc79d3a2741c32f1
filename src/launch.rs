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
//! See clone(2), execve(2), waitid(2). Lab 01-process, tutorials/01-process.md.

use std::os::fd::AsFd;

use crate::journal::Journal;
use crate::kernel::join::clone_through;
use crate::kernel::linux::{self, Context, Prepared};
use crate::kernel::process::{self, Cloned, Exit};
use crate::kernel::spawn;
use crate::kernel::{Errno, Op};
use crate::step::{Expect, Lane, Plan, Step};

mod error;
mod loan;
mod observer;
mod running;

use loan::{Loaned, box_lane, pack_loan, unpack};

pub use error::{LaunchError, StepError, Unmet};
pub use observer::{Answer, At, Observer, Verdict};

/// A plan that has been taken to its end: the box's program may be running.
#[derive(Debug)]
pub struct Running<'p> {
    plan: &'p Plan,
    context: Context,
    done: Vec<usize>,
    journal: Option<Journal>,
    exit: Option<Exit>,
    /// the step at which the box waits to be started
    waiting: Option<usize>,
    /// every step of the box is lent by itself
    watched: bool,
}

/// Takes the steps of a plan. On failure everything that was done is undone, in reverse order.
///
/// A plan in which the box waits to be started ends, for the engine, before that step: see [`Running::leave`].
///
/// The caller must be single-threaded if the plan clones.
pub fn launch<'p, O: Observer>(
    plan: &'p Plan,
    observer: &mut O,
    journal: Option<Journal>,
) -> Result<Running<'p>, LaunchError> {
    let (context, done) = (Context::default(), Vec::new());
    let watched = O::WATCHING;
    let mut running = Running { plan, context, done, journal, exit: None, waiting: None, watched };
    let mut acts = plan.acts.iter().peekable();
    let mut index = 0;
    while let Some(step) = plan.steps.get(index) {
        if waits(step) {
            running.waiting = Some(index);
            break;
        }
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
        let answer = answer.or_else(|exit| match plan.steps[at].expect {
            Expect::Dies(_) => Ok(Answer::Ended(exit)),
            _ => Err(exit),
        });
        if O::WATCHING
            && let Ok(answer) = answer
        {
            observer.after(running.at(at), answer);
        }
        let step = &plan.steps[at];
        let unmet = match answer {
            Ok(answer) => judge(&step.op, step.expect, answer),
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
    let ours = |step: &&Step| step.lane == Lane::Container && !waits(step);
    let most = rest.iter().take_while(ours).count();
    // whoever dies reports nothing, so that must be the last step that was lent
    let death = rest[..most].iter().position(|step| matches!(step.expect, Expect::Dies(_)));
    index + death.unwrap_or(most - 1)
}

/// Whether this is the step at which the box waits for somebody else than us.
fn waits(step: &Step) -> bool {
    step.lane == Lane::Container && matches!(step.op, Op::AwaitStart { .. })
}

/// Performs one operation of either lane.
fn perform(op: &Op, prepared: &Prepared, context: &mut Context) -> Answer {
    let answer = match op {
        Op::Spawn(hook) => {
            // the runtime specification: the pid as whoever runs the hook sees it
            let pid = if context.in_box { Some(process::own_pid()) } else { context.box_pid };
            spawn::spawn(hook, prepared, pid.unwrap_or_default()).map(Answer::Ended)
        }
        op => linux::call(op, prepared, context).map(Answer::Value),
    };
    answer.unwrap_or_else(Answer::Error)
}

fn judge(op: &Op, expect: Expect, answer: Answer) -> Option<Unmet> {
    match (expect, answer) {
        (Expect::Exits(wanted), Answer::Ended(Exit::Code(code))) if code == wanted => None,
        (Expect::Exits(wanted), Answer::Ended(exit)) => Some(Unmet::Otherwise(exit, Exit::Code(wanted))),
        (_, Answer::Ended(exit)) if matches!(op, Op::Spawn(_)) && exit != Exit::Code(0) => {
            Some(Unmet::Failed(exit))
        }
        (Expect::Fails(wanted), Answer::Error(errno)) if errno == wanted => None,
        (Expect::OrElse(other), Answer::Error(errno)) if errno == other => None,
        (Expect::OrAny(others), Answer::Error(errno)) if others.contains(&errno) => None,
        (Expect::Dies(wanted), Answer::Ended(exit)) if exit == wanted => None,
        (Expect::Dies(_), Answer::Ended(exit)) => Some(Unmet::Died(exit)),
        (_, Answer::Error(errno)) => Some(Unmet::Errno(errno)),
        (Expect::Dies(wanted), _) => Some(Unmet::Survived(wanted)),
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
            Op::Clone { .. } | Op::CloneThrough { .. } => {
                self.clone_box(index, &step.op).map(|pid| Answer::Value(pid.into()))
            }
            Op::WaitBox => self.wait().map(Answer::Ended),
            op => Prepared::new(op, self.context.box_pid)
                .map(|prepared| perform(op, &prepared, &mut self.context)),
        };
        let answer = answer.unwrap_or_else(Answer::Error);
        match answer {
            Answer::Error(_) => {
                if step.undo.is_some()
                    && let Some(journal) = &mut self.journal
                {
                    journal.not_ours(index);
                }
            }
            _ if step.undo.is_some() => self.done.push(index),
            _ => {}
        }
        Ok(answer)
    }

    /// Clones the box. In the box this does not return.
    fn clone_box(&mut self, index: usize, op: &Op) -> Result<i32, Errno> {
        debug_assert!(self.context.pidfd.is_none() || self.exit.is_some(), "one box at a time");
        let (ours, theirs) = process::loan_pair()?;
        let mut program = Vec::new();
        let mut alone = false;
        for (index, step) in self.plan.steps.iter().enumerate().skip(index + 1) {
            match &step.op {
                Op::Clone { .. } | Op::CloneThrough { .. } => break,
                op if step.lane == Lane::Container => {
                    let prepared =
                        loan::prepare(&self.plan.steps[index..], (index, self.watched), theirs.as_fd())?;
                    alone |= waits(step);
                    let complaint =
                        if alone { format!("stepbox: {}: {op} = ", step.name) } else { String::new() };
                    program.push(Loaned { index, op, prepared, expect: step.expect, complaint });
                }
                _ => {}
            }
        }
        let target = self.context.target.as_ref().map(AsFd::as_fd);
        let cloned = match op {
            Op::CloneThrough { join, flags } => clone_through(join, *flags, target),
            Op::Clone { flags } => process::clone_into(*flags, self.context.cgroup.as_ref().map(AsFd::as_fd)),
            _ => Err(Errno::NOSYS),
        };
        match cloned? {
            Cloned::Box => {
                drop(ours);
                let context = std::mem::take(&mut self.context);
                let Context { fifo, console, trees, listener, pipes, listeners, .. } = context;
                listeners.close();
                let (loan, none) = (Some(theirs), Context::default());
                let there = Context { in_box: true, loan, fifo, console, trees, listener, pipes, ..none };
                box_lane(&program, there)
            }
            Cloned::Host(pid, pidfd) => {
                self.exit = None;
                if let Some(journal) = &mut self.journal {
                    journal.box_born(pid);
                }
                let (loan, watcher) = (Some(ours), self.context.watcher.take());
                let Context { pipes, listeners, .. } = std::mem::take(&mut self.context);
                let (pipes, box_pid, pidfd) = (pipes.of_engine(), Some(pid), Some(pidfd));
                self.context =
                    Context { loan, watcher, pipes, listeners, box_pid, pidfd, ..Context::default() };
                Ok(pid)
            }
        }
    }

    /// Lets the box run up to and including step `last`. Returns the step it came to, and its answer.
    fn lend(&mut self, last: usize) -> (usize, Result<Answer, Exit>) {
        let (Some(loan), Some(pid)) = (&self.context.loan, self.context.box_pid) else {
            return (last, Ok(Answer::Error(Errno::SRCH)));
        };
        let _ = process::transmit(loan.as_fd(), &pack_loan(last, pid));
        loop {
            let mut bytes = [0u8; 16];
            match process::receive(loan.as_fd(), &mut bytes) {
                Ok((1, Some(ptmx))) => self.context.ptmx = Some(ptmx),
                Ok((16, _)) => {
                    let (at, answer) = unpack(bytes);
                    return (at.min(last), answer);
                }
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
        for op in self.journal.as_ref().map(Journal::added).unwrap_or_default() {
            if let Answer::Error(errno) = perform_undo(&op, self.context.box_pid) {
                failed.push((op, errno));
            }
        }
        match self.journal.take() {
            Some(journal) if failed.is_empty() => journal.close(),
            // what could not be undone now, `clean` tries again
            Some(journal) => journal.leave(),
            None => {}
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
