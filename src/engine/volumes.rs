//! Volumes: directories of the engine's that outlive containers.
//!
//! ```text
//!   volumes/NAME/_data         what containers see
//!                volume.json   labels, options, when it was made
//!                unfilled      there while the image's content is being copied into it
//!           .new-X, .gone-X    being made, being removed: renamed in one move
//!           .lock              held by whoever makes or removes one, for moments
//! ```
//!
//! Who uses a volume stands in the containers' records, nowhere else: there is no count that could be wrong. A container
//! that is about to start holds the volume's directory (flock) until its record says so; who removes it must hold it
//! alone.
//!
//! See docker-volume(1), flock(2). Lab 12-storage, tutorials/12-storage.md.

pub mod asked;
pub mod error;
pub mod filter;
pub mod open;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::containers;
use super::events::of;
use super::names;
use super::state::State;
use crate::kernel::remove::remove as remove_tree;
use crate::launch::launch;
use crate::step::Plan;
use crate::storage::Volume;
use error::VolumeError;

/// What is written down of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// when it was made, RFC 3339
    pub created: String,
    /// `--label`; none where nobody could give it any
    pub labels: Option<BTreeMap<String, String>>,
    /// `--opt`; the same
    pub options: Option<BTreeMap<String, String>>,
    /// the container that takes it along when it goes: it was made for one run of `run --rm`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goes_with: Option<String>,
}

/// A volume that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// its name
    pub name: String,
    /// what is written down of it
    pub kept: Kept,
    /// where it is
    pub place: Volume,
    /// nobody can read what is written down of it
    pub damaged: bool,
}

impl Known {
    /// The place of the host that it stands for, where its options say one.
    pub fn device(&self) -> Option<&Path> {
        self.kept.options.as_ref().and_then(|options| options.get("device")).map(Path::new)
    }

    /// Whether its options close it for writing.
    pub fn read_only(&self) -> bool {
        let mode = self.kept.options.as_ref().and_then(|options| options.get("o"));
        mode.is_some_and(|mode| mode.split(',').any(|one| one == "ro"))
    }

    /// Docker's JSON for it.
    pub fn inspect(&self) -> Value {
        json!({
            "CreatedAt": self.kept.created, "Driver": "local", "Labels": self.kept.labels,
            "Mountpoint": self.place.data(), "Name": self.name, "Options": self.kept.options, "Scope": "local",
        })
    }
}

/// All volumes.
#[derive(Debug, Clone)]
pub struct Volumes<'a> {
    state: &'a State,
    root: PathBuf,
}

/// Whether this is no volume's name.
fn unseen(name: &str) -> bool {
    name.starts_with('.')
}

impl<'a> Volumes<'a> {
    /// Those of this engine.
    pub fn of(state: &'a State) -> Volumes<'a> {
        Volumes { state, root: state.root.join("volumes") }
    }

    /// Every one there is, by name.
    pub fn list(&self) -> Vec<Known> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut found: Vec<Known> = names.filter_map(|name| self.find(&name)).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// The one of this name.
    pub fn find(&self, name: &str) -> Option<Known> {
        if unseen(name) || !asked::spelled(name) {
            return None;
        }
        let place = self.place(name);
        if !place.data().is_dir() {
            return None;
        }
        let kept = match fs::read(self.file(&place)) {
            Ok(text) => serde_json::from_slice(&text).ok(),
            // it was damaged, and has been put aside
            Err(error) if error.kind() == ErrorKind::NotFound => Some(Kept::default()),
            Err(_) => None,
        };
        let damaged = kept.is_none();
        Some(Known { name: name.into(), kept: kept.unwrap_or_default(), place, damaged })
    }

    fn place(&self, name: &str) -> Volume {
        Volume { directory: self.root.join(name) }
    }

    /// The file in which things are written down of a volume.
    pub fn file(&self, place: &Volume) -> PathBuf {
        place.directory.join("volume.json")
    }

    /// Makes a volume; where there is one of this name, it is that one.
    ///
    /// # Errors
    /// A name or an option that is none, and what the kernel answers.
    pub fn create(&self, name: &str, kept: Kept) -> Result<Known, VolumeError> {
        asked::check_name(name)?;
        asked::check_options(name, kept.options.as_ref())?;
        let state = |error| VolumeError::State { name: name.into(), error };
        let _lock = self.lock().map_err(state)?;
        if let Some(known) = self.find(name) {
            return Ok(known);
        }
        // the engine's directories are what they are, whatever its user's habit
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let new = Volume { directory: self.root.join(format!(".new-{}", &names::new_id()[..16])) };
        let plan = Plan::default().then(new.make());
        let mut made =
            launch(&plan, &mut (), None).map_err(|error| VolumeError::Make { name: name.into(), error })?;
        let whole = || {
            self.write(&new, &kept)?;
            fs::rename(&new.directory, self.place(name).directory)?;
            File::open(&self.root)?.sync_all()
        };
        whole().map_err(state)?;
        made.keep(|_| true);
        self.state.events().tell(&[of::volume(name, "create")]);
        let created = self.find(name);
        created.ok_or_else(|| state(ErrorKind::NotFound.into()))
    }

    /// Writes down what is known of a volume: beside, and renamed.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn write(&self, place: &Volume, kept: &Kept) -> io::Result<()> {
        let mut new = tempfile::NamedTempFile::new_in(&place.directory)?;
        serde_json::to_writer(&mut new, kept)?;
        new.write_all(b"\n")?;
        // one that goes with its container need not outlive the machine
        if kept.goes_with.is_none() {
            new.as_file().sync_all()?;
        }
        new.persist(self.file(place)).map_err(|error| error.error)?;
        Ok(())
    }

