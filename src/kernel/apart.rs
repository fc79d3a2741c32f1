//! Apart: work in a process of its own, where it can take other namespaces without the caller leaving his.
//!
//! ```text
//!   caller                          apart
//!   fork ─────────────────────────> its own copy of everything; what it need not hold is closed
//!   goes on, perhaps at a pipe      joins, mounts, works
//!   answer  <────────────────────── bytes; exit
//! ```
//!
//! And how the root of a container is had: as the container sees it, with everything that is mounted there, or as its
//! layers are, without. In both cases as a descriptor, for openat2(2) with RESOLVE_IN_ROOT; no name of the container is
//! ever looked up from the host's root. See open_tree(2), setns(2), proc_pid_root(5); CVE-2018-15664, CVE-2019-14271.

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::flags::{NEWNS, NEWUSER};
use super::linux::{check, dup2};
use super::mounts;
use super::process::{self, leave, loan_pair, pidfd_open, receive};

type Result<T> = rustix::io::Result<T>;

/// How names are looked up in a container's tree: it is `/` for every link, and no link of /proc counts.
pub const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// A process that works for us.
#[derive(Debug)]
pub struct Apart {
    pid: i32,
    /// none once it was read
    answer: Option<OwnedFd>,
}

/// Starts this work in a process of its own, which ends when we do. Of what we have open, `not_for_it` is closed there:
/// the other ends of pipes. The caller must have one thread only; what it holds in memory is there too.
pub fn apart(not_for_it: &[RawFd], work: impl FnOnce() -> Vec<u8>) -> Result<Apart> {
    let leave_out = |reader: RawFd, writer: OwnedFd| {
        for fd in not_for_it.iter().chain([&reader]) {
            // SAFETY: this copy of the process leaves without running destructors, so nobody closes it twice.
            unsafe { libc::close(*fd) };
        }
        Ok(writer)
    };
    begin(leave_out, work)
}

/// The same for work that goes on for a while. What is printed there goes to `output`; of what we have open, nothing else
/// is open there, so that nobody waits for that process by mistake.
pub fn beside(output: BorrowedFd<'_>, work: impl FnOnce() -> Vec<u8>) -> Result<Apart> {
    const ANSWER: RawFd = 3;
    let keep_two = |_, writer: OwnedFd| {
        [1, 2].into_iter().try_for_each(|fd| dup2(output, fd).map(|_| ()))?;
        if writer.as_raw_fd() != ANSWER {
            dup2(writer.as_fd(), ANSWER)?;
            // its number may be given to another from here on
            std::mem::forget(writer);
        }
        process::close_inherited_from(ANSWER as u32 + 1)?;
        // SAFETY: just put there; whatever else had the number is never closed in this copy of the process.
        Ok(unsafe { OwnedFd::from_raw_fd(ANSWER) })
    };
    begin(keep_two, work)
}

fn begin(
    arrange: impl FnOnce(RawFd, OwnedFd) -> Result<OwnedFd>,
    work: impl FnOnce() -> Vec<u8>,
) -> Result<Apart> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: fork(2) by libc, because the work may start threads; the caller has one thread.
    match check(i64::from(unsafe { libc::fork() }))? {
        0 => {
            // SAFETY: takes numbers only.
            unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
            let Ok(writer) = arrange(reader.as_raw_fd(), writer) else { leave(101) };
            // an unwinding panic would go on in the caller's frames, of which this process has a copy
            let code = match catch_unwind(AssertUnwindSafe(work)) {
                Ok(bytes) => i32::from(std::fs::File::from(writer).write_all(&bytes).is_err()),
                Err(_) => 101,
            };
            leave(code)
        }
        pid => Ok(Apart { pid: pid as i32, answer: Some(reader) }),
    }
}

/// Starts this work in a process that stays when we go, in a session of its own and with nothing at 0, 1 and 2. It gets
/// the writing end of a pipe for its first word, and has to close it: the reading end comes back. Of what we have open,
/// `not_for_it` is closed there. The caller must have one thread only.
pub fn stay_behind(not_for_it: &[RawFd], work: impl FnOnce(OwnedFd)) -> Result<OwnedFd> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: as in `apart`.
    match check(i64::from(unsafe { libc::fork() }))? {
        0 => {
            for fd in not_for_it.iter().chain([&reader.as_raw_fd()]) {
                // SAFETY: as in `apart`.
                unsafe { libc::close(*fd) };
            }
            let alone = || {
                rustix::process::setsid()?;
                rustix::process::chdir(c"/")?;
                let null = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
                (0..3).try_for_each(|fd| super::linux::dup2(null.as_fd(), fd).map(|_| ()))
            };
            let alone: Result<()> = alone();
            let worked = alone.is_ok() && catch_unwind(AssertUnwindSafe(|| work(writer))).is_ok();
            leave(if worked { 0 } else { 101 })
        }
        _ => Ok(reader),
    }
}

