//! Resources: `linux.cgroupsPath` and `linux.resources`, as the recipe takes them.

use std::path::PathBuf;

use super::Place;
use super::document::Config;
use super::error::ConfigError;
use crate::cgroups::{Cgroup, Resources, devices};
use crate::rootfs::CgroupTree;

/// The container's cgroup: where the configuration says, else one of its own name.
pub(super) fn cgroup(config: &Config, place: &Place) -> Result<Cgroup, ConfigError> {
    let path = config.linux.cgroups_path.as_deref().filter(|path| !path.is_empty());
    match path {
        Some(path) => Ok(Cgroup::at(&place.hierarchy, path)?),
        None if place.machine.root() => Ok(Cgroup::at(&place.hierarchy, &place.id)?),
        // without root there may be no place for one: none is made then, unless something is to be limited
        None => Ok(Cgroup::of_box(&place.hierarchy, &place.id)),
    }
}

/// What of the cgroup tree the container is shown where it has no cgroup namespace: a new mount would be the host's
/// whole tree, so it is its own directories.
pub(super) fn bound(cgroup: &Cgroup, place: &Place) -> CgroupTree {
    let mut directories: Vec<(String, PathBuf)> = Vec::new();
    for (controller, at) in &place.hierarchy.v1 {
        let name = at.point.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let (false, Some(path)) =
            (directories.iter().any(|(other, _)| *other == name), cgroup.directory(*controller))
        {
            directories.push((name, path));
        }
    }
    if place.hierarchy.v1.is_empty() {
        let first = cgroup.directories().into_iter().next();
        directories.extend(first.map(|(_, path)| (String::new(), path)));
    }
    if directories.is_empty() { CgroupTree::None } else { CgroupTree::Bound(directories) }
}

/// What it may use. Only root of the machine says which devices; for anybody else the kernel makes none.
pub(super) fn resources(config: &Config, place: &Place) -> Resources {
    let resources = config.linux.resources.clone();
    let rules = resources.devices.clone().unwrap_or_default().into_iter().chain(devices::always());
    Resources { devices: place.machine.all_powerful().then(|| rules.collect()), ..resources }
}
