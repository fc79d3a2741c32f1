//! Examinations: one small plan for each thing that labs and engine stand on.
//!
//! ```text
//!   host                                   box
//!   clone3(CLONE_NEWUSER|…) ────────────>  root in there, nobody here
//!   its id maps
//!                                          the thing itself: mount, veth, pivot_root …
//!   kill it: its namespaces go with it
//! ```
//!
//! As root, two of them are tried without a user namespace, because that is how the engine runs as root.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

use super::machine::Machine;
use super::{COMMAND, Finding, cgroup, gates};
use crate::chroot;
use crate::kernel::flags::{NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWUSER, NEWUTS};
use crate::kernel::netlink::{Netns, Peer, Request};
use crate::kernel::{Errno, Op, hint};
use crate::launch::{StepError, Unmet};
use crate::namespaces::{self, Offsets};
use crate::overlay::Overlay;
use crate::ports::{self, Protocol, Published};
use crate::step::{Plan, Step};
use crate::userns;
use crate::veth::{self, Network};

/// One thing to find out.
pub struct Examination {
    /// "user namespace"
    pub name: &'static str,
    /// why anybody needs it, one sentence
    pub why: &'static str,
    /// how it is found out
    pub way: Way,
    /// what the plan's outcome means; called while what the plan made is still there, if it came to its end
    pub judge: fn(&Machine, Result<(), &StepError>) -> Finding,
}

/// How something is found out.
pub enum Way {
    /// these steps are taken and undone
    Try(Plan),
    /// something is read, or asked
    Look(fn(&Machine) -> Finding),
}

/// Everything that is tried on this machine, in order. Touches nothing yet.
pub fn examinations(machine: &Machine) -> Vec<Examination> {
    let all = NEWUSER | NEWNS | NEWPID | NEWNET | NEWUTS | NEWIPC | NEWCGROUP;
    let peer = Peer { name: "veth1".into(), netns: Netns::Own, mac: None };
    let veth = Request::AddVeth { name: "veth0".into(), peer: Box::new(peer) };
    let veth = Step::new("make the cable", Op::Netlink(veth)).why("its module may be missing");
    let named = namespaces::hostname("examined").why("only root of its own UTS namespace may");
    let net = born(machine, NEWUSER | NEWNET);
    let attempt = |name, why, plan: Plan| Examination {
        name,
        why,
        way: Way::Try(Plan { acts: vec![(0, name, why)], ..plan }),
        judge: plainly,
    };
    vec![
        attempt(
            "user namespace",
            "root inside, nobody outside: what lets labs play without root",
            born(machine, NEWUSER),
        ),
        attempt(
            "user's namespace",
            "whoever has no capability may make one, too: lab 05",
            born(machine, NEWUSER).inside([
                Step::new("give up every capability", Op::capset(0)).why("as a user has none"),
                Step::new("make another", Op::Unshare { flags: NEWUSER })
                    .why("some machines keep it for root"),
            ]),
        ),
        attempt(
            "namespaces",
            "the toy host is made of six of them, a container of seven; all in one clone",
            born(machine, all).inside(named),
        ),
        attempt("proc", "a box sees its own processes only through its own /proc", proc(machine)),
        attempt(
            "tmpfs",
            "the toy host's /tmp",
            born(machine, NEWUSER | NEWNS).inside([chroot::private(), tmpfs()]),
        ),
        Examination {
            judge: overlay_judge,
            ..attempt("overlay", "layers as one tree, with user attributes", overlay(machine))
        },
        attempt("veth", "the cable between a box and its host", net.clone().inside(veth)),
        attempt(
            "bridge",
            "the switch between boxes",
            net.clone().inside(veth::bridge(&network()).map(without_undo)),
        ),
        attempt("nf_tables", "the way out of a bridge, and into it: masquerade, dnat", net.inside(tables())),
        Examination {
            judge: links_judge,
            ..attempt("host links", "the engine's bridge is a link of the machine itself", links())
        },
        Examination {
            judge: reduced_at_best,
            ..attempt("time namespace", "a clock of one's own: a part of lab 03", time(machine))
        },
        cgroup::examination(machine),
        attempt("pivot_root", "the engine's way into a container's root", pivot_root(machine)),
        Examination {
            judge: store_judge,
            ..attempt("store", "where the engine keeps containers: overlay must work there", store(machine))
        },
        Examination {
            name: "programs",
            why: "not needed: strace checks traces, chromium the viewer, busybox makes a small base image",
            way: Way::Look(programs),
            judge: plainly,
        },
    ]
}

fn plainly(machine: &Machine, result: Result<(), &StepError>) -> Finding {
    match result {
        Ok(()) => Finding::works(""),
        Err(error) => gates::explain(machine, error),
    }
}

