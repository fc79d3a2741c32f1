//! The compiler: from a profile to a program for the kernel's small machine.
//!
//! ```text
//!   load arch ── one of ours? ── load number ──┬─ >= 217? ─┬─ … ── return allow
//!        └─ no: kill                           │           └─ … ── load argument, compare … return
//!                                              └─ …
//! ```
//!
//! Neighbouring numbers with one fate become a range, and the ranges a binary tree: some eight comparisons for any
//! call, where a chain would take hundreds. Jumps go forward by at most 255 instructions; where that is not enough, a
//! plain jump helps.

use std::collections::HashMap;

use super::{Action, Arch, Compare, Condition, Profile, Rule, X32};
use crate::kernel::bpf::{AND, AT_LEAST, EQUAL, GREATER, Instruction, JUMP, LOAD, RETURN};

/// Offsets in `struct seccomp_data`: the number, the architecture, the first argument.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// What becomes of the calls of one range.
#[derive(Debug, Clone, PartialEq)]
struct Fate<'a> {
    rules: Vec<&'a Rule>,
    otherwise: Action,
}

impl Fate<'_> {
    fn always(action: Action) -> Self {
        Fate { rules: Vec::new(), otherwise: action }
    }
}

/// The rules that speak of a name, in order.
type Named<'a> = HashMap<&'a str, Vec<&'a Rule>>;

/// The program for a profile.
pub fn compile(profile: &Profile) -> Vec<Instruction> {
    let mut named = Named::new();
    for rule in &profile.rules {
        for call in &rule.calls {
            named.entry(call).or_default().push(rule);
        }
    }
    let mut program = vec![load(ARCH)];
    for arch in &profile.arches {
        let mut body = vec![load(NUMBER)];
        tree(&ranges(profile, &named, *arch), arch.wide(), &mut body);
        program.push(jump(EQUAL, arch.audit(), 1, 0));
        program.push(jump(JUMP, body.len() as u32, 0, 0));
        program.append(&mut body);
    }
    program.push(jump(RETURN, Action::KillProcess.answer(), 0, 0));
    program
}

