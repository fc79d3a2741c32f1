//! Filter: a list of devices as a program for the kernel.
//!
//! ```text
//!    r2 = type, r3 = access, r4 = major, r5 = minor
//!    for each exception:   type differs?     next
//!                          more access?      next
//!                          major differs?    next
//!                          minor differs?    next
//!                          answer the opposite of what holds for the rest
//!    answer what holds for the rest
//! ```
//!
//! See bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE; the kernel's cgroup-v2.rst, "Device controller".

use super::devices::{EVERYTHING, List};
use crate::kernel::ebpf::{AND, COPY, EXIT, Instruction, LOAD, MOVE, SHIFT, UNLESS, UNLESS_SAME};

const ANSWER: u8 = 0;
/// Where the question stands; free to be used once it is read.
const CONTEXT: u8 = 1;
const TYPE: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// BPF_DEVCG_DEV_BLOCK and BPF_DEVCG_DEV_CHAR.
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;

/// The program that allows and denies what the list does.
pub fn program(list: &List) -> Vec<Instruction> {
    let mut program = vec![
        Instruction::new(LOAD, TYPE, CONTEXT, 0, 0),
        Instruction::new(AND, TYPE, 0, 0, 0xffff),
        Instruction::new(LOAD, ACCESS, CONTEXT, 0, 0),
        Instruction::new(SHIFT, ACCESS, 0, 0, 16),
        Instruction::new(LOAD, MAJOR, CONTEXT, 4, 0),
        Instruction::new(LOAD, MINOR, CONTEXT, 8, 0),
    ];
    for ((major, minor, kind), access) in &list.exceptions {
        let kind = if *kind == 'b' { BLOCK } else { CHARACTER };
        let mut block = vec![Instruction::new(UNLESS, TYPE, 0, 0, kind)];
        if *access != EVERYTHING {
            block.push(Instruction::new(COPY, CONTEXT, ACCESS, 0, 0));
            block.push(Instruction::new(AND, CONTEXT, 0, 0, (*access).into()));
            block.push(Instruction::new(UNLESS_SAME, CONTEXT, ACCESS, 0, 0));
        }
        for (register, number) in [(MAJOR, major), (MINOR, minor)] {
            if *number >= 0 {
                block.push(Instruction::new(UNLESS, register, 0, 0, *number as u32 as i32));
            }
        }
        block.extend(answer(!list.allow));
        let end = block.len() as i16;
        for (at, jump) in block.iter_mut().enumerate() {
            if [UNLESS, UNLESS_SAME].contains(&jump.code) {
                jump.offset = end - at as i16 - 1;
            }
        }
        program.extend(block);
    }
    program.extend(answer(list.allow));
    program
}

fn answer(yes: bool) -> [Instruction; 2] {
    [Instruction::new(MOVE, ANSWER, 0, 0, yes.into()), Instruction::new(EXIT, 0, 0, 0, 0)]
}
