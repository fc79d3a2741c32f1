//! Cover: what /proc and /sys tell or change of the whole machine, hidden or closed for writing.
//!
//! ```text
//!   /proc/kcore       <── bind ── /dev/null          a file that is empty
//!   /proc/scsi        <── mount ─ tmpfs, read-only   a directory that is empty
//!   /proc/sys         <── bind ── /proc/sys, then remounted read-only
//! ```
//!
//! Docker's and runc's list. A kernel need not have all of them: ENOENT is as good as success. See proc(5).

use crate::kernel::{Errno, Op};
use crate::step::Step;

/// A path, the steps' names and the reason.
type Row = (&'static str, &'static str, &'static str);

macro_rules! masked {
    ($path:literal, $why:literal) => {
        ($path, concat!("mask ", $path), $why)
    };
}

// ANCHOR: masked
const FILES: [Row; 8] = [
    masked!("/proc/interrupts", "it counts what each device reports: the times of key strokes, for example"),
    masked!("/proc/kcore", "the kernel's memory, and so the whole machine's, as one file"),
    masked!("/proc/keys", "key rings that no namespace parts from the host's"),
    masked!("/proc/latency_stats", "it tells what other programs of the machine wait for"),
    masked!("/proc/sched_debug", "it names every process of the machine, namespaces or not"),
    masked!("/proc/timer_list", "it shows timers of all processes, and addresses in the kernel"),
    masked!("/proc/timer_stats", "older kernels tell here which process set which timer"),
    masked!(
        "/sys/devices/virtual/powercap",
        "the use of energy tells what other programs compute (CVE-2020-8694)"
    ),
];
const DIRECTORIES: [Row; 4] = [
    masked!("/proc/acpi", "switches of the machine's hardware"),
    masked!("/proc/asound", "the machine's sound cards"),
    masked!("/proc/scsi", "a write here takes a disk away from the machine (CVE-2017-16539)"),
    masked!("/sys/firmware", "tables of the machine's firmware"),
];
// ANCHOR_END: masked

macro_rules! closed {
    ($path:literal, $why:literal) => {
        ($path, concat!("make ", $path, " a mount"), concat!("make ", $path, " read-only"), $why)
    };
}

const READ_ONLY: [(&str, &str, &str, &str); 5] = [
    closed!("/proc/bus", "a device's settings may be read, not written"),
    closed!("/proc/fs", "settings of file systems that others use too"),
    closed!("/proc/irq", "which processor serves which device is the machine's matter"),
    closed!("/proc/sys", "most of the kernel's settings are not parted by namespaces"),
    closed!("/proc/sysrq-trigger", "one letter written here restarts the machine"),
];

/// In the box, when the old root is gone: parts of /proc and /sys are covered.
pub fn cover() -> Vec<Step> {
    let (read_only, again) = (libc::MS_RDONLY, libc::MS_BIND | libc::MS_REMOUNT | libc::MS_REC);
    let safe = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let step = |name, why, op| Step::new(name, op).why(why).or_else(Errno::NOENT);
    let empty = |path: &str| Op::mount("tmpfs", path, "tmpfs", read_only, "");
    let mut steps = Vec::new();
    for (path, name, why) in FILES {
        // sysfs has a directory of this name, proc files only
        let op = if path.starts_with("/sys") { empty(path) } else { Op::bind("/dev/null", path, 0) };
        steps.push(step(name, why, op));
    }
    steps.extend(DIRECTORIES.map(|(path, name, why)| step(name, why, empty(path))));
    for (path, bind, close, why) in READ_ONLY {
        let itself = "flags belong to mounts, so it must be one: bound onto itself";
        steps.push(step(bind, itself, Op::bind(path, path, libc::MS_REC)));
        steps.push(step(close, why, Op::remount(path, again | read_only | safe)));
    }
    steps
}
