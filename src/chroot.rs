//! Chroot and pivot_root: which directory a process calls `/`.
//!
//! ```text
//!   chroot("root")                            pivot("root")
//!
//!   /            still mounted, still there    root becomes the mount at /
//!   ├── etc tmp …                              the old / is unmounted: above the new
//!   └── root     "/" of one process            root there is nothing left to climb to
//! ```
//!
//! chroot(2) only moves the point where a path starts; whoever gets hold of a directory outside climbs up from
//! there. pivot_root(2) exchanges the mounts themselves. See chroot(2), pivot_root(2), path_resolution(7),
//! mount_namespaces(7). Labs 02-chroot and 04-pivot-root, tutorials/02-chroot.md, tutorials/04-pivot-root.md.

use std::path::{Path, PathBuf};

use crate::kernel::{CText, Errno, Op};
use crate::probe::{Probe, Who};
use crate::step::Step;

// ANCHOR: chroot
/// Makes this directory the root of the process, and its working directory.
pub fn chroot(root: &Path) -> [Step; 2] {
    [
        Step::new("change the root", Op::Chroot { path: root.into() })
            .why("every path that starts with / now starts here")
            .show(Probe::Process(Who::Box)),
        Step::new("go to the new root", Op::Chdir { path: "/".into() })
            .why("chroot moves the root only: the working directory would still lie outside")
            .show(Probe::Process(Who::Box)),
    ]
}
// ANCHOR_END: chroot

// ANCHOR: escape
/// The classic way out of a chroot, for labs that show whether it works. It needs CAP_SYS_CHROOT, which Docker
/// leaves to root in a container.
pub fn escape() -> [Step; 4] {
    // more levels than any root lies deep: at the top, `..` stays where it is
    let up = ["..", "..", "..", "..", "..", "..", "..", ".."].join("/");
    let step = |name, op| Step::new(name, op).show(Probe::Process(Who::Box));
    [
        step("make a deeper directory", Op::mkdir("/deeper")).why("any directory below the root will do"),
        step("change the root again", Op::Chroot { path: "deeper".into() })
            .why("a process has one root only; the working directory stays, and now lies outside of it"),
        step("climb", Op::Chdir { path: up.into() })
            .why("`..` stops only at the root of the process, and this way up begins outside of it"),
        step("make the top the root", Op::Chroot { path: ".".into() })
            .why("paths that start with / now start at the top again"),
    ]
}
// ANCHOR_END: escape

/// Cuts the mount tree's ties to other mount namespaces, in both directions.
pub fn private() -> Step {
    Step::new("keep mounts to ourselves", Op::remount("/", libc::MS_REC | libc::MS_PRIVATE))
        .why("on most machines / is shared: what is mounted in here would appear on the host as well")
}

// ANCHOR: pivot
/// Makes `merged` the root of the whole mount namespace and takes the old root away. For a process in a mount
/// namespace of its own. The container's recipe takes the parts one by one, because it mounts in between.
pub fn pivot(merged: &Path) -> Vec<Step> {
    std::iter::once(private()).chain(enter(merged)).chain(leave_old_root()).collect()
}

/// Everything for a new root that is still a plain directory.
pub fn enter(merged: &Path) -> Vec<Step> {
    let bind = Step::new("make the new root a mount", Op::bind(merged, merged, libc::MS_REC))
        .why("pivot_root exchanges mounts, and a plain directory is none: EBUSY")
        .show(Probe::Mounts(Who::Box, merged.display().to_string()));
    std::iter::once(bind).chain(exchange(merged)).collect()
}

/// The exchange, for a new root that is a mount. What is mounted below it comes along; the old root stays, stacked on
/// the new one, where a `..` at `/` leads to it: it must go before a path is followed that somebody else has a say in.
pub fn exchange(merged: &Path) -> [Step; 2] {
    let here = || CText::from(".");
    [
        Step::new("go there", Op::Chdir { path: merged.into() })
            .why("the next call can then name the new root as `.` and needs no directory for the old one"),
        Step::new("exchange the roots", Op::PivotRoot { new: here(), old: here() })
            .why("the new root takes the place of /, and the old one is stacked on top of it")
            .show(Probe::Process(Who::Box)),
    ]
}

/// The old root goes, and with it every mount of the host.
pub fn leave_old_root() -> [Step; 2] {
    [
        Step::new("take the old root away", Op::detach("/"))
            .why("the topmost mount at / is still the old root; detached, because it is busy"),
        Step::new("go to the new root", Op::Chdir { path: "/".into() })
            .why("a working directory outside the root would be a way back: CVE-2024-21626")
            .show(Probe::Process(Who::Box)),
    ]
}
// ANCHOR_END: pivot

/// The other way, for a root that pivot_root refuses, as an initramfs: the new root is moved over the old one, which
/// stays below it and keeps its mounts. `views` is where the host's proc and sysfs are mounted, the last first: they are
/// taken away before, because whoever may mount could mount them again, whole, as long as one is to be seen somewhere.
pub fn move_over(merged: &Path, views: &[PathBuf]) -> Vec<Step> {
    const GONE: &[Errno] = &[Errno::INVAL, Errno::NOENT];
    let here = || CText::from(".");
    let detach = |path: &PathBuf| {
        Step::new("take a view of the host away", Op::detach(path))
            .why("it would stay below the new root, unmasked")
            .or_any(GONE)
    };
    let mut steps: Vec<Step> = views.iter().map(detach).collect();
    steps.extend([
        Step::new("go there", Op::Chdir { path: merged.into() })
            .why("the next calls name the new root as `.`"),
        Step::new("move it over /", Op::mount(".", "/", "", libc::MS_MOVE, ""))
            .why("the old root cannot be exchanged: it is covered"),
        Step::new("change the root", Op::Chroot { path: here() })
            .why("the process's own root is still the covered one"),
        Step::new("go to the new root", Op::Chdir { path: "/".into() })
            .why("a working directory outside the root would be a way back")
            .show(Probe::Process(Who::Box)),
    ]);
    steps
}
