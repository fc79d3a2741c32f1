//! Open: the volumes of a container that is about to start, made where they are missing, and held until its record
//! says that it has them.
//!
//! ```text
//!   each by its name, in order     so that two containers never wait for each other
//!   flock, shared                  it has something in it, or shall not be filled
//!   flock, alone                   it is empty: mark, and the plan fills it; or a copy was cut short: begun again
//! ```
//!
//! See flock(2). Lab 12-storage, tutorials/12-storage.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::asked::VolumeUse;
use super::error::VolumeError;
use super::{Kept, Known, Volumes};
use crate::engine::request::Request;
use crate::engine::state::State;
use crate::kernel::remove::remove_at;
use crate::rootfs::{Mount, Source};

/// Volumes that can be mounted.
#[derive(Debug, Default)]
pub struct Opened {
    /// the mounts, in the order in which they were asked for
    pub mounts: Vec<Mount>,
    /// nobody removes them, or fills them too, until this is dropped
    pub held: Held,
}

/// Nobody removes these volumes meanwhile.
#[derive(Debug, Default)]
pub struct Held {
    _files: Vec<File>,
}

/// What becomes of volumes that are not there, or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// nothing: a dry run only says what would be
    Look,
    /// they stay as they are: they were filled when the container was made
    Keep,
    /// they are made, and the plan fills those that are empty: the container is made now
    Fill,
}

/// The volumes that a container asks for.
///
/// # Errors
/// Those of making them.
pub fn open(state: &State, request: &Request, container: &str, how: How) -> Result<Opened, VolumeError> {
    let volumes = Volumes::of(state);
    let mut by_name: BTreeMap<&str, Vec<&VolumeUse>> = BTreeMap::new();
    for volume in &request.volumes {
        by_name.entry(&volume.name).or_default().push(volume);
    }
    let mut files = Vec::new();
    let mut filled: BTreeSet<&Path> = BTreeSet::new();
    let mut known: BTreeMap<&str, Known> = BTreeMap::new();
    for (name, uses) in by_name {
        let first = uses
            .iter()
            .filter(|one| one.copy && how != How::Keep)
            .min_by_key(|one| one.target.components().count());
        let (found, fill) = match how {
            How::Look => pretended(&volumes, name, uses[0]),
            How::Keep | How::Fill => {
                let kept = kept(uses[0], request.remove.then_some(container));
                let (found, fill, file) = hold(&volumes, name, &kept, first.is_some())?;
                files.push(file);
                (found, fill)
            }
        };
        filled.extend(first.filter(|_| fill).map(|one| one.target.as_path()));
        known.insert(name, found);
    }
    let mount = |volume: &VolumeUse| {
        let found = &known[volume.name.as_str()];
        let data = found.device().map_or_else(|| found.place.data(), Path::to_path_buf);
        let mut mount = Mount::bind(&data, &volume.target, true);
        mount.options.copy_up = filled.contains(volume.target.as_path());
        if !volume.part.as_os_str().is_empty() {
            mount.source = part(volume, data)?;
        }
        Ok(if volume.read_only || found.read_only() { mount.read_only() } else { mount })
    };
    let mounts: Result<Vec<Mount>, VolumeError> = request.volumes.iter().map(mount).collect();
    Ok(Opened { mounts: mounts?, held: Held { _files: files } })
}

/// Only a part of a volume, which has to be there. What lies there was made by containers: it is looked up as in a root
/// of theirs, now and once more by the box.
fn part(volume: &VolumeUse, root: PathBuf) -> Result<Source, VolumeError> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, openat2};
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let look = || -> io::Result<_> {
        let found =
            openat2(File::open(&root)?, &volume.part, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), how)?;
        Ok(fstat(found)?)
    };
    let (name, part) = (volume.name.clone(), volume.part.clone());
    let kind = look().map_err(|error| VolumeError::Part { name, part, error })?;
    let directory = rustix::fs::FileType::from_raw_mode(kind.st_mode).is_dir();
    Ok(Source::Within { root, part: volume.part.clone(), directory })
}

/// What is written down of one that is made now.
fn kept(volume: &VolumeUse, goes_with: Option<&str>) -> Kept {
    let some = |map: &BTreeMap<String, String>| (!map.is_empty()).then(|| map.clone());
    Kept {
        created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        labels: some(&volume.labels),
        options: some(&volume.options),
        goes_with: goes_with.filter(|_| volume.anonymous).map(String::from),
    }
}

/// What it would be, and whether it would be filled.
fn pretended(volumes: &Volumes<'_>, name: &str, volume: &VolumeUse) -> (Known, bool) {
    let new =
        || Known { name: name.into(), kept: kept(volume, None), place: volumes.place(name), damaged: false };
    let found = volumes.find(name).unwrap_or_else(new);
    let fill = volume.copy && found.device().is_none() && is_empty(&found.place.data());
    (found, fill)
}

/// The volume, whether the plan shall fill it, and its lock.
fn hold(
    volumes: &Volumes<'_>,
    name: &str,
    kept: &Kept,
    copy: bool,
) -> Result<(Known, bool, File), VolumeError> {
    let state = |error| VolumeError::State { name: name.into(), error };
    loop {
        let known = match volumes.find(name) {
            Some(known) => known,
            None => volumes.create(name, kept.clone())?,
        };
        let Some(file) = opened(&known.place.directory).map_err(state)? else { continue };
        if let Some(device) = known.device() {
            let device = device.to_path_buf();
            // of somebody else's directory nothing is filled, and nothing removed
            if let Err(error) = fs::metadata(&device) {
                return Err(VolumeError::Device { name: name.into(), device, error });
            }
        }
        let alone = |known: &Known| {
            known.device().is_none()
                && (known.place.unfilled().exists() || copy && is_empty(&known.place.data()))
        };
        file.lock_shared().map_err(state)?;
        if !still(&file, &known.place.directory) {
            continue;
        }
        if !alone(&known) {
            return Ok((known, false, file));
        }
        file.unlock().and_then(|()| file.lock()).map_err(state)?;
        if !still(&file, &known.place.directory) {
            continue;
        }
        let fill = prepare(&known, copy).map_err(state)?;
        return Ok((known, fill, file));
    }
}

/// Whoever holds it alone empties what was cut short, and marks what will be filled.
fn prepare(known: &Known, copy: bool) -> io::Result<bool> {
    let (data, mark) = (known.place.data(), known.place.unfilled());
    if mark.exists() {
        empty(&data)?;
    }
    let fill = copy && is_empty(&data);
    match fill {
        true => drop(File::create(&mark)?),
        false if mark.exists() => fs::remove_file(&mark)?,
        false => {}
    }
    Ok(fill)
}

fn opened(directory: &Path) -> io::Result<Option<File>> {
    match File::open(directory) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether this is still the volume of that name: it could have been removed just before it was held.
fn still(file: &File, directory: &Path) -> bool {
    let same = || Some((file.metadata().ok()?, fs::symlink_metadata(directory).ok()?));
    same().is_some_and(|(held, named)| (held.dev(), held.ino()) == (named.dev(), named.ino()))
}

/// What cannot be read may hold something.
fn is_empty(data: &Path) -> bool {
    match fs::read_dir(data) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

fn empty(data: &Path) -> io::Result<()> {
    let directory = File::open(data)?;
    for entry in fs::read_dir(data)? {
        remove_at(directory.as_fd(), entry?.file_name().as_bytes())?;
    }
    Ok(())
}
