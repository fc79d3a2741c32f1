//! What operations around mounts and whole trees speak of.

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

/// A whole tree out of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tree {
    /// a directory and everything below it, to where nothing is yet: many calls
    Copy {
        /// the directory
        from: CText,
        /// where
        to: CText,
    },
    /// a new subvolume of a btrfs
    Subvolume {
        /// where
        path: CText,
    },
    /// a subvolume that begins as another one is now
    Snapshot {
        /// the other one
        from: CText,
        /// where
        to: CText,
    },
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

/// A device that has been looked at, and copies of the mount that it lies on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Device {
    /// open(2) without following a link, and fstat(2): EINVAL where it is another; it stays open
    Open {
        /// its name
        path: CText,
        /// S_IFCHR, S_IFBLK or S_IFIFO
        mode: u32,
        /// which driver
        major: u32,
        /// which of its devices
        minor: u32,
    },
    /// a copy takes its place
    Place {
        /// a name in the container
        target: CText,
    },
    /// a copy of the terminal that OpenPty has made, kept by number
    Terminal {
        /// the number
        slot: usize,
    },
}

/// A mount of another container, which only somebody in that container's mount namespace can copy: open_tree(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Theirs {
    /// a process of it
    pub peer: super::Peer,
    /// its users are others than ours
    pub user: bool,
    /// the mount, by the name it has there; no link on the way is followed
    pub source: CText,
    /// the copy's number
    pub slot: usize,
}

/// A part of a directory in which somebody else makes links: none of them leads out of it. openat2(2), open_tree(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Within {
    /// the directory
    pub root: CText,
    /// the part's name below it
    pub part: CText,
    /// the copy's number
    pub slot: usize,
}

/// A directory becomes, with all below it, what a copy of a mount shows, which is empty: many calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// the directory
    pub from: CText,
    /// the copy's number; nobody needs that copy any more
    pub slot: usize,
}
