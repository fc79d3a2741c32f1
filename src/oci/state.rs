//! State: what is kept of each container, in a directory of its own.
//!
//! ```text
//!   ROOT/            mode 0700: nobody else opens a fifo or reads a configuration here
//!     ID/            making it takes the name: of two who create at once, one wins
//!       state.json   written beside and renamed: a reader sees the old one or the new one
//!       journal      what `delete` has to undo
//!       exec.fifo    where the container waits for `start`; gone once it was started
//! ```
//!
//! The status is never kept: it is read from the kernel each time (runtime.md, State). A directory without a readable
//! state.json is what a `create` that was killed has left.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::control;
use super::error::OciError;
use crate::cgroups::Cgroup;

/// What a container is doing: runtime.md, State, and runc's `paused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the specification's own names
pub enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        })
    }
}

/// A process that cannot be mistaken for another: its number, and when it was started in clock ticks since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// process id
    pub pid: i32,
    /// proc_pid_stat(5), field 22
    pub start: u64,
}

impl Who {
    /// This process.
    pub fn me() -> Who {
        Who::of(std::process::id().cast_signed()).unwrap_or(Who { pid: 0, start: 0 })
    }

    /// A process that runs.
    pub fn of(pid: i32) -> Option<Who> {
        let (_, start) = stat(pid)?;
        Some(Who { pid, start })
    }

    /// Whether it still runs: a zombie does not.
    pub fn alive(self) -> bool {
        stat(self.pid).is_some_and(|(state, start)| start == self.start && !matches!(state, 'Z' | 'X'))
    }
}

/// A process's state letter and start time.
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// What is kept of one container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// which version of the runtime specification the configuration follows
    pub oci_version: String,
    /// the container's name
    pub id: String,
    /// who made it
    pub creator: Who,
    /// its first process, once there is one
    pub init: Option<Who>,
    /// the directory that its configuration came from
    pub bundle: PathBuf,
    /// what becomes its `/`
    pub rootfs: PathBuf,
    /// when it was made, RFC 3339
    pub created: String,
    /// the user who made it
    pub owner: u32,
    /// words of others about it
    pub annotations: BTreeMap<String, String>,
    /// where its cgroups are; `None` where it has none
    pub cgroup: Option<Cgroup>,
    /// config.json as it was when the container was made: later changes must not matter (runtime.md, Create)
    pub config: serde_json::Value,
}

/// Where containers are kept.
#[derive(Debug, Clone)]
pub struct Root(pub PathBuf);

/// One container and its directory.
#[derive(Debug, Clone)]
pub struct Container {
    /// ROOT/ID
    pub directory: PathBuf,
    /// what is kept of it
    pub record: Record,
}

/// Checks a container's name by runc's grammar: it becomes the name of a directory.
pub fn check_id(id: &str) -> Result<(), OciError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_+-.".contains(letter);
    match id {
        "" => Err(OciError::EmptyId),
        // 255: the longest name that a directory can have
        id if id == "." || id == ".." || id.len() > 255 || !id.chars().all(allowed) => {
            Err(OciError::InvalidId(id.into()))
        }
        _ => Ok(()),
    }
}

impl Root {
    /// Takes a name: makes the container's directory.
    pub fn take(&self, id: &str) -> Result<PathBuf, OciError> {
        check_id(id)?;
        let builder = |recursive| {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(recursive).mode(0o700);
            builder
        };
        builder(true).create(&self.0).map_err(OciError::file("cannot make", &self.0))?;
        self.check_owner()?;
        let directory = self.0.join(id);
        match builder(false).create(&directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(OciError::Exists(id.into())),
            other => other.map_err(OciError::file("cannot make", &directory)).map(|()| directory),
        }
    }

    /// What stands here is believed: it names processes to kill and files to remove.
    fn check_owner(&self) -> Result<(), OciError> {
        let owner = std::fs::metadata(&self.0).map_err(OciError::file("cannot look at", &self.0))?.uid();
        match owner == rustix::process::geteuid().as_raw() {
            true => Ok(()),
            false => Err(OciError::Unsupported(format!(
                "{} belongs to user {owner}, not to us: name a directory of your own with --root",
                self.0.display()
            ))),
        }
    }

    /// The directory of a container, if somebody has that name.
    pub fn directory(&self, id: &str) -> Result<PathBuf, OciError> {
        check_id(id)?;
        let directory = self.0.join(id);
        match directory.is_dir() {
            true => self.check_owner().map(|()| directory),
            false => Err(OciError::Missing { id: id.into(), root: self.0.clone() }),
        }
    }

