//! Errors: why a container cannot be had, or not be dealt with, in the words of Docker.

use std::io;

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
        "You cannot remove a running container {0}. Stop the container before attempting removal or force remove"
    )]
    Running(String),
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
