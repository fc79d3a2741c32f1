//! Hierarchies: which of them has which controller, and where in it our cgroups go.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{CgroupError, Controller};
use crate::kernel::{Errno, Op};
use crate::step::Step;

/// Every hierarchy of this machine, and where in each of them our cgroups go. Plain data: keep it with a
/// container, so that another process finds its cgroups again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hierarchy {
    /// version 1: a place for each controller that is mounted
    pub v1: Vec<(Controller, Place)>,
    /// version 2, where it is mounted
    pub v2: Option<Unified>,
}

/// The version 2 tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unified {
    /// where our cgroups go
    pub place: Place,
    /// cgroup.controllers there: what could be handed down
    pub controllers: Vec<String>,
    /// cgroup.subtree_control there: what is handed down already
    pub enabled: Vec<String>,
}

/// A directory below which our cgroups go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// where the hierarchy is mounted
    pub point: PathBuf,
    /// the directory
    pub parent: PathBuf,
    /// the errno with which it refuses us, if it does
    pub refused: Option<i32>,
}

impl Hierarchy {
    /// A machine as most are today: version 2, and root of it.
    pub fn version_2() -> Hierarchy {
        let place = Place { point: "/sys/fs/cgroup".into(), parent: "/sys/fs/cgroup".into(), refused: None };
        let names = ["cpu", "memory", "pids"].map(String::from).to_vec();
        Hierarchy { v1: Vec::new(), v2: Some(Unified { place, controllers: names.clone(), enabled: names }) }
    }

    /// Where a box's cgroup for this controller can be made; or why not.
    pub fn usable(&self, controller: Controller) -> Result<&Path, CgroupError> {
        let place = self.place(controller).ok_or(CgroupError::Missing(controller))?;
        match place.refused.map(Errno::from_raw_os_error) {
            None => Ok(&place.parent),
            Some(errno) => Err(CgroupError::Refused(place.parent.clone(), errno)),
        }
    }

    /// Whether there is this controller, whoever may use it.
    pub(super) fn known(&self, controller: Controller) -> Result<(), CgroupError> {
        self.place(controller).map(drop).ok_or(CgroupError::Missing(controller))
    }

    /// Whether every limit can be set here; if not, the first reason.
    pub fn writable(&self) -> Result<(), CgroupError> {
        let needed = [Controller::Memory, Controller::Cpu, Controller::Pids];
        needed.into_iter().try_for_each(|controller| self.usable(controller).map(drop))
    }

    /// `v1`, `v2`, `hybrid` or `none`, by where the controllers are.
    pub fn version(&self) -> &'static str {
        let v1 = self.v1.iter().any(|(controller, _)| Controller::ALL.contains(controller));
        match (!v1, &self.v2) {
            (false, None) => "v1",
            (false, Some(_)) => "hybrid",
            (true, Some(_)) => "v2",
            (true, None) => "none",
        }
    }

    /// The same, for a title.
    pub fn title(&self) -> &'static str {
        match self.version() {
            "v1" => "cgroups version 1",
            "v2" => "cgroups version 2",
            "hybrid" => "cgroups version 1 and 2",
            _ => "no cgroups",
        }
    }

    /// Without the version 1 hierarchies of other controllers: for a box that is limited in one way only.
    pub fn only(&self, controller: Controller) -> Hierarchy {
        let v1 = self.v1.iter().filter(|(other, _)| *other == controller).cloned().collect();
        let v2 = self.v2.clone().filter(|_| !self.in_v1(controller));
        Hierarchy { v1, v2 }
    }

    /// Whether version 1 has this controller. A controller is in one hierarchy at a time.
    pub(super) fn in_v1(&self, controller: Controller) -> bool {
        self.v1.iter().any(|(other, _)| *other == controller)
    }

    pub(super) fn place(&self, controller: Controller) -> Option<&Place> {
        if let Some((_, place)) = self.v1.iter().find(|(other, _)| *other == controller) {
            return Some(place);
        }
        let v2 = self.v2.as_ref()?;
        let given = controller.built_in() || has(&v2.controllers, controller);
        given.then_some(&v2.place)
    }

    /// Version 2: the parent hands down what a box is to be limited by. That is not undone, because it would lift
    /// the limits of every other cgroup there.
    pub(super) fn hand_down(&self, controllers: &[Controller]) -> Option<Step> {
        let v2 = self.v2.as_ref().filter(|v2| v2.place.refused.is_none())?;
        let wanted: Vec<String> = self
            .offered(controllers)
            .filter(|controller| !has(&v2.enabled, *controller))
            .map(|controller| format!("+{}", controller.unified_name()))
            .collect();
        let op = Op::write(v2.place.parent.join("cgroup.subtree_control"), wanted.join(" "));
        let step = Step::new("hand the controllers down", op)
            .why("a cgroup has only the controllers that its parent hands it");
        (!wanted.is_empty()).then_some(step)
    }

    /// Of these controllers, those that version 2 has for us.
    pub(super) fn offered(&self, controllers: &[Controller]) -> impl Iterator<Item = Controller> {
        let names = self.v2.as_ref().map_or(&[][..], |v2| &v2.controllers);
        let offered = |controller: &&Controller| has(names, **controller) && !self.in_v1(**controller);
        controllers.iter().filter(offered).copied().collect::<Vec<_>>().into_iter()
    }

    /// Without other controllers than these: under version 1 each costs a box two calls.
    pub fn keep(&self, controllers: &[Controller]) -> Hierarchy {
        let v1 = self.v1.iter().filter(|(other, _)| controllers.contains(other)).cloned().collect();
        let mut v2 = self.v2.clone();
        let kept = |name: &String| controllers.iter().any(|one| one.unified_name() == name);
        v2.iter_mut().for_each(|v2| v2.controllers.retain(kept));
        Hierarchy { v1, v2 }
    }
}

fn has(names: &[String], controller: Controller) -> bool {
    names.iter().any(|name| name == controller.unified_name())
}

/// One line for each controller: where it is.
impl fmt::Display for Hierarchy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = [Controller::Memory, Controller::Cpu, Controller::Pids, Controller::Freezer];
        for (at, controller) in shown.into_iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            let version = if self.in_v1(controller) { "version 1" } else { "version 2" };
            match self.place(controller) {
                Some(place) => {
                    write!(f, "{end}{}: {version}, {}", controller.name(), place.parent.display())?
                }
                None => write!(f, "{end}{}: nowhere", controller.name())?,
            }
        }
        Ok(())
    }
}
