//! Why a volume cannot be had.

use std::io;
use std::path::PathBuf;

use crate::engine::containers::ContainerError;
use crate::launch::LaunchError;

/// Why a volume cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// nobody has made it
    #[error("No such volume: {0}")]
    NoSuch(String),
    /// containers have it
    #[error("remove {name}: volume is in use - [{}]", users.join(", "))]
    InUse {
        /// the volume
        name: String,
        /// their ids; none while one is being started
        users: Vec<String>,
    },
    /// a name of one letter
    #[error("create {0}: volume name is too short, names should be at least two alphanumeric characters")]
    Short(String),
    /// letters that no name has
    #[error(
        "create {0}: {0:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    Name(String),
    /// another driver than ours
    #[error("create {name}: error looking up volume plugin {driver}: plugin \"{driver}\" not found")]
    Driver {
        /// the volume
        name: String,
        /// the driver
        driver: String,
    },
    /// an option that the driver has not
    #[error("create {name}: invalid option: {option:?}")]
    Option {
        /// the volume
        name: String,
        /// the option
        option: String,
    },
    /// an option without which the others mean nothing
    #[error("create {name}: missing required option: {option:?}")]
    Missing {
        /// the volume
        name: String,
        /// `device` or `type`
        option: &'static str,
    },
    /// a file system that would have to be mounted on the host
    #[error(
        "create {name}: {what} is not part of this version\nhint: type=none,o=bind,device=DIRECTORY stands for a directory of the host; for memory use --tmpfs"
    )]
    Mounted {
        /// the volume
        name: String,
        /// which option
        what: String,
    },
    /// what it stands for
    #[error("failed to mount local volume {name}: {}: {error}", device.display())]
    Device {
        /// the volume
        name: String,
        /// the place of the host
        device: PathBuf,
        /// what the system said
        error: io::Error,
    },
    /// a part of it that is not there
    #[error("failed to mount a part of volume {name}: {}: {error}", part.display())]
    Part {
        /// the volume
        name: String,
        /// the part's name
        part: PathBuf,
        /// what the system said
        error: io::Error,
    },
    /// a place that no volume can have
    #[error("the image asks for a volume at {0:?}, and that is no absolute path below /")]
    Place(String),
    /// `--volumes-from`
    #[error("invalid mode: {0}")]
    Mode(String),
    /// whose volumes are asked for
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// a filter
    #[error("Invalid filter '{0}'")]
    Filter(String),
    /// its directory
    #[error("create {name}: {error}")]
    Make {
        /// the volume
        name: String,
        /// which step, and why
        error: LaunchError,
    },
    /// its files
    #[error("cannot keep volume {name}: {error}")]
    State {
        /// the volume
        name: String,
        /// what the system said
        error: io::Error,
    },
}
