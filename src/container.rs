//! Container: the whole recipe, from what should be to the steps that make it so.
//!
//! ```text
//!   host                                   box
//!   directories, cgroups, bridge
//!   clone3 ─────────────────────────────>  born in namespaces of its own
//!   id maps, cable, cgroup (v2)
//!                                          cgroups (v1), signals, name, network
//!                                          layers, host's files opened, pivot
//!                                          /proc /sys, the old root goes, /dev, files placed, covers
//!                                          terminal, privilege, execve
//! ```
//!
//! The order is the lesson: each line says why it stands where it stands. Lab 15-full-run,
//! tutorials/15-full-run.md.

use std::path::{Path, PathBuf};

use crate::cgroups::CgroupError;
use crate::kernel::Op;
use crate::kernel::flags::{NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWTIME, NEWUSER, NEWUTS};
use crate::probe::{Probe, Who};
use crate::spec::{Input, Life, Namespace, Namespaces, Net, Spec, Time, Users};
use crate::step::{Plan, Step};
use crate::{chroot, namespaces, privilege, rootfs, userns, veth};

// ANCHOR: plan
/// The steps that make this container and start its program; an error where a limit cannot be had here.
pub fn plan(spec: &Spec) -> Result<Plan, CgroupError> {
    Ok(Plan::default()
        .act("on the host", "What the box will need, made before it is born.")
        .then(directories(spec))
        .then(spec.cgroup.create(&spec.resources)?)
        .then(bridge(&spec.net))
        .act("the box is born", "One call, and the new process has a machine of its own.")
        .then(step_aside(spec)) // what only the host may join, it joins for the box
        .then(spec.cgroup.open()) // to be born in it, where that can be
        .then(clone(spec))
        .then(step_back(spec))
        .then(id_maps(&spec.namespaces.user)) // before anything else: without them the box is nobody
        .then(cable(&spec.net)) // into the namespace that now exists
        .then(spec.cgroup.enter()) // before it can use up anything
        .act("inside: who am I", "The box settles in its namespaces.")
        .inside(settle(spec)) // the cgroup namespace only now: its root is the cgroup just joined
        .inside(network(&spec.net))
        .inside(sysctls(&spec.sysctls)) // the host's /proc is still there, and no image has a say in it
        .act("inside: a root of its own", "The image becomes /, and the host's tree goes away.")
        .inside(rootfs::assemble(&spec.rootfs)) // host names are looked up while they mean the host
        .inside(chroot::exchange(spec.rootfs.tree())) // the overlay is a mount already
        .inside(rootfs::views(&spec.rootfs)) // a user namespace may mount proc while it still has a whole one
        .inside(chroot::leave_old_root()) // before any link of the image is followed: its `..` could reach it
        .inside(rootfs::furnish(&spec.rootfs)) // container names are looked up when they can mean nothing else
        .inside(rootfs::cover(&spec.rootfs))
        .inside(rootfs::close(&spec.rootfs)) // nothing has to be made any more
        .act("inside: less and less", "What is given up here cannot be had again.")
        .inside(terminal(spec))
        .inside(privilege::drop(&spec.privilege))
        .inside(start(spec)))
}
// ANCHOR_END: plan

fn directories(spec: &Spec) -> Vec<Step> {
    let mut steps = vec![
        Step::new(
            "make the container's directory",
            Op::Mkdir { path: (&spec.directory).into(), mode: 0o700 },
        )
        .why("all that is this container's alone lies here, closed to the host's other users")
        .undo(Op::RemoveTree { path: (&spec.directory).into() }),
    ];
    steps.extend(spec.rootfs.overlay().into_iter().flat_map(|overlay| overlay.directories()));
    steps.extend(spec.files.iter().map(|(path, text)| {
        let (name, why) = match path.file_name().and_then(|name| name.to_str()) {
            Some("hostname") => ("write its hostname", "the name is this run's, not the image's"),
            Some("hosts") => {
                ("write its hosts", "so that it finds localhost and itself without asking anybody")
            }
            Some("resolv.conf") => ("write its resolv.conf", "whom it asks for all other names"),
            _ => ("write a file for it", "it belongs to this run, not to the image"),
        };
        Step::new(name, Op::create(path, text)).why(why)
    }));
    steps
}

