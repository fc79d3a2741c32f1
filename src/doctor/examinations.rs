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

use std::os::fd::AsFd;
use std::path::Path;

use super::machine::{Machine, Module};
use super::{Finding, cgroup, gates};
use crate::kernel::ctext::BOX;
use crate::kernel::flags::{NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWTIME, NEWUSER, NEWUTS};
use crate::kernel::netlink::{Mac, Netns, Peer, Request};
use crate::kernel::{Errno, Op, hint, process, socket};
use crate::launch::{StepError, Unmet, launch};
use crate::overlay::Overlay;
use crate::step::{Plan, Step};

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
    let link = |request| Step::new("make the link", Op::Netlink(request)).why("its module may be missing");
    let bridge = Request::AddBridge { name: "br0".into(), mac: Mac([2, 0, 0, 0, 0, 1]) };
    let peer = Peer { name: "veth1".into(), netns: Netns::Own, mac: None };
    let veth = Request::AddVeth { name: "veth0".into(), peer: Box::new(peer) };
    let name = Step::new("name it", Op::Sethostname { name: "examined".into() });
    let attempt = |name, why, plan: Plan| Examination {
        name,
        why,
        way: Way::Try(Plan { acts: vec![(0, name, why)], ..plan }),
        judge: plainly,
    };
    let look =
        |name, why, look| Examination { name, why, way: Way::Look(look), judge: |_, _| Finding::works("") };
    vec![
        attempt(
            "user namespace",
            "root inside, nobody outside: what lets labs play without root",
            born(machine, NEWUSER),
        ),
        attempt(
            "namespaces",
            "all seven that the toy host is made of, in one clone",
            born(machine, all).inside(name.why("only root of its own UTS namespace may")),
        ),
        attempt("proc", "a box sees its own processes only through its own /proc", proc(machine)),
        attempt(
            "tmpfs",
            "the toy host's /tmp",
            born(machine, NEWUSER | NEWNS).inside(quiet()).inside(tmpfs()),
        ),
        Examination {
            judge: overlay_judge,
            ..attempt("overlay", "layers as one tree, with user attributes", overlay(machine))
        },
        attempt(
            "veth",
            "the cable between a box and its host",
            born(machine, NEWUSER | NEWNET).inside(link(veth)),
        ),
        attempt("bridge", "the switch between boxes", born(machine, NEWUSER | NEWNET).inside(link(bridge))),
        look("nf_tables", "the way out of a bridge, and the way in of published ports", nf_tables),
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
        look(
            "programs",
            "not needed: strace checks traces, chromium the viewer, busybox makes a small base image",
            programs,
        ),
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
    let maps = [
        Step::new("give up setgroups", Op::write(format!("/proc/{BOX}/setgroups"), "deny"))
            .why("the kernel's price for a group map without privilege"),
        Step::new("map root", Op::write(format!("/proc/{BOX}/uid_map"), format!("0 {} 1", machine.uid)))
            .why("root inside is we ourselves outside"),
        Step::new("map its group", Op::write(format!("/proc/{BOX}/gid_map"), format!("0 {} 1", machine.gid)))
            .why("files made inside belong to our group outside"),
    ];
    match flags & NEWUSER {
        0 => Plan::default().then(clone),
        _ => Plan::default().then(clone).then(maps),
    }
}

fn quiet() -> Step {
    Step::new("keep mounts to ourselves", Op::remount("/", libc::MS_REC | libc::MS_PRIVATE))
        .why("nothing that is mounted from here on shows on the machine")
}

fn tmpfs() -> Step {
    Step::new("mount a /tmp", Op::mount("tmpfs", "/tmp", "tmpfs", libc::MS_NOSUID | libc::MS_NODEV, ""))
        .why("a file system in memory, gone with the box")
}

// ANCHOR: proc
fn proc(machine: &Machine) -> Plan {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let mount = Step::new("mount a /proc", Op::mount("proc", "/proc", "proc", flags, ""))
        .why("refused to whom the present /proc is not fully visible");
    born(machine, NEWUSER | NEWNS | NEWPID).inside(quiet()).inside(mount)
}
// ANCHOR_END: proc

fn overlay(machine: &Machine) -> Plan {
    let path = |name: &str| Path::new("/tmp").join(name);
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(path);
    let [inner, shown] = [lower.join("dir"), merged.join("dir")];
    let overlay = Overlay { lower: vec![lower.clone()], upper, work, merged, userxattr: true };
    born(machine, NEWUSER | NEWNS)
        .inside([quiet(), tmpfs()])
        .inside([
            Step::new("make lower", Op::mkdir(lower)),
            Step::new("put a directory into it", Op::mkdir(inner)),
        ])
        .inside(overlay.directories().map(without_undo))
        .inside(overlay.mount().into_iter().map(without_undo))
        .inside([
            Step::new("remove the directory", Op::Rmdir { path: (&shown).into() }).why("makes a whiteout"),
            Step::new("make it again", Op::mkdir(&shown))
                .why("must be opaque now, which overlay notes in an extended attribute of upper"),
        ])
}

/// The box's own mounts and directories go with it: there is nothing that the host could undo.
fn without_undo(step: Step) -> Step {
    Step { undo: None, ..step }
}

