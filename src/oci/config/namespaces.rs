//! Namespaces: `linux.namespaces`, and what depends on them: time offsets, host name, kernel parameters.

use std::path::{Path, PathBuf};

use super::document::{Config, IdMapping};
use super::error::{ConfigError, Problem};
use super::{Machine, Place, users};
use crate::kernel::flags::{NEWCGROUP, NEWIPC, NEWNET, NEWPID, NEWTIME, NEWUSER, NEWUTS};
use crate::kernel::hint::errno_text;
use crate::kernel::nsfs;
use crate::namespaces::Offsets;
use crate::spec::{Existing, Namespace, Namespaces, Net, Time, Users};

/// The specification's names, and the kernel's flags. The mount namespace is always new.
const KINDS: [(&str, u64); 8] = [
    ("pid", NEWPID),
    ("network", NEWNET),
    ("mount", libc::CLONE_NEWNS as u64),
    ("ipc", NEWIPC),
    ("uts", NEWUTS),
    ("user", NEWUSER),
    ("cgroup", NEWCGROUP),
    ("time", NEWTIME),
];

/// Every kind that is known, in order: `features` names them.
pub fn known() -> Vec<&'static str> {
    let mut names: Vec<_> = KINDS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names
}

/// What `linux.namespaces` lists: for each kind nothing, a new one, or a file's.
#[derive(Debug, Default)]
pub(super) struct Listed([Option<Entry>; KINDS.len()]);

#[derive(Debug)]
struct Entry {
    place: String,
    path: Option<PathBuf>,
}

fn kind_name(flag: u64) -> &'static str {
    KINDS.iter().find(|(_, known)| *known == flag).map_or("unknown", |(name, _)| name)
}

impl Listed {
    /// Each kind at most once, and every path that of a namespace of its kind.
    pub(super) fn read(config: &Config) -> Result<Listed, ConfigError> {
        let mut listed = Listed::default();
        for (index, namespace) in config.linux.namespaces.iter().enumerate() {
            let place = format!("linux.namespaces[{index}]");
            let wrong =
                |problem| ConfigError::at(format!("{place}.type"), format!("{:?}", namespace.kind), problem);
            let Some(at) = KINDS.iter().position(|(name, _)| *name == namespace.kind) else {
                let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
                return Err(wrong(Problem::NotOneOf(names.join(", "))));
            };
            if listed.0[at].is_some() {
                return Err(wrong(Problem::Twice));
            }
            let path = namespace.path.clone().filter(|path| !path.as_os_str().is_empty());
            if let Some(path) = &path {
                check(&format!("{place}.path"), path, KINDS[at].1)?;
            }
            listed.0[at] = Some(Entry { place, path });
        }
        Ok(listed)
    }

    fn entry(&self, kind: u64) -> Option<&Entry> {
        KINDS.iter().zip(&self.0).find(|((_, known), _)| *known == kind).and_then(|(_, entry)| entry.as_ref())
    }

    /// Whether the container does not share this one with us: a new one, or another than ours.
    pub(super) fn own(&self, kind: u64) -> bool {
        let same = |path: &Path| {
            let ours = match kind {
                NEWNET => "/proc/self/ns/net",
                NEWIPC => "/proc/self/ns/ipc",
                _ => "/proc/self/ns/uts",
            };
            let [theirs, ours] = [path, Path::new(ours)].map(|path| nsfs::identity(path).ok().flatten());
            theirs == ours
        };
        self.entry(kind).is_some_and(|entry| !entry.path.as_deref().is_some_and(same))
    }

    fn namespace(&self, kind: u64) -> Namespace {
        match self.entry(kind) {
            None => Namespace::Host,
            Some(Entry { path: None, .. }) => Namespace::New,
            Some(Entry { path: Some(path), .. }) => Namespace::Join(Existing::File(path.clone())),
        }
    }
}

/// A path must name a namespace of this kind. A joined one is looked at here, before anything is made.
fn check(place: &str, path: &Path, kind: u64) -> Result<(), ConfigError> {
    let wrong = |problem| Err(ConfigError::at(place, format!("{path:?}"), problem));
    if !path.is_absolute() {
        return wrong(Problem::NotAbsolute);
    }
    if super::has_nul(path) {
        return wrong(Problem::Nul);
    }
    match nsfs::identity(path) {
        Err(errno) => wrong(Problem::NoNamespace(errno_text(errno))),
        Ok(None) => wrong(Problem::NoNamespace("a file as /proc/PID/ns/net is one".into())),
        Ok(Some(found)) if found.kind != kind => {
            wrong(Problem::OtherKind { found: kind_name(found.kind), wanted: kind_name(kind) })
        }
        Ok(Some(_)) => Ok(()),
    }
}

