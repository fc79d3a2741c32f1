//! Containers: what is kept of each one, in its directory.
//!
//! ```text
//!   containers/ID/config.json   Record   what the user asked for; changes only when he says so
//!                 state.json    Life     what it is doing; its monitor's
//!                 paused                 it is to stand still, where its cgroup is frozen
//!                 lock                   held by whoever starts, removes or cleans up after it
//!                 upper, work, merged    its files
//!                 ID-json.log            what it printed
//! ```

pub mod create;
pub mod end;
mod error;
pub mod filter;
pub mod inspect;
pub mod life;
pub mod pause;
pub mod remove;
pub mod rename;
pub mod reserve;
pub mod start;
pub mod stats;
pub mod top;
pub mod update;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::error::ContainerError;
use self::life::{Life, Lock, Owner, Status};
use super::abreast;
use super::commit;
use super::config::ImageConfig;
use super::events::of;
use super::ports::given;
use super::request::Request;
use super::run::Ground;
use super::state::State;
use super::store::{Driver, Image, Store, StoreError};
use super::volumes::asked::VolumeUse;
use crate::cgroups::{self, Cgroup};
use crate::journal;
use crate::kernel::op::Peer;
use crate::layers::{Digest, chain_ids};
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
    /// how the image was unpacked
    #[serde(default)]
    pub driver: Driver,
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
    /// what the user asked for
    pub request: Request,
    /// the command in whose foreground it was made, and which answers for its first run
    #[serde(default)]
    pub engine: Option<Owner>,
    /// what an image of it would say of its program: the image's words and those of whoever ran it
    #[serde(default)]
    pub config: ImageConfig,
    /// what of the host is shown in it, in order
    #[serde(default)]
    pub shown: Vec<Shown>,
    /// what it is doing; kept in a file of its own
    #[serde(skip)]
    pub life: Life,
}

/// A file or directory of the host that a container sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// its name on the host
    pub source: PathBuf,
    /// of that only this part, by its name there
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PathBuf>,
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

    /// The volumes that it has.
    pub fn volumes(&self) -> &[VolumeUse] {
        &self.request.volumes
    }

    /// What of the host it is shown because somebody asked for it.
    pub fn binds(&self) -> &[Mount] {
        &self.request.binds
    }

    /// This record as the file's text.
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string(self).expect("strings and numbers serialise");
        text.push('\n');
        text
    }

    /// Whether it has a program that runs, or is about to be started again.
    pub fn running(&self) -> bool {
        self.life.running()
    }

    /// What is kept of a container that is made of this image and of this request, and of which this is known.
    pub fn new(spec: &Spec, image: (&str, &Image), driver: Driver, name: String, request: Request) -> Record {
        let (image_name, image) = image;
        Record {
            id: spec.id.clone(),
            name,
            image: image_name.into(),
            image_id: Some(image.id),
            driver,
            layers: chain_ids(&image.diff_ids),
            lower: image.layers.clone(),
            command: spec.process.exec.argv.iter().map(|word| word.as_path().display().to_string()).collect(),
            created: life::now(),
            engine: None,
            config: commit::settings(&image.config, &request),
            shown: shown(spec, &request),
            request,
            life: Life::default(),
        }
    }

    /// What it stands on. Where its image was removed by force, the layers are still there, and what it said is known.
    ///
    /// # Errors
    /// Those of [`Store::resolve`].
    pub fn ground(&self, store: &Store) -> Result<Ground, StoreError> {
        let name = self.image_id.map_or_else(|| self.image.clone(), |id| id.to_string());
        match store.resolve(&name) {
            Err(StoreError::Missing(_)) => {
                let (config, layers) = (self.config.clone(), self.lower.clone());
                Ok(Ground { driver: self.driver, config, layers })
            }
            image => Ok(Ground::of(&image?, self.driver)),
        }
    }

    /// Writes the record beside and renames it.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn save(&self, directory: &Path) -> io::Result<()> {
        life::replace(&Record::file(directory), self.text().as_bytes())
    }

    /// Reads what is kept in a container's directory; none for one that is being made or removed.
    pub fn read(directory: &Path) -> Option<Record> {
        let mut record: Record =
            serde_json::from_slice(&life::contents(&Record::file(directory)).ok()?).ok()?;
        let made = |engine: &Owner| Life {
            status: Status::Running,
            owner: Some(engine.clone()),
            started: Some(record.created.clone()),
            ..Life::default()
        };
        let first = || record.engine.as_ref().map(made).unwrap_or_default();
        record.life = Life::read(directory).unwrap_or_else(first);
        if record.life.status == Status::Running && pause::stands_still(directory, &record) {
            record.life = Life { status: Status::Paused, ..record.life }.unchecked();
        }
        Some(record)
    }
}

