//! Members: who is in a cgroup, read from it.
//!
//! ```text
//!   cgroup/cgroup.procs        101 102
//!   cgroup/inner/cgroup.procs  103         made by the container itself
//! ```
//!
//! See cgroups(7); for the states of a freezer the kernel's cgroup-v1/freezer-subsystem.rst and cgroup-v2.rst.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Cgroup, CgroupError, Controller};
use crate::kernel::Errno;

impl Cgroup {
    /// The processes in the cgroup and in those below it, each once; none where there is no such cgroup.
    pub fn pids(&self) -> Result<Vec<i32>, CgroupError> {
        // one hierarchy has them all: who joins one joins every other
        let Some(directory) = self.directories().into_iter().map(|(_, path)| path).find(|path| path.exists())
        else {
            return Ok(Vec::new());
        };
        pids(&directory)
    }

    /// Where one process more of a container is to be put, whose first process is `pid`: into these directories. A
    /// version 2 cgroup that hands controllers down holds no process itself; then it belongs to where that one is.
    pub fn beside(&self, pid: i32) -> Vec<PathBuf> {
        let directories = self.directories().into_iter().map(|(_, directory)| directory);
        let Some(unified) = self.unified() else { return directories.collect() };
        let divided = fs::read_to_string(unified.join("cgroup.subtree_control"));
        if !divided.is_ok_and(|names| !names.trim().is_empty()) {
            return directories.collect();
        }
        let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let path = own.lines().find_map(|line| line.strip_prefix("0::/"));
        let point = self.hierarchy.v2.as_ref().map(|v2| v2.place.point.clone()).unwrap_or_default();
        let there = path.map(|path| point.join(path)).filter(|there| there.starts_with(&unified));
        let place = |directory: PathBuf| match &there {
            Some(there) if directory == unified => there.clone(),
            _ => directory,
        };
        directories.map(place).collect()
    }

    /// Whether a container can be put into it: nobody is in it, and whoever joins it is not stopped at once.
    pub fn vacant(&self) -> Result<(), CgroupError> {
        for (_, directory) in self.directories() {
            match pids(&directory)?.len() {
                0 => {}
                processes => return Err(CgroupError::Occupied { directory, processes }),
            }
        }
        match (self.frozen()?, self.directory(Controller::Freezer)) {
            (true, Some(directory)) => Err(CgroupError::Frozen(directory)),
            _ => Ok(()),
        }
    }

    /// Whether its processes are stopped, by itself or by a cgroup above; of one that is not there yet, whether they
    /// would be.
    pub fn frozen(&self) -> Result<bool, CgroupError> {
        let Some(directory) = self.directory(Controller::Freezer) else { return Ok(false) };
        let (file, wanted, _) = self.table(Controller::Freezer).frozen;
        // the root of a hierarchy has no such file, and is never frozen
        for state in directory.ancestors().map(|above| above.join(file)) {
            match fs::read_to_string(&state) {
                Ok(text) => return Ok(text.contains(wanted)),
                Err(error) if gone(&error) => {}
                Err(error) => return Err(unreadable(state, &error)),
            }
        }
        Ok(false)
    }
}

/// Never made, or removed while it was read.
fn gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(libc::ENODEV)
}

fn unreadable(path: PathBuf, error: &io::Error) -> CgroupError {
    CgroupError::Unreadable(path, Errno::from_io_error(error).unwrap_or(Errno::IO))
}

/// Those in this directory and below it, each once; none where there is no such directory.
pub(super) fn pids(directory: &Path) -> Result<Vec<i32>, CgroupError> {
    let (mut found, mut waiting) = (Vec::new(), vec![directory.to_path_buf()]);
    while let Some(directory) = waiting.pop() {
        let procs = directory.join("cgroup.procs");
        match fs::read_to_string(&procs) {
            // 0 stands for a process that this PID namespace does not have
            Ok(text) => {
                found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0))
            }
            Err(error) if gone(&error) => continue,
            // a threaded cgroup: its processes stand in the one above, whose threads these are
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            Err(error) => return Err(unreadable(procs, &error)),
        }
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        let below = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        waiting.extend(below.map(|entry| entry.path()));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
