//! Placing: the host's directories and files, opened by the host's names and placed by the container's; and file
//! systems of the container's own.
//!
//! ```text
//!   open_tree ─> (idmap) ─> attributes ─> propagation        a copy that hangs nowhere
//!        mkdir or an empty file where there is none          names in the container
//!                                       move_mount ─>        it hangs there
//! ```
//!
//! See open_tree(2), mount_setattr(2), move_mount(2).

use std::path::Path;

use super::{CgroupTree, Made, MappedBy, Mount, Rootfs, Source};
use crate::kernel::op::{MountAt, Theirs, Users};
use crate::kernel::{Errno, Op};
use crate::probe::{Probe, Who};
use crate::step::Step;
use crate::{storage, userns};

/// How a reader is told of a bind: opened, given a place, placed.
struct Names {
    open: &'static str,
    room: &'static str,
    place: &'static str,
}

/// The names for a target that nearly every container has.
macro_rules! known {
    ($path:literal) => {
        (
            $path,
            Names {
                open: concat!("open what becomes ", $path),
                room: concat!("make a place for ", $path),
                place: concat!("bind ", $path),
            },
        )
    };
}

const KNOWN: [(&str, Names); 11] = [
    known!("/dev/null"),
    known!("/dev/zero"),
    known!("/dev/full"),
    known!("/dev/random"),
    known!("/dev/urandom"),
    known!("/dev/tty"),
    known!("/etc/hostname"),
    known!("/etc/hosts"),
    known!("/etc/resolv.conf"),
    known!("/sys"),
    known!("/dev/shm"),
];
const OTHER: Names = Names { open: "open what will be bound", room: "make a place for it", place: "bind it" };

fn names(target: &Path) -> &'static Names {
    KNOWN.iter().find(|(path, _)| Path::new(path) == target).map_or(&OTHER, |(_, names)| names)
}

/// New file systems that nearly every container has: target, the step's name, why.
const NEW: [(&str, &str, &str); 6] = [
    ("/proc", "mount proc", "a /proc of the box's own PID namespace: it shows the box's processes only"),
    ("/sys", "mount sysfs", "read-only: it can change the machine's devices"),
    ("/dev", "mount /dev", "a few nodes of our own instead of the machine's devices"),
    ("/dev/pts", "mount devpts", "terminals of the box's own: none of the host's can be opened"),
    ("/dev/mqueue", "mount mqueue", "POSIX message queues of the IPC namespace"),
    ("/dev/shm", "mount shm", "POSIX shared memory, with a limit of its own"),
];

/// Whether the host opens it, before the box is born.
pub(super) fn by_host(rootfs: &Rootfs, mount: &Mount) -> bool {
    if let Source::Theirs { .. } = mount.source {
        return true;
    }
    let bind = matches!(mount.source, Source::Bind { .. });
    bind && !mount.is_remount() && (rootfs.open_on_host || mount.options.idmap.is_some())
}

/// On the host: a source is looked up as the host's root, and cut off from the host's own mounts.
pub(super) fn open_on_host(rootfs: &Rootfs, slot: usize, mount: &Mount) -> Vec<Step> {
    if let Source::Theirs { peer, user } = mount.source {
        let op = Op::OpenTheirs(Theirs { peer, user, source: (&mount.target).into(), slot });
        let why = "somebody has to go there: only who is in a mount namespace can copy a mount of it";
        return vec![Step::new(names(&mount.target).open, op).why(why)];
    }
    let Source::Bind { path, recursive, .. } = &mount.source else { return Vec::new() };
    let why = "the box's users may not reach it, and may not give its files other owners";
    let op = Op::OpenTree { source: path.into(), slot, recursive: *recursive };
    let mut steps = vec![Step::new(names(&mount.target).open, op).why(why)];
    if let Some(idmap) = &mount.options.idmap {
        steps.extend(mapping(&idmap.users));
        let why = "files that belong to one number outside belong to another in the box; on the disk nothing changes";
        let op = Op::Users(Users::Take { slot, recursive: idmap.recursive });
        steps.push(Step::new("give its files other owners", op).why(why));
    }
    if rootfs.propagation & libc::MS_SHARED == 0 {
        let flags = libc::MS_REC | rootfs.propagation & (libc::MS_PRIVATE | libc::MS_SLAVE);
        let cut = Step { name: "cut it off from the host", ..storage::travel(slot, flags) };
        steps.push(cut.why("what is mounted on the copy stays in the box"));
    }
    steps.extend(attributes(slot, mount));
    steps
}

