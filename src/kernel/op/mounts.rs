//! What operations around mounts speak of.

use serde::{Deserialize, Serialize};

use crate::kernel::CText;

/// Which mount an operation speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountAt {
    /// a copy that hangs nowhere yet, by its number
    Slot(usize),
    /// the one at this path
    Path(CText),
}

/// A user namespace that only says which number is which, and the mount that takes its numbers: mount_setattr(2),
/// "ID-mapped mounts".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Users {
    /// a process in a namespace of its own, which waits
    Hold,
    /// one of that process's maps
    Map {
        /// `uid_map` or `gid_map`
        file: CText,
        /// one range a line
        map: CText,
    },
    /// its namespace is opened, and the process ends
    Keep,
    /// a namespace that exists
    Open {
        /// its file
        path: CText,
    },
    /// the numbers of the namespace that was kept or opened last, for the owners of what is in a copy
    Take {
        /// which copy
        slot: usize,
        /// also for what is mounted below it
        recursive: bool,
    },
}
