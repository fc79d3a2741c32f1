//! Loan: the box's side. It waits to be lent a range of steps, takes them, and reports the last. From its first
//! line to its last it allocates nothing, formats nothing and takes no lock (signal-safety(7)).

use std::os::fd::{AsFd, BorrowedFd};

use super::{Answer, judge, perform};
use crate::kernel::ctext::digits;
use crate::kernel::departure::{self, Words};
use crate::kernel::linux::{Context, Prepared};
use crate::kernel::process::{self, Exit};
use crate::kernel::{Errno, Op, hint, start};
use crate::step::{Expect, Step};

/// One step of the box, with everything it needs.
pub(super) struct Loaned<'p> {
    pub(super) index: usize,
    pub(super) op: &'p Op,
    pub(super) prepared: Prepared,
    pub(super) expect: Expect,
    /// what is said on standard error where the host no longer listens
    pub(super) complaint: String,
}

/// What the host lends: the last step that the box may take, and the box's own number as the host sees it.
pub(super) fn pack_loan(last: usize, box_pid: i32) -> [u8; 8] {
    let mut bytes = [0u8; 8];
    bytes[..4].copy_from_slice(&(last as u32).to_ne_bytes());
    bytes[4..].copy_from_slice(&box_pid.to_ne_bytes());
    bytes
}

fn unpack_loan(bytes: [u8; 8]) -> (usize, i32) {
    let [a, b, c, d, pid @ ..] = bytes;
    (u32::from_ne_bytes([a, b, c, d]) as usize, i32::from_ne_bytes(pid))
}

/// In a report, in errno's place: the value is how a program ended.
const EXITED: i32 = -1;
const SIGNALLED: i32 = -2;

fn pack((index, answer): (usize, Answer)) -> [u8; 16] {
    let (errno, value) = match answer {
        Answer::Error(errno) => (errno.raw_os_error(), -1),
        Answer::Value(value) => (0, value),
        Answer::Ended(Exit::Code(code)) => (EXITED, code.into()),
        Answer::Ended(Exit::Signal(signal)) => (SIGNALLED, signal.into()),
    };
    let mut bytes = [0u8; 16];
    bytes[..4].copy_from_slice(&(index as u32).to_ne_bytes());
    bytes[4..8].copy_from_slice(&errno.to_ne_bytes());
    bytes[8..].copy_from_slice(&value.to_ne_bytes());
    bytes
}

/// What the program says that takes the box's last step, the one after this: see [`crate::kernel::departure`].
fn last_words(departure: usize, watched: bool) -> Words {
    let arrived = pack((departure, Answer::Value(0)));
    // as an error is packed, without it
    let failed = pack((departure + 1, Answer::Value(-1)));
    Words { arrived: watched.then_some(arrived), failed }
}

/// What the box needs for the first of these steps.
pub(super) fn prepare(
    steps: &[Step],
    (index, watched): (usize, bool),
    loan: BorrowedFd<'_>,
) -> Result<Prepared, Errno> {
    match steps {
        [Step { op: Op::Depart, .. }, Step { op: Op::Exec(exec), .. }, ..] => {
            departure::prepare(exec, loan, &last_words(index, watched))
        }
        [step, ..] => Prepared::new(&step.op, None),
        [] => Err(Errno::INVAL),
    }
}

/// A report, as the host reads it.
pub(super) fn unpack(bytes: [u8; 16]) -> (usize, Result<Answer, Exit>) {
    let [a, b, c, d, e, f, g, h, value @ ..] = bytes;
    let (index, errno) = (u32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h]));
    let value = i64::from_ne_bytes(value);
    let answer = match errno {
        0 => Answer::Value(value),
        EXITED => Answer::Ended(Exit::Code(value as i32)),
        SIGNALLED => Answer::Ended(Exit::Signal(value as i32)),
        errno => Answer::Error(Errno::from_raw_os_error(errno)),
    };
    (index as usize, Ok(answer))
}

/// The box's side: waits to be lent a range of steps, takes them, reports the last. Numbers only, no allocation.
pub(super) fn box_lane(program: &[Loaned<'_>], mut context: Context) -> ! {
    let mut next = 0;
    loop {
        let mut bytes = [0u8; 8];
        let Some(loan) = &context.loan else { process::leave(125) };
        match process::receive(loan.as_fd(), &mut bytes) {
            Ok((8, _)) => {}
            _ => process::leave(125),
        }
        let (last, pid) = unpack_loan(bytes);
        context.box_pid = Some(pid);
        let mut report = (last, Answer::Value(0));
        while let Some(step) = program.get(next).filter(|step| step.index <= last) {
            next += 1;
            let answer = perform(step.op, &step.prepared, &mut context);
            report = (step.index, answer);
            if judge(step.op, step.expect, answer).is_some() {
                if context.loan.is_none() {
                    complain(step, answer);
                    if matches!(step.op, Op::Spawn(_)) {
                        start::say_failed(&context);
                    }
                }
                break;
            }
        }
        let Some(loan) = &context.loan else { process::leave(125) };
        if process::transmit(loan.as_fd(), &pack(report)).is_err() {
            process::leave(125);
        }
    }
}

/// The last words of a box whose engine has gone: the step, and what the kernel said to it.
fn complain(step: &Loaned<'_>, answer: Answer) {
    let say = |bytes: &[u8]| {
        let _ = rustix::io::write(rustix::stdio::stderr(), bytes);
    };
    let mut room = [0u8; 10];
    say(step.complaint.as_bytes());
    let (what, number) = match answer {
        Answer::Error(errno) => match hint::errno_name(errno) {
            Some(name) => (name, None),
            None => ("errno ", Some(errno.raw_os_error())),
        },
        Answer::Ended(Exit::Code(code)) => ("exited ", Some(code)),
        Answer::Ended(Exit::Signal(signal)) => ("killed by signal ", Some(signal)),
        Answer::Value(_) => ("success, which was not expected", None),
    };
    say(what.as_bytes());
    if let Some(number) = number {
        say(digits(number.unsigned_abs(), &mut room));
    }
    say(b"\n");
}
