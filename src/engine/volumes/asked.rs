//! Asked: which volumes a container wants, and how those without a name get one, once, when it is made.
//!
//! ```text
//!   -v data:/x      -v /y      VOLUME /z      --volumes-from web:ro
//!      data:/x     0f3c…:/y     77ab…:/z      what web has, by its names, read-only
//! ```
//!
//! See docker-run(1). Lab 12-storage, tutorials/12-storage.md.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::VolumeError;
use crate::engine::config::ImageConfig;
use crate::engine::containers;
use crate::engine::names;
use crate::engine::request::Request;
use crate::engine::state::State;

/// A volume, and where a container sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeUse {
    /// its name; empty until one is made up
    pub name: String,
    /// its place in the container
    pub target: PathBuf,
    /// it cannot be written there
    pub read_only: bool,
    /// where it is empty, it begins as what the image has there
    pub copy: bool,
    /// it was made for this container
    pub anonymous: bool,
    /// how it was asked for, as Docker shows it
    pub mode: String,
    /// `volume-subpath`: only this part of it; empty for all
    #[serde(default, skip_serializing_if = "is_whole")]
    pub part: PathBuf,
    /// `volume-driver`; empty for our own
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// `volume-label`, for one that is made
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `volume-opt`, for one that is made
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl VolumeUse {
    /// A volume that is made for this container.
    pub fn anonymous(target: PathBuf) -> VolumeUse {
        VolumeUse { target, copy: true, anonymous: true, ..VolumeUse::default() }
    }
}

fn is_whole(part: &Path) -> bool {
    part.as_os_str().is_empty()
}

/// Whether a volume may be called so: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub(super) fn spelled(name: &str) -> bool {
    names::valid(name)
}

/// # Errors
/// [`VolumeError::Short`], [`VolumeError::Name`].
pub fn check_name(name: &str) -> Result<(), VolumeError> {
    match name {
        one if one.len() == 1 => Err(VolumeError::Short(one.into())),
        other if !spelled(other) => Err(VolumeError::Name(other.into())),
        _ => Ok(()),
    }
}

/// # Errors
/// [`VolumeError::Driver`] for any but our own.
pub fn check_driver(name: &str, driver: &str) -> Result<(), VolumeError> {
    match driver {
        "" | "local" => Ok(()),
        other => Err(VolumeError::Driver { name: name.into(), driver: other.into() }),
    }
}

/// Docker's options of the driver `local`, of which a place of the host is the one that needs no mount on the host.
pub(super) fn check_options(
    name: &str,
    options: Option<&BTreeMap<String, String>>,
) -> Result<(), VolumeError> {
    let Some(options) = options.filter(|options| !options.is_empty()) else { return Ok(()) };
    let named = || name.to_owned();
    if let Some(option) = options.keys().find(|key| !["type", "o", "device"].contains(&key.as_str())) {
        return Err(VolumeError::Option { name: named(), option: option.clone() });
    }
    for option in ["device", "type"] {
        if !options.contains_key(option) {
            return Err(VolumeError::Missing { name: named(), option });
        }
    }
    let refused = |key: &str| {
        Err(VolumeError::Mounted { name: named(), what: format!("the option {key}={}", options[key]) })
    };
    let words: Vec<&str> = options.get("o").map(|text| text.split(',').collect()).unwrap_or_default();
    let binds = words.iter().any(|word| ["bind", "rbind"].contains(word));
    match (options["type"].as_str(), binds) {
        ("none" | "bind" | "", true) if !Path::new(&options["device"]).is_absolute() => refused("device"),
        ("none" | "bind" | "", true)
            if words.iter().any(|word| !["bind", "rbind", "ro", "rw"].contains(word)) =>
        {
            refused("o")
        }
        ("none" | "bind" | "", true) => Ok(()),
        _ => refused("type"),
    }
}

/// Gives each volume its name: those of other containers, those that nobody named, and those of the image. Once, when a
/// container is made; nothing is made yet.
///
/// # Errors
/// A name, a mode or a place that is none; another container that is not there.
pub fn settle(state: &State, request: &mut Request, image: &ImageConfig) -> Result<(), VolumeError> {
    for volume in &request.volumes {
        check_driver(&volume.name, &volume.driver)?;
        if !volume.anonymous {
            check_name(&volume.name)?;
        }
    }
    for wanted in std::mem::take(&mut request.volumes_from) {
        from_another(state, request, &wanted)?;
    }
    for place in image.volumes.iter().flat_map(|volumes| volumes.keys()) {
        let target = place_of(place)?;
        if !taken(request, &target) {
            request.volumes.push(VolumeUse::anonymous(target));
        }
    }
    for volume in request.volumes.iter_mut().filter(|volume| volume.name.is_empty()) {
        volume.name = names::new_id();
    }
    Ok(())
}

/// Whether something else was asked for at this place.
fn taken(request: &Request, target: &Path) -> bool {
    let mounts = request.binds.iter().chain(&request.tmpfs).map(|mount| &mount.target);
    mounts.chain(request.volumes.iter().map(|volume| &volume.target)).any(|other| other == target)
}

/// What another container was shown, but for what was asked for at the same places.
fn from_another(state: &State, request: &mut Request, wanted: &str) -> Result<(), VolumeError> {
    let (name, mode) = wanted.split_once(':').unwrap_or((wanted, "rw"));
    let read_only = match mode {
        "ro" => true,
        "rw" | "z" | "Z" => false,
        other => return Err(VolumeError::Mode(other.into())),
    };
    let other = containers::find(state, name)?;
    for bind in other.binds() {
        if !taken(request, &bind.target) {
            request.binds.push(if read_only { bind.clone().read_only() } else { bind.clone() });
        }
    }
    for volume in other.volumes() {
        if !taken(request, &volume.target) {
            let read_only = read_only || volume.read_only;
            // as in Docker: what it begins with is the other's affair
            request.volumes.push(VolumeUse { read_only, copy: false, ..volume.clone() });
        }
    }
    Ok(())
}

/// The place of a volume of the image.
fn place_of(text: &str) -> Result<PathBuf, VolumeError> {
    let path = Path::new(text);
    let up = path.components().any(|part| part == Component::ParentDir);
    match !path.is_absolute() || up || path == Path::new("/") || text.contains('\0') {
        true => Err(VolumeError::Place(text.into())),
        false => Ok(path.components().collect()),
    }
}
