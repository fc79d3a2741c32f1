//! Running: what whoever launched has of the box.
//!
//! ```text
//!   its number, its pidfd       whom to signal, whose end to wait for
//!   terminal, pipes, sockets    handed out once; what nobody takes is closed with the run
//!   keep, leave                 what stays when we go
//! ```
//!
//! See pidfd_open(2), wait(2).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::Running;
use super::loan::pack_loan;
use crate::kernel::linux::Context;
use crate::kernel::process::{self, Exit};
use crate::kernel::{Errno, Op};

impl Running<'_> {
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

    /// The engine's ends of what the box reads, prints, and prints as errors. They are handed out once.
    pub fn take_pipes(&mut self) -> [Option<OwnedFd>; 3] {
        std::mem::take(&mut self.context.pipes.ours)
    }

    /// The sockets that have the host's ports, by slot. They are handed out once; what is not is closed with the run.
    pub fn take_listeners(&mut self) -> Vec<Option<OwnedFd>> {
        self.context.listeners.take()
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

    /// Lets go of the box, which lives on without us: it is lent all steps that are left, nothing is undone, and the
    /// journal stays as the record of what there is to undo: [`crate::journal::replay_file`].
    ///
    /// # Errors
    /// ESRCH where the box has ended before. Then everything has been undone.
    pub fn leave(mut self) -> Result<(), Errno> {
        if self.waiting.is_some() {
            let last = self.plan.steps.len() - 1;
            let (loan, pid) = (self.context.loan.as_ref(), self.context.box_pid);
            let (loan, pid) = (loan.ok_or(Errno::SRCH)?, pid.ok_or(Errno::SRCH)?);
            process::transmit(loan.as_fd(), &pack_loan(last, pid)).map_err(|_| Errno::SRCH)?;
        }
        self.done.clear();
        self.context = Context::default();
        if let Some(journal) = self.journal.take() {
            journal.leave();
        }
        Ok(())
    }
}
