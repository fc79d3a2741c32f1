//! Resources: `linux.cgroupsPath` and `linux.resources`, as the recipe takes them.

use std::path::Path;

use super::Place;
use super::document::Config;
use super::error::ConfigError;
use crate::cgroups::{Cgroup, Resources, devices};
use crate::rootfs::CgroupTree;
use crate::spec::Namespace;

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

/// What a mount of type `cgroup` shows: all that a cgroup namespace of its own lets it see, else its own cgroup alone.
pub(super) fn shown(cgroup: &Cgroup, namespace: &Namespace, place: &Place) -> CgroupTree {
    let directories = || cgroup.directories().into_iter().map(|(_, directory)| directory);
    let below = |name: &str| {
        let hierarchy = Path::new("/sys/fs/cgroup").join(name);
        directories().find(|directory| directory.starts_with(&hierarchy))
    };
    match &place.machine.cgroups {
        tree if *namespace != Namespace::Host => tree.clone(),
        CgroupTree::V2 => match below("") {
            Some(directory) => CgroupTree::Bound(vec![(String::new(), directory)]),
            None => CgroupTree::None,
        },
        CgroupTree::V1(trees) => {
            let bound = trees.iter().filter_map(|(name, _)| Some((name.clone(), below(name)?)));
            CgroupTree::Bound(bound.collect())
        }
        other => other.clone(),
    }
}

/// What it may use. Only root of the machine says which devices; for anybody else the kernel makes none.
pub(super) fn resources(config: &Config, place: &Place) -> Resources {
    let resources = config.linux.resources.clone();
    let rules = resources.devices.clone().unwrap_or_default().into_iter().chain(devices::always());
    Resources { devices: place.machine.all_powerful().then(|| rules.collect()), ..resources }
}