/// The namespaces that the recipe takes, and the network.
pub(super) fn namespaces(
    config: &Config,
    listed: &Listed,
    place: &Place,
) -> Result<(Namespaces, Net), ConfigError> {
    match listed.entry(libc::CLONE_NEWNS as u64) {
        None => {
            return Err(ConfigError::at("linux.namespaces", "no mount namespace", Problem::NoMounts));
        }
        Some(Entry { place, path: Some(path) }) => {
            return Err(ConfigError::at(
                format!("{place}.path"),
                format!("{path:?}"),
                Problem::MountsOfOthers,
            ));
        }
        Some(_) => {}
    }
    let namespaces = Namespaces {
        user: user(config, listed, &place.machine)?,
        pid: listed.namespace(NEWPID),
        ipc: listed.namespace(NEWIPC),
        uts: listed.namespace(NEWUTS),
        cgroup: listed.namespace(NEWCGROUP),
        time: time(config, listed)?,
    };
    let net = match listed.namespace(NEWNET) {
        Namespace::Host => Net::Host,
        Namespace::New => Net::None,
        Namespace::Join(path) => Net::Join(path),
    };
    Ok((namespaces, net))
}

fn user(config: &Config, listed: &Listed, machine: &Machine) -> Result<Users, ConfigError> {
    let (uids, gids) = (&config.linux.uid_mappings, &config.linux.gid_mappings);
    let maps = [("linux.uidMappings", uids), ("linux.gidMappings", gids)];
    let filled = maps.iter().find(|(_, map)| !map.is_empty());
    let text = |map: &[IdMapping]| {
        let lines: Vec<String> =
            map.iter().map(|line| format!("{} {} {}", line.container_id, line.host_id, line.size)).collect();
        format!("[{}]", lines.join(", "))
    };
    match (listed.namespace(NEWUSER), filled) {
        (Namespace::Host, Some((place, map))) => {
            Err(ConfigError::at(place, text(map), Problem::NeedsNew("user")))
        }
        (Namespace::Join(_), Some((place, map))) => {
            Err(ConfigError::at(place, text(map), Problem::MapOfOthers))
        }
        (Namespace::Host, None) if !machine.root() => {
            Err(ConfigError::at("linux.namespaces", format!("uid {}", machine.uid), Problem::NotRoot))
        }
        (Namespace::Host, None) => Ok(Users::Host),
        (Namespace::Join(path), None) => Ok(Users::Join(path)),
        (Namespace::New, _) => match maps.iter().find(|(_, map)| map.is_empty()) {
            Some((place, _)) => Err(ConfigError::at(place, "none", Problem::NoMap)),
            None => users::new(uids, gids, machine),
        },
    }
}

fn time(config: &Config, listed: &Listed) -> Result<Option<Time>, ConfigError> {
    let mut offsets = Offsets::default();
    for (clock, offset) in &config.linux.time_offsets {
        let place = format!("linux.timeOffsets.{clock}");
        let value = format!("{} s {} ns", offset.secs, offset.nanosecs);
        let wrong = |problem| Err(ConfigError::at(&place, &value, problem));
        if listed.namespace(NEWTIME) != Namespace::New {
            return wrong(Problem::NeedsNew("time"));
        }
        if offset.nanosecs > 999_999_999 {
            return wrong(Problem::Range("a second has 1000000000 nanoseconds"));
        }
        match clock.as_str() {
            "monotonic" => (offsets.monotonic, offsets.monotonic_ns) = (offset.secs, offset.nanosecs),
            "boottime" => (offsets.boottime, offsets.boottime_ns) = (offset.secs, offset.nanosecs),
            _ => return wrong(Problem::NotOneOf("monotonic, boottime".into())),
        }
    }
    Ok(match listed.namespace(NEWTIME) {
        Namespace::Host => None,
        Namespace::New => Some(Time::New(offsets)),
        Namespace::Join(path) => Some(Time::Join(path)),
    })
}

/// `hostname` and `domainname` belong to a UTS namespace.
pub(super) fn names(config: &Config, listed: &Listed) -> Result<(), ConfigError> {
    for (place, name) in [("hostname", &config.hostname), ("domainname", &config.domainname)] {
        let Some(name) = name.as_deref().filter(|name| !name.is_empty()) else { continue };
        let wrong = |problem| Err(ConfigError::at(place, format!("{name:?}"), problem));
        if listed.entry(NEWUTS).is_none() {
            return wrong(Problem::NeedsNew("uts"));
        }
        if name.contains('\0') {
            return wrong(Problem::Nul);
        }
        if name.len() > 64 {
            return wrong(Problem::Range("a name has at most 64 bytes"));
        }
    }
    Ok(())
}
