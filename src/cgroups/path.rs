//! Path: which cgroup is meant, in every hierarchy at once.
//!
//! ```text
//!   linux.cgroupsPath        cgroup, below each hierarchy
//!   /a/b                     MOUNT POINT/a/b
//!   a/b                      where ours go/a/b
//!   none                     where ours go/stepbox-ID
//!   a.slice:runc:ID          systemd's to make: refused
//! ```
//!
//! See the OCI runtime specification, config-linux.md, "Cgroups Path".

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::setting::refuse;
use super::{CgroupError, Controller, Hierarchy, Resources};

/// A cgroup: one path, and every hierarchy in which it stands. Plain data: keep it with a container, so that another
/// process finds it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroup {
    /// the machine's hierarchies, as far as this cgroup is to stand in them
    pub hierarchy: Hierarchy,
    /// where in them
    pub name: Name,
}

/// Where a cgroup stands in its hierarchies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Name {
    /// `stepbox-ID`, where ours go: new, or it is a mistake; not there at all, where we may make none
    Box(String),
    /// this path, below the mount points where it is absolute, else where ours go; it may be there already
    Path(PathBuf),
}

impl Cgroup {
    /// The cgroup of a box of the engine, or of a lab.
    pub fn of_box(hierarchy: &Hierarchy, id: &str) -> Cgroup {
        Cgroup { hierarchy: hierarchy.clone(), name: Name::Box(id.into()) }
    }

    /// The same, only where a box needs to be: each version 1 hierarchy costs it two calls.
    pub fn for_box(hierarchy: &Hierarchy, id: &str, resources: &Resources) -> Cgroup {
        let everywhere = Cgroup::of_box(hierarchy, id);
        Cgroup { hierarchy: hierarchy.keep(&everywhere.needed(resources)), ..everywhere }
    }

    /// The cgroup of a box of the engine below another: absolute below the mount points, else where ours go.
    ///
    /// # Errors
    /// A name that leads out of the hierarchy, and a machine on which there is no hierarchy.
    pub fn below(
        hierarchy: &Hierarchy,
        parent: &str,
        id: &str,
        resources: &Resources,
    ) -> Result<Cgroup, CgroupError> {
        let cgroup = Cgroup::at(hierarchy, &format!("{parent}/stepbox-{id}"))?;
        let cgroup = Cgroup { hierarchy: hierarchy.keep(&cgroup.needed(resources)), ..cgroup };
        match cgroup.directories().is_empty() {
            true => Err(CgroupError::Missing(Controller::Freezer)),
            false => Ok(cgroup),
        }
    }

    /// The cgroup that `linux.cgroupsPath` names.
    ///
    /// # Errors
    /// A path in systemd's notation, and one that is empty or leads out of its hierarchy.
    pub fn at(hierarchy: &Hierarchy, path: &str) -> Result<Cgroup, CgroupError> {
        const MEMBER: &str = "linux.cgroupsPath";
        if let [slice, _, _] = path.split(':').collect::<Vec<_>>()[..]
            && !path.contains('/')
        {
            let slice = if slice.is_empty() { "system.slice" } else { slice };
            let reason = format!(
                "that is systemd's notation, slice:prefix:name, which --systemd-cgroup is for and stepbox does not \
                 have: say the path itself, as /{slice}/NAME"
            );
            return refuse(MEMBER, path, &reason);
        }
        let clean: PathBuf = Path::new(path).components().filter(|part| *part != Component::CurDir).collect();
        if clean.components().any(|part| part == Component::ParentDir) {
            return refuse(MEMBER, path, "`..` would lead out of the hierarchy: say the path itself");
        }
        if path.contains('\0') || !clean.components().any(|part| matches!(part, Component::Normal(_))) {
            return refuse(MEMBER, path.replace('\0', "\\0"), "that names no cgroup of its own");
        }
        Ok(Cgroup { hierarchy: hierarchy.clone(), name: Name::Path(clean) })
    }

    /// Where it stands for a controller; `None` where there is none, or where we may not make one.
    pub fn directory(&self, controller: Controller) -> Option<PathBuf> {
        let (base, path) = self.split(controller)?;
        Some(base.join(path))
    }

    /// Every directory that it is, each once, with the first controller that lives there.
    pub fn directories(&self) -> Vec<(Controller, PathBuf)> {
        let mut found: Vec<(Controller, PathBuf)> = Vec::new();
        for controller in Controller::EVERY {
            let Some(directory) = self.directory(controller) else { continue };
            if !found.iter().any(|(_, other)| *other == directory) {
                found.push((controller, directory));
            }
        }
        found
    }

    /// What lies between the hierarchy's part that is there for certain and this cgroup: first the outermost.
    pub(super) fn parents(&self, controller: Controller) -> Vec<PathBuf> {
        let Some((base, path)) = self.split(controller) else { return Vec::new() };
        let mut above: Vec<PathBuf> = path.ancestors().skip(1).map(|path| base.join(path)).collect();
        above.pop(); // the base itself
        above.reverse();
        above
    }

    /// In the version 2 tree, what is there for certain above it.
    pub(super) fn base(&self) -> Option<PathBuf> {
        let here =
            Controller::EVERY.into_iter().find(|one| !self.in_v1(*one) && self.split(*one).is_some())?;
        self.split(here).map(|(base, _)| base)
    }

    fn split(&self, controller: Controller) -> Option<(PathBuf, PathBuf)> {
        match &self.name {
            Name::Box(id) => {
                let parent = self.hierarchy.usable(controller).ok()?;
                Some((parent.into(), format!("stepbox-{id}").into()))
            }
            Name::Path(path) => {
                let place = self.hierarchy.place(controller)?;
                Some(match path.strip_prefix("/") {
                    Ok(below) => (place.point.clone(), below.into()),
                    Err(_) => (place.parent.clone(), path.clone()),
                })
            }
        }
    }

    /// Whether version 1 has it there.
    pub(super) fn in_v1(&self, controller: Controller) -> bool {
        self.hierarchy.in_v1(controller)
    }

    /// Its directory in the version 2 tree, if it stands there.
    pub(super) fn unified(&self) -> Option<PathBuf> {
        self.directories().into_iter().find(|(one, _)| !self.in_v1(*one)).map(|(_, directory)| directory)
    }
}