/// A box in new namespaces; with a user namespace among them it becomes root there.
fn born(machine: &Machine, flags: u64) -> Plan {
    let clone = Step::new("clone a box", Op::Clone { flags }).why("the trial ends with its namespaces");
    match flags & NEWUSER {
        0 => Plan::default().then(clone),
        _ => Plan::default().then(clone).then(userns::map_root(machine.uid, machine.gid)),
    }
}

fn tmpfs() -> Step {
    Step::new("mount a /tmp", Op::mount("tmpfs", "/tmp", "tmpfs", libc::MS_NOSUID | libc::MS_NODEV, ""))
        .why("a file system in memory, gone with the box")
}

// ANCHOR: proc
fn proc(machine: &Machine) -> Plan {
    let mount = namespaces::own_proc("/proc".as_ref())
        .why("refused to whoever does not see all of the present /proc");
    born(machine, NEWUSER | NEWNS | NEWPID).inside([chroot::private(), mount])
}
// ANCHOR_END: proc

fn overlay(machine: &Machine) -> Plan {
    let path = |name: &str| Path::new("/tmp").join(name);
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(path);
    let [inner, shown] = [lower.join("dir"), merged.join("dir")];
    let overlay = Overlay { lower: vec![lower.clone()], upper, work, merged, userxattr: true };
    born(machine, NEWUSER | NEWNS)
        .inside([chroot::private(), tmpfs()])
        .inside([
            Step::new("make lower", Op::mkdir(lower)).why("the layer that nobody writes to"),
            Step::new("put a directory into it", Op::mkdir(inner))
                .why("something to be removed through merged"),
        ])
        .inside(overlay.directories().map(without_undo))
        .inside(overlay.mount().into_iter().map(without_undo))
        .inside([
            Step::new("remove the directory", Op::Rmdir { path: (&shown).into() })
                .why("lower must keep it, so upper gets a whiteout"),
            Step::new("make it again", Op::mkdir(&shown))
                .why("it must be opaque now, which overlay notes in an extended attribute of upper"),
        ])
}

/// The box's own mounts and directories go with it: there is nothing that the host could undo.
fn without_undo(step: Step) -> Step {
    Step { undo: None, ..step }
}

fn overlay_judge(machine: &Machine, result: Result<(), &StepError>) -> Finding {
    match result {
        Err(error) if matches!(error.step, "remove the directory" | "make it again") => Finding::reduced(
            format!(
                "{}: tmpfs keeps no user attributes, so directories cannot be opaque",
                gates::refusal(error)
            ),
            vec!["boot Linux 6.6 or newer, where tmpfs has them".into()],
        ),
        other => plainly(machine, other),
    }
}

fn time(machine: &Machine) -> Plan {
    born(machine, NEWUSER).inside(namespaces::clocks(Offsets::default()))
}

fn reduced_at_best(machine: &Machine, result: Result<(), &StepError>) -> Finding {
    match result {
        Err(error) if error.what == Unmet::Errno(Errno::INVAL) => Finding::blocked(
            format!("{}: this kernel was built without CONFIG_TIME_NS", gates::refusal(error)),
            vec!["boot Linux 5.6 or newer with CONFIG_TIME_NS=y".into()],
        ),
        other => plainly(machine, other),
    }
}

/// The namespaces in which the engine's containers are born, run as who we are.
fn own(machine: &Machine, flags: u64) -> Plan {
    born(machine, if machine.is_root() { flags } else { flags | NEWUSER })
}

fn pivot_root(machine: &Machine) -> Plan {
    let all = NEWNS | NEWPID | NEWNET | NEWUTS | NEWIPC | NEWCGROUP;
    own(machine, all)
        .inside([chroot::private(), tmpfs()])
        .inside(chroot::enter("/tmp".as_ref()))
        .inside(chroot::leave_old_root())
}

/// A few empty directories on the store's own file system, removed again.
fn store(machine: &Machine) -> Plan {
    let existing = machine.store.ancestors().find(|path| path.is_dir()).unwrap_or("/".as_ref());
    let base = existing.join(format!(".stepbox-doctor-{}", std::process::id()));
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| base.join(name));
    let workshop = work.join("work");
    let make = |name, path: &Path| {
        Step::new(name, Op::mkdir(path))
            .why("an overlay is made of four directories")
            .undo(Op::RemoveTree { path: path.into() })
    };
    let open = Op::Chmod { path: (&workshop).into(), mode: 0o700 };
    let overlay = Overlay {
        lower: vec![lower.clone()],
        upper: upper.clone(),
        work: work.clone(),
        merged: merged.clone(),
        userxattr: !machine.is_root(),
    };
    Plan::default()
        .then(make("make a directory", &base).why("upper and work must lie where the store lies"))
        .then([make("make lower", &lower), make("make upper", &upper), make("make work", &work)])
        .then(make("make merged", &merged))
        .then(
            Step::new("look into work", Op::Chmod { path: (&work).into(), mode: 0o755 })
                .why(
                    "overlay closes its own directory in there to everybody; it must be opened to be removed",
                )
                .undo(open),
        )
        .then(own(machine, NEWNS).steps)
        .inside(chroot::private())
        .inside(overlay.mount().into_iter().map(without_undo))
}

