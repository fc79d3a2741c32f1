//! Hierarchies: which of them has which controller, and where in it our cgroups go.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Controller, Files, v1, v2};
use crate::kernel::{Errno, Op, hint};
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
    /// the directory
    pub parent: PathBuf,
    /// the errno with which it refuses us, if it does
    pub refused: Option<i32>,
}

/// Why a limit cannot be set here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CgroupError {
    /// no hierarchy gives us this controller
    #[error("no cgroup of ours can have the {} controller\nhint: {}", .0.name(), give(*.0))]
    Missing(Controller),
    /// we may not make a cgroup there
    #[error("no cgroup of ours can stand in {}: {}\nhint: {}", .0.display(), hint::errno_text(*.1), remedy(.0, *.1))]
    Refused(PathBuf, Errno),
}

fn give(controller: Controller) -> &'static str {
    match controller {
        Controller::Cpu => {
            "systemd gives users no cpu controller until root runs: systemctl edit user@.service, \
             and writes [Service] Delegate=cpu memory pids"
        }
        _ => {
            "the kernel was started without it: see cgroup_disable= in /proc/cmdline; \
             a Raspberry Pi wants cgroup_enable=memory there"
        }
    }
}

fn remedy(directory: &Path, errno: Errno) -> &'static str {
    hint::hint(&Op::mkdir(directory), errno).unwrap_or("run as root")
}

impl CgroupError {
    /// The call that shows it, and its error; `None` where no single call does.
    pub fn attempt(&self, id: &str) -> Option<(Op, Errno)> {
        match self {
            // the directory itself could be made, but it would have no controllers
            CgroupError::Refused(_, Errno::BUSY) | CgroupError::Missing(_) => None,
            CgroupError::Refused(directory, errno) => Some((Op::mkdir(directory.join(name(id))), *errno)),
        }
    }
}

fn name(id: &str) -> String {
    format!("stepbox-{id}")
}

impl Hierarchy {
    /// A machine as most are today: version 2, and root of it.
    pub fn version_2() -> Hierarchy {
        let place = Place { parent: "/sys/fs/cgroup".into(), refused: None };
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

    /// Whether every limit can be set here; if not, the first reason.
    pub fn writable(&self) -> Result<(), CgroupError> {
        let needed = [Controller::Memory, Controller::Cpu, Controller::Pids];
        needed.into_iter().try_for_each(|controller| self.usable(controller).map(drop))
    }

    /// `v1`, `v2`, `hybrid` or `none`, by where the controllers are.
    pub fn version(&self) -> &'static str {
        match (self.v1.is_empty(), &self.v2) {
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

    /// The box's cgroup for a controller, if there can be one.
    pub fn directory(&self, controller: Controller, id: &str) -> Option<PathBuf> {
        Some(self.usable(controller).ok()?.join(name(id)))
    }

    /// Every directory that a box gets, each once, with the first controller that lives there.
    pub(super) fn directories(&self, id: &str) -> Vec<(Controller, PathBuf)> {
        let mut found: Vec<(Controller, PathBuf)> = Vec::new();
        for controller in Controller::ALL {
            let Some(directory) = self.directory(controller, id) else { continue };
            if !found.iter().any(|(_, other)| *other == directory) {
                found.push((controller, directory));
            }
        }
        found
    }

    /// Whether version 1 has this controller. A controller is in one hierarchy at a time.
    pub(super) fn in_v1(&self, controller: Controller) -> bool {
        self.v1.iter().any(|(other, _)| *other == controller)
    }

    pub(super) fn files(&self, controller: Controller) -> &'static Files {
        if self.in_v1(controller) { &v1::FILES } else { &v2::FILES }
    }

    fn place(&self, controller: Controller) -> Option<&Place> {
        if let Some((_, place)) = self.v1.iter().find(|(other, _)| *other == controller) {
            return Some(place);
        }
        let v2 = self.v2.as_ref()?;
        let given = v2::built_in(controller) || has(&v2.controllers, controller);
        given.then_some(&v2.place)
    }

    /// Version 2: the parent hands down what a box is to be limited by. That is not undone, because it would lift
    /// the limits of every other cgroup there.
    pub(super) fn hand_down(&self) -> Option<Step> {
        let v2 = self.v2.as_ref().filter(|v2| v2.place.refused.is_none())?;
        let wanted = Controller::ALL.into_iter().filter(|controller| {
            has(&v2.controllers, *controller) && !has(&v2.enabled, *controller) && !self.in_v1(*controller)
        });
        let wanted: Vec<String> = wanted.map(|controller| format!("+{}", controller.name())).collect();
        let op = Op::write(v2.place.parent.join("cgroup.subtree_control"), wanted.join(" "));
        let step = Step::new("hand the controllers down", op)
            .why("a cgroup has only the controllers that its parent hands it");
        (!wanted.is_empty()).then_some(step)
    }
}

fn has(names: &[String], controller: Controller) -> bool {
    names.iter().any(|name| name == controller.name())
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
