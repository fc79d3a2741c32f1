//! Detect: which cgroup hierarchies this machine has, and where in them a cgroup of ours may stand.
//!
//! ```text
//!   /proc/self/mountinfo   where each hierarchy is mounted           cgroup (v1, one per controller), cgroup2
//!   /proc/self/cgroup      where in each of them this process is     4:memory:/a/b      0::/a/b
//!   cgroup.controllers     what a v2 cgroup may be given             memory pids
//! ```
//!
//! See cgroups(7) and proc_pid_cgroup(5).

use std::io;
use std::path::{Path, PathBuf};

use super::{Controller, Hierarchy, Place, Unified};
use crate::kernel::Errno;
use crate::probe::mountinfo;

/// Whether this process may make cgroups in a directory: it writes the directory and its `cgroup.procs`.
pub fn access(directory: &Path) -> Result<(), Errno> {
    use rustix::fs::{Access, access};
    access(directory, Access::WRITE_OK | Access::EXEC_OK)?;
    access(directory.join("cgroup.procs"), Access::WRITE_OK)
}

/// A cgroup hierarchy, or a part of one, that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// which cgroup of the hierarchy is seen at the mount point
    pub root: PathBuf,
    /// the mount point
    pub point: PathBuf,
    /// version 2; else version 1
    pub v2: bool,
    /// version 1: what names the hierarchy to mount(2): its controllers, or `name=`
    pub controllers: Vec<String>,
}

/// The cgroup hierarchies that are mounted, read under `root`, which is `/` but in tests.
pub fn mounted(root: &Path) -> io::Result<Vec<Mount>> {
    let text = std::fs::read_to_string(root.join("proc/self/mountinfo"))?;
    Ok(mountinfo::parse(&text).filter_map(hierarchy).collect())
}

/// `36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices`
fn hierarchy(mount: mountinfo::Mount<'_>) -> Option<Mount> {
    let v2 = match mount.kind {
        "cgroup2" => true,
        "cgroup" => false,
        _ => return None,
    };
    // these belong to the mount or to its root, and do not say which hierarchy it is
    let names =
        |option: &&str| !matches!(*option, "rw" | "ro" | "xattr") && !option.starts_with("release_agent=");
    let controllers = mount.own.split(',').filter(names).map(str::to_string).collect();
    Some(Mount { root: mount.root, point: mount.point, v2, controllers })
}

/// Reads the hierarchies under `root`, which is `/` but in tests. `may` says whether a cgroup can be made there.
pub fn read(root: &Path, may: impl Fn(&Path) -> Result<(), Errno>) -> io::Result<Hierarchy> {
    of(root, &mounted(root)?, may)
}

/// The same from what is mounted there.
pub fn of(root: &Path, mounts: &[Mount], may: impl Fn(&Path) -> Result<(), Errno>) -> io::Result<Hierarchy> {
    let own = std::fs::read_to_string(root.join("proc/self/cgroup"))?;
    let under = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    let mut hierarchy = Hierarchy::default();
    for mount in mounts {
        let at = |controller: &str| {
            let own = own_path(&own, controller, mount);
            choose(mount, &own, |directory| match mount.v2 && occupied(&under(directory), directory, &own) {
                true => Err(Errno::BUSY),
                false => may(&under(directory)),
            })
        };
        if mount.v2 && hierarchy.v2.is_none() {
            let place = at("");
            let words = |file| words(&under(&place.parent).join(file));
            let (controllers, enabled) = (words("cgroup.controllers"), words("cgroup.subtree_control"));
            hierarchy.v2 = Some(Unified { place, controllers, enabled });
        }
        for controller in Controller::EVERY {
            let named = !mount.v2 && mount.controllers.iter().any(|name| name == controller.name());
            if named && !hierarchy.v1.iter().any(|(other, _)| *other == controller) {
                hierarchy.v1.push((controller, at(controller.name())));
            }
        }
    }
    Ok(hierarchy)
}

/// Where this process is in the hierarchy of a controller, as a path below the mount point. A mount may show only
/// a part of its hierarchy (its root), as in a container: then what lies outside of that part is not to be seen.
fn own_path(text: &str, controller: &str, mount: &Mount) -> PathBuf {
    let fields = text.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        Some((fields.next()?, fields.next()?, fields.next()?))
    });
    let mine = |id: &str, names: &str| match controller {
        "" => id == "0" && names.is_empty(),
        name => names.split(',').any(|other| other == name),
    };
    let path = fields.filter(|(id, names, _)| mine(id, names)).map(|(_, _, path)| path).next();
    let below = path.and_then(|path| Path::new(path).strip_prefix(&mount.root).ok());
    mount.point.join(below.unwrap_or(Path::new("")))
}

/// Where our cgroups go: directly below the mount point, as Docker's do, so that no limit of the terminal that
/// happens to start a container weighs on it; else beside ourselves, in the nearest cgroup above that we may
/// write (a delegated one); else, where neither is ours, below the mount point with the reason why not.
fn choose(mount: &Mount, own: &Path, may: impl Fn(&Path) -> Result<(), Errno>) -> Place {
    let refused = match may(&mount.point) {
        Ok(()) => return place(mount, &mount.point, None),
        Err(errno) => errno,
    };
    let above = own.ancestors().take_while(|path| path.starts_with(&mount.point));
    match above.into_iter().find(|path| may(path).is_ok()) {
        Some(parent) => place(mount, parent, None),
        None => place(mount, &mount.point, Some(refused.raw_os_error())),
    }
}

fn place(mount: &Mount, parent: &Path, refused: Option<i32>) -> Place {
    Place { point: mount.point.clone(), parent: parent.into(), refused }
}

/// Whether a v2 cgroup can have no children with controllers, because we are in it ourselves: "no internal
/// processes" (cgroups(7)). Only the machine's root is exempt; it alone has no cgroup.type.
fn occupied(read_at: &Path, directory: &Path, own: &Path) -> bool {
    directory == own && read_at.join("cgroup.type").exists()
}

fn words(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().map(str::to_string).collect()
}