/// A user namespace in which nobody lives: it only says which number is which.
fn mapping(users: &MappedBy) -> Vec<Step> {
    let (uids, gids) = match users {
        MappedBy::File(path) => {
            let op = Op::Users(Users::Open { path: path.into() });
            return vec![Step::new("open a user namespace", op).why("its maps say which number is which")];
        }
        MappedBy::Ranges(uids, gids) => (uids, gids),
    };
    let map = |name, file: &str, ranges| {
        let op = Op::Users(Users::Map { file: file.into(), map: userns::lines(ranges).into() });
        Step::new(name, op).why("as in any user namespace: inside, outside, how many")
    };
    vec![
        Step::new("make a user namespace", Op::Users(Users::Hold))
            .why("the kernel takes a mapping only from one, so a process is born in it and waits"),
        map("map its users", "uid_map", uids),
        map("map its groups", "gid_map", gids),
        Step::new("keep the namespace", Op::Users(Users::Keep))
            .why("an open descriptor keeps it: the process has done its work and ends"),
    ]
}

/// In the box, before the pivot: a source on the host is looked up, and copied as a mount that hangs nowhere yet.
pub(super) fn open(slot: usize, mount: &Mount) -> Vec<Step> {
    if let Source::Within { root, part, .. } = &mount.source {
        let open = Step { name: names(&mount.target).open, ..storage::open_within(slot, root, part) };
        return std::iter::once(open).chain(attributes(slot, mount)).collect();
    }
    let Source::Bind { path, recursive, .. } = &mount.source else { return Vec::new() };
    let mut open = Step { name: names(&mount.target).open, ..storage::open(slot, path, *recursive) };
    if mount.target.starts_with("/dev") {
        open.why = "a user namespace may make no device, so the box borrows the host's";
    }
    std::iter::once(open).chain(attributes(slot, mount)).collect()
}

/// The flags of the copy, and how it travels.
fn attributes(slot: usize, mount: &Mount) -> Vec<Step> {
    let options = &mount.options;
    let mut steps = Vec::new();
    let both = [(options.set, options.clear, false), (options.set_below, options.clear_below, true)];
    for (set, clear, recursive) in both.into_iter().filter(|(set, clear, _)| set | clear != 0) {
        steps.push(storage::attributes(slot, set, clear, recursive));
    }
    steps.extend(options.propagation.iter().map(|flags| storage::travel(slot, *flags)));
    steps
}

const TRAVEL: &str = "say how mounts travel";
const BOTH_WAYS: &str = "shared: both ways; slave: from the host only; private: not at all";

