//! Cgroups: how much of the machine a box may use; counted, limited and stopped by the kernel.
//!
//! ```text
//!   version 1                                   version 2                       hybrid
//!   memory/stepbox-ID/memory.limit_in_bytes     stepbox-ID/memory.max           controllers of version 1
//!   pids/stepbox-ID/pids.max                    stepbox-ID/pids.max             beside a version 2 tree
//!   …/cgroup.procs   one in each hierarchy      stepbox-ID/cgroup.procs         that has what is left of them
//! ```
//!
//! A cgroup is a directory. Making it makes its files; writing a process id into `cgroup.procs` moves the process
//! in, and what it starts from then on is born there; it can be removed when nobody is left in it.
//!
//! What may be limited is said as `linux.resources` of the OCI runtime specification says it ([`Resources`]).
//!
//! See cgroups(7), the kernel's cgroup-v2.rst and cgroup-v1/. Lab 06-cgroups, tutorials/06-cgroups.md.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::kernel::ctext::BOX;
use crate::kernel::flags::INTO_CGROUP;
use crate::kernel::{Errno, Op};
use crate::probe::Probe;
use crate::step::Step;

mod block;
mod controller;
pub mod cpu;
pub mod detect;
pub mod devices;
mod error;
mod extend;
mod files;
mod filter;
mod hierarchy;
mod keyed;
mod members;
mod memory;
pub mod oom;
mod path;
mod resources;
mod setting;
pub mod stats;
mod update;
mod v1;
mod v2;

pub use block::io_weight;
pub use controller::Controller;
pub use error::CgroupError;
pub use filter::program as device_filter;
pub use hierarchy::{Hierarchy, Place, Unified};
pub use path::{Cgroup, Name};
pub use resources::*;
pub use setting::explain;
pub use update::Read;

use setting::Setting;

/// The period in which cpu time is counted, in microseconds: the kernel's default, and Docker's.
const PERIOD: u64 = 100_000;

/// What a box may use at most; `None` is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// bytes of memory
    pub memory: Option<u64>,
    /// bytes of swap beyond that: Docker's --memory-swap less --memory; counts only beside `memory`
    pub swap: Option<u64>,
    /// thousandths of a cpu: 1500 is one and a half
    pub cpus: Option<u64>,
    /// processes and threads
    pub pids: Option<u64>,
}

/// Reads which hierarchies there are, and where in them this process may make cgroups. `root` is `/` but in tests.
pub fn detect(root: &Path) -> std::io::Result<Hierarchy> {
    detect::read(root, detect::access)
}

/// The same, and every cgroup hierarchy that is mounted: both from one look.
pub fn look(root: &Path) -> std::io::Result<(Hierarchy, Vec<detect::Mount>)> {
    let mounts = detect::mounted(root)?;
    Ok((detect::of(root, &mounts, detect::access)?, mounts))
}

impl Cgroup {
    /// Makes the cgroup in every hierarchy in which it is to stand, and sets the limits. A limit that cannot be set is
    /// an error; without limits, a machine where nothing can be made is none: then there are no steps.
    pub fn create(&self, resources: &Resources) -> Result<Vec<Step>, CgroupError> {
        let wanted = self.wanted(resources)?;
        let filter = self.filter(resources, false)?;
        let controllers = self.controllers(&wanted);
        let mut steps: Vec<Step> = match (&self.name, self.unified()) {
            (_, None) => Vec::new(),
            (Name::Box(_), _) => self.hierarchy.hand_down(&controllers).into_iter().collect(),
            (Name::Path(_), _) => self.hand_down(self.base()).into_iter().collect(),
        };
        for (controller, directory) in self.directories() {
            steps.extend(
                self.parents(controller).iter().flat_map(|parent| self.make_parent(controller, parent)),
            );
            let made = self.make(controller, &directory, &controllers, &wanted);
            steps.push(made);
        }
        steps.extend(wanted.iter().filter_map(|setting| self.set(setting)));
        if let Some(directory) = self.directory(Controller::Cpuset).filter(|_| self.in_v1(Controller::Cpuset))
        {
            steps.extend(inherit(&directory));
        }
        steps.extend(filter);
        Ok(steps)
    }