fn store_judge(machine: &Machine, result: Result<(), &StepError>) -> Finding {
    let (kind, store) = (&machine.store_kind, machine.store.display());
    let elsewhere = || vec!["export STEPBOX_ROOT=/a/directory/of/yours/on/ext4/xfs/btrfs/or/tmpfs".into()];
    match result {
        Ok(()) => Finding::works(format!("{store} on {kind}")),
        Err(error) => match (&error.op, error.what) {
            (Op::Mount { .. }, Unmet::Errno(Errno::INVAL | Errno::OPNOTSUPP | Errno::STALE)) => {
                Finding::blocked(
                    format!("{kind} (under {store}) cannot carry overlay's upper directory"),
                    elsewhere(),
                )
            }
            (Op::Mkdir { .. }, Unmet::Errno(errno)) => {
                let errno = hint::errno_text(errno);
                Finding::blocked(format!("{store} cannot be made: {errno}"), elsewhere())
            }
            _ => gates::explain(machine, error),
        },
    }
}

/// A network as the engine's, for a namespace that is gone at once.
fn network() -> Network {
    Network { bridge: "br0".into(), gateway: Ipv4Addr::new(172, 17, 0, 1), prefix: 16, shared: false }
}

/// The engine's own tables, made and removed in the box. Rules may name a link that is not there.
fn tables() -> Vec<Step> {
    // the step before it makes a router of the machine: that is a file of /proc/sys, and not what is asked here
    let [_, out] = veth::masquerade(&network());
    let inside = SocketAddrV4::new(Ipv4Addr::new(172, 17, 0, 2), 80);
    let host = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080));
    let port = Published { host, inside, protocol: Protocol::Tcp };
    let inwards = ports::publish("stepbox-examined", &network().bridge, &[port]);
    let made_and_removed = |step: Step| {
        let undo =
            step.undo.clone().map(|op| Step::new("remove the table", op).why("all of it goes together"));
        std::iter::once(without_undo(step)).chain(undo)
    };
    std::iter::once(out).chain(inwards).flat_map(made_and_removed).collect()
}

/// Asks for nothing, but asks: the kernel looks at who asks before it looks for the link.
fn links() -> Plan {
    let none = Request::DeleteLink { name: "stepbox-none".into() };
    let step = Step::new("remove a link that is not there", Op::Netlink(none))
        .why("who may not remove one may not add one; root of the machine hears only that there is none")
        .fails(Errno::NODEV);
    Plan::default().then(step)
}

fn links_judge(machine: &Machine, result: Result<(), &StepError>) -> Finding {
    match result {
        Err(error) if error.what == Unmet::Errno(Errno::PERM) => {
            let fix = match machine.container {
                Some(_) if machine.is_root() => gates::around(machine, "--cap-add NET_ADMIN"),
                _ => format!("sudo {COMMAND}"),
            };
            let reason = format!("{}: only root may add links to this machine", gates::refusal(error));
            Finding::blocked(reason, vec![fix])
        }
        other => plainly(machine, other),
    }
}

fn programs(_machine: &Machine) -> Finding {
    let directories: Vec<_> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let find =
        |name: &str| directories.iter().map(|directory| directory.join(name)).find(|path| path.is_file());
    let busybox = find("busybox").is_some_and(|path| is_static(&path));
    let missing: Vec<&str> = [
        ("strace", find("strace").is_some()),
        ("chromium", find("chromium").or_else(|| find("google-chrome")).is_some()),
        ("busybox-static", busybox),
    ]
    .into_iter()
    .filter_map(|(name, there)| (!there).then_some(name))
    .collect();
    match missing.as_slice() {
        [] => Finding::works("strace, chromium and a static busybox are here"),
        missing => Finding::reduced(
            format!("not here: {}", missing.join(", ")),
            vec![format!("sudo apt install {}", missing.join(" "))],
        ),
    }
}

/// An ELF file without PT_INTERP names no loader: elf(5).
fn is_static(path: &Path) -> bool {
    const PT_INTERP: [u8; 4] = 3u32.to_ne_bytes();
    let Ok(bytes) = std::fs::read(path) else { return false };
    let number =
        |at: usize| bytes.get(at..at + 2).map_or(0, |two| u16::from_ne_bytes([two[0], two[1]]).into());
    if bytes.get(..5) != Some(b"\x7fELF\x02") {
        return false;
    }
    let (size, count): (usize, usize) = (number(54), number(56));
    // e_phoff is 64 in every file that a linker of today writes: the headers follow the ELF header
    (0..count).all(|index| bytes.get(64 + index * size..68 + index * size) != Some(&PT_INTERP))
}
