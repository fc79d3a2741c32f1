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
//! See cgroups(7), the kernel's cgroup-v2.rst and cgroup-v1/. Lab 06-cgroups, tutorials/06-cgroups.md.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::kernel::ctext::BOX;
use crate::kernel::{Errno, Op};
use crate::probe::Probe;
use crate::step::Step;

pub mod detect;
mod hierarchy;
mod v1;
mod v2;

pub use hierarchy::{CgroupError, Hierarchy, Place, Unified};

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

/// A part of the kernel that counts or limits one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the kernel's own names; Accounting is cpuacct
pub enum Controller {
    Memory,
    Cpu,
    Accounting,
    Pids,
    Freezer,
}

/// What the two versions call the same things: a file, and the value in its notation.
struct Files {
    memory: fn(u64) -> (&'static str, String),
    swap: fn(u64, u64) -> (&'static str, String),
    cpus: fn(u64) -> (&'static str, String),
    pids: fn(u64) -> (&'static str, String),
    /// where a limit is read
    limits: fn(Controller) -> &'static [&'static str],
    /// where it is counted that a limit has bitten: a file, and the word before the number
    bites: fn(Controller) -> &'static [(&'static str, &'static str)],
    /// a file, what to write into it for "stop", what for "go on"
    freeze: (&'static str, &'static str, &'static str),
}

/// Reads which hierarchies there are, and where in them this process may make cgroups. `root` is `/` but in tests.
pub fn detect(root: &Path) -> std::io::Result<Hierarchy> {
    detect::read(root, detect::access)
}

/// Makes a cgroup `stepbox-ID` in every hierarchy that can count for us, and sets the limits. A limit that cannot
/// be set is an error; without limits, a machine where nothing can be made is none: then there are no steps.
pub fn create(hierarchy: &Hierarchy, id: &str, limits: &Limits) -> Result<Vec<Step>, CgroupError> {
    let limited = limits.controllers();
    limited.iter().try_for_each(|controller| hierarchy.usable(*controller).map(drop))?;
    let mut steps: Vec<Step> = hierarchy.hand_down().into_iter().collect();
    for (controller, directory) in hierarchy.directories(id) {
        let name = if hierarchy.in_v1(controller) { controller.make() } else { "make a cgroup" };
        let mut step = Step::new(name, Op::mkdir(&directory))
            .why("the kernel fills the directory with files: one for each thing to set or to read")
            .undo(Op::Rmdir { path: (&directory).into() });
        let here = |limit: &&Controller| hierarchy.directory(**limit, id).as_ref() == Some(&directory);
        step.show.extend(limited.iter().filter(here).map(|limit| settings(hierarchy, id, *limit)));
        steps.push(step);
    }
    steps.extend(limited.iter().map(|controller| set(hierarchy, id, limits, *controller)));
    steps.extend(limit_swap(hierarchy, id, limits));
    Ok(steps)
}

fn set(hierarchy: &Hierarchy, id: &str, limits: &Limits, controller: Controller) -> Step {
    let files = hierarchy.files(controller);
    let (name, why, (file, value)) = match controller {
        Controller::Memory => (
            "limit memory",
            "over it, the kernel takes back what it can, and when nothing is left to take, it kills",
            (files.memory)(limits.memory.unwrap_or(u64::MAX)),
        ),
        Controller::Cpu => (
            "limit cpu time",
            "so many microseconds in every 100,000; who has used them waits for the next period",
            (files.cpus)(limits.cpus.unwrap_or(u64::MAX)),
        ),
        _ => (
            "limit processes",
            "a fork bomb ends here: fork fails inside, and nobody outside notices",
            (files.pids)(limits.pids.unwrap_or(u64::MAX)),
        ),
    };
    let directory = hierarchy.directory(controller, id).unwrap_or_default();
    Step::new(name, Op::write(directory.join(file), value)).why(why).show(settings(hierarchy, id, controller))
}

/// A kernel without swap accounting has no such file: then there is nothing to limit either.
fn limit_swap(hierarchy: &Hierarchy, id: &str, limits: &Limits) -> Option<Step> {
    let (file, value) = (hierarchy.files(Controller::Memory).swap)(limits.memory?, limits.swap?);
    let path = hierarchy.directory(Controller::Memory, id)?.join(file);
    let why = "else memory over the limit would only move to the disk";
    Some(Step::new("limit swap", Op::write(path, value)).why(why).or_else(Errno::NOENT))
}

/// Moves the box into its cgroups. Done before it runs anything, so nothing of it is ever outside.
pub fn join(hierarchy: &Hierarchy, id: &str) -> Vec<Step> {
    let join = |(_, directory): (Controller, std::path::PathBuf)| {
        Step::new("put the box into it", Op::write(directory.join("cgroup.procs"), BOX))
            .why("from now on the box is counted here, with everything that it will start")
            .show(Probe::Files(directory.display().to_string(), vec!["cgroup.procs"]))
    };
    hierarchy.directories(id).into_iter().map(join).collect()
}

/// As [`join`], but under version 1 the box moves itself, by writing 0 to `tasks`: to move another's process, the
/// kernel keeps every process of the machine from forking, for which it waits for an RCU grace period, milliseconds
/// under load. See the comment in cgroup_procs_write_start(), kernel/cgroup/cgroup.c, since 5.12.
pub fn enter(hierarchy: &Hierarchy, id: &str) -> Vec<Step> {
    let steps = join(hierarchy, id).into_iter().zip(hierarchy.directories(id));
    let enter = |(step, (controller, directory)): (Step, (Controller, std::path::PathBuf))| {
        if !hierarchy.in_v1(controller) {
            return step;
        }
        let why =
            "0 means whoever writes it: from now on the box is counted here, with all that it will start";
        Step { name: "step into it", why, op: Op::write(directory.join("tasks"), "0"), ..step }.inside()
    };
    steps.map(enter).collect()
}

/// Stops every process of the box where it is. Under version 1 a frozen process does not even die: thaw it too.
pub fn freeze(hierarchy: &Hierarchy, id: &str) -> Option<Step> {
    let directory = hierarchy.directory(Controller::Freezer, id)?;
    let (file, stop, go_on) = hierarchy.files(Controller::Freezer).freeze;
    let step = Step::new("freeze the box", Op::write(directory.join(file), stop))
        .why("unlike SIGSTOP, nobody inside can see it coming, and all of them stop together")
        .undo(Op::write(directory.join(file), go_on));
    Some(step)
}

/// Lets them go on.
pub fn thaw(hierarchy: &Hierarchy, id: &str) -> Option<Step> {
    let directory = hierarchy.directory(Controller::Freezer, id)?;
    let (file, _, go_on) = hierarchy.files(Controller::Freezer).freeze;
    let step = Step::new("thaw the box", Op::write(directory.join(file), go_on));
    Some(step.why("it goes on at the very instruction where it stood"))
}

/// Kills every process of the box. Version 2 has a file for it. Under version 1 the first process is killed, whose
/// PID namespace takes the rest along, and thawed, so that it can die.
pub fn kill(hierarchy: &Hierarchy, id: &str) -> Vec<Step> {
    let v2 = hierarchy.directory(Controller::Freezer, id).filter(|_| !hierarchy.in_v1(Controller::Freezer));
    if let Some(directory) = v2 {
        let step = Step::new("kill the cgroup", Op::write(directory.join("cgroup.kill"), "1"));
        return vec![step.why("one write reaches them all, also those that are just being forked")];
    }
    let step = Step::new("kill the box", Op::KillBox { signal: libc::SIGKILL })
        .why("when process 1 of a PID namespace dies, the kernel kills all others in it");
    let why = "under version 1 a frozen process does not even die; one that is not frozen takes no notice";
    let thaw = thaw(hierarchy, id).map(|step| Step { name: "thaw it, in case", why, ..step });
    std::iter::once(step).chain(thaw).collect()
}

/// What is set: the files of one controller.
pub fn settings(hierarchy: &Hierarchy, id: &str, controller: Controller) -> Probe {
    let directory = hierarchy.directory(controller, id).unwrap_or_default();
    let files = (hierarchy.files(controller).limits)(controller);
    Probe::Files(directory.display().to_string(), files.to_vec())
}

/// Whether a limit has bitten: the kernel's own counter, as `0` or `more than 0`.
pub fn bites(hierarchy: &Hierarchy, id: &str, controller: Controller) -> Probe {
    let directory = hierarchy.directory(controller, id).unwrap_or_default();
    let counters = (hierarchy.files(controller).bites)(controller);
    Probe::Counters(directory.display().to_string(), counters.to_vec())
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

impl Controller {
    /// Every controller that a box is put under.
    pub const ALL: [Controller; 5] =
        [Controller::Memory, Controller::Cpu, Controller::Accounting, Controller::Pids, Controller::Freezer];

    /// The kernel's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
            Controller::Accounting => "cpuacct",
            Controller::Pids => "pids",
            Controller::Freezer => "freezer",
        }
    }

    fn make(self) -> &'static str {
        match self {
            Controller::Memory => "make a memory cgroup",
            Controller::Cpu => "make a cpu cgroup",
            Controller::Accounting => "make a cgroup that counts cpu time",
            Controller::Pids => "make a cgroup for processes",
            Controller::Freezer => "make a cgroup that can be frozen",
        }
    }
}
