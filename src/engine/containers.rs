//! Containers: what is kept of each one, in `config.json` of its directory.

pub mod inspect;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config::ImageConfig;
use super::request::Request;
use super::state::State;
use crate::journal;
use crate::layers::Digest;
use crate::rootfs::{Mount, Source};
use crate::spec::Spec;

/// What is kept of one container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// 64 hexadecimal digits
    pub id: String,
    /// given or made up
    pub name: String,
    /// the image's name, as the user wrote it
    pub image: String,
    /// the image's id: its name may go to another
    #[serde(default)]
    pub image_id: Option<Digest>,
    /// chain ids of the layers that it stands on, bottom first: they stay as long as it does
    #[serde(default)]
    pub layers: Vec<Digest>,
    /// the directories that its storage driver made of them, topmost last
    #[serde(default)]
    pub lower: Vec<PathBuf>,
    /// the command line
    pub command: Vec<String>,
    /// when it was made, RFC 3339
    pub created: String,
    /// others may have a part in its IPC namespace and its /dev/shm
    #[serde(default)]
    pub shareable: bool,
    /// the engine that runs it
    pub engine: u32,
    /// how its program ended, once it has
    pub exit_code: Option<i32>,
    /// what an image of it would say of its program: the image's words and those of whoever ran it
    #[serde(default)]
    pub config: ImageConfig,
    /// what of the host is shown in it, in order
    #[serde(default)]
    pub shown: Vec<Shown>,
    /// nothing of its / can be written
    #[serde(default)]
    pub read_only: bool,
}

/// A file or directory of the host that a container sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// its name on the host
    pub source: PathBuf,
    /// its name in the container
    pub target: PathBuf,
    /// it cannot be written there
    pub read_only: bool,
}

impl Record {
    /// The file of a container's directory that holds this.
    pub fn file(directory: &Path) -> PathBuf {
        directory.join("config.json")
    }

    /// This record as the file's text.
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings and numbers serialise");
        text.push('\n');
        text
    }

    /// Whether its engine still runs.
    pub fn running(&self) -> bool {
        self.exit_code.is_none() && Path::new(&format!("/proc/{}", self.engine)).exists()
    }

    /// `Up`, `Exited (0)`, or `Dead` when its engine was killed.
    pub fn status(&self) -> String {
        match self.exit_code {
            Some(code) => format!("Exited ({code})"),
            None if self.running() => "Up".into(),
            None => "Dead".into(),
        }
    }

    /// Writes the record beside and renames it: a reader sees the old one or the new one.
    pub fn save(&self, directory: &Path) -> io::Result<()> {
        let new = tempfile::NamedTempFile::new_in(directory)?;
        std::fs::write(new.path(), self.text())?;
        new.persist(Record::file(directory)).map_err(|error| error.error)?;
        Ok(())
    }
}

/// What of the host a container is shown that is its own: volumes, and the files of its names and addresses. Not what
/// every one gets, as devices.
pub fn shown(spec: &Spec, request: &Request) -> Vec<Shown> {
    let own = |mount: &&Mount| {
        let names = ["hostname", "hosts", "resolv.conf"];
        request.binds.contains(mount) || names.iter().any(|name| mount.target == Path::new("/etc").join(name))
    };
    let show = |mount: &Mount| match &mount.source {
        Source::Bind { path, .. } => {
            let read_only = mount.options.set_below & libc::MOUNT_ATTR_RDONLY != 0;
            Some(Shown { source: path.clone(), target: mount.target.clone(), read_only })
        }
        _ => None,
    };
    spec.rootfs.mounts.iter().filter(own).filter_map(show).collect()
}

/// Every container there is, the newest first. A directory without a readable record is a container being made or
/// removed, and not shown.
pub fn list(state: &State) -> Vec<Record> {
    let Ok(entries) = std::fs::read_dir(state.containers()) else { return Vec::new() };
    let read = |path: PathBuf| serde_json::from_slice(&std::fs::read(Record::file(&path)).ok()?).ok();
    let mut records: Vec<Record> = entries.flatten().filter_map(|entry| read(entry.path())).collect();
    records.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    records
}

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
    #[error("cannot remove container {0}: it is running; end it first")]
    Running(String),
    /// it does not run
    #[error("container {0} is not running")]
    NotRunning(String),
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

/// Finds a container by name, id, or the beginning of its id.
pub fn find(state: &State, wanted: &str) -> Result<Record, ContainerError> {
    let records = list(state);
    if let Some(record) = records.iter().find(|record| record.name == wanted || record.id == wanted) {
        return Ok(record.clone());
    }
    let mut matching =
        records.into_iter().filter(|record| !wanted.is_empty() && record.id.starts_with(wanted));
    match (matching.next(), matching.next()) {
        (Some(record), None) => Ok(record),
        (Some(_), Some(_)) => Err(ContainerError::Ambiguous(wanted.into())),
        _ => Err(ContainerError::NoSuch(wanted.into())),
    }
}

/// The process of a container that runs, as its engine's journal has it.
pub fn process(state: &State, record: &Record) -> Result<i32, ContainerError> {
    let running =
        record.running().then(|| journal::box_of(&state.journals(), record.engine.cast_signed())).flatten();
    running.ok_or_else(|| ContainerError::NotRunning(record.name.clone()))
}

/// Removes a container that does not run.
pub fn remove(state: &State, wanted: &str) -> Result<Record, ContainerError> {
    let record = find(state, wanted)?;
    if record.running() {
        return Err(ContainerError::Running(record.name));
    }
    let directory = state.containers().join(&record.id);
    match crate::kernel::remove::remove(&directory) {
        Ok(()) => Ok(record),
        Err(error) => Err(ContainerError::Remove { name: record.name, error }),
    }
}