impl Apart {
    /// Its number, which stays its own until its answer was taken.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What it has to say, when it has ended. ECHILD where it ended without a word.
    pub fn answer(mut self) -> Result<Vec<u8>> {
        self.take_answer()
    }

    /// The same for whoever keeps it; ECHILD where that was taken before.
    pub fn take_answer(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let answer = self.answer.take().ok_or(Errno::CHILD)?;
        let read = std::fs::File::from(answer).read_to_end(&mut bytes);
        let mut status = 0;
        loop {
            // SAFETY: a number, and a place for another.
            match check(i64::from(unsafe { libc::waitpid(self.pid, &raw mut status, 0) })) {
                Err(Errno::INTR) => {}
                // where SIGCHLD is ignored nobody can be waited for; then what it said must do
                Err(Errno::CHILD) => break,
                other => break other.map(|_| ())?,
            }
        }
        match read {
            Ok(_) if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 => Ok(bytes),
            _ => Err(Errno::CHILD),
        }
    }
}

/// Readable when there is an answer: for poll(2).
impl AsFd for Apart {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.answer.as_ref().map_or(rustix::stdio::stdin(), AsFd::as_fd)
    }
}

/// The root of a process, with everything that is mounted below it. `still` is asked once it is open whether the number
/// is still that process's.
pub fn root_of(pid: i32, still: impl FnOnce() -> bool) -> Result<OwnedFd> {
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(format!("/proc/{pid}/root"), how, Mode::empty())?;
    if still() { Ok(root) } else { Err(Errno::SRCH) }
}

/// The mount that is `/` for a process, alone: a copy that hangs nowhere, in which nothing is mounted. A go-between
/// fetches it, because only in that process's mount namespace may it be copied. Nobody in there can look into the
/// go-between, which opens nothing by a name of theirs.
pub fn bare_root_of(pid: i32, still: impl FnOnce() -> bool) -> Result<OwnedFd> {
    let pidfd = pidfd_open(pid)?;
    if !still() {
        return Err(Errno::SRCH);
    }
    let other_users = namespace(pid)? != namespace("self")?;
    let (ours, theirs) = loan_pair()?;
    let fetch = || -> Result<()> {
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
        let kinds = NEWNS | if other_users { NEWUSER } else { 0 };
        // SAFETY: an open descriptor and a number; this process has one thread.
        check(unsafe { libc::syscall(libc::SYS_setns, pidfd.as_raw_fd(), kinds as libc::c_int) })?;
        let how = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(CWD, c"/", how)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = [tree.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&files));
        sendmsg(&theirs, &[IoSlice::new(b"/")], &mut control, SendFlags::NOSIGNAL).map(|_| ())
    };
    let errno = |done: Result<()>| done.err().map_or(0, Errno::raw_os_error).to_ne_bytes().to_vec();
    let between = apart(&[ours.as_raw_fd()], || errno(fetch()))?;
    let tree = {
        drop(theirs);
        receive(ours.as_fd(), &mut [0; 1])
    };
    match between.answer()?.try_into().map(i32::from_ne_bytes) {
        Ok(0) => tree?.1.ok_or(Errno::BADF),
        Ok(errno) => Err(Errno::from_raw_os_error(errno)),
        Err(_) => Err(Errno::CHILD),
    }
}

fn namespace(process: impl std::fmt::Display) -> Result<std::path::PathBuf> {
    let link = std::fs::read_link(format!("/proc/{process}/ns/user"));
    link.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Shows a directory or file of the host, or this part of it, at a name in this tree, which is looked up as the container
/// would. For a mount namespace of one's own. ENOENT where the name leads nowhere.
pub fn attach(
    root: BorrowedFd<'_>,
    (source, part): (&std::path::Path, Option<&std::path::Path>),
    target: &[u8],
    read_only: bool,
) -> Result<()> {
    let recursive = OpenTreeFlags::AT_RECURSIVE;
    let how = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | recursive;
    let tree = match part {
        None => open_tree(CWD, source, how)?,
        Some(part) => {
            let whole = rustix::fs::open(source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            let part = super::inside::part_of(whole.as_fd(), part)?;
            open_tree(&part, c"", how | OpenTreeFlags::AT_EMPTY_PATH)?
        }
    };
    if read_only {
        let how = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
        mounts::set_attributes(tree.as_fd(), c"", how, &mounts::read_only())?;
    }
    let place = rustix::fs::openat2(root, target, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), IN_ROOT)?;
    let how = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&tree, c"", &place, c"", how)
}

/// Whoever is known by this number is the container's process still: for [`root_of`] and [`bare_root_of`].
pub fn is_still(pid: i32, start: u64) -> bool {
    process::start_time(pid) == Some(start)
}
