//! Cgroups as they are mounted here: version 2, version 1, or both at once, and whether we may make one.
//!
//! ```text
//!   v2      one tree      /sys/fs/cgroup                  delegation: systemd-run --user -p Delegate=yes
//!   v1      many trees    /sys/fs/cgroup/{memory,pids,…}  root only
//!   hybrid  both          a controller is in one of them  WSL2, older systemd
//! ```
//!
//! See cgroups(7): "Cgroups version 2", "Cgroups delegation". Lab 06-cgroups.

use std::path::{Path, PathBuf};

use super::examinations::{Examination, Way};
use super::machine::Machine;
use super::{COMMAND, Finding, gates};
use crate::kernel::ctext::BOX;
use crate::kernel::{Errno, Op};
use crate::launch::{StepError, Unmet};
use crate::step::{Plan, Step};

/// What lab 06 and `stepbox run` limit with.
const WANTED: [&str; 3] = ["memory", "cpu", "pids"];

/// Where the hierarchies are, and our own place in each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// version 2: where a new cgroup would be made
    pub unified: Option<PathBuf>,
    /// version 1: each controller with where a new cgroup would be made
    pub old: Vec<(String, PathBuf)>,
}

impl Layout {
    /// Reads the layout below `root`, which is `/` outside of tests.
    pub fn read(root: &Path) -> Layout {
        let text = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
        let (mounts, own) = (text("proc/self/mountinfo"), text("proc/self/cgroup"));
        let place = |controllers: &str| {
            let line = own.lines().find(|line| line.split(':').nth(1) == Some(controllers));
            line.and_then(|line| line.splitn(3, ':').nth(2)).unwrap_or("/")
        };
        let mut layout = Layout::default();
        for line in mounts.lines() {
            let Some((first, second)) = line.split_once(" - ") else { continue };
            let (first, second): (Vec<_>, Vec<_>) = (first.split(' ').collect(), second.split(' ').collect());
            let (Some(inner), Some(point), Some(kind)) = (first.get(3), first.get(4), second.first()) else {
                continue;
            };
            let options = second.get(2).unwrap_or(&"");
            match *kind {
                "cgroup2" => layout.unified = Some(highest(point, below(point, inner, place("")))),
                "cgroup" => {
                    let wanted = WANTED.iter().chain(&["freezer"]);
                    for name in wanted.filter(|name| options.split(',').any(|option| option == **name)) {
                        let joint = own.lines().find_map(|line| {
                            let controllers = line.split(':').nth(1)?;
                            controllers.split(',').any(|one| one == *name).then_some(controllers)
                        });
                        layout.old.push(((*name).into(), below(point, inner, place(joint.unwrap_or(name)))));
                    }
                }
                _ => {}
            }
        }
        layout
    }

    /// v2, v1 or hybrid.
    pub fn name(&self) -> &'static str {
        match (&self.unified, self.old.is_empty()) {
            (Some(_), true) => "v2",
            (Some(_), false) => "hybrid",
            (None, false) => "v1",
            (None, true) => "none",
        }
    }

    fn file(&self, root: &Path, name: &str) -> String {
        let unified = self.unified.as_ref().map(|path| path.strip_prefix("/").unwrap_or(path));
        unified.and_then(|path| std::fs::read_to_string(root.join(path).join(name)).ok()).unwrap_or_default()
    }

    /// Which of the wanted controllers a cgroup made here could use.
    fn usable(&self, root: &Path) -> Vec<&'static str> {
        let unified = self.file(root, "cgroup.controllers");
        let old = |name: &str| self.old.iter().any(|(controller, _)| controller == name);
        let new = |name: &str| unified.split_whitespace().any(|controller| controller == name);
        WANTED.into_iter().filter(|name| old(name) || new(name)).collect()
    }
}

/// Our cgroup's directory: mount point plus our path, less what the mount itself begins with.
fn below(point: &str, inner: &str, place: &str) -> PathBuf {
    let rest = Path::new(place).strip_prefix(inner).unwrap_or(Path::new(""));
    let whole = Path::new(point).join(rest);
    if whole.is_dir() { whole } else { point.into() }
}

