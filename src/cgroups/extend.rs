//! Extend: a box that is to be limited in a way which nobody asked for when it was made.
//!
//! ```text
//!   version 1   it stands in no hierarchy of that controller     cpuset/stepbox-ID is made, and its processes move
//!   version 2   its directory has no files of that controller    +cpuset into cgroup.subtree_control above it
//! ```
//!
//! See cgroups(7), the kernel's cgroup-v1/cpusets.rst and cgroup-v2.rst, "Controlling Controllers".

use std::path::{Path, PathBuf};

use super::members::pids;
use super::{Cgroup, CgroupError, Controller, Name, Read, Resources, inherit};
use crate::kernel::{Errno, Op};
use crate::step::Step;

impl Cgroup {
    /// Where it would have to stand besides, to be limited so; under version 2 nowhere.
    fn absent(
        &self,
        resources: &Resources,
        read: Read<'_>,
    ) -> Result<Vec<(Controller, PathBuf)>, CgroupError> {
        let wanted = self.wanted(resources)?;
        let v1 = Controller::EVERY.into_iter().filter(|one| self.in_v1(*one));
        let needed = v1.filter(|one| wanted.iter().any(|setting| setting.controller == *one));
        let mut found: Vec<(Controller, PathBuf)> = Vec::new();
        for controller in needed {
            let Some(directory) = self.directory(controller) else { continue };
            let made = read(&directory.join("cgroup.procs")).is_some();
            if !made && !found.iter().any(|(_, other)| *other == directory) {
                found.push((controller, directory));
            }
        }
        Ok(found)
    }

    /// The steps that let a box whose processes are these be limited so, and limit it: as [`Cgroup::update`], also where
    /// it does not stand yet. Who is born meanwhile is left where its parent was: see [`Cgroup::strays`].
    ///
    /// # Errors
    /// What cannot be limited here.
    pub fn extend(
        &self,
        resources: &Resources,
        pids: &[i32],
        read: Read<'_>,
    ) -> Result<Vec<Step>, CgroupError> {
        let (wanted, absent) = (self.wanted(resources)?, self.absent(resources, read)?);
        let controllers: Vec<Controller> = wanted.iter().map(|setting| setting.controller).collect();
        let mut steps = Vec::new();
        if let Name::Box(_) = self.name {
            steps.extend(self.hierarchy.hand_down(&controllers));
        }
        for (controller, directory) in &absent {
            let above = self.parents(*controller).into_iter();
            let above = above.filter(|parent| read(&parent.join("cgroup.procs")).is_none());
            steps.extend(above.flat_map(|parent| self.make_parent(*controller, &parent)));
            steps.push(self.make(*controller, directory, &controllers, &wanted));
        }
        steps.extend(self.update(resources, read)?);
        for (controller, directory) in &absent {
            steps.extend(inherit(directory).into_iter().filter(|_| *controller == Controller::Cpuset));
            steps.extend(moved(directory, pids.iter()));
        }
        Ok(steps)
    }

    /// The steps that move those of its processes after the others that are not in this directory of it yet.
    ///
    /// # Errors
    /// What cannot be read of it.
    pub fn strays(&self, directory: &Path) -> Result<Vec<Step>, CgroupError> {
        let (here, all) = (pids(directory)?, self.pids()?);
        Ok(moved(directory, all.iter().filter(|pid| !here.contains(pid))))
    }
}

fn moved<'p>(directory: &Path, pids: impl Iterator<Item = &'p i32>) -> Vec<Step> {
    let procs = directory.join("cgroup.procs");
    let above = directory.parent().unwrap_or(directory).join("cgroup.procs");
    let step = |pid: &i32| {
        Step::new("move a process of it", Op::write(&procs, pid.to_string()))
            .why("what it starts from now on is born there")
            .undo(Op::write(&above, pid.to_string()))
            // it has ended meanwhile
            .or_else(Errno::SRCH)
    };
    pids.map(step).collect()
}
