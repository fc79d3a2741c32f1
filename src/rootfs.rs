//! Root file system: what a container finds below `/` besides its image.
//!
//! ```text
//!   host's names                          container's names
//!   the layers become one tree                                                      assemble
//!   open_tree(volume) ─────────┐
//!   ─────────── pivot_root: the old root lies on the new one ───────────
//!                              │          /proc and /sys, no link followed          views
//!   ─────────── the old root is detached ───────────────────────────────
//!                              ├────────> filled with what the image has there      fill
//!                              └────────> every other mount, in order; /dev         furnish
//!                                         parts of /proc and /sys                   cover
//! ```
//!
//! Sources are opened before the pivot, targets are looked up after it, so that no link in an image or a volume can
//! lead a mount, a mkdir or a mask out of the container (CVE-2018-15664, CVE-2021-30465, CVE-2025-31133). The old
//! root stays until proc and sysfs are mounted, because a user namespace may mount them only while it still has ones
//! that are fully visible. It is stacked on `/` then, and a `..` at `/` steps onto it: so until it is gone no link of
//! the image is followed at all.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::kernel::op::{MountAt, Tree};
use crate::kernel::{Errno, Op};
use crate::overlay::Overlay;
use crate::probe::{Probe, Who};
use crate::step::Step;

mod cgroup_tree;
mod cover;
mod devices;
mod mounts;
mod placing;
mod volumes;

pub use cover::{cover, masked_by_default, read_only_by_default};
pub use devices::{Device, open_terminal};
pub use mounts::{CgroupTree, Idmap, MappedBy, Mount, Options, Source, mounts_by_default};
pub use volumes::{fill, filled};

/// To change the flags of the mount at `/`.
const ROOT: u64 = libc::MS_REMOUNT | libc::MS_BIND;

/// What a container's root file system is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Rootfs {
    /// what becomes `/`
    pub root: Root,
    /// nothing on `/` itself can be written
    pub read_only: bool,
    /// what mounts of the host have to do with ours, and ours with the host's: MS_PRIVATE, MS_SLAVE, MS_SHARED or
    /// MS_UNBINDABLE, perhaps with MS_REC
    pub propagation: u64,
    /// the host's root is no mount that could be exchanged, as an initramfs: ours is moved over it
    pub no_pivot: bool,
    /// where the host's proc and sysfs are mounted, the last first: a root that is moved over them must not hide them,
    /// but be without them
    pub host_views: Vec<PathBuf>,
    /// what is bound is opened by the host, because the box's users may not reach it; needs root outside
    pub open_on_host: bool,
    /// what is mounted below `/`, in order
    pub mounts: Vec<Mount>,
    /// the order shows in mountinfo, too: what comes before the last proc or sysfs is not mounted after it
    pub in_order: bool,
    /// how device nodes come to be
    pub make: Devices,
    /// the nodes besides the six that every container has
    pub devices: Vec<Device>,
    /// files and directories that are hidden
    pub masked: Vec<PathBuf>,
    /// those that cannot be written
    pub read_only_paths: Vec<PathBuf>,
    /// a terminal is wanted
    pub terminal: bool,
    /// directories to make where they are missing, as the working directory
    pub directories: Vec<PathBuf>,
}

/// What becomes `/`.
#[derive(Debug, Clone, PartialEq)]
pub enum Root {
    /// the image's layers and a writable one
    Overlay {
        /// the layers
        overlay: Overlay,
        /// what is written goes with the container: it need not reach the disk
        throw_away: bool,
    },
    /// a directory, as it is
    Directory(PathBuf),
    /// a tree of its own that begins as the image's
    Branch {
        /// how it is made
        make: Tree,
        /// where
        path: PathBuf,
    },
}

/// How device nodes come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// by mknod(2): needs root of the initial user namespace
    Make,
    /// by binding the host's
    Bind,
}

impl Rootfs {
    /// Where the tree lies before it becomes `/`.
    pub fn tree(&self) -> &Path {
        match &self.root {
            Root::Overlay { overlay, .. } => &overlay.merged,
            Root::Directory(path) | Root::Branch { path, .. } => path,
        }
    }

    /// On the host: what the container writes to, made before anything is mounted. It outlives the container's process.
    pub fn writable(&self) -> Vec<Step> {
        match &self.root {
            Root::Overlay { overlay, .. } => overlay.directories().into(),
            Root::Directory(_) => Vec::new(),
            Root::Branch { make, path } => vec![
                Step::new("branch off the image's tree", Op::Tree(make.clone()))
                    .why("without an overlay the container writes to a tree of its own, never to the image's")
                    .undo(Op::RemoveTree { path: path.into() }),
            ],
        }
    }

    /// On the host, for a container whose writable places are there already: where its tree is mounted.
    pub fn place(&self) -> Option<Step> {
        match &self.root {
            Root::Overlay { overlay, .. } => Some(overlay.place().or_else(Errno::EXIST)),
            Root::Directory(_) | Root::Branch { .. } => None,
        }
    }

