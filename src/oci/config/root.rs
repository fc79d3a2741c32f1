//! Root: `root`, `mounts`, and what `linux` says of the tree.

use super::document::Config;
use super::error::{ConfigError, Problem};
use super::{Place, process};
use crate::rootfs::{Devices, Root, Rootfs};

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
    Ok(Rootfs {
        root: Root::Directory(place.bundle.join(&root.path)),
        read_only: root.readonly,
        propagation: libc::MS_SLAVE | libc::MS_REC,
        mounts: Vec::new(),
        make: if place.machine.all_powerful() { Devices::Make } else { Devices::Bind },
        devices: Vec::new(),
        masked: config.linux.masked_paths.clone(),
        read_only_paths: config.linux.readonly_paths.clone(),
        terminal: document.terminal,
        directories: vec![document.cwd.clone()],
    })
}
