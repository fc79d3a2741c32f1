//! Extended BPF, as far as cgroups need it: a program that the kernel asks whether a device may be opened or made.
//!
//! ```text
//!   r1 ──> struct bpf_cgroup_dev_ctx   +0  access << 16 | type      r0 = 1: yes
//!                                      +4  major                        0: EPERM
//!                                      +8  minor
//! ```
//!
//! See bpf(2), the kernel's bpf/standardization/instruction-set.rst, linux/bpf.h.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::linux::check;

/// One instruction: `struct bpf_insn` of linux/bpf.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct Instruction {
    /// what to do
    pub code: u8,
    /// the register that it is done to, and in the upper four bits the one that it is done with
    pub registers: u8,
    /// how many instructions to jump over, or where in memory
    pub offset: i16,
    /// the operand
    pub value: i32,
}

/// Load the 32 bits at an offset from where a register points.
pub const LOAD: u8 = 0x61;
/// 32 bits: this number.
pub const MOVE: u8 = 0xb4;
/// 32 bits: what is in another register.
pub const COPY: u8 = 0xbc;
/// 32 bits: keep only these.
pub const AND: u8 = 0x54;
/// 32 bits: shift to the right.
pub const SHIFT: u8 = 0x74;
/// Jump, if the lower 32 bits are not this number. Since 5.1.
pub const UNLESS: u8 = 0x56;
/// Jump, if the lower 32 bits are not those of another register.
pub const UNLESS_SAME: u8 = 0x5e;
/// The end: register 0 is the answer.
pub const EXIT: u8 = 0x95;

impl Instruction {
    /// With the registers that it is done to and with.
    pub const fn new(code: u8, to: u8, with: u8, offset: i16, value: i32) -> Instruction {
        Instruction { code, registers: with << 4 | to, offset, value }
    }
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;
const TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 1 << 1;
const REPLACE: u32 = 1 << 2;
/// As many programs as the kernel lets one cgroup have: BPF_CGROUP_MAX_PROGS.
const MOST: usize = 64;

/// The members of `union bpf_attr` for BPF_PROG_LOAD, up to the last that is not zero.
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
}

/// For BPF_PROG_ATTACH, BPF_PROG_DETACH.
#[repr(C)]
#[derive(Default)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
    replaced: u32,
}

/// For BPF_PROG_QUERY. All of it: kernels from 6.17 on write `revision`, whatever the size that they are told.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    kind: u32,
    flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
    program_flags: u64,
    links: u64,
    link_flags: u64,
    revision: u64,
}

fn bpf<T>(command: libc::c_int, attributes: &mut T) -> Result<i64, Errno> {
    // the verifier can be interrupted by a signal
    for _ in 0..30 {
        // SAFETY: `attributes` is a repr(C) beginning of union bpf_attr, writable for its whole size; the addresses in
        // it are of values that the callers keep until the call is over.
        let answer = check(unsafe {
            libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>())
        });
        if answer != Err(Errno::AGAIN) {
            return answer;
        }
    }
    Err(Errno::AGAIN)
}

fn descriptor(answer: i64) -> OwnedFd {
    // SAFETY: the kernel has just opened it for us.
    unsafe { OwnedFd::from_raw_fd(answer as i32) }
}

/// Loads a program; the kernel checks that it ends and reads nothing else.
pub(super) fn load(program: &[Instruction]) -> Result<OwnedFd, Errno> {
    let mut attributes = Load {
        kind: TYPE_CGROUP_DEVICE,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
    };
    bpf(PROG_LOAD, &mut attributes).map(descriptor)
}

/// Attaches a program to a cgroup. All that are attached must agree, so the new one stands beside the old ones before
/// these are taken away: at no time is there none.
pub(super) fn attach(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>, replace: bool) -> Result<i64, Errno> {
    let target = cgroup.as_raw_fd() as u32;
    let old = if replace { attached(cgroup)? } else { Vec::new() };
    let mut attributes = Attach {
        target,
        program: program.as_raw_fd() as u32,
        kind: CGROUP_DEVICE,
        flags: ALLOW_MULTI,
        replaced: 0,
    };
    if let [one] = old.as_slice() {
        attributes.flags |= REPLACE;
        attributes.replaced = one.as_raw_fd() as u32;
        return bpf(PROG_ATTACH, &mut attributes);
    }
    let answer = bpf(PROG_ATTACH, &mut attributes)?;
    for old in old {
        let program = old.as_fd().as_raw_fd() as u32;
        bpf(PROG_DETACH, &mut Attach { target, program, kind: CGROUP_DEVICE, ..Attach::default() })?;
    }
    Ok(answer)
}

/// The programs that are attached to a cgroup itself. One that we may not see only forbids more: let it be.
fn attached(cgroup: BorrowedFd<'_>) -> Result<Vec<OwnedFd>, Errno> {
    let mut ids = [0u32; MOST];
    let mut query = Query {
        target: cgroup.as_raw_fd() as u32,
        kind: CGROUP_DEVICE,
        ids: ids.as_mut_ptr() as u64,
        count: MOST as u32,
        ..Query::default()
    };
    bpf(PROG_QUERY, &mut query)?;
    let mut programs = Vec::new();
    for id in ids.into_iter().take(query.count as usize) {
        match bpf(PROG_GET_FD_BY_ID, &mut [id, 0, 0]) {
            Ok(fd) => programs.push(descriptor(fd)),
            Err(Errno::PERM | Errno::ACCESS | Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(programs)
}
