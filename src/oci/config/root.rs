//! Root: `root`, `mounts`, and what `linux` says of the tree.

use std::path::{Path, PathBuf};

use super::document::{self, Config};
use super::error::{ConfigError, Problem};
use super::mounts::{self, Entry};
use super::{Place, resources, users};
use crate::kernel::Errno;
use crate::kernel::hint::errno_text;
use crate::probe::mountinfo;
use crate::rootfs::{Device, Devices, MappedBy, Mount, Root, Rootfs};
use crate::spec::{Existing, Namespace, Namespaces, Users};
use crate::userns::Range;

/// What the container finds below `/`.
pub(super) fn rootfs(
    config: &Config,
    process: &document::Process,
    namespaces: &Namespaces,
    place: &Place,
) -> Result<Rootfs, ConfigError> {
    let users = &namespaces.user;
    let path = tree(config, place)?;
    let paths = [
        ("linux.maskedPaths", &config.linux.masked_paths),
        ("linux.readonlyPaths", &config.linux.readonly_paths),
    ];
    for (name, list) in paths {
        for (index, path) in list.iter().enumerate() {
            let wrong =
                |problem| Err(ConfigError::at(format!("{name}[{index}]"), format!("{path:?}"), problem));
            match () {
                () if super::has_nul(path) => return wrong(Problem::Nul),
                () => {}
            }
        }
    }
    Ok(Rootfs {
        mounts: mounts(config, namespaces, place, &path)?,
        in_order: true,
        root: Root::Directory(path),
        read_only: config.root.as_ref().is_some_and(|root| root.readonly),
        propagation: propagation(config)?,
        no_pivot: place.flags.no_pivot,
        host_views: match place.flags.no_pivot && *users == Users::Host {
            true => host_views(),
            false => Vec::new(), // a user namespace may not take them away, nor leave a masked one
        },
        open_on_host: place.machine.root() && users.is_new(),
        make: match place.machine.all_powerful() && *users == Users::Host {
            true => Devices::Make,
            false => Devices::Bind,
        },
        devices: devices(config)?,
        masked: from_root(&config.linux.masked_paths),
        read_only_paths: from_root(&config.linux.readonly_paths),
        terminal: process.terminal,
        directories: vec![process.cwd.clone()],
    })
}

/// A path without `/` in front begins at the container's root all the same: other runtimes take it so.
fn from_root(paths: &[PathBuf]) -> Vec<PathBuf> {
    paths.iter().map(|path| Path::new("/").join(path)).collect()
}

fn host_views() -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let views = mountinfo::parse(&mounts).filter(|mount| ["proc", "sysfs"].contains(&mount.kind));
    let mut points: Vec<PathBuf> = views.map(|mount| mount.point).collect();
    points.reverse();
    points
}

/// The directory that becomes `/`, links in its name resolved.
fn tree(config: &Config, place: &Place) -> Result<PathBuf, ConfigError> {
    const WHAT: Problem = Problem::Missing("the directory that becomes /");
    let root = config.root.as_ref().ok_or_else(|| ConfigError::at("root", "none", WHAT))?;
    let wrong = |problem| ConfigError::at("root.path", format!("{:?}", root.path), problem);
    match () {
        () if root.path.as_os_str().is_empty() => return Err(wrong(WHAT)),
        () if super::has_nul(&root.path) => return Err(wrong(Problem::Nul)),
        () => {}
    }
    let text = |error: &std::io::Error| errno_text(Errno::from_io_error(error).unwrap_or(Errno::IO));
    let path = place.bundle.join(&root.path);
    let path = path.canonicalize().map_err(|error| wrong(Problem::NoDirectory(text(&error))))?;
    match () {
        () if !path.is_dir() => Err(wrong(Problem::NoDirectory(errno_text(Errno::NOTDIR)))),
        () if path.parent().is_none() => Err(wrong(Problem::HostRoot)),
        () => Ok(path),
    }
}

