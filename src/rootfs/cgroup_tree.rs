//! Cgroup tree: which one a container can be shown.

use super::CgroupTree;
use crate::cgroups::Cgroup;
use crate::cgroups::detect::Mount;

impl CgroupTree {
    /// By what is mounted on this machine. Version 1 can be mounted by root of the machine only.
    pub fn of(mounts: &[Mount], all_powerful: bool) -> CgroupTree {
        // a hierarchy may be mounted more than once; the container gets each of them once
        let mut v1: Vec<(String, String)> = Vec::new();
        for found in mounts.iter().filter(|mount| !mount.v2).filter_map(name_and_options) {
            if !v1.iter().any(|(name, _)| *name == found.0) {
                v1.push(found);
            }
        }
        match (v1.is_empty(), all_powerful) {
            (true, _) if !mounts.is_empty() => CgroupTree::V2,
            (false, true) => CgroupTree::V1(v1),
            _ => CgroupTree::None,
        }
    }

    /// The same for a container without a cgroup namespace of its own, to which a new mount would show every cgroup of
    /// the machine: its own directories. Hierarchies in which it has none are left out.
    pub fn bound(&self, cgroup: &Cgroup) -> CgroupTree {
        let directories = cgroup.directories();
        let found = |controllers: &str| {
            let mut own = directories.iter();
            own.find(|(controller, _)| controllers.split(',').any(|name| name == controller.name()))
        };
        match self {
            CgroupTree::V1(hierarchies) => CgroupTree::Bound(
                hierarchies
                    .iter()
                    .filter_map(|(name, controllers)| Some((name.clone(), found(controllers)?.1.clone())))
                    .collect(),
            ),
            CgroupTree::V2 => match directories.first() {
                Some((_, directory)) => CgroupTree::Bound(vec![(String::new(), directory.clone())]),
                None => CgroupTree::None,
            },
            CgroupTree::None | CgroupTree::Bound(_) => self.clone(),
        }
    }
}

/// The directory of a version 1 hierarchy, and what mounts it again.
fn name_and_options(mount: &Mount) -> Option<(String, String)> {
    Some((mount.point.file_name()?.to_str()?.to_string(), mount.controllers.join(",")))
}
