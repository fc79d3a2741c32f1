//! Classic BPF, the small machine that seccomp(2) runs before every system call: bpf(4), seccomp_filter.rst.

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::linux::check;

/// One instruction: `struct sock_filter` of linux/filter.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct Instruction {
    /// what to do
    pub code: u16,
    /// how many instructions to jump over if the comparison holds
    pub jt: u8,
    /// and if it does not
    pub jf: u8,
    /// the operand
    pub k: u32,
}

/// Load the 32 bits at offset `k` of `struct seccomp_data`.
pub const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
/// Keep only the bits of `k`.
pub const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
/// Jump over `k` instructions.
pub const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
/// Equal to `k`?
pub const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
/// Greater than `k`?
pub const GREATER: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
/// Greater than `k`, or equal?
pub const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
/// The end: the answer is `k`.
pub const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
/// As many instructions as the kernel takes: BPF_MAXINSNS.
pub const MOST: usize = 4096;

/// Every call of this process, and of all that come from it, passes this program from now on. With a flag that asks for a
/// listener its descriptor is the answer.
pub(super) fn load(program: &[Instruction], flags: u64) -> Result<i64, Errno> {
    #[repr(C)]
    struct Program {
        len: u16,
        filter: *const Instruction,
    }
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = Program { len, filter: program.as_ptr() };
    // SAFETY: `Instruction` and `Program` are laid out as sock_filter and sock_fprog; the kernel copies them in the call.
    check(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    })
}