    /// The mounts, and the host's device nodes where we can make none.
    fn all_mounts(&self) -> Vec<Mount> {
        let mut mounts = self.mounts.clone();
        if self.make == Devices::Bind && self.has_dev_of_its_own() {
            mounts.extend(devices::binds(&self.devices));
        }
        mounts
    }

    /// Whether /dev is a new file system, with nothing on it yet.
    fn has_new_dev(&self) -> bool {
        let dev = |mount: &Mount| mount.target == Path::new("/dev") && !mount.is_remount();
        self.mounts.iter().any(|mount| dev(mount) && matches!(mount.source, Source::New { .. }))
    }

    /// Whether /dev is the container's own: a bind there brings its own nodes.
    fn has_dev_of_its_own(&self) -> bool {
        let bound = |mount: &&Mount| mount.target == Path::new("/dev");
        !self.mounts.iter().find(bound).is_some_and(|mount| matches!(mount.source, Source::Bind { .. }))
    }
}

/// On the host, before the box is born: what the box could not open by itself.
pub fn open_on_host(rootfs: &Rootfs) -> Vec<Step> {
    let mounts = rootfs.all_mounts();
    let wanted = mounts.iter().enumerate().filter(|(_, mount)| placing::by_host(rootfs, mount));
    wanted.flat_map(|(slot, mount)| placing::open_on_host(rootfs, slot, mount)).collect()
}

/// In the box, before the pivot: the layers become one tree, and the host's things are opened by their host names.
pub fn assemble(rootfs: &Rootfs) -> Vec<Step> {
    let shared = rootfs.propagation & libc::MS_SHARED != 0;
    let (flag, why) = match rootfs.propagation & libc::MS_SLAVE {
        0 => (libc::MS_PRIVATE, "otherwise what the box mounts would appear on the host"),
        _ => (libc::MS_SLAVE, "what the host mounts may appear in the box, and never the other way round"),
    };
    let apart = Step::new("keep mounts to ourselves", Op::remount("/", libc::MS_REC | flag)).why(why);
    let mounts = rootfs.all_mounts();
    let ours = mounts.iter().enumerate().filter(|(_, mount)| !placing::by_host(rootfs, mount));
    let opened = ours.flat_map(|(slot, mount)| placing::open(slot, mount)).chain(volumes::open(rootfs));
    match shared {
        // a copy stays a peer of the mount it was made from: so it is made while that is still the host's
        true => opened.chain([apart]).chain(tree(rootfs)).collect(),
        false => std::iter::once(apart).chain(tree(rootfs)).chain(opened).collect(),
    }
}

/// In a box that only fills volumes: the same, with nothing but them. The layers are not written to.
pub fn assemble_to_fill(rootfs: &Rootfs) -> Vec<Step> {
    let why = "nothing is written there, and what is closed need not be synced to the disk at the end";
    let closed = tree(rootfs).into_iter().map(|mut step| {
        if let (Root::Overlay { .. }, Op::Mount { flags, .. }) = (&rootfs.root, &mut step.op) {
            *flags |= libc::MS_RDONLY;
            step = step.why(why);
        }
        step
    });
    let apart = Step::new("keep mounts to ourselves", Op::remount("/", libc::MS_REC | libc::MS_PRIVATE));
    let apart = apart.why("otherwise what the box mounts would appear on the host");
    std::iter::once(apart).chain(closed).chain(volumes::open(rootfs)).collect()
}

/// The tree that becomes `/` must be a mount.
fn tree(rootfs: &Rootfs) -> Vec<Step> {
    let seen = |path: &Path| Probe::Mounts(Who::Box, path.display().to_string());
    match &rootfs.root {
        Root::Overlay { overlay, throw_away } => {
            let mount = if *throw_away { overlay.mount_volatile() } else { overlay.mount() };
            // the box's mounts die with its namespace: the host has nothing to take back
            let mount = mount.into_iter().map(|step| Step { undo: None, ..step });
            let shown = |step: Step| match step.op {
                Op::Mount { .. } | Op::MoveMount { .. } => step.show(seen(&overlay.merged)),
                _ => step,
            };
            mount.map(shown).collect()
        }
        Root::Directory(path) | Root::Branch { path, .. } => vec![
            Step::new("make the new root a mount", Op::bind(path, path, libc::MS_REC))
                .why("pivot_root exchanges mounts, and a plain directory is none: EBUSY")
                .show(seen(path)),
        ],
    }
}

/// In the box, after the pivot, while the old root is still there: proc and sysfs, by names that are no links.
pub fn views(rootfs: &Rootfs) -> Vec<Step> {
    let why = "a link with enough .. in it would step from / onto the old root, which is stacked there";
    let mut steps = vec![Step::new("follow no link", follow(rootfs, false)).why(why)];
    let mut made = Made::default();
    let mounts = rootfs.all_mounts();
    for (slot, mount) in mounts.iter().enumerate().filter(|(at, _)| is_early(rootfs, &mounts, *at)) {
        steps.extend(placing::place(slot, mount, &mut made));
    }
    steps
}