/// Every container there is, in no order and as it is written down; those whose monitor was killed are left so.
pub fn as_written(state: &State) -> Vec<Record> {
    let entries = std::fs::read_dir(state.containers()).into_iter().flatten().flatten();
    entries.filter_map(|entry| Record::read(&entry.path())).collect()
}

/// What of the host a container is shown that is its own: volumes, and the files of its names and addresses. Not what
/// every one gets, as devices.
fn shown(spec: &Spec, request: &Request) -> Vec<Shown> {
    let own = |mount: &&Mount| {
        let names = ["hostname", "hosts", "resolv.conf"];
        let volume = |volume: &VolumeUse| volume.target == mount.target;
        request.binds.contains(mount)
            || request.volumes.iter().any(volume)
            || names.iter().any(|name| mount.target == Path::new("/etc").join(name))
    };
    let show = |mount: &Mount| {
        let (source, part) = match &mount.source {
            Source::Bind { path, .. } => (path.clone(), None),
            Source::Within { root, part, .. } => (root.clone(), Some(part.clone())),
            _ => return None,
        };
        let read_only = mount.options.set_below & libc::MOUNT_ATTR_RDONLY != 0;
        Some(Shown { source, part, target: mount.target.clone(), read_only })
    };
    spec.rootfs.mounts.iter().filter(own).filter_map(show).collect()
}

/// Every container there is, the newest first. A directory without a readable record is a container being made or
/// removed, and not shown. Where a monitor was killed, its container is cleaned up after.
pub fn list(state: &State) -> Vec<Record> {
    let Ok(entries) = std::fs::read_dir(state.containers()) else { return Vec::new() };
    let directories: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let settled = abreast::each(&directories, |directory| settled(state, directory));
    let mut records: Vec<Record> = settled.into_iter().flatten().collect();
    records.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    records
}

/// The container of a directory, as it is now.
pub fn settled(state: &State, directory: &Path) -> Option<Record> {
    let record = Record::read(directory)?;
    if !record.life.orphaned() {
        return Some(record);
    }
    match Lock::try_take(directory) {
        Ok(Some(_lock)) => clean_up(state, directory),
        // somebody else does it right now
        _ => Some(record),
    }
}

/// Cleans up after a monitor that was killed; the caller holds the lock. Without the monitor its program has died, too:
/// of SIGKILL, or with the machine, which Docker calls 255.
fn clean_up(state: &State, directory: &Path) -> Option<Record> {
    let mut record = Record::read(directory)?;
    let alone = !record.running() || record.life.orphaned();
    if alone {
        pause::let_die(directory, &record);
    }
    let error = match alone.then(|| journal::replay_file(&state.journal(&record.id))) {
        None | Some(Ok(_)) => String::new(),
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Some(Err(error)) => format!("cannot clean up: {error}"),
    };
    if alone {
        // what cannot be freed now is freed by whoever wants it
        let _ = given::bury(state, &record.id);
    }
    // one that was killed before it could write down that its program runs has left a journal, and no more
    if !record.life.orphaned() {
        return Some(record);
    }
    let same_boot = record.life.owner.as_ref().is_some_and(Owner::of_this_boot);
    let finished = Some(life::now());
    let was_waiting = record.life.status == Status::Restarting;
    let exit_code = match same_boot {
        true if was_waiting => record.life.exit_code,
        true => 128 + libc::SIGKILL,
        false => 255,
    };
    record.life =
        Life { status: Status::Exited, owner: None, exit_code, error, finished, ..record.life.unchecked() };
    if !was_waiting {
        state.events().tell(&of::ended(&record, exit_code, false));
    }
    if record.request.remove {
        let _ = remove::take_away(state, &record, true);
        return None;
    }
    match record.life.save(directory) {
        // its directory goes with the run where that was to be removed
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // on a full disk it is written down by whoever looks later
        _ => Some(record),
    }
}

