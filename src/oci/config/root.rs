//! Root: `root`, `mounts`, and what `linux` says of the tree.

use super::document::Config;
use super::error::{ConfigError, Problem};
use super::mounts::{self, Entry};
use super::{Place, process};
use crate::rootfs::{Devices, Mount, Root, Rootfs};
use crate::userns::Range;
use std::path::Path;

/// What the container finds below `/`.
pub(super) fn rootfs(config: &Config, place: &Place) -> Result<Rootfs, ConfigError> {
    let missing = || ConfigError::at("root", "none", Problem::Missing("the directory that becomes /"));
    let root = config.root.as_ref().ok_or_else(missing)?;
    let wrong = |problem| Err(ConfigError::at("root.path", format!("{:?}", root.path), problem));
    if root.path.as_os_str().is_empty() {
        return wrong(Problem::Missing("the directory that becomes /"));
    }
    if super::has_nul(&root.path) {
        return wrong(Problem::Nul);
    }
    let document = process::required(config)?;
    let path = place.bundle.join(&root.path);
    Ok(Rootfs {
        mounts: mounts(config, place, &path)?,
        root: Root::Directory(path),
        read_only: root.readonly,
        propagation: libc::MS_SLAVE | libc::MS_REC,
        no_pivot: false,
        open_on_host: false,
        make: if place.machine.all_powerful() { Devices::Make } else { Devices::Bind },
        devices: Vec::new(),
        masked: config.linux.masked_paths.clone(),
        read_only_paths: config.linux.readonly_paths.clone(),
        terminal: document.terminal,
        directories: vec![document.cwd.clone()],
    })
}

fn mounts(config: &Config, place: &Place, rootfs: &Path) -> Result<Vec<Mount>, ConfigError> {
    let entry = |mount: &'_ super::document::Mount| {
        let ids = |list: &[super::document::IdMapping]| {
            list.iter()
                .map(|one| Range { inside: one.container_id, outside: one.host_id, count: one.size })
                .collect()
        };
        let ranges: (Vec<Range>, Vec<Range>) = (ids(&mount.uid_mappings), ids(&mount.gid_mappings));
        ranges
    };
    let ranges: Vec<_> = config.mounts.iter().map(entry).collect();
    let entries: Vec<Entry<'_>> = config
        .mounts
        .iter()
        .zip(&ranges)
        .map(|(mount, (uids, gids))| Entry {
            destination: &mount.destination,
            kind: mount.kind.as_deref(),
            source: mount.source.as_deref().map(Path::new),
            options: &mount.options,
            uids,
            gids,
        })
        .collect();
    let place = mounts::Place { bundle: &place.bundle, rootfs, cgroups: &place.machine.cgroups, users: None };
    mounts::convert(&entries, &place).map_err(|error| {
        ConfigError::at("mounts", format!("{:?}", error.destination), Problem::Cgroup(error.what.to_string()))
    })
}