fn overlay_judge(machine: &Machine, result: Result<(), &StepError>) -> Finding {
    match result {
        Err(error) if matches!(error.step, "remove the directory" | "make it again") => Finding::reduced(
            format!("{}: tmpfs keeps no user attributes, so directories cannot be opaque", refused(error)),
            vec!["boot Linux 6.6 or newer, where tmpfs has them".into()],
        ),
        other => plainly(machine, other),
    }
}

fn refused(error: &StepError) -> String {
    match error.what {
        Unmet::Errno(errno) => format!("{} = {}", error.op, hint::errno_text(errno)),
        _ => error.to_string(),
    }
}

fn time(machine: &Machine) -> Plan {
    let unshare = Step::new("unshare time", Op::Unshare { flags: NEWTIME })
        .why("children born from now on may have another monotonic clock");
    born(machine, NEWUSER).inside(unshare)
}

fn reduced_at_best(machine: &Machine, result: Result<(), &StepError>) -> Finding {
    match result {
        Err(error) if error.what == Unmet::Errno(Errno::INVAL) => Finding::blocked(
            format!("{}: this kernel was built without CONFIG_TIME_NS", refused(error)),
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
    let pivot = Op::PivotRoot { new: "/tmp".into(), old: "/tmp/old".into() };
    own(machine, all).inside([
        quiet(),
        tmpfs(),
        Step::new("make a place for the old root", Op::mkdir("/tmp/old")),
        Step::new("change the root", pivot).why("refused in a chroot, and where / is the initial ramfs"),
        Step::new("let go of the old root", Op::detach("/old"))
            .why("now nothing of the machine is left in view"),
    ])
}

/// A few empty directories on the store's own file system, removed again.
fn store(machine: &Machine) -> Plan {
    let existing = machine.store.ancestors().find(|path| path.is_dir()).unwrap_or("/".as_ref());
    let base = existing.join(format!(".stepbox-doctor-{}", std::process::id()));
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| base.join(name));
    let workshop = work.join("work");
    let make =
        |name, path: &Path| Step::new(name, Op::mkdir(path)).undo(Op::RemoveTree { path: path.into() });
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
        .inside(quiet())
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

/// Asks nf_tables for its generation, from inside a network namespace of ours: the question loads the module.
fn nf_tables(machine: &Machine) -> Finding {
    let plan = born(machine, NEWUSER | NEWNET);
    let running = match launch(&plan, &mut (), None) {
        Ok(running) => running,
        Err(crate::launch::LaunchError::Step(error)) => return gates::explain(machine, &error),
        Err(error) => return Finding::blocked(error.to_string(), Vec::new()),
    };
    let ask = || match generation() {
        Ok(()) => vec![0],
        Err(errno) => errno.raw_os_error().to_ne_bytes().to_vec(),
    };
    let bytes = running.box_pid().map(|pid| process::inside(pid, NEWNET, ask));
    let errno = match bytes {
        Some(Ok(bytes)) if bytes.len() == 1 => None,
        Some(Ok(bytes)) => {
            let number: [u8; 4] = bytes.try_into().unwrap_or_default();
            Some(Errno::from_raw_os_error(i32::from_ne_bytes(number)))
        }
        Some(Err(errno)) => Some(errno),
        None => Some(Errno::SRCH),
    };
    let missing: Vec<&str> = ["nft_chain_nat", "nft_masq"]
        .into_iter()
        .filter(|name| machine.module(name) == Module::Absent)
        .collect();
    match errno {
        None if missing.len() == 2 && machine.root.join("lib/modules").join(&machine.kernel).exists() => {
            let (gate, fix) = gates::module(machine, "nft_masq");
            Finding::reduced(gate, fix)
        }
        None => Finding::works(""),
        Some(errno) => {
            let (gate, fix) = gates::module(machine, "nf_tables");
            Finding::blocked(format!("NFT_MSG_GETGEN = {}: {gate}", hint::errno_text(errno)), fix)
        }
    }
}

fn generation() -> rustix::io::Result<()> {
    const GETGEN: u16 = (libc::NFNL_SUBSYS_NFTABLES as u16) << 8 | 16;
    const REQUEST_AND_ACK: u16 = 1 | 4;
    let socket = socket::open_netlink(libc::NETLINK_NETFILTER)?;
    let mut message = [0u8; 20];
    message[..4].copy_from_slice(&20u32.to_ne_bytes());
    message[4..6].copy_from_slice(&GETGEN.to_ne_bytes());
    message[6..8].copy_from_slice(&REQUEST_AND_ACK.to_ne_bytes());
    rustix::net::send(socket.as_fd(), &message, rustix::net::SendFlags::empty())?;
    let mut answer = [0u8; 256];
    let (count, _) = rustix::net::recv(socket.as_fd(), &mut answer[..], rustix::net::RecvFlags::empty())?;
    let kind = u16::from_ne_bytes([answer[4], answer[5]]);
    let error = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
    match kind {
        _ if count < 20 => Err(Errno::PROTO),
        2 if error != 0 => Err(Errno::from_raw_os_error(-error)),
        _ => Ok(()),
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