    /// What is to be written; an error for what cannot be had here.
    fn wanted(&self, resources: &Resources) -> Result<Vec<Setting>, CgroupError> {
        let wanted = self.translate(resources)?;
        for setting in &wanted {
            let there = match self.name {
                Name::Box(_) => self.hierarchy.usable(setting.controller).map(drop),
                Name::Path(_) => self.hierarchy.known(setting.controller),
            };
            let setting = setting.member.to_string();
            there.map_err(|reason| CgroupError::Needs { setting, reason: reason.into() })?;
        }
        Ok(wanted)
    }

    /// The same, each in the notation of the version that has its controller here.
    fn translate(&self, resources: &Resources) -> Result<Vec<Setting>, CgroupError> {
        let v1 = |controller| self.in_v1(controller);
        let old = self.hierarchy.version() != "v2";
        let wanted = [
            cpu::places(&resources.cpu),
            memory::settings(&resources.memory, v1(Controller::Memory))?,
            cpu::settings(&resources.cpu, v1(Controller::Cpu))?,
            pids(resources.pids.limit),
            block::settings(&resources.block_io, v1(Controller::Block))?,
            keyed::huge_pages(&resources.hugepage_limits, v1(Controller::Hugetlb))?,
            keyed::network(&resources.network, old)?,
            keyed::rdma(&resources.rdma)?,
            keyed::unified(resources, old)?,
        ];
        Ok(wanted.concat())
    }

    fn needed(&self, resources: &Resources) -> Vec<Controller> {
        self.controllers(&self.translate(resources).unwrap_or_default())
    }

    /// What is needed for these settings, and what a cgroup of ours has in any case: disks are not limited, but counted.
    fn controllers(&self, wanted: &[Setting]) -> Vec<Controller> {
        let mut controllers = Controller::ALL.to_vec();
        controllers.push(Controller::Block);
        let more = wanted.iter().map(|setting| setting.controller);
        more.for_each(|one| {
            if !controllers.contains(&one) {
                controllers.push(one)
            }
        });
        controllers
    }

    fn set(&self, setting: &Setting) -> Option<Step> {
        let directory = self.directory(setting.controller)?;
        Some(setting.step(&directory, self.in_v1(setting.controller)))
    }

    fn make(&self, controller: Controller, directory: &Path, all: &[Controller], wanted: &[Setting]) -> Step {
        let name = if self.in_v1(controller) { controller.make() } else { "make a cgroup" };
        let mut step = Step::new(name, Op::mkdir(directory))
            .why("the kernel fills the directory with files: one for each thing to set or to read")
            .undo(Op::RemoveCgroup { path: directory.into() });
        if let Name::Path(_) = self.name {
            step = step.or_else(Errno::EXIST);
        }
        let limited = |one: &&Controller| wanted.iter().any(|setting| setting.controller == **one);
        let here = |one: &&Controller| self.directory(**one).as_deref() == Some(directory);
        let shown = |one: &&Controller| !files::shown(**one, self.in_v1(**one)).is_empty();
        step.show
            .extend(all.iter().filter(limited).filter(here).filter(shown).map(|one| self.settings(*one)));
        step
    }

    /// A cgroup above, that others may have made or may use.
    fn make_parent(&self, controller: Controller, directory: &Path) -> Vec<Step> {
        let mut steps = vec![
            Step::new("make the cgroup above", Op::mkdir(directory))
                .why("whoever groups containers limits the group here")
                .undo(Op::LeaveCgroup { path: directory.into() })
                .or_else(Errno::EXIST),
        ];
        if self.in_v1(controller) {
            steps.extend(inherit(directory).into_iter().filter(|_| controller == Controller::Cpuset));
            return steps;
        }
        steps.extend(self.hand_down(Some(directory.into())));
        steps
    }

    /// Whatever this level will give, because nobody knows yet what containers below will ask for.
    fn hand_down(&self, directory: Option<PathBuf>) -> Option<Step> {
        let offered = self.hierarchy.offered(&Controller::EVERY);
        let controllers: Vec<_> = offered.map(|one| one.unified_name().into()).collect();
        let path = directory?.join("cgroup.subtree_control").into();
        let step =
            Step::new("hand all controllers down", Op::HandDown { path, controllers: controllers.clone() })
                .why("what is lost on one level, no level below can have");
        (!controllers.is_empty()).then_some(step)
    }

