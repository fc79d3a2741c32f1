//! Seccomp: which system calls a container may make, and with which numbers as arguments.
//!
//! ```text
//!   Profile  names, conditions, actions   ── compile ──>   a BPF program of some hundred instructions
//!                                                             │ before every call of the box
//!   arch? ── number? (a binary search) ── arguments? ──>  allow, or an errno
//! ```
//!
//! The program sees registers, never what a pointer points to. So it cannot see the flags of clone3(2), which lie in
//! memory, and answers ENOSYS: libc then falls back to clone(2). See seccomp(2) and the kernel's seccomp_filter.rst.
//! A profile is our own ([`default_profile`]) or read from a file ([`profile`]); [`disassemble()`] tells what came out.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashSet;

mod arch;
mod compile;
mod disassemble;
mod docker;
pub mod listener;
mod passage;
pub mod profile;

pub use arch::Arch;
use arch::X32;
pub use compile::compile;
pub use disassemble::disassemble;
pub use docker::default_profile;
pub use listener::Listener;
pub use passage::lets_pass;

/// What may be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// for calls that no rule speaks of
    pub otherwise: Action,
    /// for calls with numbers above all that the rules speak of: they are younger than the profile
    pub newer: Option<Action>,
    /// the first rule whose conditions all hold decides
    pub rules: Vec<Rule>,
    /// the ways into the kernel that are open; any other ends the process
    pub arches: Vec<Arch>,
    /// SECCOMP_FILTER_FLAG_*, as seccomp(2) takes them
    pub flags: u64,
    /// who answers for [`Action::Notify`]
    #[serde(skip)]
    pub listener: Option<Listener>,
}

/// Everything may be called, by every way that we are built for.
impl Default for Profile {
    fn default() -> Profile {
        let arches = Arch::OURS.to_vec();
        Profile { otherwise: Action::Allow, newer: None, rules: Vec::new(), arches, flags: 0, listener: None }
    }
}

impl Profile {
    /// Names of its rules that no call has, on any way into the kernel that is open: they are nothing to the filter,
    /// and perhaps misspelt.
    pub fn unknown(&self) -> Vec<&str> {
        let known: HashSet<&str> = self.arches.iter().flat_map(|arch| arch.names()).collect();
        let mut names: Vec<&str> = self.rules.iter().flat_map(|rule| &rule.calls).map(Cow::as_ref).collect();
        names.retain(|name| !known.contains(name));
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Some calls, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// names; one that an architecture does not have is nothing to it
    pub calls: Vec<Cow<'static, str>>,
    /// all must hold; none is always true
    pub conditions: Vec<Condition>,
    /// then this
    pub action: Action,
}

/// What is asked of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// which argument, from 0 to 5
    pub argument: u8,
    /// the question
    pub compare: Compare,
}

/// A question about 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // as seccomp_rule_add(3) names them: ==, !=, <, <=, >, >=
pub enum Compare {
    Eq(u64),
    Ne(u64),
    Lt(u64),
    Le(u64),
    Gt(u64),
    Ge(u64),
    /// `argument & mask == value`
    MaskedEq {
        mask: u64,
        value: u64,
    },
}

/// What becomes of a call: seccomp(2), "filter return values".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// it is made
    Allow,
    /// it is made, and logged
    Log,
    /// it is not made, and answers this error
    Errno(u16),
    /// a tracer is asked; without one ENOSYS
    Trace(u16),
    /// whoever listens on [`Profile::listener`] decides; when nobody listens any more, ENOSYS
    Notify,
    /// SIGSYS, which can be caught
    Trap,
    /// the thread dies
    KillThread,
    /// the process dies
    KillProcess,
}

impl Action {
    /// The program's answer: SECCOMP_RET_*.
    pub fn answer(self) -> u32 {
        match self {
            Action::Allow => libc::SECCOMP_RET_ALLOW,
            Action::Log => libc::SECCOMP_RET_LOG,
            Action::Errno(errno) => libc::SECCOMP_RET_ERRNO | u32::from(errno),
            Action::Trace(message) => libc::SECCOMP_RET_TRACE | u32::from(message),
            Action::Notify => libc::SECCOMP_RET_USER_NOTIF,
            Action::Trap => libc::SECCOMP_RET_TRAP,
            Action::KillThread => libc::SECCOMP_RET_KILL_THREAD,
            Action::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
        }
    }
}
