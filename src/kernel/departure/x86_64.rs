//! The go-between for 64-bit PCs.
//!
//! ```text
//!   order:   0 socket   8 asked to say that it has arrived?   16 those words   32 the words for a failure
//!           48 more than one path?   56 the arguments   64 the environment   72 paths …, 0
//! ```
//!
//! A call's number is in rax, its arguments in rdi, rsi and rdx; the answer is in rax, an error as a negative number.
//! rcx and r11 are lost in a call, all else stays. See syscall(2).

use std::arch::global_asm;

/// The machine's number in an ELF header: EM_X86_64.
pub(super) const ELF: u16 = 62;

global_asm!(
    ".pushsection .rodata.stepbox_go_between, \"a\", @progbits",
    ".globl stepbox_go_between, stepbox_go_between_end",
    ".hidden stepbox_go_between, stepbox_go_between_end",
    ".balign 8",
    "stepbox_go_between:",
    "    lea r12, [rip + 6f]",
    // fcntl(socket, F_SETFD, FD_CLOEXEC): without one, nobody has sent us
    "    mov edi, [r12]",
    "    mov esi, 2",
    "    mov edx, 1",
    "    mov eax, 72",
    "    syscall",
    "    test eax, eax",
    "    jnz 5f",
    "    cmp dword ptr [r12 + 8], 0",
    "    je 2f",
    // write(socket, arrived, 16)
    "    mov edi, [r12]",
    "    lea rsi, [r12 + 16]",
    "    mov edx, 16",
    "    mov eax, 1",
    "    syscall",
    "    cmp rax, 16",
    "    jne 5f",
    // read(socket, stack, 8): lent the next step
    "    sub rsp, 16",
    "    mov edi, [r12]",
    "    mov rsi, rsp",
    "    mov edx, 8",
    "    xor eax, eax",
    "    syscall",
    "    cmp rax, 8",
    "    jne 5f",
    // the best reason so far: ENOENT
    "2:  lea rbx, [r12 + 72]",
    "    mov ebp, 2",
    // execve(path, argv, env), for each path
    "3:  mov rdi, [rbx]",
    "    add rbx, 8",
    "    test rdi, rdi",
    "    jz 4f",
    "    mov rsi, [r12 + 56]",
    "    mov rdx, [r12 + 64]",
    "    mov eax, 59",
    "    syscall",
    // ENOENT, ENOTDIR: perhaps in the next one
    "    cmp eax, -2",
    "    je 3b",
    "    cmp eax, -20",
    "    je 3b",
    // EACCES: the same, and the better reason
    "    cmp eax, -13",
    "    jne 7f",
    "    mov ebp, 13",
    "    jmp 3b",
    // ELOOP: in a search, perhaps in the next one
    "7:  cmp eax, -40",
    "    jne 8f",
    "    cmp dword ptr [r12 + 48], 0",
    "    jne 3b",
    "8:  neg eax",
    "    mov ebp, eax",
    // write(socket, failed and why, 16)
    "4:  mov rax, [r12 + 32]",
    "    mov rdx, [r12 + 40]",
    "    push rdx",
    "    push rax",
    "    mov [rsp + 4], ebp",
    "    mov edi, [r12]",
    "    mov rsi, rsp",
    "    mov edx, 16",
    "    mov eax, 1",
    "    syscall",
    // exit_group(125)
    "5:  mov edi, 125",
    "    mov eax, 231",
    "    syscall",
    "    ud2",
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