/// What is asked of every container to find one, without reading all of each.
#[derive(Deserialize)]
struct Called {
    id: String,
    name: String,
}

fn called(state: &State) -> impl Iterator<Item = Called> {
    let entries = std::fs::read_dir(state.containers()).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| serde_json::from_slice(&life::contents(&Record::file(&entry.path())).ok()?).ok())
}

/// The container of this name, as it is now.
pub fn named(state: &State, name: &str) -> Option<Record> {
    let mut holders = called(state).filter(|called| called.name == name);
    holders.find_map(|called| settled(state, &state.containers().join(called.id)))
}

/// Lets containers die that stand still though their monitor was killed: whoever undoes what a run has done ends it first.
pub fn let_die(state: &State) {
    for record in as_written(state).iter().filter(|record| record.life.orphaned()) {
        pause::let_die(&directory(state, record), record);
    }
}

/// Finds a container by name, id, or the beginning of its id. Where its monitor was killed, it is cleaned up after.
pub fn find(state: &State, wanted: &str) -> Result<Record, ContainerError> {
    let of = |id: &str| settled(state, &state.containers().join(id));
    let whole = wanted.len() == 64 && wanted.bytes().all(|digit| digit.is_ascii_hexdigit());
    if let Some(record) = whole.then(|| of(wanted)).flatten() {
        return Ok(record);
    }
    let all: Vec<Called> = called(state).collect();
    if let Some(record) = all.iter().filter(|called| called.name == wanted).find_map(|called| of(&called.id))
    {
        return Ok(record);
    }
    let begin = |called: &&Called| !wanted.is_empty() && called.id.starts_with(wanted);
    let mut matching = all.iter().filter(begin).filter_map(|called| of(&called.id));
    match (matching.next(), matching.next()) {
        (Some(record), None) => Ok(record),
        (Some(_), Some(_)) => Err(ContainerError::Ambiguous(wanted.into())),
        _ => Err(ContainerError::NoSuch(wanted.into())),
    }
}

/// The process of a container that runs, as its journal has it.
///
/// # Errors
/// [`ContainerError::NotRunning`].
pub fn process(state: &State, record: &Record) -> Result<Peer, ContainerError> {
    let running = record.running().then(|| journal::box_of(&state.journal(&record.id))).flatten();
    running.ok_or_else(|| ContainerError::NotRunning(record.name.clone()))
}

/// The cgroup of a container, in every hierarchy; it need not be there.
///
/// # Errors
/// What cannot be read of the machine's.
pub fn cgroup(record: &Record) -> Result<Cgroup, ContainerError> {
    let hierarchy = cgroups::detect(Path::new("/"))?;
    match &record.request.cgroup_parent {
        Some(parent) => Ok(Cgroup::at(&hierarchy, &format!("{parent}/stepbox-{}", record.id))?),
        None => Ok(Cgroup::of_box(&hierarchy, &record.id)),
    }
}

/// The lock of a container, for which it waits.
///
/// # Errors
/// [`ContainerError::NoSuch`] for one that was removed meanwhile, and what the kernel answers.
pub fn locked(state: &State, record: &Record) -> Result<Lock, ContainerError> {
    Lock::take(&directory(state, record)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ContainerError::NoSuch(record.name.clone()),
        _ => error.into(),
    })
}

/// The directory of a container.
pub fn directory(state: &State, record: &Record) -> PathBuf {
    state.containers().join(&record.id)
}
