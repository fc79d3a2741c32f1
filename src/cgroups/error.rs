//! Errors: why a limit cannot be set here, and what to do about it.

use std::path::{Path, PathBuf};

use super::Controller;
use crate::kernel::{Errno, Op, hint};

/// Why a limit cannot be set here, or a cgroup not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CgroupError {
    /// no hierarchy gives us this controller
    #[error("no cgroup of ours can have the {} controller\nhint: {}", .0.name(), give(*.0))]
    Missing(Controller),
    /// we may not make a cgroup there
    #[error("no cgroup of ours can stand in {}: {}\nhint: {}", .0.display(), hint::errno_text(*.1), remedy(.0, *.1))]
    Refused(PathBuf, Errno),
    /// a member of config.json cannot be had here
    #[error("{setting}: {reason}")]
    Needs {
        /// the member, as `linux.resources.rdma`
        setting: String,
        /// why not
        reason: Box<CgroupError>,
    },
    /// a member of config.json has a value that cannot be meant
    #[error("{setting}: {value}: {reason}")]
    Value {
        /// the member, as `linux.resources.memory.swappiness`
        setting: String,
        /// its value
        value: String,
        /// what it may be, or what to do instead
        reason: String,
    },
    /// somebody is in the cgroup already
    #[error("container's cgroup is not empty: {processes} process(es) found\nhint: {} is another's: choose another \
             linux.cgroupsPath", directory.display())]
    Occupied {
        /// the cgroup
        directory: PathBuf,
        /// how many
        processes: usize,
    },
    /// whoever joins it would stop at once
    #[error("container's cgroup unexpectedly frozen\nhint: {} was frozen by somebody else: thaw it, or choose another linux.cgroupsPath", .0.display())]
    Frozen(PathBuf),
    /// a file of a cgroup could not be read
    #[error("cannot read {}: {}", .0.display(), hint::errno_text(*.1))]
    Unreadable(PathBuf, Errno),
}

fn give(controller: Controller) -> &'static str {
    match controller {
        Controller::Cpu => {
            "systemd gives users no cpu controller until root runs: systemctl edit user@.service, \
             and writes [Service] Delegate=cpu memory pids"
        }
        _ => {
            "the kernel was started without it: see cgroup_disable= in /proc/cmdline; \
             a Raspberry Pi wants cgroup_enable=memory there"
        }
    }
}

fn remedy(directory: &Path, errno: Errno) -> &'static str {
    hint::hint(&Op::mkdir(directory), errno).unwrap_or("run as root")
}

impl CgroupError {
    /// The call that shows it, and its error; `None` where no single call does.
    pub fn attempt(&self, id: &str) -> Option<(Op, Errno)> {
        match self {
            // the directory itself could be made, but it would have no controllers
            CgroupError::Refused(_, Errno::BUSY) => None,
            CgroupError::Refused(directory, errno) => {
                Some((Op::mkdir(directory.join(format!("stepbox-{id}"))), *errno))
            }
            CgroupError::Needs { reason, .. } => reason.attempt(id),
            _ => None,
        }
    }
}
