//! State: where the engine keeps its things.
//!
//! ```text
//!   root   /var/lib/stepbox, $XDG_DATA_HOME/stepbox      images, containers; survives a reboot
//!   run    /run/stepbox, $XDG_RUNTIME_DIR/stepbox        journals, leases, names; gone with the machine
//! ```
//!
//! `STEPBOX_ROOT` overrides both: the second is then its directory `run`.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::events::Events;

/// The two directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// survives a reboot
    pub root: PathBuf,
    /// gone with the machine
    pub run: PathBuf,
}

/// Why there is no place for state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// it cannot be made
    #[error("cannot make {}: {error}; set STEPBOX_ROOT to a directory that can be written", path.display())]
    Make {
        /// the directory
        path: PathBuf,
        /// what the system said
        error: std::io::Error,
    },
    /// somebody else made it
    #[error("{} belongs to user {owner}, not to us; set STEPBOX_ROOT to a directory of your own", path.display())]
    Foreign {
        /// the directory
        path: PathBuf,
        /// its owner
        owner: u32,
    },
    /// it would hold a colon or a comma, which overlay options cannot do without escapes
    #[error("STEPBOX_ROOT must be an absolute path, not {}", .0.display())]
    Relative(PathBuf),
}

impl State {
    /// Finds the directories for this user by the environment (`STEPBOX_ROOT`, `XDG_DATA_HOME`, `HOME`,
    /// `XDG_RUNTIME_DIR`) and makes them, mode 0700 for all but root's.
    pub fn open(environment: impl Fn(&str) -> Option<PathBuf>) -> Result<State, StateError> {
        let uid = rustix::process::geteuid();
        let set = |name: &str| environment(name).filter(|path| !path.as_os_str().is_empty());
        let state = match set("STEPBOX_ROOT") {
            Some(root) if root.is_relative() => return Err(StateError::Relative(root)),
            Some(root) => State { run: root.join("run"), root },
            None if uid.is_root() => State { root: "/var/lib/stepbox".into(), run: "/run/stepbox".into() },
            None => {
                let scratch = PathBuf::from(format!("/tmp/stepbox-{}", uid.as_raw()));
                let home = || set("HOME").map(|home| home.join(".local/share"));
                let data = set("XDG_DATA_HOME").or_else(home).map(|data| data.join("stepbox"));
                let root = data.filter(|data| make(data).is_ok()).unwrap_or_else(|| scratch.clone());
                let run = set("XDG_RUNTIME_DIR").map_or(scratch.join("run"), |run| run.join("stepbox"));
                if [&root, &run].iter().any(|path| path.starts_with(&scratch)) {
                    // everybody makes directories in /tmp, and whose this one is could put another in the place of ours
                    own(&scratch)?;
                }
                State { root, run }
            }
        };
        own(&state.root)?;
        own(&state.run)?;
        Ok(state)
    }

    /// Where running plans keep their journals.
    pub fn journals(&self) -> PathBuf {
        self.run.join("journal")
    }

    /// The journal of a container that runs.
    pub fn journal(&self, id: &str) -> PathBuf {
        self.journals().join(format!("{id}.journal"))
    }

    /// Where addresses that are taken are kept.
    pub fn leases(&self) -> PathBuf {
        self.run.join("leases")
    }

    /// Where it is noted which ports of the host containers have.
    pub fn ports(&self) -> PathBuf {
        self.run.join("ports")
    }

    /// Where names are reserved for containers that are being made.
    pub fn names(&self) -> PathBuf {
        self.run.join("names")
    }

    /// Where it is written what has happened.
    pub fn events(&self) -> Events {
        Events::of(&self.root)
    }

    /// Where containers live, each in a directory named by its id.
    pub fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }
}

/// Makes a directory, which then must be ours.
fn own(path: &Path) -> Result<(), StateError> {
    make(path)?;
    let owner = path.symlink_metadata().map(|meta| meta.uid()).unwrap_or(u32::MAX);
    match owner == rustix::process::geteuid().as_raw() {
        true => Ok(()),
        false => Err(StateError::Foreign { path: path.into(), owner }),
    }
}

fn make(path: &Path) -> Result<(), StateError> {
    let mode = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|error| StateError::Make { path: path.into(), error })
}
