//! Oom: to hear of it when a cgroup's memory is used up.
//!
//! ```text
//!   version 1   eventfd ── its number and memory.oom_control's ──> cgroup.event_control     the kernel counts it up
//!   version 2   inotify on memory.events, cgroup.events                                     IN_MODIFY
//! ```
//!
//! See the kernel's cgroup-v1/memcg_test.rst, memory.rst, "OOM Control"; cgroup-v2.rst; inotify(7), eventfd(2).

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::event::EventfdFlags;
use rustix::fs::inotify;

use super::{Cgroup, Controller};
use crate::kernel::Errno;

/// Becomes readable when there is something to tell: poll it, then ask what it was.
#[derive(Debug)]
pub struct OomWatch {
    descriptor: OwnedFd,
    directory: PathBuf,
    v1: bool,
    /// version 2: how many were killed when we last looked
    killed: u64,
}

/// What there was to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// the memory was used up
    OutOfMemory,
    /// nothing that is of interest
    Nothing,
    /// nobody is left, or the cgroup itself is gone: nothing will ever come again
    Gone,
}

impl Cgroup {
    /// Starts to listen.
    ///
    /// # Errors
    /// Where the cgroup has no memory controller, or does not exist.
    pub fn watch_oom(&self) -> io::Result<OomWatch> {
        let directory = self.directory(Controller::Memory).ok_or(Errno::NODEV)?;
        let v1 = self.in_v1(Controller::Memory);
        let descriptor = if v1 {
            let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let control = fs::File::open(directory.join("memory.oom_control"))?;
            let line = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
            fs::write(directory.join("cgroup.event_control"), line)?;
            event
        } else {
            let events = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
            for file in ["memory.events", "cgroup.events"] {
                inotify::add_watch(&events, directory.join(file), inotify::WatchFlags::MODIFY)?;
            }
            events
        };
        let mut watch = OomWatch { descriptor, directory, v1, killed: 0 };
        watch.killed = watch.number("memory.events", "oom_kill ").unwrap_or(0);
        Ok(watch)
    }
}

impl Cgroup {
    /// Whether somebody in it was killed because its memory was used up, as long as it is there.
    pub fn out_of_memory(&self) -> bool {
        let file = if self.in_v1(Controller::Memory) { "memory.oom_control" } else { "memory.events" };
        let text =
            self.directory(Controller::Memory).and_then(|there| fs::read_to_string(there.join(file)).ok());
        number(&text.unwrap_or_default(), "oom_kill ").is_some_and(|killed| killed > 0)
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl OomWatch {
    /// What there was to tell; does not wait.
    pub fn read(&mut self) -> io::Result<Told> {
        let mut space = [0; 4096];
        loop {
            match rustix::io::read(&self.descriptor, &mut space[..]) {
                Ok(_) if !self.v1 => {}
                Ok(_) => break,
                Err(Errno::AGAIN) if self.v1 => return Ok(Told::Nothing),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if self.v1 {
            // told before anybody is killed and counted; told as well when the cgroup goes, its files first
            let there = self.directory.join("cgroup.event_control").exists();
            return Ok(if there { Told::OutOfMemory } else { Told::Gone });
        }
        let Some(killed) = self.number("memory.events", "oom_kill ") else { return Ok(Told::Gone) };
        let more = killed > self.killed;
        self.killed = killed;
        let populated = self.number("cgroup.events", "populated ") == Some(1);
        Ok(match (more, populated) {
            (true, _) => Told::OutOfMemory,
            (false, true) => Told::Nothing,
            (false, false) => Told::Gone,
        })
    }

    fn number(&self, file: &str, word: &str) -> Option<u64> {
        let text = fs::read_to_string(self.directory.join(file)).ok()?;
        number(&text, word)
    }
}

fn number(text: &str, word: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(word)?.trim().parse().ok())
}
