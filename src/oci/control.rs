//! Control: what a container's cgroups say of it. Reading only; what changes them are steps of [`crate::cgroups`].
//!
//! See cgroups(7), the kernel's cgroup-v2.rst and cgroup-v1/.

use std::collections::BTreeSet;
use std::path::Path;

use crate::cgroups::{Cgroup, Controller};

/// Whether everybody in it stands still. A cgroup that is gone does not.
pub fn frozen(cgroup: &Cgroup) -> bool {
    let Some(directory) = cgroup.directory(Controller::Freezer) else { return false };
    let read = |file: &str| std::fs::read_to_string(directory.join(file)).unwrap_or_default();
    matches!(read("freezer.state").trim(), "FROZEN" | "FREEZING") || read("cgroup.freeze").trim() == "1"
}

/// Every process that is in it or in a cgroup below, in order. `None` where it has no directory at all.
pub fn pids(cgroup: &Cgroup) -> Option<Vec<i32>> {
    let anywhere = || cgroup.directories().into_iter().map(|(_, directory)| directory).next();
    let directory = cgroup.directory(Controller::Freezer).or_else(anywhere)?;
    let mut found = BTreeSet::new();
    collect(&directory, &mut found);
    Some(found.into_iter().collect())
}

fn collect(directory: &Path, found: &mut BTreeSet<i32>) {
    let text = std::fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found);
        }
    }
}