/// The top of the tree where we may write, for there every controller can be used; else our own cgroup.
fn highest(point: &str, own: PathBuf) -> PathBuf {
    match rustix::fs::access(point, rustix::fs::Access::WRITE_OK) {
        Ok(()) => point.into(),
        Err(_) => own,
    }
}

/// Makes a cgroup in each hierarchy that has a wanted controller, puts a process into it, and removes it again.
pub(super) fn examination(machine: &Machine) -> Examination {
    let (name, why) = ("cgroups", "limits on memory, time and processes");
    let layout = Layout::read(&machine.root);
    let mut parents: Vec<PathBuf> = layout.old.iter().map(|(_, path)| path.clone()).collect();
    let unified = layout.file(&machine.root, "cgroup.controllers");
    if parents.is_empty() || WANTED.iter().any(|wanted| unified.contains(wanted)) {
        parents.extend(layout.unified);
    }
    parents.sort();
    parents.dedup();
    if parents.is_empty() {
        return Examination { name, why, way: Way::Look(|_| absent()), judge };
    }
    let groups: Vec<PathBuf> =
        parents.iter().map(|path| path.join(format!("stepbox-doctor-{}", std::process::id()))).collect();
    let make = |path: &PathBuf| {
        Step::new("make a cgroup", Op::mkdir(path))
            .why("a directory below our own cgroup: its owner decides")
            .undo(Op::Rmdir { path: path.into() })
    };
    let join = |path: &PathBuf| {
        Step::new("move the box into it", Op::write(path.join("cgroup.procs"), BOX))
            .why("needs the right to write at the common ancestor as well")
    };
    let clone = Step::new("clone a box", Op::Clone { flags: 0 }).why("somebody to be limited");
    let plan = Plan::default().act(name, why).then(groups.iter().map(make)).then(clone);
    Examination { name, why, way: Way::Try(plan.then(groups.iter().map(join))), judge }
}

fn absent() -> Finding {
    Finding::blocked(
        "no cgroup file system is mounted",
        vec!["sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup".into()],
    )
}

fn judge(machine: &Machine, result: Result<(), &StepError>) -> Finding {
    let layout = Layout::read(&machine.root);
    let error = match result {
        Ok(()) => return complete(machine, &layout),
        Err(error) => error,
    };
    let found = gates::explain(machine, error);
    let errno = match error.what {
        Unmet::Errno(errno) => errno,
        _ => return found,
    };
    let reason = format!("{} hierarchy, {}", layout.name(), found.reason);
    let fix = match (errno, layout.name()) {
        (Errno::ROFS, _) if machine.container.is_some() => {
            vec!["docker run --privileged --cgroupns=private …".into()]
        }
        (Errno::ACCESS | Errno::PERM | Errno::ROFS, "v2") => delegation(),
        (Errno::ACCESS | Errno::PERM, _) => not_delegated(machine),
        _ => found.fix,
    };
    Finding::blocked(reason, fix)
}

/// What systemd gives to a user who asks.
fn delegation() -> Vec<String> {
    vec![format!("systemd-run --user --scope -p Delegate=yes {COMMAND}")]
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
            "# or boot with systemd.unified_cgroup_hierarchy=1: version 2 can be delegated to users".into(),
        ],
    }
}

fn complete(machine: &Machine, layout: &Layout) -> Finding {
    let usable = layout.usable(&machine.root);
    let missing: Vec<&str> = WANTED.into_iter().filter(|name| !usable.contains(name)).collect();
    let have = format!("{} with {}", layout.name(), usable.join(", "));
    if missing.is_empty() {
        return Finding::works(have);
    }
    let fix = match machine.is_root() {
        true => vec![format!(
            "echo {} | sudo tee /sys/fs/cgroup/cgroup.subtree_control  # or boot without cgroup_disable=",
            missing.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(" ")
        )],
        false => vec![
            "sudo mkdir -p /etc/systemd/system/user@.service.d".into(),
            "printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf".into(),
            "sudo systemctl daemon-reload  # then log in again".into(),
        ],
    };
    Finding::reduced(format!("{have}; not usable: {}", missing.join(", ")), fix)
}
