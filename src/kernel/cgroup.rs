//! Cgroups: what is done with them that one call does not do.
//!
//! ```text
//!   RemoveCgroup     rmdir = EBUSY?  then those inside it, deepest first, and again
//!   Inherit          cpuset of version 1: a new cgroup has no cpus, and nobody can join it
//!   AwaitText        FREEZING … FROZEN
//! ```
//!
//! See cgroups(7), the kernel's cgroup-v2.rst, cgroup-v1/cpusets.rst, cgroup-v1/freezer-subsystem.rst.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::linux::{Context, write_file};
use super::{CText, Op, ebpf};

type Result<T> = rustix::io::Result<T>;

/// As much as a file of a cgroup holds: one page.
const PAGE: usize = 4096;

pub(super) fn call(op: &Op, context: &mut Context) -> Result<i64> {
    match op {
        Op::RemoveCgroup { path } => remove(path.as_c_str()),
        Op::LeaveCgroup { path } => match fs::rmdir(path.as_c_str()) {
            Ok(()) | Err(Errno::BUSY | Errno::NOTEMPTY) => Ok(0),
            Err(errno) => Err(errno),
        },
        Op::HandDown { path, controllers } => hand_down(path.as_c_str(), controllers),
        Op::Inherit { from, to } => inherit(from.as_c_str(), to.as_c_str()),
        Op::WriteFirst { choices } => write_first(choices),
        Op::AwaitText { path, text, again } => {
            await_text(path.as_c_str(), text.as_c_str().to_bytes(), again.as_ref())
        }
        Op::SignalCgroup { path, signal } => signal_all(path.as_c_str(), *signal),
        Op::OpenCgroup(path) => {
            let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            context.cgroup = Some(fs::open(path.as_c_str(), how, Mode::empty())?);
            Ok(0)
        }
        Op::LoadDeviceFilter(program) => {
            context.program = Some(ebpf::load(program)?);
            Ok(0)
        }
        Op::AttachDeviceFilter { cgroup, replace } => {
            let directory = open(CWD, cgroup.as_c_str())?;
            let program = context.program.take().ok_or(Errno::BADF)?;
            ebpf::attach(directory.as_fd(), program.as_fd(), *replace)
        }
        _ => Err(Errno::NOSYS),
    }
}

/// Moves a process into a cgroup that is open: for a clone that could not give birth in it.
pub(super) fn adopt(cgroup: BorrowedFd<'_>, pid: i32) -> Result<()> {
    let file = fs::openat(cgroup, c"cgroup.procs", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, pid.to_string().as_bytes()).map(|_| ())
}

fn open(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(parent, name, how, Mode::empty())
}

/// Whoever may write below the cgroup may have nested others in it without end: so neither the stack nor the open
/// descriptors grow with the depth. The way up is safe, because a cgroup never moves to another parent.
fn remove(path: &CStr) -> Result<i64> {
    match fs::rmdir(path) {
        Err(Errno::BUSY) => {}
        other => return other.map(|()| 0),
    }
    let mut here = open(CWD, path)?;
    let mut names: Vec<CString> = Vec::new();
    loop {
        match first_child(here.as_fd())? {
            Some(name) => match open(here.as_fd(), &name) {
                Ok(child) => {
                    here = child;
                    names.push(name);
                }
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            },
            None => {
                let Some(name) = names.pop() else { break };
                here = open(here.as_fd(), c"..")?;
                match fs::unlinkat(&here, &name, AtFlags::REMOVEDIR) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
    }
    fs::rmdir(path).map(|()| 0)
}

fn first_child(directory: BorrowedFd<'_>) -> Result<Option<CString>> {
    for item in Dir::read_from(directory)? {
        let item = item?;
        let dots = matches!(item.file_name().to_bytes(), b"." | b"..");
        if !dots && item.file_type() == FileType::Directory {
            return Ok(Some(item.file_name().to_owned()));
        }
    }
    Ok(None)
}

/// All at once, or one by one where that is refused: a controller that needs another cgroup than this to be empty
/// must not keep the others away. Where a limit needs it, the limit's own step fails and says so.
fn hand_down(path: &CStr, controllers: &[CText]) -> Result<i64> {
    let names = |list: &[CText]| {
        let names: Vec<Vec<u8>> =
            list.iter().map(|name| [b"+", name.as_c_str().to_bytes()].concat()).collect();
        names.join(&b' ')
    };
    if write_file(path, OFlags::WRONLY, 0, &names(controllers)).is_err() {
        for one in controllers {
            let _ = write_file(path, OFlags::WRONLY, 0, &names(std::slice::from_ref(one)));
        }
    }
    Ok(0)
}

fn read<'b>(path: &CStr, space: &'b mut [u8; PAGE]) -> Result<&'b [u8]> {
    let file = fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let length = rustix::io::read(&file, &mut space[..])?;
    Ok(space[..length].trim_ascii())
}

fn inherit(from: &CStr, to: &CStr) -> Result<i64> {
    let mut space = [0; PAGE];
    if !read(to, &mut space)?.is_empty() {
        return Ok(0);
    }
    let value = read(from, &mut space)?;
    write_file(to, OFlags::WRONLY, 0, value)
}

fn write_first(choices: &[(CText, CText)]) -> Result<i64> {
    for (path, data) in choices {
        match write_file(path.as_c_str(), OFlags::WRONLY, 0, data.as_c_str().to_bytes()) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
    }
    Err(Errno::NOENT)
}

/// Two seconds: a process in uninterruptible sleep cannot be frozen, and may stay there for ever.
fn await_text(path: &CStr, text: &[u8], again: Option<&CText>) -> Result<i64> {
    for _ in 0..1000 {
        let mut space = [0; PAGE];
        if read(path, &mut space)?.windows(text.len()).any(|part| part == text) {
            return Ok(0);
        }
        if let Some(again) = again {
            write_file(path, OFlags::WRONLY, 0, again.as_c_str().to_bytes())?;
        }
        let pause = rustix::thread::Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
        let _ = rustix::thread::nanosleep(&pause);
    }
    Err(Errno::TIMEDOUT)
}

/// How many got the signal. Those that are born meanwhile do not: freeze the cgroup first.
fn signal_all(path: &CStr, signal: i32) -> Result<i64> {
    let mut waiting = vec![open(CWD, path)?];
    let mut reached = 0;
    while let Some(directory) = waiting.pop() {
        let procs = fs::openat(&directory, c"cgroup.procs", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::fs::File::from(procs), &mut text)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        for pid in text.lines().filter_map(|line| rustix::process::Pid::from_raw(line.parse().ok()?)) {
            reached += i64::from(send(pid, signal)?);
        }
        for item in Dir::read_from(&directory)? {
            let item = item?;
            if item.file_type() == FileType::Directory && !item.file_name().to_bytes().starts_with(b".") {
                waiting.extend(open(directory.as_fd(), item.file_name()));
            }
        }
    }
    Ok(reached)
}

/// Whether it was still there.
fn send(pid: rustix::process::Pid, signal: i32) -> Result<bool> {
    let pidfd = match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(Errno::SRCH) => return Ok(false),
        Err(errno) => return Err(errno),
    };
    match super::process::signal(pidfd.as_fd(), signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(errno) => Err(errno),
    }
}
