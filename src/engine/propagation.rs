//! Propagation: which mounts a container and the host see of each other below what is bound.
//!
//! ```text
//!   rprivate   nothing: the default       rslave   the host's, in the container       rshared   both ways
//! ```
//!
//! Docker's rules: what is to travel needs a source that travels, and then the container's / does so, too; every other
//! bind stays cut off. See mount_namespaces(7), "Shared subtrees"; docker-run(1).

use std::path::{Path, PathBuf};

use super::machine::Machine;
use super::run::RunError;
use crate::probe::mountinfo;
use crate::rootfs::{Mount, Source};

/// The words, and what they say to mount(2).
pub const WORDS: [(&str, u64); 6] = [
    ("private", libc::MS_PRIVATE),
    ("rprivate", libc::MS_PRIVATE | libc::MS_REC),
    ("slave", libc::MS_SLAVE),
    ("rslave", libc::MS_SLAVE | libc::MS_REC),
    ("shared", libc::MS_SHARED),
    ("rshared", libc::MS_SHARED | libc::MS_REC),
];

/// The word for how a bind travels.
pub fn word(mount: &Mount) -> &'static str {
    let flags = mount.options.propagation.last();
    WORDS.iter().find(|(_, known)| Some(known) == flags).map_or("rprivate", |(word, _)| word)
}

/// Sets how a bind travels; `rprivate` needs no word of its own.
pub fn set(mount: &mut Mount, word: &str) -> bool {
    let found = WORDS.iter().find(|(known, _)| *known == word);
    mount.options.propagation =
        found.filter(|(word, _)| *word != "rprivate").map(|(_, flags)| *flags).into_iter().collect();
    found.is_some()
}

/// Whether one of these flags is wanted for a bind.
fn wants(mount: &Mount, flag: u64) -> bool {
    mount.options.propagation.iter().any(|flags| flags & flag != 0)
}

/// How mounts of / travel, so that those of these binds can; all other binds are cut off by name.
pub(super) fn settle(mounts: &mut [Mount]) -> u64 {
    let any = |flag| mounts.iter().any(|mount| wants(mount, flag));
    let root = match (any(libc::MS_SHARED), any(libc::MS_SLAVE)) {
        (true, _) => libc::MS_SHARED,
        (false, true) => libc::MS_SLAVE | libc::MS_REC,
        (false, false) => return libc::MS_PRIVATE,
    };
    let bound = |mount: &&mut Mount| matches!(mount.source, Source::Bind { .. } | Source::Within { .. });
    for mount in mounts.iter_mut().filter(bound).filter(|mount| mount.options.propagation.is_empty()) {
        mount.options.propagation = vec![libc::MS_PRIVATE | libc::MS_REC];
    }
    root
}

/// # Errors
/// A bind that is to travel, of a place that does not: [`RunError::NotShared`].
pub(super) fn check(binds: &[Mount], machine: Machine) -> Result<(), RunError> {
    for mount in binds {
        let Source::Bind { path, .. } = &mount.source else { continue };
        let (shared, slave) = (wants(mount, libc::MS_SHARED), wants(mount, libc::MS_SLAVE));
        if shared && !machine.root() {
            return Err(RunError::NotRoot("a mount that travels to the host (shared, rshared)"));
        }
        if !(shared || slave) {
            continue;
        }
        let text = std::fs::read_to_string("/proc/self/mountinfo")?;
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let (point, tag) = lies_on(&text, &real);
        let travels = tag.starts_with("shared:") || slave && tag.starts_with("master:");
        if !travels {
            let wanted = if shared { "shared" } else { "shared or slave" };
            return Err(RunError::NotShared { path: path.clone(), point, wanted });
        }
    }
    Ok(())
}

/// The mount that this path lies on, and its first tag: of those at one place, the last.
fn lies_on(text: &str, path: &Path) -> (PathBuf, String) {
    let above = mountinfo::parse(text).filter(|mount| path.starts_with(&mount.point));
    let nearest = above.max_by_key(|mount| mount.point.components().count());
    nearest.map_or_else(|| ("/".into(), String::new()), |mount| (mount.point, mount.tag.into()))
}
