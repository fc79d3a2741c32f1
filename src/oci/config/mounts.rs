//! Mounts: the entries of `mounts`, as what the recipe takes. Looks at the bundle and at the sources; changes nothing.
//!
//! ```text
//!   { "destination": "data",              /data              a relative one is below /
//!     "source": "files",                  BUNDLE/files       a relative one is the bundle's
//!     "options": ["rbind", "ro"] }        a bind, read-only; of a file or a directory, as the source is
//! ```
//!
//! See config.md, "Mounts", of the runtime specification.

use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags};

use crate::kernel::{Errno, hint};
use crate::rootfs::{CgroupTree, Idmap, MappedBy, Mount, Options, Source};
use crate::userns::Range;

mod options;

pub use options::{Parsed, known, parse, propagation};

/// One entry of `mounts`.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// where, in the container
    pub destination: &'a Path,
    /// `type`
    pub kind: Option<&'a str>,
    /// what: a path on the host where it is a bind, else a name
    pub source: Option<&'a Path>,
    /// how
    pub options: &'a [String],
    /// `uidMappings`
    pub uids: &'a [Range],
    /// `gidMappings`
    pub gids: &'a [Range],
}

/// What the entries depend on.
#[derive(Debug)]
pub struct Place<'a> {
    /// the bundle's directory
    pub bundle: &'a Path,
    /// the directory that becomes `/`
    pub rootfs: &'a Path,
    /// what an entry of type `cgroup` shows
    pub cgroups: &'a CgroupTree,
    /// the container's own user namespace, for `idmap` without mappings
    pub users: Option<MappedBy>,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mounts: {}: {what}", .destination.display())]
pub struct MountError {
    /// where it was to be mounted
    pub destination: PathBuf,
    /// the reason
    pub what: Wrong,
}

/// The reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// the source of a bind cannot be looked at
    #[error("source {}: {}", .0.display(), hint::errno_text(*.1))]
    Source(PathBuf, Errno),
    /// no source
    #[error("a bind mount needs a source")]
    NoSource,
    /// no type, and no `bind` among the options
    #[error("needs a type, or the option bind or rbind")]
    NoType,
    /// an option for a file system, where there is none of our own
    #[error("option {0}: bind mounts cannot have any filesystem-specific options applied")]
    Data(String),
    /// over the whole of `/`
    #[error("cannot be mounted because it is on the top of the rootfs")]
    Root,
    /// over /proc, and no procfs
    #[error("cannot be mounted because it is not of type proc")]
    NotProc,
    /// below /proc
    #[error("cannot be mounted because it is inside /proc")]
    InProc,
    /// other owners for what has no other place
    #[error("id-mapped mounts are only supported for bind-mounts")]
    IdmapKind,
    /// one of the maps is missing
    #[error("id-mapped mounts must have both uid and gid mappings specified")]
    IdmapHalf,
    /// a copy into what is no tmpfs
    #[error("option tmpcopyup: only a tmpfs can begin with a copy")]
    CopyUp,
    /// a byte that no path may hold
    #[error("holds a null byte")]
    Nul,
}

