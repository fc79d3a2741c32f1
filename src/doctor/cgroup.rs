//! Cgroups: whether a box could be limited here, tried with the engine's own steps.
//!
//! ```text
//!   v2      one tree      /sys/fs/cgroup                  delegation: systemd-run --user -p Delegate=yes
//!   v1      many trees    /sys/fs/cgroup/{memory,pids,…}  root only
//!   hybrid  both          a controller is in one of them  WSL2, older systemd
//! ```
//!
//! See cgroups(7): "Cgroups version 2", "Cgroups delegation". Lab 06-cgroups.

use super::examinations::{Examination, Way};
use super::machine::Machine;
use super::{COMMAND, Finding, gates};
use crate::cgroups::{self, Cgroup, CgroupError, Controller, Hierarchy, Limits};
use crate::kernel::{Errno, Op};
use crate::launch::{StepError, Unmet};
use crate::step::{Plan, Step};

/// What lab 06 and `stepbox run` limit with.
const WANTED: [Controller; 3] = [Controller::Memory, Controller::Cpu, Controller::Pids];

/// Makes a cgroup in each hierarchy that has a wanted controller, sets limits, puts a process into it, and takes
/// all of it back. Where nothing can be made, the one call that shows it.
pub(super) fn examination(machine: &Machine) -> Examination {
    let (name, why) = ("cgroups", "limits on memory, time and processes");
    let hierarchy = detect(machine);
    let id = format!("doctor-{}", std::process::id());
    let refused = WANTED.into_iter().find_map(|controller| hierarchy.usable(controller).err());
    let plan = match refused.and_then(|error| error.attempt(&id)) {
        _ if WANTED.iter().any(|controller| hierarchy.usable(*controller).is_ok()) => trial(&hierarchy, &id),
        Some((op, _)) => {
            Some(Plan::default().then(
                Step::new("make a cgroup", op).why("a directory below another cgroup: its owner decides"),
            ))
        }
        None => None,
    };
    let way = match plan {
        Some(plan) => Way::Try(Plan { acts: vec![(0, name, why)], ..plan }),
        None => Way::Look(|machine| weigh(machine, &detect(machine))),
    };
    Examination { name, why, way, judge }
}

/// A machine whose files cannot be read has no cgroups for us.
fn detect(machine: &Machine) -> Hierarchy {
    cgroups::detect(&machine.root).unwrap_or_default()
}

/// Version 2 hands a controller down when somebody first asks for it, and that stays. A doctor leaves nothing, so
/// it asks only for what is handed down already; of the rest it believes cgroup.controllers.
fn trial(hierarchy: &Hierarchy, id: &str) -> Option<Plan> {
    let mut as_it_is = hierarchy.clone();
    if let Some(v2) = &mut as_it_is.v2 {
        v2.controllers.clone_from(&v2.enabled);
    }
    let usable = |controller| as_it_is.usable(controller).is_ok();
    let limits = Limits {
        memory: usable(Controller::Memory).then_some(64 << 20),
        swap: None,
        cpus: usable(Controller::Cpu).then_some(1000),
        pids: usable(Controller::Pids).then_some(100),
    };
    let clone = Step::new("clone a box", Op::Clone { flags: 0 }).why("somebody to be limited");
    let cgroup = Cgroup::of_box(&as_it_is.keep(&Controller::ALL), id);
    let made = cgroup.create(&(&limits).into()).ok()?;
    Some(Plan::default().then(made).then(clone).then(cgroup.join()))
}

fn judge(machine: &Machine, result: Result<(), &StepError>) -> Finding {
    let hierarchy = detect(machine);
    let error = match result {
        Ok(()) => return weigh(machine, &hierarchy),
        Err(error) => error,
    };
    let found = gates::explain(machine, error);
    let Unmet::Errno(errno) = error.what else { return found };
    let reason = format!("{} hierarchy, {}", hierarchy.version(), found.reason);
    Finding::blocked(reason, remedy(machine, &hierarchy, errno).unwrap_or(found.fix))
}

/// What is usable, what is not, and the remedy for the first of those.
fn weigh(machine: &Machine, hierarchy: &Hierarchy) -> Finding {
    if hierarchy.version() == "none" {
        let mount = "sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup".into();
        return Finding::blocked("no cgroup file system is mounted", vec![mount]);
    }
    let names = |list: &[Controller]| list.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
    let (usable, missing): (Vec<Controller>, Vec<Controller>) =
        WANTED.into_iter().partition(|controller| hierarchy.usable(*controller).is_ok());
    let have = format!("{} with {}", hierarchy.version(), names(&usable));
    let Some(Err(error)) = missing.first().map(|controller| hierarchy.usable(*controller)) else {
        return Finding::works(have);
    };
    let text = error.to_string();
    let (reason, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
    let fix = match error {
        CgroupError::Refused(_, errno) => {
            remedy(machine, hierarchy, errno).unwrap_or_else(|| vec![format!("# {hint}")])
        }
        _ => give(machine),
    };
    match usable.is_empty() {
        true => Finding::blocked(format!("{}: {reason}", hierarchy.version()), fix),
        false => Finding::reduced(format!("{have}; not usable: {}", names(&missing)), fix),
    }
}

/// The commands that open a hierarchy which refused us.
fn remedy(machine: &Machine, hierarchy: &Hierarchy, errno: Errno) -> Option<Vec<String>> {
    match (errno, hierarchy.version()) {
        (Errno::ROFS, _) if machine.container.is_some() => {
            Some(vec!["docker run --privileged --cgroupns=private …".into()])
        }
        // what systemd gives to a user who asks
        (Errno::ACCESS | Errno::PERM | Errno::ROFS, "v2") => {
            Some(vec![format!("systemd-run --user --scope -p Delegate=yes {COMMAND}")])
        }
        (Errno::ACCESS | Errno::PERM, _) => Some(not_delegated(machine)),
        _ => None,
    }
}

/// Version 1 cannot be delegated: who may write a v1 cgroup may also lift its limits.
fn not_delegated(machine: &Machine) -> Vec<String> {
    match machine.wsl {
        true => vec![
            "in %UserProfile%\\.wslconfig, below [wsl2]: kernelCommandLine = cgroup_no_v1=all".into(),
            "wsl.exe --shutdown".into(),
        ],
        false => vec![
            format!("sudo {COMMAND}"),
            "# boot with systemd.unified_cgroup_hierarchy=1: version 2 can be delegated to users".into(),
        ],
    }
}

/// How a controller is had that no hierarchy offers us.
fn give(machine: &Machine) -> Vec<String> {
    match machine.is_root() {
        true => vec![
            "grep -o 'cgroup_disable=[^ ]*' /proc/cmdline  # boot without it; in a container, ask its host".into(),
        ],
        false => vec![
            "sudo mkdir -p /etc/systemd/system/user@.service.d".into(),
            "printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf".into(),
            "sudo systemctl daemon-reload  # then log in again".into(),
        ],
    }
}
