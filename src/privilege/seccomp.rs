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

use std::borrow::Cow;

mod compile;
mod docker;

pub use compile::compile;
pub use docker::default_profile;

/// What may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// for calls that no rule speaks of
    pub otherwise: Action,
    /// for calls with numbers above all that the rules speak of: they are younger than the profile
    pub newer: Option<Action>,
    /// the first rule whose conditions all hold decides
    pub rules: Vec<Rule>,
}

/// Some calls, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// names; one that an architecture does not have is nothing to it
    pub calls: Vec<Cow<'static, str>>,
    /// all must hold; none is always true
    pub conditions: Vec<Condition>,
    /// then this
    pub action: Action,
}

/// What is asked of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// which argument, from 0 to 5
    pub argument: u8,
    /// the question
    pub compare: Compare,
}

/// A question about 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// it is made
    Allow,
    /// it is made, and logged
    Log,
    /// it is not made, and answers this error
    Errno(u16),
    /// a tracer is asked; without one ENOSYS
    Trace(u16),
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
            Action::Trap => libc::SECCOMP_RET_TRAP,
            Action::KillThread => libc::SECCOMP_RET_KILL_THREAD,
            Action::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
        }
    }
}

/// A way into the kernel, with call numbers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 64-bit PCs; their x32 numbers have bit 30 set
    X86_64,
    /// 32-bit PCs, which 64-bit ones run too: `int 0x80` opens this door for any program
    I386,
    /// 64-bit ARM
    Aarch64,
}

/// From here on numbers are those of x32, an interface that hardly any kernel is built with.
const X32: u32 = 0x4000_0000;

impl Arch {
    /// The ways into the kernel that we are built for. All others end the process.
    #[cfg(target_arch = "x86_64")]
    pub const OURS: &[Arch] = &[Arch::X86_64, Arch::I386];
    /// The ways into the kernel that we are built for. All others end the process.
    #[cfg(target_arch = "aarch64")]
    pub const OURS: &[Arch] = &[Arch::Aarch64];

    /// AUDIT_ARCH_* of linux/audit.h.
    pub fn audit(self) -> u32 {
        match self {
            Arch::X86_64 => 0xc000_003e,
            Arch::I386 => 0x4000_0003,
            Arch::Aarch64 => 0xc000_00b7,
        }
    }

    /// One above the highest number that has a name.
    pub fn end(self) -> u32 {
        1 + match self {
            Arch::X86_64 => syscalls::x86_64::Sysno::last().id(),
            Arch::I386 => syscalls::x86::Sysno::last().id(),
            Arch::Aarch64 => syscalls::aarch64::Sysno::last().id(),
        } as u32
    }

    /// The name of a call.
    pub fn name(self, number: u32) -> Option<&'static str> {
        let number = number as usize;
        match self {
            Arch::X86_64 => syscalls::x86_64::Sysno::new(number).map(|call| call.name()),
            Arch::I386 => syscalls::x86::Sysno::new(number).map(|call| call.name()),
            Arch::Aarch64 => syscalls::aarch64::Sysno::new(number).map(|call| call.name()),
        }
    }
}