    /// A container by its name.
    pub fn find(&self, id: &str) -> Result<Container, OciError> {
        let directory = self.directory(id)?;
        match Record::read(&directory) {
            Err(OciError::File { error, .. }) if error.kind() == ErrorKind::NotFound => {
                Err(OciError::Missing { id: id.into(), root: self.0.clone() })
            }
            other => other.map(|record| Container { directory, record }),
        }
    }

    /// The names of all containers, in order; those too whose making was cut short.
    pub fn ids(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut ids: Vec<String> =
            names.filter(|id| check_id(id).is_ok() && self.0.join(id).is_dir()).collect();
        ids.sort();
        ids
    }
}

impl Record {
    /// The file that holds it.
    pub fn file(directory: &Path) -> PathBuf {
        directory.join("state.json")
    }

    /// What is kept there.
    pub fn read(directory: &Path) -> Result<Record, OciError> {
        let path = Record::file(directory);
        let text = std::fs::read(&path).map_err(OciError::file("cannot read", &path))?;
        serde_json::from_slice(&text).map_err(|error| OciError::Damaged { path, error })
    }

    /// Writes it beside and renames it.
    pub fn save(&self, directory: &Path) -> Result<(), OciError> {
        let path = Record::file(directory);
        let save = || {
            let new = tempfile::NamedTempFile::new_in(directory)?;
            std::io::Write::write_all(&mut new.as_file(), &serde_json::to_vec(self)?)?;
            new.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        save().map_err(OciError::file("cannot write", &path))
    }
}

impl Container {
    /// The fifo at which it waits for `start`.
    pub fn fifo(&self) -> PathBuf {
        fifo(&self.directory)
    }

    /// What it is doing right now.
    pub fn status(&self) -> Status {
        match self.record.init {
            None if self.record.creator.alive() => Status::Creating,
            None => Status::Stopped,
            Some(init) if !init.alive() => Status::Stopped,
            Some(_) if self.record.cgroup.as_ref().is_some_and(control::frozen) => Status::Paused,
            Some(_) if self.waits() => Status::Created,
            Some(_) => Status::Running,
        }
    }

    /// Whether somebody reads at the fifo. It may still be there when the program runs: who started it was killed.
    fn waits(&self) -> bool {
        use std::os::unix::fs::OpenOptionsExt;
        let how = OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let mut options = std::fs::File::options();
        let fifo = options.write(true).custom_flags(how.bits().cast_signed()).open(self.fifo());
        // who may not look sees what is there
        fifo.map_or_else(|error| error.kind() == ErrorKind::PermissionDenied, |_| true)
    }

    /// Its first process, while it runs.
    pub fn init(&self) -> Option<Who> {
        self.record.init.filter(|init| init.alive())
    }
}

/// Where a container waits for `start`.
pub fn fifo(directory: &Path) -> PathBuf {
    directory.join("exec.fifo")
}

/// Where it is written what there is to undo.
pub fn journal(directory: &Path) -> PathBuf {
    directory.join("journal")
}

/// What `state` prints: runtime.md, State, and what runc adds.
#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(rename = "ociVersion")]
    oci_version: String,
    id: String,
    pid: i32,
    status: Status,
    bundle: PathBuf,
    rootfs: PathBuf,
    created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    owner: String,
}

impl Shown {
    /// What is shown of a container; of its owner, what the caller knows.
    pub fn new(container: &Container, owner: impl Into<String>) -> Shown {
        let Record { oci_version, id, bundle, rootfs, created, annotations, .. } = container.record.clone();
        let status = container.status();
        let pid = container.init().map_or(0, |init| init.pid);
        Shown { oci_version, id, pid, status, bundle, rootfs, created, annotations, owner: owner.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_runcs_and_lead_nowhere() {
        for id in ["a", "a+b_c.d-e", "1", "...", &"x".repeat(255)] {
            assert!(check_id(id).is_ok(), "{id}");
        }
        for id in ["", ".", "..", "a/b", "/", "a b", "a\n", "ä", "a\0", "../x", &"x".repeat(256)] {
            assert!(check_id(id).is_err(), "{id:?}");
        }
    }

    #[test]
    fn a_number_that_another_process_got_is_not_alive() {
        let me = Who::me();
        assert!(me.alive());
        assert!(!Who { start: me.start + 1, ..me }.alive());
    }
}
