//! Theirs: a mount of another container, for a box that shares it.
//!
//! ```text
//!   engine                          child
//!   pidfd_open, and is it still that one?
//!   clone ───────────────────────>  setns … setns
//!                                   open_tree(their /dev/shm) ──┐
//!   keeps the copy until the box    <───────────── SCM_RIGHTS ──┘  exits
//!   puts it into its own tree
//! ```
//!
//! Only who is in a mount namespace can copy a mount of it; a copy that hangs nowhere can then be placed in another. The
//! container may have put links where the mount is looked for, so none is followed: it shares what is its own, or nothing.
//! See pidfd_open(2), setns(2), open_tree(2), openat2(2).

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};

use super::CText;
use super::flags::{NEWNS, NEWUSER};
use super::linux::{Context, check};
use super::op::Theirs;
use super::process::{Cloned, Exit, clone, leave, loan_pair, receive, wait};

type Result<T> = rustix::io::Result<T>;

/// Keeps the copy by its number. On the host's side only.
pub(super) fn open(theirs: &Theirs, context: &mut Context) -> Result<i64> {
    let peer = super::join::open(theirs.peer.pid, theirs.peer.start)?;
    let kinds: &[u64] = if theirs.user { &[NEWUSER, NEWNS] } else { &[NEWNS] };
    let (ours, their) = loan_pair()?;
    let Cloned::Host(_, child) = clone(0)? else {
        let sent = copy(&peer, kinds, &theirs.source)
            .and_then(|tree| super::terminal::send(their.as_fd(), b"t", tree.as_fd()));
        leave(sent.map_or_else(Errno::raw_os_error, |()| 0))
    };
    drop(their);
    let mut byte = [0u8; 1];
    let tree = receive(ours.as_fd(), &mut byte).map(|(_, tree)| tree);
    match (wait(child.as_fd())?, tree?) {
        (Exit::Code(0), Some(tree)) => *context.trees.get_mut(theirs.slot).ok_or(Errno::MFILE)? = Some(tree),
        (Exit::Code(errno), _) if errno != 0 => return Err(Errno::from_raw_os_error(errno)),
        _ => return Err(Errno::CHILD),
    }
    Ok(0)
}

fn copy(peer: &OwnedFd, kinds: &[u64], source: &CText) -> Result<OwnedFd> {
    for kind in kinds {
        // SAFETY: an open descriptor and a number; this process has one thread.
        check(unsafe { libc::syscall(libc::SYS_setns, peer.as_raw_fd(), *kind as libc::c_int) })?;
    }
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let mount = rustix::fs::openat2(CWD, source.as_c_str(), how, Mode::empty(), resolve)?;
    let how = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(mount, c"", how | OpenTreeFlags::AT_RECURSIVE | OpenTreeFlags::AT_EMPTY_PATH)
}