    /// The containers that have a volume, by their ids, whether they run or not.
    pub fn users(&self, name: &str) -> Vec<String> {
        let uses = |record: &containers::Record| record.volumes().iter().any(|volume| volume.name == name);
        containers::as_written(self.state).into_iter().filter(uses).map(|record| record.id).collect()
    }

    /// Removes a volume that no container has.
    ///
    /// # Errors
    /// [`VolumeError::NoSuch`], [`VolumeError::InUse`], and what the kernel answers.
    pub fn remove(&self, name: &str) -> Result<(), VolumeError> {
        let known = self.find(name).ok_or_else(|| VolumeError::NoSuch(name.into()))?;
        let state = |error| VolumeError::State { name: name.into(), error };
        let gone = self.root.join(format!(".gone-{}", &names::new_id()[..16]));
        let held = {
            let _lock = self.lock().map_err(state)?;
            let held = match File::open(&known.place.directory) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(VolumeError::NoSuch(name.into()));
                }
                held => held.map_err(state)?,
            };
            // first alone, then the look at the records: who has let go stands in them
            let alone = held.try_lock().is_ok();
            let users = self.users(name);
            if !alone || !users.is_empty() {
                return Err(VolumeError::InUse { name: name.into(), users });
            }
            fs::rename(&known.place.directory, &gone).map_err(state)?;
            held
        };
        remove_tree(&gone).map_err(state)?;
        self.state.events().tell(&[of::volume(name, "destroy")]);
        drop(held);
        Ok(())
    }

    /// Removes those of these that were made for a container which is gone. What another one has stays.
    pub fn remove_anonymous(&self, volumes: &[asked::VolumeUse]) {
        for volume in volumes.iter().filter(|volume| volume.anonymous) {
            // as in Docker: that somebody else has it is no error, and what fails can be pruned
            let _ = self.remove(&volume.name);
        }
    }

    /// What those left behind who were killed: half made, half removed, or made for a container that is gone.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let Ok(_lock) = self.lock_of_some() else { return Vec::new() };
        let free = |path: &Path| File::open(path).is_ok_and(|directory| directory.try_lock().is_ok());
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let hidden = entries
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| unseen(name) && name != ".lock"));
        let mut left: Vec<PathBuf> = hidden.map(|entry| entry.path()).filter(|path| free(path)).collect();
        left.extend(self.list().into_iter().filter_map(|known| {
            let container = known.kept.goes_with.as_ref()?;
            let alone =
                !self.state.containers().join(container).exists() && self.users(&known.name).is_empty();
            (alone && free(&known.place.directory)).then_some(known.place.directory)
        }));
        left
    }

    fn lock(&self) -> io::Result<File> {
        // closed to the host's other users: a container may leave a program there that becomes root
        DirBuilder::new().recursive(true).mode(0o700).create(&self.root)?;
        self.lock_of_some()
    }

    /// The same where there are any.
    fn lock_of_some(&self) -> io::Result<File> {
        let lock = File::options().create(true).truncate(false).write(true).open(self.root.join(".lock"))?;
        lock.lock()?;
        Ok(lock)
    }
}
