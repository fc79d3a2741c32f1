//! Join: one program more in a container that runs already.
//!
//! ```text
//!   host                                   box
//!   the container's first process, opened
//!   a go-between joins its namespaces ──>  born in all of them
//!   cgroups, limits
//!                                          signals, schedule, terminal
//!                                          privilege, execve
//! ```
//!
//! Whoever is in there may be hostile, and the box holds what the engine holds until its program runs. So the engine
//! lets nobody look into it before the box is born; nothing of the container is opened before every namespace is joined,
//! when its names lead nowhere else; and what is written to /proc is written by the host, to the host's. See setns(2),
//! namespaces(7); CVE-2016-9962, CVE-2019-16884, CVE-2024-21626.

use std::path::PathBuf;

use crate::container::begin;
use crate::kernel::ctext::BOX;
use crate::kernel::flags::{NEWNS, NEWUSER};
use crate::kernel::op::Join;
use crate::kernel::{Errno, Op};
use crate::privilege::{self, Privilege};
use crate::probe::{Probe, Who};
use crate::spec::{Input, Life, Process};
use crate::step::{Plan, Step};

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
    Plan::default()
        .act("on the host", "Nothing of the container is trusted, not even its number.")
        .then(find(entry))
        .then(connect(&entry.process))
        .then(begin::listener(&entry.privilege))
        .then(privilege::labels(&entry.privilege)) // by the host's /proc; a child inherits what its exec will take
        .act("the box is born", "Somebody else goes there, so that the engine need not come back.")
        .then(clone(entry))
        .then(enter(&entry.cgroups)) // before it opens a device
        .then(limits(entry)) // by whoever may raise them
        .act("inside: a process among others", "From here on, names mean what the container wants.")
        .inside(settle(entry))
        .inside(begin::standing(&entry.process))
        .inside(terminal(entry))
        .act("inside: less and less", "What is given up here cannot be had again.")
        .inside(place(entry)) // with the right to enter every directory of the container
        .inside(privilege::drop(&entry.privilege))
        .inside(start(entry))
}
// ANCHOR_END: plan

fn find(entry: &Entry) -> [Step; 2] {
    let Entry { pid, start, .. } = *entry;
    [
        Step::new("find the container", Op::PidfdOpen { pid, start })
            .why("a number is given to another process one day; what is open stays this one"),
        Step::new("let nobody look in", Op::Dumpable { dumpable: false }).why(
            "processes of the container will see the box, and what it has open of the host: CVE-2016-9962",
        ),
    ]
}

fn connect(process: &Process) -> Option<Step> {
    let path = process.console.as_ref()?.socket.as_ref()?.into();
    let why =
        "whoever listens there will carry the terminal; in the container this name would lead elsewhere";
    Some(Step::new("call the console", Op::ConnectConsole { path }).why(why))
}

fn clone(entry: &Entry) -> Step {
    let join = vec![Join::OfProcess(entry.namespaces)];
    Step::new("clone the box", Op::CloneThrough { join, flags: 0 })
        .why("a PID namespace is entered by birth alone, and the engine shall stay where it is")
        .show(Probe::Namespaces(Who::Host))
        .show(Probe::Namespaces(Who::Box))
}

fn enter(cgroups: &[PathBuf]) -> Vec<Step> {
    let enter = |directory: &PathBuf| {
        Step::new("put the box into it", Op::write(directory.join("cgroup.procs"), BOX))
            .why("it is counted, limited and frozen with the container, and may use the same devices")
    };
    cgroups.iter().map(enter).collect()
}

fn limits(entry: &Entry) -> Vec<Step> {
    let process = &entry.process;
    let limit = |limit: &crate::spec::Rlimit| {
        let op = Op::Setrlimit { resource: limit.resource, soft: limit.soft, hard: limit.hard };
        Step::new("set a limit", op).why("a user namespace gives no right to raise one, the host has it")
    };
    let mut steps: Vec<Step> = process.rlimits.iter().map(limit).collect();
    if let Some(adjustment) = process.oom_score_adj {
        let op = Op::write(format!("/proc/{BOX}/oom_score_adj"), adjustment.to_string());
        let step = Step::new("say how dear it is", op).why(
            "when memory runs out, the dearest is killed last; the container's own /proc is not trusted",
        );
        // without root, nobody may write about a process that lets nobody look in
        let rootless = entry.namespaces & NEWUSER != 0;
        steps.push(if rootless { step.or_any(&[Errno::ACCESS, Errno::PERM]) } else { step });
    }
    steps
}

fn settle(entry: &Entry) -> Vec<Step> {
    let mut steps = begin::habits(entry.life);
    if let Some(name) = &entry.process.keyring {
        let op = Op::JoinSessionKeyring { name: name.into() };
        steps.push(
            Step::new("take a keyring", op)
                .why("the keys of whoever called us are not for the container")
                .or_any(&[Errno::NOSYS, Errno::OPNOTSUPP]),
        );
    }
    steps
}

fn terminal(entry: &Entry) -> Vec<Step> {
    let mut steps = Vec::new();
    let Some(console) = &entry.process.console else {
        if entry.process.input == Input::Null {
            let why = "nobody types: a read ends at once instead of stealing the host's input";
            steps.push(
                Step::new("close standard input", Op::Redirect { path: "/dev/null".into(), fd: 0 }).why(why),
            );
        }
        steps.push(own_streams(entry));
        return steps;
    };
    steps.push(
        Step::new("open a terminal", Op::OpenPty)
            .why("in the container's own devpts, so that the container can name it"),
    );
    if let Some(size) = console.size {
        let op = Op::WindowSize { rows: size.rows, columns: size.columns };
        steps.push(
            Step::new("give it a size", op).why("a program asks for it before the first line is drawn"),
        );
    }
    let send = if console.socket.is_some() { Op::SendConsole } else { Op::SendPty };
    steps.extend([
        Step::new("take the terminal", Op::AttachPty).why("Ctrl-C and window changes go to who controls it"),
        Step::new("hand out its other end", send).why("what is typed there is read here"),
        own_streams(entry),
    ]);
    steps
}

fn own_streams(entry: &Entry) -> Step {
    Step::new("own what it reads and writes", Op::OwnStdio { uid: entry.privilege.uid })
        .why("/dev/stdout opens the file once more, as the program's own user")
}

fn place(entry: &Entry) -> Vec<Step> {
    let mut steps = vec![
        Step::new("go to work", Op::Chdir { path: (&entry.process.cwd).into() })
            .why("root of the box may enter every directory of it, and its user perhaps not"),
    ];
    if entry.namespaces & NEWNS != 0 {
        let why = "a path through /proc/self/fd leads to whatever is open, also on the host (CVE-2024-21626)";
        steps.push(Step::new("ask where that is", Op::Getcwd).why(why));
    }
    steps
}

fn start(entry: &Entry) -> Vec<Step> {
    let process = &entry.process;
    let mut steps = Vec::new();
    steps.extend(begin::die_with_the_engine(entry.life, "the kernel forgot it when the user changed"));
    steps.extend([
        Step::new("set the umask", Op::Umask { mask: process.umask })
            .why("a program starts the same, whoever starts it"),
        Step::new("keep no descriptor", Op::CloseRange { first: 3 + process.preserve_fds })
            .why("an open directory of the host would be a way out (CVE-2024-21626)"),
        Step::new("run the program", Op::Exec(process.exec.clone()))
            .why("the same process, with another program in it")
            .show(Probe::Process(Who::Box))
            .show(Probe::Privilege(Who::Box)),
    ]);
    steps
}