/// After the pivot: a place is made where there is none, and the mount is hung up.
pub(super) fn place(slot: usize, mount: &Mount, made: &mut Made) -> Vec<Step> {
    let mounts = |step: Step| match mount.target.starts_with("/dev") {
        true => step,
        false => step.show(Probe::Mounts(Who::Box, "/".into())),
    };
    if mount.is_remount() {
        return new(mount);
    }
    let mut steps = match (&mount.source, mount.target.parent()) {
        (
            Source::Bind { directory: false, .. } | Source::Within { directory: false, .. } | Source::Link(_),
            Some(parent),
        ) => made.directory(parent),
        _ => made.directory(&mount.target),
    };
    match &mount.source {
        Source::Bind { directory, .. } | Source::Within { directory, .. } => {
            let names = names(&mount.target);
            if !directory {
                let op = Op::Room { path: (&mount.target).into() };
                steps.push(mounts(Step::new(names.room, op).why("a file is bound onto a file")));
            }
            steps.push(mounts(Step { name: names.place, ..storage::place(slot, &mount.target) }));
        }
        Source::Theirs { .. } => {
            let op = Op::PlaceTree { slot, target: (&mount.target).into() };
            let why = "the same memory under the same name: what one of them writes the other reads";
            steps.push(mounts(Step::new(names(&mount.target).place, op).why(why)));
        }
        Source::New { .. } if mount.options.copy_up => steps.extend(copied(mount)),
        Source::New { .. } => steps.extend(new(mount)),
        Source::Cgroup(tree) => steps.extend(cgroup_tree(tree, mount)),
        Source::Link(to) => {
            let op = Op::Symlink { target: to.into(), path: (&mount.target).into() };
            let step = Step::new("give it another name", op).why("one hierarchy, several controllers");
            steps.push(step.or_else(Errno::EXIST));
        }
    }
    made.covered(&mount.target);
    steps
}

/// A new file system at its place.
pub(super) fn new(mount: &Mount) -> Vec<Step> {
    let Source::New { kind, device, data } = &mount.source else { return Vec::new() };
    let known = NEW.iter().find(|(path, ..)| Path::new(path) == mount.target);
    let (name, why) = match known {
        _ if mount.is_remount() => ("change a mount", "what is mounted there stays, with other flags"),
        Some((_, name, why)) => (*name, *why),
        None => ("mount a file system", "a file system of the box's own"),
    };
    let flags = match mount.closes_late() {
        true => mount.options.flags & !libc::MS_RDONLY,
        false => mount.options.flags,
    };
    let mut step = Step { name, why, ..storage::own(&mount.target, kind, device, flags, data) };
    if kind == "proc" {
        step = step.show(Probe::Processes(format!("/proc/[BOX]/root{}", mount.target.display())));
    }
    std::iter::once(step).chain(finish(mount)).collect()
}

/// A tmpfs that begins with a copy of what it hides: made without a place, filled, then hung up.
fn copied(mount: &Mount) -> Vec<Step> {
    let Source::New { kind, device, data } = &mount.source else { return Vec::new() };
    let set = |key: &str, value: Option<&str>| {
        let op = match value {
            Some(value) => Op::FsconfigString { key: key.into(), value: value.into() },
            None => Op::FsconfigFlag { key: key.into() },
        };
        Step::new("set an option", op).why("one call for each option")
    };
    let mut steps = vec![
        Step::new("open a file system", Op::Fsopen { kind: kind.into() })
            .why("it must be filled before it hides what it is filled from"),
        set("source", Some(device)),
    ];
    steps.extend(data.split(',').filter(|option| !option.is_empty()).map(
        |option| match option.split_once('=') {
            Some((key, value)) => set(key, Some(value)),
            None => set(option, None),
        },
    ));
    let target = &mount.target;
    let (attributes, clear) = mount_attributes(mount.options.flags & !libc::MS_RDONLY);
    let change = Op::MountSetattr {
        on: MountAt::Path(target.into()),
        set: attributes,
        clear,
        propagation: 0,
        recursive: false,
    };
    steps.extend([
        Step::new("create it", Op::FsconfigCreate).why("all options are known"),
        Step::new("make a mount of it", Op::Fsmount)
            .why("a mount that hangs nowhere yet: no path leads to it"),
        Step::new("copy what it will hide", Op::CopyUp(target.into()))
            .why("owners, modes and links as they are, and no link is followed"),
        Step::new("mount a file system", Op::MoveMount { target: target.into() })
            .why("the copy takes the place of what was copied"),
    ]);
    if attributes | clear != 0 {
        steps.push(Step::new("set its attributes", change).why("a file system of the box's own"));
    }
    steps.extend(finish(mount));
    steps
}