/// A proc or sysfs that does not lie on another mount of ours; and, where the order must show, what is listed before it
/// and lies where no image has links.
fn is_early(rootfs: &Rootfs, mounts: &[Mount], at: usize) -> bool {
    let mount = &mounts[at];
    let Source::New { .. } = &mount.source else { return false };
    let before = |other: usize| mount.target.starts_with(&mounts[other].target);
    if mount.is_remount() || (0..at).any(|other| before(other) && !is_early(rootfs, mounts, other)) {
        return false;
    }
    let usual = ["/dev", "/proc", "/sys"].iter().any(|top| mount.target.starts_with(top));
    is_view(mount) || rootfs.in_order && usual && !mount.options.copy_up && mounts[at..].iter().any(is_view)
}

fn is_view(mount: &Mount) -> bool {
    matches!(&mount.source, Source::New { kind, .. } if kind == "proc" || kind == "sysfs")
        && !mount.is_remount()
}

/// Whether links on the mount at `/` are followed. An overlay has no other flags; a directory keeps what it has.
fn follow(rootfs: &Rootfs, follow: bool) -> Op {
    match &rootfs.root {
        Root::Overlay { .. } => Op::remount("/", if follow { ROOT } else { ROOT | libc::MS_NOSYMFOLLOW }),
        Root::Directory(_) | Root::Branch { .. } => {
            let flag = libc::MOUNT_ATTR_NOSYMFOLLOW;
            let (set, clear) = if follow { (0, flag) } else { (flag, 0) };
            Op::MountSetattr { on: MountAt::Path("/".into()), set, clear, propagation: 0, recursive: false }
        }
    }
}

/// In the box, when the old root is gone and links are followed: everything else that is mounted by its name in the
/// container.
pub fn furnish(rootfs: &Rootfs) -> Vec<Step> {
    let (mut steps, mut made) = (Vec::new(), Made::default());
    let mounts = rootfs.all_mounts();
    for (slot, mount) in mounts.iter().enumerate().filter(|(at, _)| !is_early(rootfs, &mounts, *at)) {
        steps.extend(placing::place(slot, mount, &mut made));
    }
    if rootfs.has_dev_of_its_own() {
        steps.extend(made.directory("/dev"));
        steps.extend(devices::steps(rootfs, &mut made));
    }
    if rootfs.terminal {
        steps.extend(devices::terminal());
    }
    for path in &rootfs.directories {
        steps.extend(made.directory(path));
    }
    steps
}

/// In the box, last of all that concerns the tree: how mounts travel, and what is closed for writing.
pub fn close(rootfs: &Rootfs) -> Vec<Step> {
    let read_only = |path: &Path| {
        let (on, set) = (MountAt::Path(path.into()), libc::MOUNT_ATTR_RDONLY);
        Op::MountSetattr { on, set, clear: 0, propagation: 0, recursive: false }
    };
    let mut steps = Vec::new();
    if rootfs.propagation & (libc::MS_SHARED | libc::MS_UNBINDABLE) != 0 {
        let why = "not before: pivot_root refuses a shared mount, and what is mounted on one is shared too";
        steps.push(Step::new("say how mounts of / travel", Op::remount("/", rootfs.propagation)).why(why));
    }
    for mount in rootfs.mounts.iter().filter(|mount| mount.closes_late()) {
        let why = "nothing has to be made on it any more";
        steps.push(Step::new("close a mount for writing", read_only(&mount.target)).why(why));
    }
    if rootfs.read_only {
        let why = "only what is mounted below it can be written";
        steps.push(Step::new("make / read-only", read_only(Path::new("/"))).why(why));
    }
    steps
}

/// Directories that are known to be there, so that no step makes them again.
#[derive(Debug, Default)]
struct Made(BTreeSet<PathBuf>);

/// The directories that every container has: path, the step's name, why it may be missing.
const KNOWN: [(&str, &str, &str); 7] = [
    ("/proc", "make /proc", IMAGE),
    ("/dev", "make /dev", IMAGE),
    ("/sys", "make /sys", IMAGE),
    ("/etc", "make /etc", IMAGE),
    ("/dev/pts", "make room for terminals", ROOM),
    ("/dev/mqueue", "make room for message queues", ROOM),
    ("/dev/shm", "make room for shared memory", ROOM),
];
const IMAGE: &str = "an image need not have it";
const ROOM: &str = "a mount needs a directory to hang on";

impl Made {
    /// A directory and those above it, where they are missing.
    fn directory(&mut self, path: impl AsRef<Path>) -> Vec<Step> {
        let mut above: Vec<&Path> =
            path.as_ref().ancestors().filter(|path| path.parent().is_some()).collect();
        above.reverse();
        let make = |path: &&Path| {
            let known = KNOWN.iter().find(|(known, ..)| Path::new(known) == *path);
            let (name, why) = known.map_or(("make a directory", IMAGE), |(_, name, why)| (name, why));
            Step::new(name, Op::mkdir(path)).why(why).or_else(Errno::EXIST)
        };
        above.iter().filter(|path| self.0.insert(path.to_path_buf())).map(make).collect()
    }

    /// Something is mounted here: what was made below is hidden now.
    fn covered(&mut self, path: &Path) {
        self.0.retain(|made| made == path || !made.starts_with(path));
    }
}
