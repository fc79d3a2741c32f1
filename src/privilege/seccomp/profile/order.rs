//! Order: which of several conditional rules for one call is asked first.
//!
//! The file's order does not count in libseccomp, which keeps rules in a tree: a higher argument before a lower; of
//! one argument first equality (a greater value first), then inequality, then "less" (the narrower first), then
//! "greater" (the narrower first). A rule whose conditions another has, and more, comes after it. Measured with
//! libseccomp 2.5. Only where rules overlap, disagree and compare values above 32 bits has it no such order.

use std::cmp::Reverse;

use super::json::{Node, Problem, ProfileError};
use crate::privilege::seccomp::{Action, Compare, Condition};

/// Conditions and what follows from them.
pub(super) type Case<'a> = (&'a Vec<Condition>, Action);

/// Adds a rule for a call. The same conditions twice are one rule; with two actions they are a contradiction.
pub(super) fn add<'a>(
    cases: &mut Vec<Case<'a>>,
    case: Case<'a>,
    node: &Node<'_>,
) -> Result<(), ProfileError> {
    match cases.iter().find(|(conditions, _)| conditions == &case.0) {
        Some((_, action)) if *action == case.1 => {}
        Some(_) => return Err(node.need("action")?.fails(Problem::Contradiction)),
        None => cases.push(case),
    }
    Ok(())
}

/// Sorts the rules of a call; those that are alike stay as they were.
pub(super) fn sort(cases: &mut [Case<'_>]) {
    cases.sort_by_cached_key(|(conditions, _)| {
        let mut keys: Vec<_> = conditions.iter().map(|one| (one.argument, rank(one.compare))).collect();
        keys.sort();
        keys.into_iter().map(|(argument, rank)| (Reverse(argument), rank)).collect::<Vec<_>>()
    });
}

fn rank(compare: Compare) -> (u8, u64, u8) {
    match compare {
        Compare::Eq(value) => (0, !value, 0),
        Compare::MaskedEq { mask, value } => (0, !(value & mask), 0),
        Compare::Ne(value) => (1, value, 0),
        Compare::Lt(value) => (2, value, 0),
        Compare::Le(value) => (2, value, 1),
        Compare::Gt(value) | Compare::Ge(value) => (3, !value, 0),
    }
}
