//! Birth: the one clone, and the namespaces that exist already and are joined.

use std::path::Path;

use crate::kernel::Op;
use crate::kernel::flags::{NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWTIME, NEWUSER, NEWUTS};
use crate::probe::{Probe, Who};
use crate::spec::{Namespace, Namespaces, Net, Spec, Time, Users};
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

pub(super) fn clone(spec: &Spec) -> Step {
    Step::new("clone the box", Op::Clone { flags: clone_flags(spec) })
        .why("namespaces are made in the moment of birth, so the process has never seen the host's")
        .show(Probe::Namespaces(Who::Host))
        .show(Probe::Namespaces(Who::Box))
}

/// The namespaces that exist already, in the order in which they are joined: user namespaces first, because joining
/// the others needs privilege in their owner.
pub(super) fn existing(spec: &Spec) -> Vec<(&Path, u64)> {
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
pub(super) fn host_joins(spec: &Spec) -> bool {
    spec.namespaces.user.is_new()
}

pub(super) fn join((file, kind): (&Path, u64)) -> Step {
    Step::new("join a namespace", Op::Setns { path: file.into(), flags: kind })
        .why("it exists already, and is shared with whoever else is in it")
        .show(Probe::Namespaces(Who::Box))
}

pub(super) fn step_aside(spec: &Spec) -> Vec<Step> {
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

pub(super) fn step_back(spec: &Spec) -> Option<Step> {
    let op = Op::Setns { path: "/proc/self/ns/pid".into(), flags: NEWPID };
    let step = Step::new("keep the next children here", op).why("only the box was meant");
    spec.namespaces.pid.file().map(|_| step)
}

pub(super) fn id_maps(users: &Users) -> Vec<Step> {
    match users {
        Users::Host | Users::Join(_) => Vec::new(),
        Users::One(uid, gid) => userns::map_one(*uid, *gid).into(),
        Users::Ranges(uids, gids) => userns::map_ranges(uids, gids).into(),
        Users::Helped(uids, gids, helpers) => userns::map_helped(uids, gids, helpers).into(),
    }
}
