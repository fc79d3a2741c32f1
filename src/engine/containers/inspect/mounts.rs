//! What a container is shown of the host: as it was asked for (`Binds`, `Mounts`, `Tmpfs` of `HostConfig`), and as it is.
//!
//! See the Docker Engine API (ContainerInspect, MountPoint).

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::host::by_fields;
use crate::engine::containers::Record;
use crate::engine::propagation;
use crate::engine::request::Request;
use crate::engine::state::State;
use crate::engine::volumes::Volumes;
use crate::engine::volumes::asked::VolumeUse;
use crate::rootfs::{Mount, Source};

fn read_only(mount: &Mount) -> bool {
    mount.options.set_below & libc::MOUNT_ATTR_RDONLY != 0
}

/// What stands behind the second colon of `--volume`.
fn mode(mount: &Mount) -> String {
    let travels = (!mount.options.propagation.is_empty()).then(|| propagation::word(mount));
    let words = read_only(mount).then_some("ro").into_iter().chain(travels);
    words.collect::<Vec<_>>().join(",")
}

/// A volume has been asked for by its name.
fn named(request: &Request, fields: bool) -> impl Iterator<Item = &VolumeUse> {
    let volumes = request.volumes.iter().filter(|volume| !volume.anonymous);
    volumes.filter(move |volume| request.by_fields.contains(&volume.target) == fields)
}

/// Those of `--volume`, as they are written there.
pub(super) fn binds(request: &Request) -> Vec<String> {
    let text = |source: &str, target: &Path, mode: &str| match mode {
        "" => format!("{source}:{}", target.display()),
        mode => format!("{source}:{}:{mode}", target.display()),
    };
    // z is what Docker says of a volume of which nothing was said
    let volume = |volume: &VolumeUse| {
        text(
            &volume.name,
            &volume.target,
            Some(volume.mode.as_str()).filter(|mode| *mode != "z").unwrap_or(""),
        )
    };
    let bind = |mount: &Mount| match &mount.source {
        Source::Bind { path, .. } if !by_fields(request, mount) => {
            Some(text(&path.display().to_string(), &mount.target, &mode(mount)))
        }
        _ => None,
    };
    named(request, false).map(volume).chain(request.binds.iter().filter_map(bind)).collect()
}

/// Those of `--tmpfs`, and their options.
pub(super) fn tmpfs(request: &Request) -> BTreeMap<String, String> {
    let options = |mount: &Mount| match &mount.source {
        Source::New { data, .. } if !by_fields(request, mount) => {
            let words = [
                (libc::MS_NOEXEC, false, "exec"),
                (libc::MS_NOSUID, false, "suid"),
                (libc::MS_NODEV, false, "dev"),
                (libc::MS_RDONLY, true, "ro"),
            ];
            let said = |(flag, set, _): &&(u64, bool, &str)| (mount.options.flags & flag != 0) == *set;
            let words = words.iter().filter(said).map(|(.., word)| *word);
            let words: Vec<&str> = words.chain(data.split(',').filter(|word| !word.is_empty())).collect();
            Some((mount.target.display().to_string(), words.join(",")))
        }
        _ => None,
    };
    request.tmpfs.iter().filter_map(options).collect()
}

/// Those of `--mount`, field by field.
pub(super) fn asked(request: &Request) -> Vec<Value> {
    let entry = |kind: &str, source: Option<String>, target: &Path, read_only: bool| {
        let mut entry = Map::new();
        entry.insert("Type".into(), kind.into());
        entry.extend(source.map(|source| ("Source".to_owned(), source.into())));
        entry.insert("Target".into(), json!(target));
        entry.extend(read_only.then(|| ("ReadOnly".to_owned(), true.into())));
        entry
    };
    let mount = |mount: &&Mount| {
        if !by_fields(request, mount) {
            return None;
        }
        Some(Value::Object(match &mount.source {
            Source::Bind { path, recursive, .. } => {
                let source = Some(path.display().to_string());
                let mut entry = entry("bind", source, &mount.target, read_only(mount));
                let mut options = Map::new();
                if !mount.options.propagation.is_empty() {
                    options.insert("Propagation".into(), propagation::word(mount).into());
                }
                options.extend((!recursive).then(|| ("NonRecursive".to_owned(), true.into())));
                if !options.is_empty() {
                    entry.insert("BindOptions".into(), options.into());
                }
                entry
            }
            Source::New { data, .. } => {
                let closed = mount.options.flags & libc::MS_RDONLY != 0;
                let mut entry = entry("tmpfs", None, &mount.target, closed);
                entry.extend(tmpfs_options(data).map(|options| ("TmpfsOptions".to_owned(), options)));
                entry
            }
            Source::Within { .. } | Source::Theirs { .. } | Source::Cgroup(_) | Source::Link(_) => {
                return None;
            }
        }))
    };
    let volume = |volume: &VolumeUse| {
        let mut entry = entry("volume", Some(volume.name.clone()), &volume.target, volume.read_only);
        if !volume.part.as_os_str().is_empty() {
            entry.insert("VolumeOptions".into(), json!({"Subpath": volume.part}));
        }
        Value::Object(entry)
    };
    let binds = request.binds.iter().chain(&request.tmpfs).collect::<Vec<_>>();
    binds.iter().filter_map(mount).chain(named(request, true).map(volume)).collect()
}

/// `size=1048576,mode=755`; Docker writes the mode as a decimal number.
fn tmpfs_options(data: &str) -> Option<Value> {
    let value = |name: &str| data.split(',').find_map(|option| option.strip_prefix(name));
    let mut options = Map::new();
    if let Some(size) = value("size=").and_then(|size| size.parse::<u64>().ok()) {
        options.insert("SizeBytes".into(), size.into());
    }
    if let Some(mode) = value("mode=").and_then(|mode| u32::from_str_radix(mode, 8).ok()) {
        options.insert("Mode".into(), mode.into());
    }
    (!options.is_empty()).then_some(Value::Object(options))
}

/// What is there, binds, volumes and memory, as Docker shows it.
pub(in crate::engine::containers) fn points(state: &State, record: &Record) -> Value {
    let request = &record.request;
    let volume = |volume: &VolumeUse| {
        let place = Volumes::of(state).find(&volume.name).map(|known| known.place.data());
        json!({
            "Type": "volume", "Name": volume.name, "Source": place.unwrap_or_default(),
            "Destination": volume.target, "Driver": "local", "Mode": volume.mode, "RW": !volume.read_only,
            "Propagation": "",
        })
    };
    let bind = |mount: &Mount| {
        let Source::Bind { path, .. } = &mount.source else { return None };
        let mode = if by_fields(request, mount) { String::new() } else { mode(mount) };
        Some(json!({
            "Type": "bind", "Source": path, "Destination": mount.target, "Mode": mode, "RW": !read_only(mount),
            "Propagation": propagation::word(mount),
        }))
    };
    let memory = |mount: &&Mount| by_fields(request, mount);
    let memory = request.tmpfs.iter().filter(memory).map(|mount| {
        json!({
            "Type": "tmpfs", "Source": "", "Destination": mount.target, "Mode": "",
            "RW": mount.options.flags & libc::MS_RDONLY == 0, "Propagation": "",
        })
    });
    record.binds().iter().filter_map(bind).chain(record.volumes().iter().map(volume)).chain(memory).collect()
}
