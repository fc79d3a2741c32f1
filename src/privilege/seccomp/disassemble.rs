//! Disassembler: a program, line by line, with what each instruction asks.
//!
//! ```text
//!   0003: ld [0]                    the call's number
//!   0004: jge #217, 0011, 0005      is it at least 217 (getdents64)?
//! ```
//!
//! The second column is the assembler of the kernel's bpf_dbg: a jump names where it goes on if the answer is yes, then
//! where if it is no. What the words on the right speak of is followed through the program: what was loaded last, and
//! which way into the kernel the program has found out about. See networking/filter.rst of the kernel.

use super::{Arch, X32};
use crate::kernel::bpf::{AND, AT_LEAST, EQUAL, GREATER, Instruction, JUMP, LOAD, RETURN};
use crate::kernel::{Errno, hint};

/// What is known when an instruction is reached.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    loaded: Loaded,
    /// `&` of what was loaded
    mask: u32,
    arch: Option<Arch>,
}

/// What the machine's one register holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Loaded {
    Nothing,
    Arch,
    Number,
    Pointer,
    Lower(u32),
    Upper(u32),
}

/// One line for each instruction.
pub fn disassemble(program: &[Instruction]) -> Vec<String> {
    let mut known: Vec<Option<Known>> = vec![None; program.len() + 1];
    known[0] = Some(Known { loaded: Loaded::Nothing, mask: u32::MAX, arch: None });
    let mut lines = Vec::new();
    for (at, one) in program.iter().enumerate() {
        let before = known[at];
        let text = code(at, one);
        let said = before.map_or("never reached".into(), |known| meaning(one, known));
        lines.push(format!("{at:04}: {text:<28} {said}").trim_end().to_string());
        let Some(before) = before else { continue };
        // jumps go forward only, so everything that leads to an instruction has been seen before it
        for (to, after) in next(at, one, before) {
            if let Some(place) = known.get_mut(to) {
                *place = Some(place.map_or(after, |other| merge(other, after)));
            }
        }
    }
    lines
}

/// As the kernel's assembler writes it.
fn code(at: usize, one: &Instruction) -> String {
    let Instruction { code, jt, jf, k } = *one;
    let go = |distance: u32| at + 1 + distance as usize;
    let test = |name: &str| {
        let k = if k < 0x1000 { format!("{k}") } else { format!("{k:#x}") };
        format!("{name} #{k}, {:04}, {:04}", go(jt.into()), go(jf.into()))
    };
    match code {
        LOAD => format!("ld [{k}]"),
        AND => format!("and #{k:#x}"),
        JUMP => format!("ja {:04}", go(k)),
        EQUAL => test("jeq"),
        GREATER => test("jgt"),
        AT_LEAST => test("jge"),
        RETURN => format!("ret #{k:#x}"),
        other => format!("code {other:#06x}, #{k:#x}, {jt}, {jf}"),
    }
}

/// Where it goes on, and what is known there.
fn next(at: usize, one: &Instruction, before: Known) -> Vec<(usize, Known)> {
    let go = |distance: u32| at + 1 + distance as usize;
    match one.code {
        LOAD => vec![(at + 1, Known { loaded: load(one.k), mask: u32::MAX, ..before })],
        AND => vec![(at + 1, Known { mask: before.mask & one.k, ..before })],
        JUMP => vec![(go(one.k), before)],
        EQUAL | GREATER | AT_LEAST => {
            let found = Arch::ALL.into_iter().find(|arch| arch.audit() == one.k);
            let yes = match (one.code, before.loaded) {
                (EQUAL, Loaded::Arch) => Known { arch: found, ..before },
                _ => before,
            };
            vec![(go(one.jt.into()), yes), (go(one.jf.into()), before)]
        }
        _ => Vec::new(),
    }
}

fn load(offset: u32) -> Loaded {
    match offset {
        0 => Loaded::Number,
        4 => Loaded::Arch,
        8 | 12 => Loaded::Pointer,
        offset if offset % 8 == 0 => Loaded::Lower((offset - 16) / 8),
        offset => Loaded::Upper((offset - 20) / 8),
    }
}

/// What is known where two ways meet.
fn merge(one: Known, other: Known) -> Known {
    Known {
        loaded: if one.loaded == other.loaded { one.loaded } else { Loaded::Nothing },
        mask: if one.mask == other.mask { one.mask } else { u32::MAX },
        arch: one.arch.filter(|_| one.arch == other.arch),
    }
}

fn meaning(one: &Instruction, known: Known) -> String {
    match one.code {
        LOAD => what(load(one.k)),
        AND => "of it, only these bits".into(),
        JUMP => "go on there".into(),
        EQUAL => format!("is it {}?", value(one.k, known)),
        GREATER => format!("is it more than {}?", value(one.k, known)),
        AT_LEAST if known.loaded == Loaded::Number && one.k == X32 => "is it a number of x32?".into(),
        AT_LEAST => format!("is it at least {}?", value(one.k, known)),
        RETURN => answer(one.k),
        _ => "no instruction of our compiler".into(),
    }
}

fn what(loaded: Loaded) -> String {
    match loaded {
        Loaded::Nothing => String::new(),
        Loaded::Arch => "by which way does the call come?".into(),
        Loaded::Number => "the call's number".into(),
        Loaded::Pointer => "where the program calls from".into(),
        Loaded::Lower(number) => format!("argument {number}, its lower half"),
        Loaded::Upper(number) => format!("argument {number}, its upper half"),
    }
}

fn value(k: u32, known: Known) -> String {
    match known.loaded {
        Loaded::Arch => {
            let arch = Arch::ALL.into_iter().find(|arch| arch.audit() == k);
            arch.map_or(format!("{k:#x}"), |arch| arch.title().into())
        }
        Loaded::Number => match known.arch.and_then(|arch| arch.name(k)) {
            Some(name) => format!("{k} ({name})"),
            None => format!("{k}"),
        },
        _ if k == 0 && known.mask != u32::MAX => "none of them".into(),
        _ if k < 10 => format!("{k}"),
        _ => format!("{k:#x}"),
    }
}

/// SECCOMP_RET_*: the upper half says what is done, the lower half is a number for it.
fn answer(k: u32) -> String {
    let (action, data) = (k & libc::SECCOMP_RET_ACTION_FULL, k & libc::SECCOMP_RET_DATA);
    match action {
        libc::SECCOMP_RET_ALLOW => "let it pass".into(),
        libc::SECCOMP_RET_LOG => "let it pass, and log it".into(),
        libc::SECCOMP_RET_ERRNO => {
            let text = hint::errno_text(Errno::from_raw_os_error(data as i32));
            format!("refuse: {text}")
        }
        libc::SECCOMP_RET_TRACE => format!("ask the tracer, with {data}"),
        libc::SECCOMP_RET_USER_NOTIF => "ask the listener".into(),
        libc::SECCOMP_RET_TRAP => "send SIGSYS, which it may catch".into(),
        libc::SECCOMP_RET_KILL_THREAD => "kill the thread: SIGSYS".into(),
        libc::SECCOMP_RET_KILL_PROCESS => "kill the process: SIGSYS".into(),
        _ => format!("{k:#x}, which the kernel takes for: kill the process"),
    }
}
