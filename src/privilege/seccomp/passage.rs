//! Passage: whether a program lets calls pass, whatever their arguments are.
//!
//! ```text
//!   load number ── known: one way ──┐
//!   load argument ── not known: both ways ──> every end that is reached: allow?
//! ```

use std::collections::BTreeMap;

use super::{Action, Arch};
use crate::kernel::bpf::{AND, AT_LEAST, EQUAL, GREATER, Instruction, JUMP, LOAD, RETURN};

/// What the machine's one register holds, where that does not depend on an argument.
type Register = Option<u32>;

/// Whether this program lets each of these calls of our own architecture pass, without asking or telling anybody.
pub fn lets_pass(program: &[Instruction], calls: &[&str]) -> bool {
    Arch::OURS.first().is_some_and(|arch| {
        calls.iter().all(|call| arch.number(call).is_some_and(|number| passes(program, *arch, number)))
    })
}

fn passes(program: &[Instruction], arch: Arch, number: u32) -> bool {
    // jumps go forward only, so everything that leads to an instruction is seen before it
    let mut ahead: BTreeMap<usize, Register> = [(0, None)].into();
    while let Some((at, register)) = ahead.pop_first() {
        let Some(one) = program.get(at) else { return false };
        let go = |distance: u32| at + 1 + distance as usize;
        let choose = |holds: bool| go(if holds { one.jt } else { one.jf }.into());
        let both = || vec![(choose(true), register), (choose(false), register)];
        let compare = |holds: fn(u32, u32) -> bool| match register {
            Some(value) => vec![(choose(holds(value, one.k)), register)],
            None => both(),
        };
        let next = match one.code {
            LOAD => vec![(
                at + 1,
                [(0, number), (4, arch.audit())].into_iter().find(|it| it.0 == one.k).map(|it| it.1),
            )],
            AND => vec![(at + 1, register.map(|value| value & one.k))],
            JUMP => vec![(go(one.k), register)],
            EQUAL => compare(|value, k| value == k),
            GREATER => compare(|value, k| value > k),
            AT_LEAST => compare(|value, k| value >= k),
            RETURN if one.k == Action::Allow.answer() => Vec::new(),
            _ => return false,
        };
        for (to, register) in next {
            let known = ahead.entry(to).or_insert(register);
            *known = known.filter(|known| Some(*known) == register);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::{Compare, Condition, Profile, Rule, compile, default_profile};
    use super::*;

    fn ruled(action: Action, conditions: Vec<Condition>) -> Profile {
        let rule = Rule { calls: vec!["execve".into()], conditions, action };
        Profile { rules: vec![rule], ..Profile::default() }
    }

    #[test]
    fn a_call_passes_only_whatever_its_arguments_are() {
        let passes = |profile: &Profile| lets_pass(&compile(profile), &["read", "execve"]);
        let condition = Condition { argument: 0, compare: Compare::Eq(7) };
        assert!(passes(&Profile::default()));
        assert!(passes(&default_profile(0)));
        for action in [Action::Errno(1), Action::Log, Action::Notify, Action::Trace(0), Action::KillProcess] {
            assert!(!passes(&ruled(action, Vec::new())), "{action:?}");
            assert!(!passes(&ruled(action, vec![condition])), "{action:?} of one argument");
            assert!(
                !passes(&Profile { otherwise: action, ..ruled(Action::Allow, Vec::new()) }),
                "{action:?} of read"
            );
        }
        assert!(passes(&ruled(Action::Allow, vec![condition])));
        assert!(!passes(&Profile { otherwise: Action::Errno(1), ..ruled(Action::Allow, vec![condition]) }));
        assert!(!passes(&Profile { arches: vec![Arch::I386], ..Profile::default() }));
    }

    #[test]
    fn a_program_that_does_not_end_lets_nothing_pass() {
        assert!(!lets_pass(&[Instruction { code: LOAD, jt: 0, jf: 0, k: 0 }], &["read"]));
    }
}