/// Flags of mount(2) as attributes of mount_setattr(2).
fn mount_attributes(flags: u64) -> (u64, u64) {
    const SAME: [(u64, u64); 5] = [
        (libc::MS_NOSUID, libc::MOUNT_ATTR_NOSUID),
        (libc::MS_NODEV, libc::MOUNT_ATTR_NODEV),
        (libc::MS_NOEXEC, libc::MOUNT_ATTR_NOEXEC),
        (libc::MS_NODIRATIME, libc::MOUNT_ATTR_NODIRATIME),
        (libc::MS_NOSYMFOLLOW, libc::MOUNT_ATTR_NOSYMFOLLOW),
    ];
    let set =
        SAME.iter().filter(|(flag, _)| flags & flag != 0).fold(0, |all, (_, attribute)| all | attribute);
    match flags {
        flags if flags & libc::MS_STRICTATIME != 0 => {
            (set | libc::MOUNT_ATTR_STRICTATIME, libc::MOUNT_ATTR__ATIME)
        }
        flags if flags & libc::MS_NOATIME != 0 => (set | libc::MOUNT_ATTR_NOATIME, libc::MOUNT_ATTR__ATIME),
        _ => (set, 0),
    }
}

/// What is said of a new file system when it hangs: attributes for all below it, and how mounts travel.
fn finish(mount: &Mount) -> Vec<Step> {
    let options = &mount.options;
    let mut steps = Vec::new();
    if options.set_below | options.clear_below != 0 {
        let (on, set, clear) =
            (MountAt::Path((&mount.target).into()), options.set_below, options.clear_below);
        let op = Op::MountSetattr { on, set, clear, propagation: 0, recursive: true };
        steps.push(Step::new("set its attributes", op).why("and those of all that is mounted below it"));
    }
    let travel = |flags: &u64| Step::new(TRAVEL, Op::remount(&mount.target, *flags)).why(BOTH_WAYS);
    steps.extend(options.propagation.iter().map(travel));
    steps
}

fn cgroup_tree(tree: &CgroupTree, mount: &Mount) -> Vec<Step> {
    let (root, flags) = (&mount.target, mount.options.flags);
    let why = match flags & libc::MS_RDONLY {
        0 => "its own cgroup, and what is left of it",
        _ => "its own cgroup, and what is left of it, read-only",
    };
    let CgroupTree::V1(hierarchies) = tree else {
        let op = Op::mount("cgroup", root, "cgroup2", flags, "");
        let v2 = *tree == CgroupTree::V2;
        let step = v2.then(|| Step::new("mount the cgroup tree", op).why(why));
        return step.into_iter().chain(v2.then(|| finish(mount)).into_iter().flatten()).collect();
    };
    let op = Op::mount("tmpfs", root, "tmpfs", flags & !libc::MS_RDONLY, "mode=755");
    let mut steps = vec![Step::new("make room for cgroups", op).why("v1 has one tree per controller")];
    for (name, options) in hierarchies {
        let path = root.join(name);
        let room = Step::new("make room for a controller", Op::mkdir(&path));
        steps.push(room.why("a mount needs a directory to hang on"));
        let op = Op::mount("cgroup", &path, "cgroup", flags, options);
        steps.push(Step::new("mount a cgroup tree", op).why(why));
    }
    for name in hierarchies.iter().map(|(name, _)| name).filter(|name| name.contains(',')) {
        steps.extend(name.split(',').map(|single| {
            let op = Op::Symlink { target: name.into(), path: root.join(single).into() };
            Step::new("give it another name", op).why("one hierarchy, several controllers")
        }));
    }
    if flags & libc::MS_RDONLY != 0 {
        let op = Op::remount(root, libc::MS_REMOUNT | libc::MS_BIND | flags);
        steps.push(Step::new("close the room", op).why("nothing may be added"));
    }
    steps.extend(finish(mount));
    steps
}