/// Where a new fate begins, in order; the first range begins at 0.
fn ranges<'a>(profile: &Profile, named: &Named<'a>, arch: Arch) -> Vec<(u32, Fate<'a>)> {
    let mut ranges: Vec<(u32, Fate<'a>)> = vec![(0, Fate::always(profile.otherwise))];
    let mut push = |number, fate| match ranges.last_mut() {
        Some((begin, last)) if *begin == number => *last = fate,
        Some((_, last)) if *last == fate => {}
        _ => ranges.push((number, fate)),
    };
    let mut newer = 0;
    for number in 0..arch.end() {
        let mut fate = Fate::always(profile.otherwise);
        if let Some(name) = arch.name(number) {
            for rule in named.get(name).into_iter().flatten() {
                newer = number + 1;
                if rule.conditions.is_empty() {
                    fate.otherwise = rule.action;
                    break;
                }
                fate.rules.push(rule);
            }
        }
        push(number, fate);
    }
    push(arch.end(), Fate::always(profile.otherwise));
    // a profile that speaks of no call here is not old, it is meant so
    if let Some(action) = profile.newer.filter(|_| newer > 0) {
        ranges.retain(|(begin, _)| *begin < newer);
        ranges.push((newer, Fate::always(action)));
    }
    if arch == Arch::X86_64 {
        ranges.push((X32, Fate::always(Action::Errno(libc::ENOSYS as u16))));
    }
    ranges
}

/// A binary search, with the fates at its leaves.
fn tree(ranges: &[(u32, Fate<'_>)], wide: bool, program: &mut Vec<Instruction>) {
    let middle = ranges.len() / 2;
    if middle == 0 {
        return ranges.iter().for_each(|(_, fate)| leaf(fate, wide, program));
    }
    let (below, above) = ranges.split_at(middle);
    let at = program.len();
    program.push(jump(AT_LEAST, above[0].0, 0, 0));
    tree(below, wide, program);
    let length = program.len() - at - 1;
    match u8::try_from(length) {
        Ok(short) => program[at].jt = short,
        Err(_) => {
            program[at].jf = 1;
            program.insert(at + 1, jump(JUMP, length as u32, 0, 0));
        }
    }
    tree(above, wide, program);
}

fn leaf(fate: &Fate<'_>, wide: bool, program: &mut Vec<Instruction>) {
    for rule in &fate.rules {
        let questions: Vec<_> = rule.conditions.iter().map(|condition| ask(condition, wide)).collect();
        let mut rest: usize = questions.iter().map(Vec::len).sum();
        for question in &questions {
            let mut inside = question.len();
            for asked in question {
                (rest, inside) = (rest - 1, inside - 1);
                let distance = |to: To| match to {
                    To::Next => 0,
                    To::Holds => inside as u8,
                    To::Fails => rest as u8 + 1, // over the return
                };
                program.push(jump(asked.code, asked.k, distance(asked.jt), distance(asked.jf)));
            }
        }
        program.push(jump(RETURN, rule.action.answer(), 0, 0));
    }
    program.push(jump(RETURN, fate.otherwise.answer(), 0, 0));
}

/// Where a comparison leads.
#[derive(Clone, Copy)]
enum To {
    Next,
    /// this condition holds: on to the next one
    Holds,
    /// it does not: on to the next rule
    Fails,
}

struct Asked {
    code: u16,
    k: u32,
    jt: To,
    jf: To,
}

/// The machine has 32 bits and the argument 64: its upper half first, then its lower. Where arguments have 32 bits,
/// only the lower half of the condition counts, as in libseccomp.
fn ask(condition: &Condition, wide: bool) -> Vec<Asked> {
    use To::{Fails, Holds, Next};
    let low = ARGUMENTS + 8 * u32::from(condition.argument);
    let load = |upper: bool| step(LOAD, if upper { low + 4 } else { low }, Next, Next);
    let halves = |value: u64| ((value >> 32) as u32, value as u32);
    let equal = |value, different| {
        let (upper, _) = halves(value);
        if wide { vec![load(true), step(EQUAL, upper, Next, different)] } else { Vec::new() }
    };
    let order = |value: u64, code, greater, smaller, (yes, no)| {
        let (upper, lower) = halves(value);
        let first = [load(true), step(GREATER, upper, greater, Next), step(EQUAL, upper, Next, smaller)];
        let last = [load(false), step(code, lower, yes, no)];
        first.into_iter().filter(|_| wide).chain(last).collect()
    };
    let last = |value: u64, yes, no| [load(false), step(EQUAL, value as u32, yes, no)];
    match condition.compare {
        Compare::Eq(value) => equal(value, Fails).into_iter().chain(last(value, Next, Fails)).collect(),
        Compare::Ne(value) => equal(value, Holds).into_iter().chain(last(value, Fails, Next)).collect(),
        Compare::Gt(value) => order(value, GREATER, Holds, Fails, (Next, Fails)),
        Compare::Ge(value) => order(value, AT_LEAST, Holds, Fails, (Next, Fails)),
        Compare::Lt(value) => order(value, AT_LEAST, Fails, Holds, (Fails, Next)),
        Compare::Le(value) => order(value, GREATER, Fails, Holds, (Fails, Next)),
        Compare::MaskedEq { mask, value } => {
            let ((mask_up, mask_low), (upper, lower)) = (halves(mask), halves(value & mask));
            let mut asked = Vec::new();
            if wide && mask_up != 0 {
                asked.extend([load(true), step(AND, mask_up, Next, Next), step(EQUAL, upper, Next, Fails)]);
            }
            asked.extend([load(false), step(AND, mask_low, Next, Next), step(EQUAL, lower, Next, Fails)]);
            asked
        }
    }
}

fn step(code: u16, k: u32, jt: To, jf: To) -> Asked {
    Asked { code, k, jt, jf }
}

fn load(offset: u32) -> Instruction {
    jump(LOAD, offset, 0, 0)
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}
