//! Errors: why a container cannot be had, or not be dealt with, in the words of Docker.

use std::io;

use super::life::Status;
use crate::cgroups::CgroupError;

/// Why a container cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// neither a name nor the beginning of an id
    #[error("No such container: {0}")]
    NoSuch(String),
    /// the beginning of several ids
    #[error("{0} is the beginning of several container ids: name more digits")]
    Ambiguous(String),
    /// it runs
    #[error(
        "You cannot remove a {} container {id}. {} before attempting removal or force remove",
        status.word(),
        if *status == Status::Paused { "Unpause and then stop the container" } else { "Stop the container" }
    )]
    Running {
        /// the container
        id: String,
        /// what it is doing
        status: Status,
    },
    /// the name is another's
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    NameTaken {
        /// the name
        name: String,
        /// who has it
        id: String,
    },
    /// its monitor
    #[error("cannot reach the monitor of container {name}: {error}")]
    Monitor {
        /// the container
        name: String,
        /// what the system said
        error: io::Error,
    },
    /// its files
    #[error("cannot keep the container's state: {0}")]
    State(#[from] io::Error),
    /// it does not run
    #[error("Container {0} is not running")]
    NotRunning(String),
    /// its processes are stopped
    #[error("Container {0} is paused, unpause the container before exec")]
    Paused(String),
    /// its program has ended, and will be started again
    #[error("Container {0} is restarting, wait until the container is running")]
    Restarting(String),
    /// its processes are stopped already
    #[error("Container {0} is already paused")]
    AlreadyPaused(String),
    /// its processes are not stopped
    #[error("Container {0} is not paused")]
    NotPaused(String),
    /// it has no cgroup
    #[error(
        "cannot pause container {0}: it has no cgroup that can be frozen\nhint: as another user than root it needs one that is delegated: systemd-run --user --scope -p Delegate=yes"
    )]
    NoFreezer(String),
    /// its cgroup
    #[error("cannot pause or unpause container {name}: {what}")]
    Freeze {
        /// the container
        name: String,
        /// which step, and why
        what: String,
    },
    /// not a name
    #[error("Invalid container name ({0}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    Name(String),
    /// the name that it has
    #[error("Renaming a container with the same name as its current name")]
    SameName,
    /// the new name is another's
    #[error("Error when allocating new name: {0}")]
    Rename(Box<ContainerError>),
    /// the host's ps(1)
    #[error("ps: {0}")]
    Ps(String),
    /// its cgroup
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// its memory is its own
    #[error(
        "can't join IPC of container {0}: non-shareable IPC (hint: use --ipc shareable for the donor container)"
    )]
    NotShareable(String),
    /// its files
    #[error("cannot remove container {name}: {error}")]
    Remove {
        /// the container
        name: String,
        /// what the system said
        error: io::Error,
    },
}
