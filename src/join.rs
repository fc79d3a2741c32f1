//! Join: one program more in a container that runs already.
//!
//! ```text
//!   host                                   box
//!   the container's first process, opened
//!   a go-between joins its namespaces ──>  born in all of them
//!   cgroups
//!                                          signals, user, keyring
//!   limits
//!                                          terminal, schedule, privilege, execve
//! ```
//!
//! Whoever is in there may be hostile, and the box holds what the engine holds until its program runs. So the engine
//! lets nobody look into it before the box is born; nothing of the container is opened before every namespace is joined,
//! when its names lead nowhere else; and what is written to /proc is written by the host, to the host's. See setns(2),
//! namespaces(7); CVE-2016-9962, CVE-2019-16884, CVE-2024-21626.

use std::path::PathBuf;

use crate::container::{begin, birth, watch};
use crate::kernel::flags::NEWUSER;
use crate::kernel::op::Join;
use crate::kernel::{Errno, Op};
use crate::privilege::{self, Privilege};
use crate::spec::{Life, Process, Start};
use crate::step::{Plan, Step};
use crate::{cgroups, rootfs};

/// What to run, and in which container.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// the container's first process, as the host numbers it
    pub pid: i32,
    /// when that was started, in clock ticks since boot
    pub start: u64,
    /// the kinds of namespaces in which that process is not in ours, as `CLONE_NEW…` flags
    pub namespaces: u64,
    /// the container's cgroups: their directories
    pub cgroups: Vec<PathBuf>,
    /// who the program runs as, and what it may do
    pub privilege: Privilege,
    /// the program
    pub process: Process,
    /// whether it ends with the engine
    pub life: Life,
}

// ANCHOR: plan
/// The steps that run this program in there.
pub fn plan(entry: &Entry) -> Plan {
    let Entry { process, privilege, .. } = entry;
    Plan::default()
        .act("on the host", "Nothing of the container is trusted, not even its number.")
        .then(find(entry))
        .then(begin::listeners(process, privilege)) // in the container their names would lead elsewhere
        .then(watch::call(process))
        .then(privilege::labels(privilege)) // by the host's /proc; a child inherits what its exec will take
        .act("the box is born", "Somebody else goes there, so that the engine need not come back.")
        .then(birth::through(vec![Join::OfProcess(entry.namespaces)], 0)) // a PID namespace is entered by birth alone
        .inside(run_on(&process.affinity.initial)) // until it is where its cgroup's cpus count
        .then(entry.cgroups.iter().map(|directory| cgroups::put_into(directory))) // before it opens a device
        .then(oom_score(entry)) // the container's own /proc is not trusted
        .act("inside: a process among others", "From here on, names mean what the container wants.")
        .inside(run_on(&process.affinity.finally))
        .inside(begin::habits(entry.life))
        .inside(users(entry)) // before it makes anything: what nobody owns cannot be given away
        .inside(begin::keyring(process))
        .act("inside: less and less", "What is given up here cannot be had again.")
        .then(begin::limits(process)) // so late that they bind nobody but the program
        .inside(begin::place(process)) // with the right to enter every directory of the container
        .inside(process.console.as_ref().map(|_| rootfs::open_terminal()))
        .inside(begin::terminal(process, privilege.uid))
        .inside(begin::standing(process)) // with the privilege that it takes
        .then(watch::tell(process, "setns"))
        .inside(privilege::drop(privilege))
        .inside(begin::start(entry.life, process, &Start::AtOnce, &[]))
}
// ANCHOR_END: plan

fn find(entry: &Entry) -> [Step; 2] {
    let Entry { pid, start, .. } = *entry;
    [
        Step::new("find the container", Op::PidfdOpen { pid, start })
            .why("a number is given to another process one day; what is open stays this one"),
        birth::hide(
            "processes of the container will see the box, and what it has open of the host: CVE-2016-9962",
        ),
    ]
}

fn run_on(cpus: &Option<Vec<u32>>) -> Option<Step> {
    let op = Op::SchedSetaffinity { cpus: cpus.clone()? };
    let why = "the others may be promised to somebody whom a stranger's work would keep waiting";
    Some(Step::new("run on these cpus", op).why(why))
}

fn oom_score(entry: &Entry) -> Option<Step> {
    let step = begin::oom_score(&entry.process)?;
    // without root, nobody may write about a process that lets nobody look in
    Some(if in_user_namespace(entry) { step.or_any(&[Errno::ACCESS, Errno::PERM]) } else { step })
}

/// Root of the container's users, if they are others than ours.
fn users(entry: &Entry) -> Vec<Step> {
    if in_user_namespace(entry) { birth::become_root().into() } else { Vec::new() }
}

fn in_user_namespace(entry: &Entry) -> bool {
    entry.namespaces & NEWUSER != 0
}
