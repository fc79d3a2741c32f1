//! Departure: a box leaves the engine's program behind before it becomes the container's.
//!
//! ```text
//!   the box's program      engine ─── execveat ──> go-between ─── execve ──> the container's
//!   its /proc/self/exe     /usr/bin/stepbox        /memfd:stepbox            /bin/sh
//!   the loan               open ─────────────────> open ─────────────────X   closed by exec: success
//! ```
//!
//! An image may name `/proc/self/exe` as its program, or in a script's `#!` line: then the kernel executes once more what
//! the box executes at that moment. Were that the engine's file, the container could open it, and write to it later
//! (CVE-2019-5736). [`super::binary`] puts the file itself out of reach, which costs a start of the whole engine. Here the
//! last step goes by way of another program instead, of some hundred bytes: written into memory before the clone, sealed,
//! and nothing of the host. It executes the container's program, and where it cannot, says so in the loan as the box would
//! have. It does nothing else; executed by anybody else, it finds no loan and ends.
//!
//! It suffices only where nobody can reach the engine's file before: in a PID namespace that has nobody else in it.
//! What more that takes stands in `container::departure`. See execveat(2), memfd_create(2), elf(5).

use std::ffi::c_char;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{self, Mode};
use rustix::io::{Errno, FdFlags, fcntl_setfd};

use super::linux::{Context, Prepared};
use super::op::Exec;
use super::{CText, binary};

#[cfg_attr(target_arch = "x86_64", path = "departure/x86_64.rs")]
#[cfg_attr(all(target_arch = "aarch64", target_endian = "little"), path = "departure/aarch64.rs")]
#[cfg_attr(
    not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))),
    path = "departure/elsewhere.rs"
)]
mod machine;

type Result<T> = rustix::io::Result<T>;

/// The calls that the go-between makes, and the one that leads to it. A filter has to let all of them pass.
pub const CALLS: [&str; 6] = ["execveat", "fcntl", "read", "write", "execve", "exit_group"];

/// Whether what is started here could reach this process's program, and a box can leave that behind.
pub fn wanted() -> bool {
    machine::code().is_some() && binary::in_reach() != Ok(false) && binary::in_memory().is_ok()
}

/// What the host is told on the way.
pub(crate) struct Words {
    /// that the box has arrived here; nothing where the host does not ask
    pub arrived: Option<[u8; 16]>,
    /// that it came no further, without the error
    pub failed: [u8; 16],
}

/// The go-between for this program, which speaks through this socket.
pub(crate) fn prepare(exec: &Exec, loan: BorrowedFd<'_>, words: &Words) -> Result<Prepared> {
    let file = binary::in_memory()?;
    let image = image(machine::code().ok_or(Errno::NOSYS)?, exec, loan, words);
    let mut rest = &image[..];
    while !rest.is_empty() {
        rest = &rest[rustix::io::write(&file, rest)?..];
    }
    // whom its owner may not read, the kernel lets nobody look into: prctl(2), PR_SET_DUMPABLE
    fs::fchmod(&file, Mode::from_raw_mode(0o111))?;
    binary::seal(&file)?;
    Ok(Prepared::GoBetween(file))
}

/// Executes it. Returns only where that fails.
pub(super) fn depart(prepared: &Prepared, context: &Context) -> Errno {
    let (Prepared::GoBetween(file), Some(loan)) = (prepared, &context.loan) else { return Errno::INVAL };
    if let Err(errno) = fcntl_setfd(loan, FdFlags::empty()) {
        return errno;
    }
    let (argv, env): ([*const c_char; 2], _) = ([c"stepbox".as_ptr(), std::ptr::null()], [std::ptr::null()]);
    // SAFETY: the one argument ends in NUL, and both lists in NULL.
    let errno = unsafe { binary::execute(file.as_fd(), argv.as_ptr(), env.as_ptr()) };
    let _ = fcntl_setfd(loan, FdFlags::CLOEXEC);
    errno
}

/// Where the program lies in its process's memory: a multiple of every size of a page.
const BASE: u64 = 0x1000_0000;
/// An ELF header and two program headers.
const HEADERS: usize = 64 + 2 * 56;

/// The whole file: headers, code, and what the code works with.
///
/// ```text
///   64   which file this is, and for which machine
///   112  what of it is loaded: all, to be read and executed; and a stack that is not executed
///   …    the code
///   …    the order: numbers and addresses, as the code knows them; then the lists, each with a 0 at its end
///   …    the texts that they point to
/// ```
fn image(code: &[u8], exec: &Exec, loan: BorrowedFd<'_>, words: &Words) -> Vec<u8> {
    const FIXED: usize = 9;
    let lists = [&exec.paths, &exec.argv, &exec.env];
    let length = FIXED + lists.iter().map(|list| list.len() + 1).sum::<usize>();
    let order = HEADERS + code.len();
    let mut texts: Vec<u8> = Vec::new();
    let [paths, argv, env] = lists.map(|list| {
        let place = |text: &CText| {
            let at = BASE + (order + 8 * length + texts.len()) as u64;
            texts.extend(text.as_c_str().to_bytes_with_nul());
            at
        };
        list.iter().map(place).chain([0]).collect::<Vec<u64>>()
    });
    let at = |index: usize| BASE + (order + 8 * index) as u64;
    let [arrived, failed] = [words.arrived.unwrap_or_default(), words.failed].map(u128::from_ne_bytes);
    let halves = |word: u128| [word as u64, (word >> 64) as u64];
    let mut numbers = vec![loan.as_raw_fd() as u64, words.arrived.is_some().into()];
    numbers.extend(halves(arrived));
    numbers.extend(halves(failed));
    numbers.extend([
        (exec.paths.len() > 1).into(),
        at(FIXED + paths.len()),
        at(FIXED + paths.len() + argv.len()),
    ]);
    debug_assert_eq!(numbers.len(), FIXED);
    numbers.extend([paths, argv, env].concat());
    let mut file = headers(order + 8 * length + texts.len());
    file.extend(code);
    file.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
    file.extend(texts);
    file
}

/// The headers of a program of this length: `Elf64_Ehdr` and two of `Elf64_Phdr`, as elf(5) lists their members.
fn headers(length: usize) -> Vec<u8> {
    const ET_EXEC: u16 = 2;
    const PT_LOAD: u32 = 1;
    const PT_GNU_STACK: u32 = 0x6474_e551;
    const X: u32 = 1;
    const W: u32 = 2;
    const R: u32 = 4;
    let mut file = Vec::with_capacity(length);
    // 64 bits, the lower byte first, version 1
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.extend([ET_EXEC, machine::ELF].iter().flat_map(|half| half.to_ne_bytes()));
    file.extend(1u32.to_ne_bytes());
    file.extend([BASE + HEADERS as u64, 64, 0].iter().flat_map(|word| word.to_ne_bytes()));
    file.extend(0u32.to_ne_bytes());
    file.extend([64u16, 56, 2, 64, 0, 0].iter().flat_map(|half| half.to_ne_bytes()));
    let mut segment = |kind: u32, flags: u32, at: u64, length: u64, align: u64| {
        file.extend([kind, flags].iter().flat_map(|half| half.to_ne_bytes()));
        file.extend([0, at, at, length, length, align].iter().flat_map(|word| word.to_ne_bytes()));
    };
    segment(PT_LOAD, R | X, BASE, length as u64, 0x1_0000);
    segment(PT_GNU_STACK, R | W, 0, 0, 16);
    file
}
