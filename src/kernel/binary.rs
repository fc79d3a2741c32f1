//! Binary: the engine's own file, out of reach of whatever the engine starts.
//!
//! ```text
//!   /usr/bin/stepbox ── open_tree ── read-only ── execveat ──>  the same program, /proc/self/exe on a read-only mount
//!                    └─ no right to mount: a copy in a sealed file of memory ──>  the same
//! ```
//!
//! Until it executes the container's program, a box is this very program. It lets nobody look into it, but that ends with
//! exec, and an image may name `/proc/self/exe` as its program, or in a script's `#!` line: then the kernel executes the
//! engine's file in the container. Whoever opens that process's `exe` for reading can open it anew for writing as soon
//! as nothing executes it any more: root of a container without a user namespace would have changed the host's program
//! (CVE-2019-5736; measured on Linux 6.18, where it still works). The name cannot be refused: to look first at what will be
//! executed is a race, and the link is always the process's own. But writing asks the mount by which the file was executed,
//! not only the file. So the engine executes itself by a read-only mount that hangs nowhere, which costs one start of our
//! program and no copy. That exec lets go of the mount, so nobody can make it writable again: mount_setattr(2) wants a
//! mount of the caller's namespace.
//!
//! A box that is alone in its PID namespace needs less, which is cheaper: [`super::departure`].
//!
//! Where the file cannot be written by us, no container of ours can: then there is nothing to do.

use std::ffi::{CStr, c_char};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, CWD, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;

use super::CText;
use super::linux::{check, pointers};
use super::mounts;

type Result<T> = rustix::io::Result<T>;

const EXE: &CStr = c"/proc/self/exe";

/// Whether what this process starts could write to this process's program.
pub fn in_reach() -> Result<bool> {
    // by our effective ids, and the mount: EROFS
    match fs::accessat(CWD, EXE, fs::Access::WRITE_OK, fs::AtFlags::EACCESS) {
        Ok(()) => {}
        Err(_) => return Ok(false),
    }
    let exe = fs::open(EXE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(!fs::fcntl_get_seals(&exe).is_ok_and(|seals| seals.contains(SealFlags::WRITE)))
}

/// Executes this program once more, out of reach. Must come before anything is done that exec would lose. Returns only
/// where it is out of reach already.
///
/// # Errors
/// What the kernel said where neither way can be gone.
pub fn keep_out_of_reach(argv: &[CText], env: &[CText]) -> Result<()> {
    if !in_reach()? {
        return Ok(());
    }
    let file = match read_only_mount() {
        Ok(file) => file,
        // no root here, or a kernel before 5.12
        Err(Errno::PERM | Errno::NOSYS | Errno::INVAL) => sealed()?,
        Err(errno) => return Err(errno),
    };
    let (argv, env): (Vec<*const c_char>, Vec<*const c_char>) = (pointers(argv.iter()), pointers(env.iter()));
    // SAFETY: every pointer of both lists ends in NUL and outlives the call; the lists end in NULL.
    Err(unsafe { execute(file.as_fd(), argv.as_ptr(), env.as_ptr()) })
}

/// The file on a mount of its own that nobody sees.
fn read_only_mount() -> Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = rustix::mount::open_tree(CWD, EXE, flags)?;
    mounts::set_attributes(mount.as_fd(), c"", libc::AT_EMPTY_PATH, &mounts::read_only())?;
    Ok(mount)
}

/// A copy that can be changed by nobody.
fn sealed() -> Result<OwnedFd> {
    let copy = in_memory()?;
    let exe = fs::open(EXE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    while fs::sendfile(&copy, &exe, None, 1 << 30)? > 0 {}
    seal(&copy)?;
    Ok(copy)
}

/// A file of memory that can be executed: EACCES where the machine lets nobody do that (vm.memfd_noexec).
pub(super) fn in_memory() -> Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match fs::memfd_create(c"stepbox", flags | MemfdFlags::EXEC) {
        // before Linux 6.3
        Err(Errno::INVAL) => fs::memfd_create(c"stepbox", flags),
        other => other,
    }
}

/// From now on nobody changes it, root neither.
pub(super) fn seal(file: &OwnedFd) -> Result<()> {
    fs::fcntl_add_seals(file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)
}

/// execveat(2) of an open file. Allocates nothing; returns only where it fails.
///
/// # Safety
/// Both lists end in NULL, and all that they point to in NUL.
pub(super) unsafe fn execute(
    file: BorrowedFd<'_>,
    argv: *const *const c_char,
    env: *const *const c_char,
) -> Errno {
    let (fd, path) = (file.as_raw_fd(), c"".as_ptr());
    // SAFETY: by the contract above.
    let answer =
        check(unsafe { libc::syscall(libc::SYS_execveat, fd, path, argv, env, libc::AT_EMPTY_PATH) });
    answer.err().unwrap_or(Errno::INVAL)
}
