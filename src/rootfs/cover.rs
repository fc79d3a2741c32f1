//! Cover: what /proc and /sys tell or change of the whole machine, hidden or closed for writing.
//!
//! ```text
//!   /proc/kcore       <── bind ── /dev/null          a file that is empty
//!   /proc/scsi        <── mount ─ tmpfs, read-only   a directory that is empty
//!   /proc/sys         <── bind ── /proc/sys, then remounted read-only
//! ```
//!
//! Docker's and runc's list. A kernel need not have all of them: ENOENT is as good as success. See proc(5).

use std::path::{Path, PathBuf};

use super::Rootfs;
use crate::kernel::op::{Device, MountAt};
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
const FILES: [Row; 7] = [
    masked!("/proc/interrupts", "it counts what each device reports: the times of key strokes, for example"),
    masked!("/proc/kcore", "the kernel's memory, and so the whole machine's, as one file"),
    masked!("/proc/keys", "key rings that no namespace parts from the host's"),
    masked!("/proc/latency_stats", "it tells what other programs of the machine wait for"),
    masked!("/proc/sched_debug", "it names every process of the machine, namespaces or not"),
    masked!("/proc/timer_list", "it shows timers of all processes, and addresses in the kernel"),
    masked!("/proc/timer_stats", "older kernels tell here which process set which timer"),
];
const DIRECTORIES: [Row; 5] = [
    masked!("/proc/acpi", "switches of the machine's hardware"),
    masked!("/proc/asound", "the machine's sound cards"),
    masked!("/proc/scsi", "a write here takes a disk away from the machine (CVE-2017-16539)"),
    masked!(
        "/sys/devices/virtual/powercap",
        "the use of energy tells what other programs compute (CVE-2020-8694)"
    ),
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

/// What a container of the engine does not see.
pub fn masked_by_default() -> Vec<PathBuf> {
    FILES.iter().chain(&DIRECTORIES).map(|(path, ..)| path.into()).collect()
}

/// What it cannot write.
pub fn read_only_by_default() -> Vec<PathBuf> {
    READ_ONLY.iter().map(|(path, ..)| path.into()).collect()
}

/// In the box, when the old root is gone: parts of /proc and /sys are covered.
pub fn cover(rootfs: &Rootfs) -> Vec<Step> {
    let null = Op::Device(Device::Open { path: "/dev/null".into(), mode: libc::S_IFCHR, major: 1, minor: 3 });
    let null = Step::new("make sure of /dev/null", null)
        .why("files are hidden under it; a link in its place would hide nothing (CVE-2025-31133)");
    let null = Some(null).filter(|_| !rootfs.masked.is_empty());
    let masked = rootfs.masked.iter().flat_map(|path| mask(path));
    null.into_iter().chain(masked).chain(rootfs.read_only_paths.iter().flat_map(|path| close(path))).collect()
}

/// Hides a path, whatever it is. Files are hidden under the /dev/null that has been opened and looked at: its name may
/// lead somewhere else by now. Of those that nobody has told us of we try both: a file cannot be bound onto a directory,
/// nor a directory mounted onto a file (ENOTDIR).
fn mask(path: &Path) -> Vec<Step> {
    let is = |row: &&Row| Path::new(row.0) == path;
    let empty = || Op::mount("tmpfs", path, "tmpfs", libc::MS_RDONLY, "");
    let nothing = || Op::Device(Device::Place { target: path.into() });
    let known = |(_, name, why): &Row, op| vec![Step::new(name, op).why(why).or_else(Errno::NOENT)];
    match (FILES.iter().find(is), DIRECTORIES.iter().find(is)) {
        (Some(row), _) => known(row, nothing()),
        (_, Some(row)) => known(row, empty()),
        (None, None) if path.ends_with("thermal_throttle") => {
            let why = "how often a processor grows too hot tells what other programs compute";
            vec![Step::new("mask thermal_throttle", empty()).why(why).or_else(Errno::NOENT)]
        }
        (None, None) => {
            let missing = &[Errno::NOENT, Errno::NOTDIR];
            let why = "whatever it tells or changes is not this container's matter";
            vec![
                Step::new("mask a file", nothing()).why(why).or_any(missing),
                Step::new("mask a directory", empty()).why(why).or_any(missing),
            ]
        }
    }
}

/// Closes a path for writing.
fn close(path: &Path) -> [Step; 2] {
    let known = READ_ONLY.iter().find(|row| Path::new(row.0) == path);
    let (bind, close, why) = known.map_or(
        ("make a path a mount", "make a path read-only", "it may be read, not written"),
        |(_, bind, close, why)| (bind, close, why),
    );
    let itself = "flags belong to mounts, so it must be one: bound onto itself";
    let read_only = Op::MountSetattr {
        on: MountAt::Path(path.into()),
        set: libc::MOUNT_ATTR_RDONLY,
        clear: 0,
        propagation: 0,
        recursive: true,
    };
    [
        Step::new(bind, Op::bind(path, path, libc::MS_REC)).why(itself).or_else(Errno::NOENT),
        Step::new(close, read_only).why(why).or_else(Errno::NOENT),
    ]
}
