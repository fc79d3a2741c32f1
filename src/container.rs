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

pub(crate) mod begin;
pub(crate) mod birth;
mod departure;
mod filling;
mod inside;
pub(crate) mod watch;

use crate::cgroups::CgroupError;
use crate::kernel::op::Hook;
use crate::kernel::{Errno, Op};
use crate::probe::{Probe, Who};
use crate::spec::{Hooks, Net, Spec};
use crate::step::{Plan, Step};
use crate::{chroot, ports, privilege, rootfs, veth};

pub use birth::clone_flags;
pub use departure::leaves_the_engine;
pub use filling::filling;

// ANCHOR: plan
/// The steps that make this container and start its program; an error where a limit cannot be had here.
pub fn plan(spec: &Spec) -> Result<Plan, CgroupError> {
    let plan = Plan::default()
        .act("on the host", "What the box will need, made before it is born.")
        .then(directories(spec))
        .then(spec.cgroup.create(&spec.resources)?)
        .then(bridge(&spec.net))
        .then(ports::take(&spec.published)) // where another has one, nothing is born
        .then(publish(spec)) // the address is known, if nobody there answers yet
        .then(begin::gates(spec)) // opened by the host's names; the box has copies
        .then(watch::call(&spec.process))
        .then(rootfs::open_on_host(&spec.rootfs)) // the box inherits what is open
        .act("the box is born", "One call, and the new process has a machine of its own.")
        .then(birth::clone(spec)) // in its cgroup, where that can be
        .then(birth::id_maps(&spec.namespaces.user)) // before anything else: without them the box is nobody
        .then(begin::oom_score(&spec.process)) // the box may be denied it
        .then(cable(&spec.net)) // into the namespace that now exists
        .then(birth::enter_cgroup(spec)) // before it can use up anything
        .act("inside: who am I", "The box settles in its namespaces.")
        .inside(inside::settle(spec)) // the cgroup namespace only now: its root is the cgroup just joined
        .inside(inside::network(&spec.net))
        .inside(inside::sysctls(&spec.sysctls)) // the host's /proc is still there, and no image has a say in it
        .act("inside: a root of its own", "The image becomes /, and the host's tree goes away.")
        .inside(rootfs::assemble(&spec.rootfs)) // host names are looked up while they mean the host
        .then(at_the_bundle(&spec.hooks))
        .then(hooks("run a hook on the host", &spec.hooks.prestart))
        .then(hooks("run a hook on the host", &spec.hooks.create_runtime)) // the box waits: they may change it
        .inside(create_container(spec)) // the last who see the host's tree
        .inside(privilege::labels(&spec.privilege)) // the host's /proc again: an image's could be a trap
        .inside(exchange(spec)) // the overlay is a mount already
        .inside(rootfs::views(&spec.rootfs)) // a user namespace may mount proc while it still has a whole one
        .inside(leave(spec)) // before any link of the image is followed: its `..` could reach it
        .inside(rootfs::fill(&spec.rootfs)) // the image's own content: nothing hides it yet
        .then(rootfs::filled(&spec.rootfs))
        .inside(rootfs::furnish(&spec.rootfs)) // container names are looked up when they can mean nothing else
        .inside(rootfs::cover(&spec.rootfs))
        .inside(rootfs::close(&spec.rootfs)) // nothing has to be made any more
        .act("inside: less and less", "What is given up here cannot be had again.")
        .then(begin::limits(&spec.process)) // so late that they bind nobody but the program
        .inside(begin::place(&spec.process))
        .inside(birth::hide_from_its_user())
        .inside(begin::terminal(&spec.process, spec.privilege.uid))
        .inside(begin::standing(&spec.process)) // with the privilege that it takes
        .then(watch::tell(&spec.process, "standard")) // before anything of the program can run, and end
        .inside(privilege::drop(&spec.privilege))
        .inside(begin::start(spec.life, &spec.process, &spec.start, &spec.hooks.start_container));
    Ok(departure::before_the_program(spec, plan)) // the last thing of ours that it has
}
// ANCHOR_END: plan

fn directories(spec: &Spec) -> Vec<Step> {
    let mut steps = Vec::new();
    if spec.makes_directory {
        let path = &spec.directory;
        steps.push(
            Step::new("make the container's directory", Op::Mkdir { path: path.into(), mode: 0o700 })
                .why("all that is this container's alone lies here, closed to the host's other users")
                .undo(Op::RemoveTree { path: path.into() }),
        );
    }
    match spec.makes_directory {
        true => steps.extend(spec.rootfs.writable()),
        // what it writes to is there since it was created, and stays
        false => steps.extend(spec.rootfs.place()),
    }
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

fn publish(spec: &Spec) -> Option<Step> {
    const NO_FILTER: &[Errno] = &[Errno::OPNOTSUPP, Errno::NOENT, Errno::PROTONOSUPPORT];
    let Net::Bridge { network, .. } = &spec.net else { return None };
    let table = format!("stepbox-{}", spec.id.get(..12).unwrap_or(&spec.id));
    // without a packet filter, whoever has the sockets carries everything
    ports::publish(&table, &network.bridge, &spec.published).map(|step| step.or_any(NO_FILTER))
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

fn exchange(spec: &Spec) -> Vec<Step> {
    match spec.rootfs.no_pivot {
        false => chroot::exchange(spec.rootfs.tree()).into(),
        true => chroot::move_over(spec.rootfs.tree(), &spec.rootfs.host_views),
    }
}

fn leave(spec: &Spec) -> Vec<Step> {
    if spec.rootfs.no_pivot { Vec::new() } else { chroot::leave_old_root().into() }
}

fn at_the_bundle(hooks: &Hooks) -> Option<Step> {
    let there = hooks.directory.as_ref().filter(|_| hooks.on_host())?;
    let why = "where these hooks begin, whoever calls us: what comes with them lies there";
    Some(Step::new("go to the bundle", Op::Chdir { path: there.into() }).why(why))
}

fn create_container(spec: &Spec) -> Vec<Step> {
    let list = &spec.hooks.create_container;
    let there = (!list.is_empty()).then(|| {
        let op = Op::Chdir { path: spec.rootfs.tree().into() };
        Step::new("go to the new root", op)
            .why("where these hooks begin, so that they need not be told its name")
    });
    there.into_iter().chain(hooks("run a hook in the box", list)).collect()
}

fn hooks(name: &'static str, hooks: &[Hook]) -> Vec<Step> {
    let run = |hook: &Hook| {
        Step::new(name, Op::Spawn(Box::new(hook.clone())))
            .why("who wrote the bundle has something to add here; it reads the container's state")
    };
    hooks.iter().map(run).collect()
}