/// What may be mounted below /proc, besides /proc itself: files that programs as lxcfs emulate.
const BELOW_PROC: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// Every entry, in order. One entry may be several mounts.
pub fn convert(entries: &[Entry<'_>], place: &Place<'_>) -> Result<Vec<Mount>, MountError> {
    let mut mounts: Vec<Mount> = Vec::new();
    for entry in entries {
        let wrong = |what| MountError { destination: entry.destination.into(), what };
        let target = target(entry.destination);
        let hidden = mounts.iter().any(|mount| target.starts_with(&mount.target));
        mounts.extend(one(entry, &target, hidden, place).map_err(wrong)?);
    }
    Ok(mounts)
}

/// The name in the container: absolute, without `.` and `..`.
fn target(destination: &Path) -> PathBuf {
    let mut target = PathBuf::from("/");
    for part in destination.components() {
        match part {
            Component::Normal(name) => target.push(name),
            Component::ParentDir => drop(target.pop()),
            _ => {}
        }
    }
    target
}

fn one(entry: &Entry<'_>, target: &Path, hidden: bool, place: &Place<'_>) -> Result<Vec<Mount>, Wrong> {
    let mut parsed = parse(entry.options.iter().map(String::as_str));
    let kind = entry.kind.unwrap_or_default();
    let texts = [target, entry.source.unwrap_or(Path::new("")), Path::new(kind)];
    if texts.iter().any(|text| text.as_os_str().as_encoded_bytes().contains(&0))
        || parsed.data.iter().any(|text| text.contains('\0'))
    {
        return Err(Wrong::Nul);
    }
    if kind == "bind" {
        parsed.flags |= libc::MS_BIND;
    }
    let bind = parsed.flags & libc::MS_BIND != 0;
    if target == Path::new("/") && parsed.flags & libc::MS_REMOUNT == 0 {
        return Err(Wrong::Root);
    }
    if !bind && kind.is_empty() && parsed.flags & libc::MS_REMOUNT == 0 {
        return Err(Wrong::NoType);
    }
    if parsed.copy_up && (bind || kind != "tmpfs") {
        return Err(Wrong::CopyUp);
    }
    let idmap = idmap(entry, &parsed, place)?;
    if parsed.flags & libc::MS_REMOUNT != 0 {
        return Ok(vec![remount(entry, target, kind, bind, parsed)]);
    }
    if bind {
        return Ok(vec![self::bind(entry, target, parsed, idmap, place)?]);
    }
    if target.starts_with("/proc") && kind != "proc" {
        below_proc(target)?;
    }
    if kind == "cgroup" {
        return Ok(cgroup(target, &parsed, place.cgroups));
    }
    if kind == "tmpfs" && !hidden && !parsed.data.iter().any(|option| option.starts_with("mode=")) {
        parsed.data.extend(mode_of(place.rootfs, target).map(|mode| format!("mode={mode:04o}")));
    }
    let device = entry.source.map_or(kind.into(), |source| source.to_string_lossy().into_owned());
    let source = Source::New { kind: kind.into(), device, data: parsed.data.join(",") };
    Ok(vec![Mount { target: target.into(), source, options: of_new(parsed) }])
}

fn of_new(parsed: Parsed) -> Options {
    let Parsed { flags, set_below, clear_below, propagation, copy_up, .. } = parsed;
    Options { flags, set_below, clear_below, propagation, copy_up, ..Options::default() }
}

/// A mount that is there already gets other flags.
fn remount(entry: &Entry<'_>, target: &Path, kind: &str, bind: bool, parsed: Parsed) -> Mount {
    let name = |text: &str| if bind { String::new() } else { text.to_string() };
    let device = entry.source.unwrap_or(Path::new("")).to_string_lossy();
    let source = Source::New { kind: name(kind), device: name(&device), data: parsed.data.join(",") };
    Mount { target: target.into(), source, options: of_new(parsed) }
}

fn bind(
    entry: &Entry<'_>,
    target: &Path,
    parsed: Parsed,
    idmap: Option<Idmap>,
    place: &Place<'_>,
) -> Result<Mount, Wrong> {
    if let Some(option) = parsed.data.first() {
        return Err(Wrong::Data(option.clone()));
    }
    let Some(source) = entry.source.filter(|source| !source.as_os_str().is_empty()) else {
        return Err(Wrong::NoSource);
    };
    let path = place.bundle.join(source);
    let wrong = |errno| Wrong::Source(path.clone(), errno);
    let found = rustix::fs::stat(&path).map_err(wrong)?;
    if target.starts_with("/proc") {
        match target == Path::new("/proc") {
            true if rustix::fs::statfs(&path).map_err(wrong)?.f_type != PROC_SUPER_MAGIC => {
                return Err(Wrong::NotProc);
            }
            true => {}
            false => below_proc(target)?,
        }
    }
    let (set, clear) = parsed.attributes();
    let directory = rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir();
    let source = Source::Bind { path, directory, recursive: parsed.flags & libc::MS_REC != 0 };
    let Parsed { set_below, clear_below, propagation, .. } = parsed;
    let options = Options { set, clear, set_below, clear_below, propagation, idmap, ..Options::default() };
    Ok(Mount { target: target.into(), source, options })
}

fn below_proc(target: &Path) -> Result<(), Wrong> {
    match target {
        proc if proc == Path::new("/proc") => Err(Wrong::NotProc),
        below if BELOW_PROC.iter().any(|allowed| below == Path::new(allowed)) => Ok(()),
        _ => Err(Wrong::InProc),
    }
}

fn idmap(entry: &Entry<'_>, parsed: &Parsed, place: &Place<'_>) -> Result<Option<Idmap>, Wrong> {
    let mapped = !entry.uids.is_empty() || !entry.gids.is_empty();
    if !mapped && parsed.idmap.is_none() {
        return Ok(None);
    }
    if parsed.flags & libc::MS_BIND == 0 {
        return Err(Wrong::IdmapKind);
    }
    let users = match mapped {
        true if entry.uids.is_empty() || entry.gids.is_empty() => return Err(Wrong::IdmapHalf),
        true => MappedBy::Ranges(entry.uids.into(), entry.gids.into()),
        false => place.users.clone().ok_or(Wrong::IdmapHalf)?,
    };
    Ok(Some(Idmap { users, recursive: parsed.idmap.unwrap_or(false) }))
}

/// The container's cgroups. Where it has no cgroup namespace of its own, a new mount would show the host's whole
/// tree: then its own directories are bound.
fn cgroup(target: &Path, parsed: &Parsed, tree: &CgroupTree) -> Vec<Mount> {
    let CgroupTree::Bound(directories) = tree else {
        let (source, options) = (Source::Cgroup(tree.clone()), of_new(parsed.clone()));
        return vec![Mount { target: target.into(), source, options }];
    };
    let (set, clear) = parsed.attributes();
    let propagation = parsed.propagation.clone();
    let bound = |path: &Path, target: PathBuf| {
        let options = Options { set, clear, propagation: propagation.clone(), ..Options::default() };
        Mount { options, ..Mount::bind(path, target, true) }
    };
    if let [(name, path)] = directories.as_slice()
        && name.is_empty()
    {
        return vec![bound(path, target.into())];
    }
    const SAFE: u64 = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let source = Source::New { kind: "tmpfs".into(), device: "tmpfs".into(), data: "mode=755".into() };
    let flags = SAFE | parsed.flags & libc::MS_RDONLY;
    let options = Options { flags, propagation: propagation.clone(), ..Options::default() };
    let mut mounts = vec![Mount { target: target.into(), source, options }];
    mounts.extend(directories.iter().map(|(name, path)| bound(path, target.join(name))));
    for (name, _) in directories.iter().filter(|(name, _)| name.contains(',')) {
        mounts.extend(name.split(',').map(|single| Mount::link(name, target.join(single))));
    }
    mounts
}

/// The mode of a directory of the rootfs that a tmpfs will hide: it looks as what it hides.
fn mode_of(rootfs: &Path, target: &Path) -> Option<u32> {
    let how = OFlags::PATH | OFlags::CLOEXEC;
    let rootfs = rustix::fs::open(rootfs, how | OFlags::DIRECTORY, Mode::empty()).ok()?;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let found = rustix::fs::openat2(&rootfs, target, how, Mode::empty(), inside).ok()?;
    Some(rustix::fs::fstat(&found).ok()?.st_mode & 0o7777)
}

#[cfg(test)]
mod tests;
