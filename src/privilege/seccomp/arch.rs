//! Arch: the ways into the kernel. Each has numbers of its own for the calls, so a filter asks for it first.

use serde::{Deserialize, Serialize};

/// A way into the kernel, with call numbers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arch {
    /// 64-bit PCs; their x32 numbers have bit 30 set
    X86_64,
    /// 32-bit PCs, which 64-bit ones run too: `int 0x80` opens this door for any program
    I386,
    /// 64-bit ARM
    Aarch64,
}

/// From here on numbers are those of x32, an interface that hardly any kernel is built with.
pub(super) const X32: u32 = 0x4000_0000;

impl Arch {
    /// The ways into the kernel that we are built for. All others end the process.
    #[cfg(target_arch = "x86_64")]
    pub const OURS: &[Arch] = &[Arch::X86_64, Arch::I386];
    /// The ways into the kernel that we are built for. All others end the process.
    #[cfg(target_arch = "aarch64")]
    pub const OURS: &[Arch] = &[Arch::Aarch64];

    /// All that we know the numbers of.
    pub const ALL: [Arch; 3] = [Arch::X86_64, Arch::I386, Arch::Aarch64];

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

    /// The names of all its calls.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        (0..self.end()).filter_map(move |number| self.name(number))
    }

    /// As a reader of linux/audit.h calls it.
    pub fn title(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::I386 => "i386",
            Arch::Aarch64 => "aarch64",
        }
    }

    /// Whether its arguments have 64 bits.
    pub fn wide(self) -> bool {
        self != Arch::I386
    }

    /// The number of a call.
    pub fn number(self, name: &str) -> Option<u32> {
        (0..self.end()).find(|number| self.name(*number) == Some(name))
    }
}
