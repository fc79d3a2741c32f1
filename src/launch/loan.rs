//! Loan: the box's side. It waits to be lent a range of steps, takes them, and reports the last. From its first
//! line to its last it allocates nothing, formats nothing and takes no lock (signal-safety(7)).

use std::os::fd::{AsFd, OwnedFd};

use super::{Answer, judge};
use crate::kernel::linux::{self, Context, Prepared};
use crate::kernel::process::{self, Exit};
use crate::kernel::{Errno, Op};
use crate::step::Expect;

/// One step of the box, with everything it needs.
pub(super) struct Loaned<'p> {
    pub(super) index: usize,
    pub(super) op: &'p Op,
    pub(super) prepared: Prepared,
    pub(super) expect: Expect,
}

/// A report, as the host reads it.
pub(super) fn unpack(bytes: [u8; 16]) -> (usize, Result<Answer, Exit>) {
    let [a, b, c, d, e, f, g, h, value @ ..] = bytes;
    let (index, errno) = (u32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h]));
    let answer = match errno {
        0 => Answer::Value(i64::from_ne_bytes(value)),
        errno => Answer::Error(Errno::from_raw_os_error(errno)),
    };
    (index as usize, Ok(answer))
}

/// The box's side: waits to be lent a range of steps, takes them, reports the last. Numbers only, no allocation.
pub(super) fn box_lane(program: &[Loaned<'_>], loan: OwnedFd) -> ! {
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