fn bridge(net: &Net) -> Vec<Step> {
    let Net::Bridge { network, lease, holder, .. } = net else { return Vec::new() };
    let mut steps = vec![
        Step::new("take an address", Op::create(lease, &holder.to_string()))
            .why("no other container may have it while the process of this number lives")
            .undo(Op::Unlink { path: lease.into() }),
    ];
    steps.extend(veth::bridge(network).map(|step| step.show(Probe::Links(Who::Host))));
    steps.extend(veth::masquerade(network));
    steps
}

/// The flags of the one clone that makes the box.
pub fn clone_flags(spec: &Spec) -> u64 {
    let Namespaces { user, pid, ipc, uts, .. } = &spec.namespaces;
    let new = |namespace: &Namespace| *namespace == Namespace::New;
    let wanted = [
        (true, NEWNS),
        (matches!(user, Users::Root(..) | Users::Ranges(..)), NEWUSER),
        (new(pid), NEWPID),
        (new(ipc), NEWIPC),
        (new(uts), NEWUTS),
        (matches!(spec.net, Net::None | Net::Bridge { .. }), NEWNET),
    ];
    wanted
        .iter()
        .filter(|(wanted, _)| *wanted)
        .fold(spec.cgroup.birth_flag(), |flags, (_, flag)| flags | flag)
}

fn clone(spec: &Spec) -> Step {
    Step::new("clone the box", Op::Clone { flags: clone_flags(spec) })
        .why("namespaces are made in the moment of birth, so the process has never seen the host's")
        .show(Probe::Namespaces(Who::Host))
        .show(Probe::Namespaces(Who::Box))
}

/// The namespaces that exist already, in the order in which they are joined: user namespaces first, because joining
/// the others needs privilege in their owner.
fn existing(spec: &Spec) -> Vec<(&Path, u64)> {
    let Namespaces { ipc, uts, cgroup, time, .. } = &spec.namespaces;
    let time = match time {
        Some(Time::Join(file)) => Some(file.as_path()),
        _ => None,
    };
    let net = match &spec.net {
        Net::Join(file) => Some(file.as_path()),
        _ => None,
    };
    let kinds = [
        (net, NEWNET),
        (ipc.file(), NEWIPC),
        (uts.file(), NEWUTS),
        (cgroup.file(), NEWCGROUP),
        (time, NEWTIME),
    ];
    kinds.into_iter().filter_map(|(file, kind)| Some((file?, kind))).collect()
}

/// Whether the box, in its new user namespace, would have no right to join what belongs to the host's.
fn host_joins(spec: &Spec) -> bool {
    matches!(spec.namespaces.user, Users::Root(..) | Users::Ranges(..))
}

fn join((file, kind): (&Path, u64)) -> Step {
    Step::new("join a namespace", Op::Setns { path: file.into(), flags: kind })
        .why("it exists already, and is shared with whoever else is in it")
        .show(Probe::Namespaces(Who::Box))
}

fn step_aside(spec: &Spec) -> Vec<Step> {
    let mut steps = Vec::new();
    if host_joins(spec) {
        steps.extend(existing(spec).into_iter().map(join));
    }
    if let Some(file) = spec.namespaces.pid.file() {
        let op = Op::Setns { path: file.into(), flags: NEWPID };
        let why =
            "a process never changes its own PID namespace: only the children born from now on are in it";
        steps.push(Step::new("send the child elsewhere", op).why(why));
    }
    steps
}

fn step_back(spec: &Spec) -> Option<Step> {
    let op = Op::Setns { path: "/proc/self/ns/pid".into(), flags: NEWPID };
    let step = Step::new("keep the next children here", op).why("only the box was meant");
    spec.namespaces.pid.file().map(|_| step)
}

fn id_maps(users: &Users) -> Vec<Step> {
    match users {
        Users::Host | Users::Join(_) => Vec::new(),
        Users::Root(uid, gid) => userns::map_root(*uid, *gid).into(),
        Users::Ranges(uids, gids) => userns::map_ranges(uids, gids).into(),
    }
}

fn cable(net: &Net) -> Vec<Step> {
    match net {
        // without an undo: the cable goes away with the box's namespace, and to wait for that takes longer than the rest
        Net::Bridge { port, .. } => veth::host(port).map(|step| Step { undo: None, ..links(step) }).into(),
        Net::Host | Net::None | Net::Join(_) => Vec::new(),
    }
}