fn mounts(
    config: &Config,
    namespaces: &Namespaces,
    place: &Place,
    rootfs: &Path,
) -> Result<Vec<Mount>, ConfigError> {
    let mut ranges: Vec<(Vec<Range>, Vec<Range>)> = Vec::new();
    for (index, mount) in config.mounts.iter().enumerate() {
        let map = |name: &str, map| users::ranges(&format!("mounts[{index}].{name}"), map);
        let destination = &mount.destination;
        if destination.as_os_str().is_empty() {
            let problem = Problem::Missing("where it is mounted in the container");
            return Err(ConfigError::at(format!("mounts[{index}].destination"), "\"\"", problem));
        }
        ranges.push((map("uidMappings", &mount.uid_mappings)?, map("gidMappings", &mount.gid_mappings)?));
    }
    let entry = |(mount, (uids, gids)): (&'_ document::Mount, &'_ (Vec<Range>, Vec<Range>))| {
        (mount.clone(), uids.clone(), gids.clone())
    };
    let all: Vec<_> = config.mounts.iter().zip(&ranges).map(entry).collect();
    let entries: Vec<Entry<'_>> = all
        .iter()
        .map(|(mount, uids, gids)| Entry {
            destination: &mount.destination,
            kind: mount.kind.as_deref(),
            source: mount.source.as_deref().map(Path::new),
            options: &mount.options,
            uids,
            gids,
        })
        .collect();
    let users = match &namespaces.user {
        Users::Ranges(uids, gids) => Some(MappedBy::Ranges(uids.clone(), gids.clone())),
        Users::Join(Existing::File(path)) => Some(MappedBy::File(path.clone())),
        Users::Host | Users::One(..) | Users::Helped(..) | Users::Join(Existing::Of(_)) => None,
    };
    let cgroups = match namespaces.cgroup {
        Namespace::Host => place.machine.cgroups.bound(&resources::cgroup(config, place)?),
        Namespace::New | Namespace::Join(_) => place.machine.cgroups.clone(),
    };
    let place = mounts::Place { bundle: &place.bundle, rootfs, cgroups: &cgroups, users };
    mounts::convert(&entries, &place).map_err(|error| {
        let index =
            config.mounts.iter().position(|mount| mount.destination == error.destination).unwrap_or(0);
        ConfigError::at(
            format!("mounts[{index}]"),
            format!("{:?}", error.destination),
            Problem::Mount(error.what),
        )
    })
}

/// `linux.rootfsPropagation`; without a word nothing travels out, and what the host mounts comes in.
fn propagation(config: &Config) -> Result<u64, ConfigError> {
    let word = config.linux.rootfs_propagation.as_deref().filter(|word| !word.is_empty());
    let Some(word) = word else { return Ok(libc::MS_SLAVE | libc::MS_REC) };
    mounts::propagation(word).ok_or_else(|| {
        let names = "shared, slave, private, unbindable, or one of them with r in front".to_string();
        ConfigError::at("linux.rootfsPropagation", format!("{word:?}"), Problem::NotOneOf(names))
    })
}

fn devices(config: &Config) -> Result<Vec<Device>, ConfigError> {
    let mut devices = Vec::new();
    for (index, device) in config.linux.devices.iter().enumerate() {
        let at = |member: &str| format!("linux.devices[{index}].{member}");
        let kind = match device.kind.as_str() {
            "c" | "u" => libc::S_IFCHR,
            "b" => libc::S_IFBLK,
            "p" => libc::S_IFIFO,
            other => {
                let problem = Problem::NotOneOf("c, u, b, p".into());
                return Err(ConfigError::at(at("type"), format!("{other:?}"), problem));
            }
        };
        let path = format!("{:?}", device.path);
        match () {
            () if !device.path.is_absolute() => {
                return Err(ConfigError::at(at("path"), path, Problem::NotAbsolute));
            }
            () if super::has_nul(&device.path) => {
                return Err(ConfigError::at(at("path"), path, Problem::Nul));
            }
            () => {}
        }
        let number = |name: &str, value: Option<i64>| match value {
            None if kind == libc::S_IFIFO => Ok(0),
            None => Err(ConfigError::at(at(name), "none", Problem::Missing("the number of the device"))),
            Some(value) => u32::try_from(value)
                .map_err(|_| ConfigError::at(at(name), value, Problem::Range("0 to 4294967295"))),
        };
        let mode = device.file_mode.unwrap_or(0o666);
        if mode & !(0o7777 | libc::S_IFMT) != 0 {
            return Err(ConfigError::at(at("fileMode"), mode, Problem::Range("at most 4095, octal 7777")));
        }
        devices.push(Device {
            path: device.path.clone(),
            mode: kind | mode & 0o7777,
            major: number("major", device.major)?,
            minor: number("minor", device.minor)?,
            uid: device.uid.unwrap_or(0),
            gid: device.gid.unwrap_or(0),
        });
    }
    Ok(devices)
}
