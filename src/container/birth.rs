//! Birth: the one clone, and the namespaces that exist already and are joined.

use crate::kernel::flags::{INTO_CGROUP, NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWTIME, NEWUSER, NEWUTS};
use crate::kernel::op::{Join, Orphans};
use crate::kernel::{Errno, Op};
use crate::probe::{Probe, Who};
use crate::spec::{Existing, Life, Namespace, Namespaces, Net, Spec, Time, Users};
use crate::step::Step;
use crate::userns;

/// The flags of the one clone that makes the box.
pub fn clone_flags(spec: &Spec) -> u64 {
    let Namespaces { user, pid, ipc, uts, .. } = &spec.namespaces;
    let new = |namespace: &Namespace| *namespace == Namespace::New;
    let wanted = [
        (true, NEWNS),
        (user.is_new(), NEWUSER),
        (new(pid), NEWPID),
        (new(ipc), NEWIPC),
        (new(uts), NEWUTS),
        (matches!(spec.net, Net::None | Net::Bridge { .. }), NEWNET),
    ];
    let flags = wanted.iter().filter(|(wanted, _)| *wanted);
    flags.fold(spec.cgroup.birth_flag(), |flags, (_, flag)| flags | flag)
}

pub(super) fn clone(spec: &Spec) -> Vec<Step> {
    let join = existing(spec);
    // in a PID namespace of its own, the first process takes all others along
    let undo = spec.cgroup.end().filter(|_| spec.namespaces.pid != Namespace::New);
    if join.is_empty() {
        let why = "namespaces are made in the moment of birth, so the process has never seen the host's";
        let clone = Step { undo, ..the_box(Op::Clone { flags: clone_flags(spec) }, why) };
        return adopt(spec).into_iter().chain(spec.cgroup.open()).chain([clone]).collect();
    }
    let mut steps: Vec<Step> = adopt(spec).into_iter().collect();
    if seen_by_others(spec) && !by_anybody(&spec.namespaces.user) {
        steps.push(hide(
            "others will see the box: none of them may look at what it holds of the host (CVE-2016-9962)",
        ));
    }
    steps.push(Step { undo, ..through(join, clone_flags(spec) & !INTO_CGROUP) });
    steps.extend(spec.cgroup.join());
    steps
}

/// The box, born in namespaces that exist already, and in new ones of the kinds in `flags`.
pub fn through(join: Vec<Join>, flags: u64) -> Step {
    let why = "a go-between joins what exists already, so that the box is born in it and the engine stays where it is";
    the_box(Op::CloneThrough { join, flags }, why)
}

fn the_box(op: Op, why: &'static str) -> Step {
    Step::new("clone the box", op)
        .why(why)
        .show(Probe::Namespaces(Who::Host))
        .show(Probe::Namespaces(Who::Box))
}

/// Root of a user namespace that is joined: its map, which we have not seen, need not hold one.
pub fn become_root() -> [Step; 2] {
    userns::become_first(&[], &[]).map(|step| step.or_else(Errno::INVAL))
}

/// Among the host's processes the first takes nobody along when it ends, and without a cgroup nobody knows who else is the
/// box's. So what it leaves behind comes to the engine, which ends it.
fn adopt(spec: &Spec) -> Option<Step> {
    let left = spec.namespaces.pid == Namespace::Host && spec.life == Life::OfTheEngine;
    let step = Step::new("adopt orphans", Op::Orphans(Orphans::Adopt))
        .why("its processes would outlive it: there is neither a PID namespace nor a cgroup to end with it")
        .undo(Op::Orphans(Orphans::End));
    (left && spec.cgroup.end().is_none()).then_some(step)
}

/// Steps by which the box comes to be counted, where that is not done already.
pub(super) fn enter_cgroup(spec: &Spec) -> Vec<Step> {
    if existing(spec).is_empty() { spec.cgroup.enter() } else { Vec::new() }
}

/// Until it executes a program, which is dumpable again. Its children inherit it.
pub fn hide(why: &'static str) -> Step {
    Step::new("let nobody look in", Op::Dumpable { dumpable: false }).why(why)
}

pub(super) fn hide_from_its_user() -> Step {
    hide("from here on a process of its user, or one with its capabilities, could look at what we hold")
}

/// Whether processes that are none of ours share the box's PID namespace.
pub(super) fn seen_by_others(spec: &Spec) -> bool {
    spec.namespaces.pid != Namespace::New
}

/// Whether the maps can be written without privilege, as long as the box is dumpable.
pub(super) fn by_anybody(users: &Users) -> bool {
    matches!(users, Users::One(..) | Users::Helped(..))
}

/// Whether it is born in namespaces that others are in already.
pub(super) fn joins(spec: &Spec) -> bool {
    !existing(spec).is_empty()
}

/// The namespaces that exist already.
fn existing(spec: &Spec) -> Vec<Join> {
    let Namespaces { user, pid, ipc, uts, cgroup, time } = &spec.namespaces;
    let user = match user {
        Users::Join(existing) => Some(existing),
        _ => None,
    };
    let time = match time {
        Some(Time::Join(existing)) => Some(existing),
        _ => None,
    };
    let net = match &spec.net {
        Net::Join(existing) => Some(existing),
        _ => None,
    };
    let kinds = [
        (user, NEWUSER),
        (pid.existing(), NEWPID),
        (net, NEWNET),
        (ipc.existing(), NEWIPC),
        (uts.existing(), NEWUTS),
        (cgroup.existing(), NEWCGROUP),
        (time, NEWTIME),
    ];
    let join = |existing: &Existing, kind| match existing {
        Existing::File(file) => Join::File(file.into(), kind),
        Existing::Of(peer) => Join::OfPeer(*peer, kind),
    };
    kinds.into_iter().filter_map(|(existing, kind)| Some(join(existing?, kind))).collect()
}

pub(super) fn id_maps(users: &Users) -> Vec<Step> {
    match users {
        Users::Host | Users::Join(_) => Vec::new(),
        Users::One(uid, gid) => userns::map_one(*uid, *gid).into(),
        Users::Ranges(uids, gids) => userns::map_ranges(uids, gids).into(),
        Users::Helped(uids, gids, helpers) => userns::map_helped(uids, gids, helpers).into(),
    }
}