    /// The steps that open and close devices; none where nothing is said of them.
    fn filter(&self, resources: &Resources, replace: bool) -> Result<Vec<Step>, CgroupError> {
        let Some(rules) = &resources.devices else { return Ok(Vec::new()) };
        let list = devices::List::of(rules)?;
        let Some(directory) = self.directory(Controller::Devices) else {
            let reason = self.hierarchy.usable(Controller::Devices).err();
            let reason = reason.unwrap_or(CgroupError::Missing(Controller::Devices)).into();
            return Err(CgroupError::Needs { setting: "linux.resources.devices".into(), reason });
        };
        Ok(match self.in_v1(Controller::Devices) {
            true => list.write(&directory),
            false => list.attach(&directory, replace),
        })
    }

    /// Moves the box into its cgroups, from outside. Done before it runs anything, so nothing of it is ever outside.
    pub fn join(&self) -> Vec<Step> {
        self.directories().into_iter().map(|(_, directory)| put_into(&directory)).collect()
    }

    /// What is done before the clone that the box is born in its version 2 cgroup. The clone's flags are to hold
    /// [`Cgroup::birth_flag`]; under version 1, nothing.
    pub fn open(&self) -> Option<Step> {
        let step = Step::new("open the cgroup", Op::OpenCgroup(self.unified()?.into()));
        Some(
            step.why(
                "a child can be born in another cgroup than its parent's: cheaper than to move it there",
            ),
        )
    }

    /// What the clone's flags are to hold besides: CLONE_INTO_CGROUP where [`Cgroup::open`] has opened one.
    pub fn birth_flag(&self) -> u64 {
        if self.unified().is_some() { INTO_CGROUP } else { 0 }
    }

    /// Under version 1 the box moves itself, by writing 0 to `tasks`: to move another's process, the kernel keeps every
    /// process of the machine from forking, for which it waits for an RCU grace period, milliseconds under load. See the
    /// comment in cgroup_procs_write_start(), kernel/cgroup/cgroup.c, since 5.12. Under version 2 it is there by birth.
    pub fn enter(&self) -> Vec<Step> {
        let v1 = self.directories().into_iter().filter(|(controller, _)| self.in_v1(*controller));
        let enter = |(_, directory): (Controller, PathBuf)| {
            let why =
                "0 means whoever writes it: from now on the box is counted here, with all that it will start";
            let op = Op::write(directory.join("tasks"), "0");
            Step { name: "step into it", why, op, ..put_into(&directory) }.inside()
        };
        v1.map(enter).collect()
    }

    /// Stops every process of the box where it is. Under version 1 a frozen process does not even die: thaw it too.
    pub fn freeze(&self) -> Option<Step> {
        let directory = self.directory(Controller::Freezer)?;
        let (file, stop, go_on) = self.table(Controller::Freezer).freeze;
        let step = Step::new("freeze the box", Op::write(directory.join(file), stop))
            .why("unlike SIGSTOP, nobody inside can see it coming, and all of them stop together")
            .undo(Op::write(directory.join(file), go_on));
        Some(step)
    }

    /// The same, and waits until the last has stopped.
    pub fn pause(&self) -> Vec<Step> {
        let table = self.table(Controller::Freezer);
        let (Some(freeze), Some(directory)) = (self.freeze(), self.directory(Controller::Freezer)) else {
            return Vec::new();
        };
        let (file, text, again) = table.frozen;
        let again = again.then(|| text.into());
        let wait = Op::AwaitText { path: directory.join(file).into(), text: text.into(), again };
        let why = "each stops when it is about to leave the kernel, one after the other";
        vec![freeze, Step::new("wait until all have stopped", wait).why(why)]
    }

    /// Lets them go on.
    pub fn thaw(&self) -> Option<Step> {
        let directory = self.directory(Controller::Freezer)?;
        let (file, _, go_on) = self.table(Controller::Freezer).freeze;
        let step = Step::new("thaw the box", Op::write(directory.join(file), go_on));
        Some(step.why("it goes on at the very instruction where it stood"))
    }

    /// Kills every process of the box. Version 2 has a file for it. Under version 1 the first process is killed, whose
    /// PID namespace takes the rest along, and thawed, so that it can die.
    pub fn kill(&self) -> Vec<Step> {
        if let Some(step) = self.kill_at_once() {
            return vec![step];
        }
        let step = Step::new("kill the box", Op::KillBox { signal: libc::SIGKILL })
            .why("when process 1 of a PID namespace dies, the kernel kills all others in it");
        std::iter::once(step).chain(self.thaw_in_case()).collect()
    }