/// Both ends of what a network step changes.
fn links(step: Step) -> Step {
    step.show(Probe::Links(Who::Host)).show(Probe::Links(Who::Box))
}

fn settle(spec: &Spec) -> Vec<Step> {
    let why = "a box without anybody to wait for it would run on unseen";
    let mut steps: Vec<Step> = die_with_the_engine(spec.life, why).into_iter().collect();
    steps.extend([
        Step::new("begin a session", Op::Setsid)
            .why("the host's terminal sends its signals to its own session only"),
        Step::new("mind broken pipes", Op::DefaultSignal { signal: libc::SIGPIPE })
            .why("what is ignored stays ignored after exec, and our runtime ignores it"),
        Step::new("block no signal", Op::UnblockSignals).why("a blocked signal stays blocked after exec"),
        Step::new("clear the umask", Op::Umask { mask: 0 })
            .why("the modes of what is made from here on are those that are asked for"),
    ]);
    if !host_joins(spec) {
        steps.extend(existing(spec).into_iter().map(join));
    }
    if let Some(Time::New(offsets)) = &spec.namespaces.time {
        steps.extend(namespaces::clocks(*offsets));
    }
    if spec.namespaces.cgroup == Namespace::New {
        steps.push(
            Step::new("see only our cgroup", Op::Unshare { flags: NEWCGROUP })
                .why("where we are now becomes / of /proc/self/cgroup"),
        );
    }
    if let Some(name) = &spec.hostname {
        steps.push(
            Step::new("name the box", Op::Sethostname { name: name.into() })
                .why("the UTS namespace is ours: the host keeps its name")
                .show(Probe::Hostname(Who::Box)),
        );
    }
    steps
}

fn network(net: &Net) -> Vec<Step> {
    match net {
        Net::Host | Net::Join(_) => Vec::new(),
        Net::None => veth::loopback().map(links).into(),
        Net::Bridge { port, .. } => veth::inside(port).into_iter().map(links).collect(),
    }
}

fn sysctls(settings: &[(PathBuf, String)]) -> Vec<Step> {
    let write = |(file, text): &(PathBuf, String)| {
        let op = Op::write(Path::new("/proc/sys").join(file), text);
        Step::new("set a kernel parameter", op)
            .why("this one belongs to a namespace of the box, not to the machine")
    };
    settings.iter().map(write).collect()
}

fn terminal(spec: &Spec) -> Vec<Step> {
    if spec.process.console.is_some() {
        let why = "Ctrl-C and window changes go to who controls it";
        return vec![Step::new("take the terminal", Op::AttachPty).why(why)];
    }
    if spec.process.input == Input::Ours {
        return Vec::new();
    }
    let why = "nobody types: a read ends at once instead of stealing the host's input";
    vec![Step::new("close standard input", Op::Redirect { path: "/dev/null".into(), fd: 0 }).why(why)]
}

/// Until its program runs, a box without its engine is of no use to anybody. The kernel forgets the wish now and then.
fn die_with_the_engine(life: Life, why: &'static str) -> Option<Step> {
    let op = Op::ParentDeathSignal { signal: libc::SIGKILL };
    (life == Life::OfTheEngine).then(|| Step::new("die with the engine", op).why(why))
}

fn start(spec: &Spec) -> Vec<Step> {
    let mut steps = vec![
        Step::new("go to work", Op::Chdir { path: (&spec.process.cwd).into() })
            .why("as its own user, so that it cannot start where it may not go"),
        Step::new("ask where that is", Op::Getcwd)
            .why("a path through /proc/self/fd leads to whatever is open, also on the host (CVE-2024-21626)"),
    ];
    steps.extend(die_with_the_engine(spec.life, "the kernel forgot it when the user changed"));
    steps.extend([
        Step::new("set the umask", Op::Umask { mask: spec.process.umask })
            .why("a program starts the same, whoever starts it"),
        Step::new("keep no descriptor", Op::CloseRange { first: 3 })
            .why("an open directory of the host would be a way out (CVE-2024-21626)"),
        Step::new("run the program", Op::Exec(spec.process.exec.clone()))
            .why("the same process, with another program in it")
            .show(Probe::Process(Who::Box))
            .show(Probe::Privilege(Who::Box)),
    ]);
    steps
}
