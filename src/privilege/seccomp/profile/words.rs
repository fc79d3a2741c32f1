//! Words: the names that profiles have for architectures and flags.

use super::json::{Node, Problem, ProfileError};
use crate::privilege::seccomp::Arch;

/// Names of Go, as Docker's `includes` has them.
pub(super) const GO: [(&str, Arch); 5] = [
    ("amd64", Arch::X86_64),
    ("x86_64", Arch::X86_64),
    ("386", Arch::I386),
    ("arm64", Arch::Aarch64),
    ("aarch64", Arch::Aarch64),
];

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

const FLAGS: [(&str, u64); 4] = [
    ("SECCOMP_FILTER_FLAG_TSYNC", libc::SECCOMP_FILTER_FLAG_TSYNC),
    ("SECCOMP_FILTER_FLAG_LOG", libc::SECCOMP_FILTER_FLAG_LOG),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV),
];

/// The architecture of a name; `None` for one that is nothing to us.
pub(super) fn arch(node: &Node<'_>) -> Result<Option<Arch>, ProfileError> {
    let name = node.text()?.strip_prefix("SCMP_ARCH_").ok_or_else(|| node.fails(Problem::Architecture))?;
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
        let known = FLAGS.iter().find(|(known, _)| *known == name);
        set |= known.ok_or_else(|| node.fails(Problem::Flag))?.1;
    }
    Ok(set)
}
