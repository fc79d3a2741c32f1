//! Diff: what one piece of evidence says was different after a step.
//!
//! ```text
//!   before            after                  difference
//!   fileA  "Hello"    fileA  "Hello!"        ~ fileA   "Hello" -> "Hello!"
//!   fileB  "World"                           - fileB   "World"
//!                     fileC  ""              + fileC
//!   lo     up         lo     up              (nothing)
//! ```
//!
//! A key may stand several times (mounts pile up on one directory), so facts are paired off one by one: equal
//! facts first, then the facts that are left over by key. The page pairs them the same way
//! (viewer/evidence.js). Chapter: tutorials/architecture.md.

use super::{Change, Fact};

/// One difference between before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference<'a> {
    /// the thing is no longer there
    Gone(&'a Fact),
    /// the thing is there now
    New(&'a Fact),
    /// the thing is still there, and the kernel says something else of it
    Changed {
        /// what was said before
        before: &'a Fact,
        /// what is said now
        after: &'a Fact,
    },
}

impl Change {
    /// What differs: first the facts that are gone, in their old order, then the new and changed ones, in theirs.
    pub fn differences(&self) -> Vec<Difference<'_>> {
        let mut old: Vec<&Fact> = self.before.iter().collect();
        let fresh: Vec<&Fact> = self.after.iter().filter(|fact| !take(&mut old, fact)).collect();
        let mut later = Vec::new();
        for fact in fresh {
            match old.iter().position(|was| was.key == fact.key) {
                Some(at) => later.push(Difference::Changed { before: old.remove(at), after: fact }),
                None => later.push(Difference::New(fact)),
            }
        }
        old.into_iter().map(Difference::Gone).chain(later).collect()
    }
}

/// Takes the first equal fact out of the list, and says whether there was one.
fn take(facts: &mut Vec<&Fact>, like: &Fact) -> bool {
    let at = facts.iter().position(|fact| *fact == like);
    at.map(|at| facts.remove(at)).is_some()
}
