//! Namespaces: a process's own view of one thing that the machine has once.
//!
//! ```text
//!                 host              box                  what it answers
//!   uts           uts:[NS5]         uts:[NS10]           what is this machine called?
//!   pid           pid:[NS3]         pid:[NS9]            which processes are there?
//!   mnt           mnt:[NS2]         mnt:[NS8]            what is mounted where?
//!   ipc           ipc:[NS6]         ipc:[NS11]           which queues and shared memory?
//!   time          time:[NS7]        time:[NS12]          since when does it run?
//!
//!   clone3   a new process is born into new ones          unshare   this process moves into new ones
//!   setns    this process joins one that exists
//! ```
//!
//! A namespace is named by a file, `/proc/PID/ns/KIND`, and lives as long as a process, a mount or a descriptor
//! holds it. See namespaces(7) and the page of each kind. Lab 03-namespaces, tutorials/03-namespaces.md.

use std::path::Path;

use crate::kernel::ctext::BOX;
use crate::kernel::flags::NEWTIME;
use crate::kernel::{CText, Op};
use crate::probe::{Probe, Who};
use crate::step::Step;

// ANCHOR: clone
/// Clones the box into new namespaces of these kinds.
pub fn clone(flags: u64) -> Step {
    Step::new("clone the box", Op::Clone { flags })
        .why("one call makes the process and its namespaces; kinds that are not named are shared with the host")
        .show(Probe::Namespaces(Who::Host))
        .show(Probe::Namespaces(Who::Box))
}
// ANCHOR_END: clone

/// Names the machine, as this UTS namespace knows it.
pub fn hostname(name: &str) -> Step {
    Step::new("set the host name", Op::Sethostname { name: name.into() })
        .why("the UTS namespace holds the name, so only its members see the new one")
        .show(Probe::Hostname(Who::Host))
        .show(Probe::Hostname(Who::Box))
}

// ANCHOR: proc
/// A /proc of this process's PID namespace. `at` is its place as the box names it.
pub fn own_proc(at: &Path) -> Step {
    let quiet = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    Step::new("mount a /proc of its own", Op::mount("proc", at, "proc", quiet, ""))
        .why("a /proc shows the PID namespace of the process that mounted it, not of the one that reads it")
        .show(processes(at))
}

/// What a /proc shows that the box has there.
pub fn processes(at: &Path) -> Probe {
    Probe::Processes(format!("/proc/{BOX}/root{}", at.display()))
}
// ANCHOR_END: proc

/// Message queues of this process's IPC namespace, as files.
pub fn own_queues(at: &Path) -> Step {
    let quiet = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    Step::new("mount its own message queues", Op::mount("mqueue", at, "mqueue", quiet, ""))
        .why("queues belong to an IPC namespace: the mount shows those of the process that makes it")
}

// ANCHOR: keep
/// Gives the caller's namespace of this kind a name that outlives the process, as `ip netns` does.
pub fn keep(kind: &str, file: &Path) -> [Step; 2] {
    [
        Step::new("make a file", Op::Touch { path: file.into() })
            .why("a bind mount of a file needs a file to hang on")
            .undo(Op::Unlink { path: file.into() }),
        Step::new("keep the namespace", Op::bind(format!("/proc/self/ns/{kind}"), file, 0))
            .why("the mount holds the namespace, and gives it a name that others can open")
            .undo(Op::detach(file)),
    ]
}

/// Moves this process into a namespace that a file names.
pub fn join(file: impl Into<CText>, kind: u64) -> Step {
    Step::new("join a namespace", Op::Setns { path: file.into(), flags: kind })
        .why("setns takes a file of /proc/PID/ns, or a mount of it, and moves the caller there")
        .show(Probe::Namespaces(Who::Box))
}
// ANCHOR_END: keep

/// By how many seconds the clocks of a time namespace run ahead of the machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offsets {
    /// of CLOCK_MONOTONIC
    pub monotonic: i64,
    /// of CLOCK_BOOTTIME, which is what `uptime` shows
    pub boottime: i64,
    /// nanoseconds more of CLOCK_MONOTONIC
    pub monotonic_ns: u32,
    /// nanoseconds more of CLOCK_BOOTTIME
    pub boottime_ns: u32,
}

// ANCHOR: clocks
/// Clocks of its own. The wall clock is not among them: it stays the machine's.
pub fn clocks(offsets: Offsets) -> [Step; 3] {
    let Offsets { monotonic, boottime, monotonic_ns, boottime_ns } = offsets;
    let text = format!("monotonic {monotonic} {monotonic_ns}\nboottime {boottime} {boottime_ns}\n");
    let shown = || Probe::Files(format!("/proc/{BOX}"), vec!["timens_offsets"]);
    [
        Step::new("make a time namespace", Op::Unshare { flags: NEWTIME })
            .why("only children are born into it, so that its clocks can be set while nobody reads them")
            .show(shown()),
        Step::new("set its clocks", Op::write("/proc/self/timens_offsets", text))
            .why("possible until the first process is in it; a clock that jumps would break programs")
            .show(shown()),
        Step::new("enter it", Op::Setns { path: "/proc/self/ns/time_for_children".into(), flags: NEWTIME })
            .why("the caller, too, can move in; its clocks change between two instructions")
            .show(Probe::Namespaces(Who::Box)),
    ]
}
// ANCHOR_END: clocks
