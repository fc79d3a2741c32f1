//! The go-between for 64-bit ARM.
//!
//! ```text
//!   order:   0 socket   8 asked to say that it has arrived?   16 those words   32 the words for a failure
//!           48 more than one path?   56 the arguments   64 the environment   72 paths …, 0
//! ```
//!
//! A call's number is in x8, its arguments in x0, x1 and x2; the answer is in x0, an error as a negative number. All else
//! stays. See syscall(2).

use std::arch::global_asm;

/// The machine's number in an ELF header: EM_AARCH64.
pub(super) const ELF: u16 = 183;

global_asm!(
    ".pushsection .rodata.stepbox_go_between, \"a\", @progbits",
    ".globl stepbox_go_between, stepbox_go_between_end",
    ".hidden stepbox_go_between, stepbox_go_between_end",
    ".balign 8",
    "stepbox_go_between:",
    "    adr x19, 6f",
    // fcntl(socket, F_SETFD, FD_CLOEXEC): without one, nobody has sent us
    "    ldr w0, [x19]",
    "    mov w1, #2",
    "    mov w2, #1",
    "    mov w8, #25",
    "    svc #0",
    "    cbnz x0, 5f",
    "    ldr x0, [x19, #8]",
    "    cbz x0, 2f",
    // write(socket, arrived, 16)
    "    ldr w0, [x19]",
    "    add x1, x19, #16",
    "    mov x2, #16",
    "    mov w8, #64",
    "    svc #0",
    "    cmp x0, #16",
    "    b.ne 5f",
    // read(socket, stack, 8): lent the next step
    "    sub sp, sp, #16",
    "    ldr w0, [x19]",
    "    mov x1, sp",
    "    mov x2, #8",
    "    mov w8, #63",
    "    svc #0",
    "    cmp x0, #8",
    "    b.ne 5f",
    // the best reason so far: ENOENT
    "2:  add x20, x19, #72",
    "    mov w21, #2",
    // execve(path, argv, env), for each path
    "3:  ldr x0, [x20], #8",
    "    cbz x0, 4f",
    "    ldr x1, [x19, #56]",
    "    ldr x2, [x19, #64]",
    "    mov w8, #221",
    "    svc #0",
    // ENOENT, ENOTDIR: perhaps in the next one
    "    cmn x0, #2",
    "    b.eq 3b",
    "    cmn x0, #20",
    "    b.eq 3b",
    // EACCES: the same, and the better reason
    "    cmn x0, #13",
    "    b.ne 7f",
    "    mov w21, #13",
    "    b 3b",
    // ELOOP: in a search, perhaps in the next one
    "7:  cmn x0, #40",
    "    b.ne 8f",
    "    ldr x1, [x19, #48]",
    "    cbnz x1, 3b",
    "8:  neg w21, w0",
    // write(socket, failed and why, 16)
    "4:  ldp x0, x1, [x19, #32]",
    "    stp x0, x1, [sp, #-16]!",
    "    str w21, [sp, #4]",
    "    ldr w0, [x19]",
    "    mov x1, sp",
    "    mov x2, #16",
    "    mov w8, #64",
    "    svc #0",
    // exit_group(125)
    "5:  mov w0, #125",
    "    mov w8, #94",
    "    svc #0",
    "    b 5b",
    ".balign 8",
    "6:",
    "stepbox_go_between_end:",
    ".popsection",
);

// SAFETY: both are bytes of the section above, of which the second one may be no more than its end: only addresses are taken.
unsafe extern "C" {
    #[link_name = "stepbox_go_between"]
    static BEGIN: u8;
    #[link_name = "stepbox_go_between_end"]
    static END: u8;
}

/// The code, which its order follows.
pub(super) fn code() -> Option<&'static [u8]> {
    let (begin, end) = (&raw const BEGIN, &raw const END);
    // SAFETY: both stand in the one section above, whose bytes from the one to the other are code and never change.
    Some(unsafe { std::slice::from_raw_parts(begin, end.addr() - begin.addr()) })
}
