//! Inside: what the box does in its namespaces while the host's tree is still there.

use std::path::{Path, PathBuf};

use super::begin;
use super::birth::{become_root, by_anybody, hide, seen_by_others};
use super::links;
use crate::kernel::Op;
use crate::kernel::flags::NEWCGROUP;
use crate::probe::{Probe, Who};
use crate::spec::{Namespace, Net, Spec, Time, Users};
use crate::step::Step;
use crate::{namespaces, userns, veth};

pub(super) fn settle(spec: &Spec) -> Vec<Step> {
    let mut steps = begin::habits(spec.life);
    steps.push(
        Step::new("clear the umask", Op::Umask { mask: 0 })
            .why("the modes of what is made from here on are those that are asked for"),
    );
    if let Some(Time::New(offsets)) = &spec.namespaces.time {
        steps.extend(namespaces::clocks(*offsets));
    }
    if seen_by_others(spec) && by_anybody(&spec.namespaces.user) {
        steps.push(hide("others see this process: none of them may look at what it holds of the host"));
    }
    match &spec.namespaces.user {
        Users::Ranges(uids, gids) | Users::Helped(uids, gids, _) => {
            steps.extend(userns::become_first(uids, gids));
        }
        Users::Join(_) => steps.extend(become_root()),
        Users::Host | Users::One(..) => {}
    }
    if spec.namespaces.cgroup == Namespace::New {
        steps.push(
            Step::new("see only our cgroup", Op::Unshare { flags: NEWCGROUP })
                .why("where we are now becomes / of /proc/self/cgroup"),
        );
    }
    steps.extend(names(spec));
    steps.extend(begin::keyring(&spec.process));
    steps
}

fn names(spec: &Spec) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(name) = &spec.hostname {
        steps.push(
            Step::new("name the box", Op::Sethostname { name: name.into() })
                .why("the UTS namespace is ours: the host keeps its name")
                .show(Probe::Hostname(Who::Box)),
        );
    }
    if let Some(name) = &spec.domainname {
        let op = Op::Setdomainname { name: name.into() };
        steps
            .push(Step::new("name its domain", op).why("the same namespace holds the name that NIS goes by"));
    }
    steps
}

pub(super) fn network(net: &Net) -> Vec<Step> {
    match net {
        Net::Host | Net::Join(_) => Vec::new(),
        Net::None => veth::loopback().map(links).into(),
        Net::Bridge { port, .. } => veth::inside(port).into_iter().map(links).collect(),
    }
}

pub(super) fn sysctls(settings: &[(PathBuf, String)]) -> Vec<Step> {
    let write = |(file, text): &(PathBuf, String)| {
        let op = Op::write(Path::new("/proc/sys").join(file), text);
        Step::new("set a kernel parameter", op).why(match file.to_str() {
            Some("net/ipv4/ip_unprivileged_port_start") => {
                "the network is the box's own: to listen on port 80 in it needs no capability"
            }
            Some("net/ipv4/ping_group_range") => "to ping needs no capability either",
            _ => "this one belongs to a namespace of the box, not to the machine",
        })
    };
    settings.iter().map(write).collect()
}
