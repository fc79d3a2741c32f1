//! Users: a user namespace in which nobody lives. It only says which number is which, for a mount whose files shall
//! have other owners.
//!
//! ```text
//!   host                          a process in a user namespace of its own
//!   clone3(CLONE_NEWUSER) ──────> waits
//!   uid_map, gid_map ───────────>
//!   open(/proc/PID/ns/user)       ends: the descriptor keeps the namespace
//! ```
//!
//! See mount_setattr(2), "ID-mapped mounts". Done by the host, before the box is born.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::linux::Context;
use super::mounts;
use super::op::Users;
use super::process::{self, Cloned};

type Result<T> = rustix::io::Result<T>;

/// Whether this process is in the initial user namespace: only that one maps every id to itself.
pub fn initial() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// The process that waits in its namespace. It ends with this value.
#[derive(Debug)]
pub struct Held {
    pid: i32,
    pidfd: OwnedFd,
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = process::signal(self.pidfd.as_fd(), libc::SIGKILL);
        let _ = process::wait(self.pidfd.as_fd());
    }
}

pub(super) fn call(op: &Users, context: &mut Context) -> Result<i64> {
    match op {
        Users::Hold => {
            let (pid, pidfd) = match process::clone(super::flags::NEWUSER)? {
                Cloned::Host(pid, pidfd) => (pid, pidfd),
                Cloned::Box => wait_for_the_end(),
            };
            context.held = Some(Held { pid, pidfd });
        }
        Users::Map { file, map } => {
            let held = context.held.as_ref().ok_or(Errno::SRCH)?;
            let path = format!("/proc/{}/{}", held.pid, file.as_path().display());
            let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
            rustix::io::write(file, map.as_c_str().to_bytes())?;
        }
        Users::Keep => {
            let held = context.held.take().ok_or(Errno::SRCH)?;
            let how = OFlags::RDONLY | OFlags::CLOEXEC;
            context.users =
                Some(rustix::fs::open(format!("/proc/{}/ns/user", held.pid), how, Mode::empty())?);
        }
        Users::Open { path } => {
            let how = OFlags::RDONLY | OFlags::CLOEXEC;
            context.users = Some(rustix::fs::open(path.as_c_str(), how, Mode::empty())?);
        }
        Users::Take { slot, recursive } => {
            let users = context.users.as_ref().ok_or(Errno::BADF)?;
            let tree = context.trees.get(*slot).and_then(Option::as_ref).ok_or(Errno::BADF)?;
            let attributes = libc::mount_attr {
                attr_set: libc::MOUNT_ATTR_IDMAP,
                attr_clr: 0,
                propagation: 0,
                userns_fd: users.as_raw_fd() as u64,
            };
            let how = libc::AT_EMPTY_PATH | if *recursive { libc::AT_RECURSIVE } else { 0 };
            mounts::set_attributes(tree.as_fd(), c"", how, &attributes)?;
        }
    }
    Ok(0)
}

/// The process's whole life. It must not outlive the engine.
fn wait_for_the_end() -> ! {
    // SAFETY: takes numbers only.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
    loop {
        // SAFETY: takes nothing.
        unsafe { libc::pause() };
    }
}