    /// A signal for every process of the cgroup and of those below it, whatever their PID namespaces.
    pub fn signal(&self, signal: i32) -> Vec<Step> {
        if let Some(step) = self.kill_at_once().filter(|_| signal == libc::SIGKILL) {
            return vec![step];
        }
        let first = self.directory(Controller::Freezer).or(self.directories().pop().map(|(_, path)| path));
        let Some(directory) = first else { return Vec::new() };
        let step = Step::new("signal each process", Op::SignalCgroup { path: directory.into(), signal })
            .why("the cgroup knows its processes, also those that have left everything else behind");
        self.freeze().into_iter().chain([step]).chain(self.thaw_in_case()).collect()
    }

    /// Ends whoever is still in it: where the PID namespace is shared, the first process takes nobody along.
    pub fn end(&self) -> Option<Op> {
        let first = || self.directory(Controller::Freezer).or(self.directories().pop().map(|(_, path)| path));
        match self.kill_at_once() {
            Some(step) => Some(step.op),
            None => Some(Op::SignalCgroup { path: first()?.into(), signal: libc::SIGKILL }),
        }
    }

    fn kill_at_once(&self) -> Option<Step> {
        let directory = self.directory(Controller::Freezer).filter(|_| !self.in_v1(Controller::Freezer))?;
        let step = Step::new("kill the cgroup", Op::write(directory.join("cgroup.kill"), "1"));
        Some(step.why("one write reaches them all, also those that are just being forked"))
    }

    fn thaw_in_case(&self) -> Option<Step> {
        let why =
            "under version 1 a frozen process does not even die; one that is not frozen takes no notice";
        self.thaw().map(|step| Step { name: "thaw it, in case", why, ..step })
    }

    /// Removes it, with what its processes have made below it.
    pub fn remove(&self) -> Vec<Step> {
        let remove = |(_, directory): (Controller, PathBuf)| {
            Step::new("remove the cgroup", Op::RemoveCgroup { path: directory.into() })
                .why("nobody is left in it")
                .or_else(Errno::NOENT)
        };
        self.directories().into_iter().map(remove).collect()
    }

    /// What is set: the files of one controller.
    pub fn settings(&self, controller: Controller) -> Probe {
        let directory = self.directory(controller).unwrap_or_default();
        files::probe(&directory, controller, self.in_v1(controller))
    }

    /// Whether a limit has bitten: the kernel's own counter, as `0` or `more than 0`.
    pub fn bites(&self, controller: Controller) -> Probe {
        let directory = self.directory(controller).unwrap_or_default();
        let counters = (self.table(controller).bites)(controller);
        Probe::Counters(directory.display().to_string(), counters.to_vec())
    }

    fn table(&self, controller: Controller) -> &'static files::Files {
        files::table(self.in_v1(controller))
    }
}

/// Moves the box into the cgroup of this directory.
pub fn put_into(directory: &Path) -> Step {
    Step::new("put the box into it", Op::write(directory.join("cgroup.procs"), BOX))
        .why("from now on the box is counted here, with everything that it will start")
        .show(Probe::Files(directory.display().to_string(), vec!["cgroup.procs"]))
}

/// Version 1: a new cpuset has no cpus, and whoever has none cannot be in it.
fn inherit(directory: &Path) -> [Step; 2] {
    ["cpuset.cpus", "cpuset.mems"].map(|file| {
        let from = directory.parent().unwrap_or(directory).join(file).into();
        Step::new("take the choice over from above", Op::Inherit { from, to: directory.join(file).into() })
            .why("a new cgroup of version 1 has no cpus, and nobody can join it")
    })
}

fn pids(limit: Option<i64>) -> Vec<Setting> {
    let Some(most) = limit.filter(|most| *most != 0) else { return Vec::new() };
    let why = "a fork bomb ends here: fork fails inside, and nobody outside notices";
    let member = (Controller::Pids, "linux.resources.pids.limit");
    vec![Setting::new(member, ("limit processes", why), (v2::FILES.pids)(most))]
}

impl Limits {
    /// The controllers that these limits need.
    pub fn controllers(&self) -> Vec<Controller> {
        let needed = [
            (Controller::Memory, self.memory.is_some()),
            (Controller::Cpu, self.cpus.is_some()),
            (Controller::Pids, self.pids.is_some()),
        ];
        needed.into_iter().filter(|(_, needed)| *needed).map(|(controller, _)| controller).collect()
    }
}
