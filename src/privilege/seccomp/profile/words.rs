//! Words: the names that profiles have for actions, operators, architectures and flags. Each stands here only: what is
//! taken, what a refusal proposes and what `features` tells engines come from the same tables.

use super::json::{Node, Problem, ProfileError};
use crate::kernel::flags;
use crate::privilege::seccomp::{Action, Arch, Compare};

/// An action: its name, up to what its number may go where it has one, and what it is with that number.
pub(super) type ActionWord = (&'static str, Option<u64>, fn(u16) -> Action);

static ACTIONS: [ActionWord; 9] = [
    ("SCMP_ACT_ALLOW", None, |_| Action::Allow),
    ("SCMP_ACT_LOG", None, |_| Action::Log),
    ("SCMP_ACT_ERRNO", Some(4095), Action::Errno),
    ("SCMP_ACT_TRACE", Some(u16::MAX as u64), Action::Trace),
    ("SCMP_ACT_NOTIFY", None, |_| Action::Notify),
    ("SCMP_ACT_TRAP", None, |_| Action::Trap),
    ("SCMP_ACT_KILL", None, |_| Action::KillThread),
    ("SCMP_ACT_KILL_THREAD", None, |_| Action::KillThread),
    ("SCMP_ACT_KILL_PROCESS", None, |_| Action::KillProcess),
];

/// An operator: its name, and how it compares with `value` and, where it takes two, `valueTwo`.
type OperatorWord = (&'static str, fn(u64, u64) -> Compare);

const OPERATORS: [OperatorWord; 7] = [
    ("SCMP_CMP_NE", |value, _| Compare::Ne(value)),
    ("SCMP_CMP_LT", |value, _| Compare::Lt(value)),
    ("SCMP_CMP_LE", |value, _| Compare::Le(value)),
    ("SCMP_CMP_EQ", |value, _| Compare::Eq(value)),
    ("SCMP_CMP_GE", |value, _| Compare::Ge(value)),
    ("SCMP_CMP_GT", |value, _| Compare::Gt(value)),
    ("SCMP_CMP_MASKED_EQ", |mask, value| Compare::MaskedEq { mask, value }),
];

/// Names of Go, as Docker's `includes` has them.
pub(super) const GO: [(&str, Arch); 5] = [
    ("amd64", Arch::X86_64),
    ("x86_64", Arch::X86_64),
    ("386", Arch::I386),
    ("arm64", Arch::Aarch64),
    ("aarch64", Arch::Aarch64),
];

/// How the names of architectures begin.
const ARCH: &str = "SCMP_ARCH_";

const ARCHES: [(&str, Arch); 3] = [("X86_64", Arch::X86_64), ("X86", Arch::I386), ("AARCH64", Arch::Aarch64)];

/// Architectures that no processor of ours runs: listed, they open nothing. x32 stays closed, because hardly any
/// kernel has it.
const ELSEWHERE: [&str; 22] = [
    "X32",
    "ARM",
    "LOONGARCH64",
    "M68K",
    "MIPS",
    "MIPS64",
    "MIPS64N32",
    "MIPSEL",
    "MIPSEL64",
    "MIPSEL64N32",
    "PARISC",
    "PARISC64",
    "PPC",
    "PPC64",
    "PPC64LE",
    "RISCV64",
    "S390",
    "S390X",
    "SH",
    "SHEB",
    "NATIVE",
    "SH4",
];

/// Flags of seccomp(2) that a profile may ask for: the others say how we load it.
const FLAGS: [u64; 4] = [
    libc::SECCOMP_FILTER_FLAG_LOG,
    libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
    libc::SECCOMP_FILTER_FLAG_TSYNC,
    libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
];

/// Every word that a profile may use, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// what becomes of a call
    pub actions: Vec<String>,
    /// how an argument is compared
    pub operators: Vec<String>,
    /// architectures, also those that no processor of ours runs
    pub architectures: Vec<String>,
    /// flags of seccomp(2)
    pub flags: Vec<String>,
}

/// Every word that a profile may use.
pub fn known() -> Known {
    let sorted = |words: &mut dyn Iterator<Item = &str>| {
        let mut words: Vec<String> = words.map(String::from).collect();
        words.sort_unstable();
        words
    };
    let arches = ARCHES.iter().map(|(name, _)| *name).chain(ELSEWHERE);
    let arches: Vec<String> = arches.map(|name| format!("{ARCH}{name}")).collect();
    Known {
        actions: sorted(&mut actions()),
        operators: sorted(&mut operators()),
        architectures: sorted(&mut arches.iter().map(String::as_str)),
        flags: sorted(&mut flag_names()),
    }
}

fn actions() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().map(|(name, ..)| *name)
}

fn operators() -> impl Iterator<Item = &'static str> {
    OPERATORS.iter().map(|(name, _)| *name)
}

fn flag_names() -> impl Iterator<Item = &'static str> {
    flags::SECCOMP.iter().filter(|(flag, _)| FLAGS.contains(flag)).map(|(_, name)| *name)
}

/// What a refusal proposes instead of a word that is none: `A, B or C`.
pub(super) fn proposed(problem: &Problem) -> String {
    let names: Vec<&str> = match problem {
        Problem::Action => actions().collect(),
        Problem::Operator => operators().collect(),
        Problem::Flag => flag_names().collect(),
        _ => Vec::new(),
    };
    match names.split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The action of a name.
pub(super) fn action(node: &Node<'_>) -> Result<&'static ActionWord, ProfileError> {
    let name = node.text()?;
    ACTIONS.iter().find(|(known, ..)| *known == name).ok_or_else(|| node.fails(Problem::Action))
}

/// The comparison of a name, with these numbers.
pub(super) fn compare(node: &Node<'_>, value: u64, second: u64) -> Result<Compare, ProfileError> {
    let name = node.text()?;
    let found = OPERATORS.iter().find(|(known, _)| *known == name);
    found.map(|(_, compare)| compare(value, second)).ok_or_else(|| node.fails(Problem::Operator))
}

/// The architecture of a name; `None` for one that is nothing to us.
pub(super) fn arch(node: &Node<'_>) -> Result<Option<Arch>, ProfileError> {
    let name = node.text()?.strip_prefix(ARCH).ok_or_else(|| node.fails(Problem::Architecture))?;
    match ARCHES.iter().find(|(known, _)| *known == name) {
        Some((_, arch)) => Ok(Some(*arch)),
        None if ELSEWHERE.contains(&name) => Ok(None),
        None => Err(node.fails(Problem::Architecture)),
    }
}

/// The bits of these names.
pub(super) fn flags(nodes: &[Node<'_>]) -> Result<u64, ProfileError> {
    let mut set = 0;
    for node in nodes {
        let name = node.text()?;
        let known = flags::SECCOMP.iter().find(|(flag, known)| *known == name && FLAGS.contains(flag));
        set |= known.ok_or_else(|| node.fails(Problem::Flag))?.0;
    }
    Ok(set)
}
