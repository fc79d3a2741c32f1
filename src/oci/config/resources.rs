//! Resources: `linux.cgroupsPath` and `linux.resources`, as the recipe takes them.

use super::Place;
use super::document::Config;
use super::error::ConfigError;
use crate::cgroups::{Cgroup, Resources, devices};

/// The container's cgroup: where the configuration says, else one of its own name.
pub(super) fn cgroup(config: &Config, place: &Place) -> Result<Cgroup, ConfigError> {
    let path = config.linux.cgroups_path.as_deref().filter(|path| !path.is_empty());
    match path {
        Some(path) => Ok(Cgroup::at(&place.hierarchy, path)?),
        // there may be no place for one: none is made then, and a limit is an error
        None if place.flags.lenient => Ok(Cgroup::of_box(&place.hierarchy, &place.id)),
        None => Ok(Cgroup::at(&place.hierarchy, &place.id)?),
    }
}

/// What it may use. Only root of the machine says which devices; for anybody else the kernel makes none.
pub(super) fn resources(config: &Config, place: &Place) -> Resources {
    let resources = config.linux.resources.clone();
    let rules = resources.devices.clone().unwrap_or_default().into_iter().chain(devices::always());
    Resources { devices: place.machine.all_powerful().then(|| rules.collect()), ..resources }
}
