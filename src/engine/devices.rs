//! Devices: those of the host that a container is lent, by `--device` or all of them by `--privileged`.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::machine::Machine;
use super::request::HostDevice;
use super::run::RunError;
use crate::cgroups::devices::Rule;
use crate::rootfs::{Device, Mount};

/// What a container gets of the host's devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lent {
    /// nodes to make
    pub nodes: Vec<Device>,
    /// nodes to bind, where none can be made
    pub binds: Vec<Mount>,
    /// what may be done with them
    pub rules: Vec<Rule>,
}

/// What lies in /dev besides devices, or belongs to each container by itself.
const NOT_THESE: [&str; 10] =
    ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console", "ptmx", "log"];

/// Looks the devices up; a directory stands for all that are in it. `all` are every device of the host.
pub fn find(wanted: &[HostDevice], all: bool, machine: Machine) -> Result<Lent, RunError> {
    let mut lent = Lent::default();
    for device in wanted {
        let describe = |error| RunError::Device { path: device.path.clone(), error };
        let meta = std::fs::metadata(&device.path).map_err(describe)?;
        match meta.is_dir() {
            true => {
                let mut any = false;
                below(&device.path, &device.target, &mut |path, target| {
                    any = true;
                    lend(path, target, &device.access, machine, &mut lent);
                });
                if !any {
                    return Err(RunError::NoDevice(device.path.clone()));
                }
            }
            false if is_device(&meta) => {
                lend(&device.path, &device.target, &device.access, machine, &mut lent)
            }
            false => return Err(RunError::NoDevice(device.path.clone())),
        }
    }
    if all {
        below(Path::new("/dev"), Path::new("/dev"), &mut |path, target| {
            lend(path, target, "rwm", machine, &mut lent)
        });
    }
    Ok(lent)
}

fn is_device(meta: &std::fs::Metadata) -> bool {
    meta.file_type().is_char_device() || meta.file_type().is_block_device()
}

fn lend(path: &Path, target: &Path, access: &str, machine: Machine, lent: &mut Lent) {
    if !machine.all_powerful() {
        return lent.binds.push(Mount::bind(path, target, false));
    }
    let Ok(meta) = std::fs::metadata(path) else { return };
    let (major, minor) = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
    let (mode, uid, gid) = (meta.mode(), meta.uid(), meta.gid());
    let kind = if meta.file_type().is_block_device() { "b" } else { "c" };
    lent.rules.push(Rule::allow(kind, Some(major.into()), Some(minor.into()), access));
    lent.nodes.push(Device { path: target.into(), mode, major, minor, uid, gid });
}

/// Every device in a directory and those below it; no link is followed.
fn below(directory: &Path, target: &Path, found: &mut impl FnMut(&Path, &Path)) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let Some(name) = path.file_name().filter(|name| !NOT_THESE.iter().any(|other| name == other)) else {
            continue;
        };
        let Ok(meta) = path.symlink_metadata() else { continue };
        match meta.is_dir() {
            true => below(&path, &target.join(name), found),
            false if is_device(&meta) => found(&path, &target.join(name)),
            false => {}
        }
    }
}
