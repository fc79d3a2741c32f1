//! `--mount`: fields in one line, as Docker takes them; a field that holds a comma stands in double quotes.
//!
//! ```text
//!   type=volume,source=data,target=/data,volume-nocopy
//!   type=bind,source=/srv,target=/data,readonly        type=tmpfs,target=/run,tmpfs-size=64m,tmpfs-mode=1777
//! ```

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::files::{Shown, clean, target};
use super::size::size_or_none;
use crate::engine::propagation;
use crate::engine::volumes::asked::VolumeUse;
use crate::rootfs::{Mount, Source};

/// The fields of one mount, as they were written.
#[derive(Debug, Default)]
struct Fields {
    kind: Option<String>,
    source: Option<String>,
    target: Option<String>,
    read_only: bool,
    not_recursive: bool,
    /// how mounts below a bind travel
    travels: Option<String>,
    /// of a volume
    part: PathBuf,
    size: Option<u64>,
    mode: Option<u32>,
    no_copy: bool,
    driver: String,
    labels: BTreeMap<String, String>,
    options: BTreeMap<String, String>,
    /// the kind of mount that each special field belongs to, as `tmpfs-*`
    special: Vec<&'static str>,
}

/// One mount.
pub(super) fn parse(text: &str) -> Result<Shown, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let record = match reader.records().next() {
        Some(Ok(record)) => record,
        _ => return Err("expected FIELD=VALUE, with commas between".into()),
    };
    let mut fields = Fields::default();
    record.iter().try_for_each(|field| fields.take(field))?;
    fields.shown()
}

impl Fields {
    fn take(&mut self, field: &str) -> Result<(), String> {
        let (key, value) = field.split_once('=').map_or((field, None), |(key, value)| (key, Some(value)));
        let key = key.to_ascii_lowercase();
        let flag = |value: Option<&str>| match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(format!("invalid value for {key}: {other}")),
        };
        let bare = ["readonly", "ro", "bind-nonrecursive", "volume-nocopy"].contains(&key.as_str());
        let Some(value) = value.or(bare.then_some("true")) else {
            return Err(format!("invalid field '{field}' must be a key=value pair"));
        };
        match key.as_str() {
            "type" => self.kind = Some(value.to_ascii_lowercase()),
            "source" | "src" => self.source = Some(value.into()),
            "target" | "dst" | "destination" => self.target = Some(value.into()),
            "readonly" | "ro" => self.read_only = flag(Some(value))?,
            "bind-nonrecursive" => {
                self.special.push("bind");
                self.not_recursive = flag(Some(value))?;
            }
            "bind-propagation" => {
                self.special.push("bind");
                self.travels = Some(value.to_ascii_lowercase());
            }
            "tmpfs-size" => {
                self.special.push("tmpfs");
                self.size =
                    Some(size_or_none(value).map_err(|_| format!("invalid value for tmpfs-size: {value}"))?);
            }
            "tmpfs-mode" => {
                self.special.push("tmpfs");
                let mode = u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o7777);
                self.mode = Some(mode.ok_or(format!("invalid value for tmpfs-mode: {value}"))?);
            }
            "volume-nocopy" => {
                self.special.push("volume");
                self.no_copy = flag(Some(value))?;
            }
            "volume-driver" => {
                self.special.push("volume");
                self.driver = value.into();
            }
            "volume-label" | "volume-opt" => {
                self.special.push("volume");
                let (name, value) = value.split_once('=').unwrap_or((value, ""));
                let list = if key == "volume-opt" { &mut self.options } else { &mut self.labels };
                list.insert(name.into(), value.into());
            }
            "volume-subpath" => {
                self.special.push("volume");
                self.part = part(value)?;
            }
            key => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
        Ok(())
    }

    fn shown(self) -> Result<Shown, String> {
        let kind = match self.kind.as_deref() {
            Some(kind @ ("bind" | "tmpfs")) => kind,
            None | Some("volume") => "volume",
            Some("") => return Err("type is required".into()),
            Some(other) => return Err(format!("mount type unknown: {other:?}")),
        };
        if let Some(other) = self.special.iter().find(|special| **special != kind) {
            return Err(format!("cannot mix '{other}-*' options with mount type '{kind}'"));
        }
        let wrong = |why: &str| format!("invalid mount config for type {kind:?}: {why}");
        let place = self.target.clone().filter(|target| !target.is_empty()).ok_or("target is required")?;
        let place = target(&place).map_err(|why| wrong(&why))?;
        let source = self.source.clone().filter(|source| !source.is_empty());
        match (kind, source) {
            ("volume", None) if !self.part.as_os_str().is_empty() => {
                Err(wrong("a new volume has no parts: name one by source"))
            }
            ("volume", source) => Ok(Shown::Volume(self.volume(source, place))),
            ("tmpfs", Some(_)) => Err(wrong("field Source must not be specified")),
            ("tmpfs", None) => {
                let read_only = if self.read_only { libc::MS_RDONLY } else { 0 };
                let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC | read_only;
                let size = self.size.filter(|size| *size != 0).map(|size| format!("size={size}"));
                let mode = self.mode.map(|mode| format!("mode={mode:o}"));
                let data: Vec<String> = size.into_iter().chain(mode).collect();
                Ok(Shown::Mount(Mount::new("tmpfs", place, flags, &data.join(","))))
            }
            (_, None) => Err(wrong("field Source must not be empty")),
            (_, Some(source)) if !Path::new(&source).is_absolute() => {
                Err(wrong(&format!("invalid mount path: '{source}' mount path must be absolute")))
            }
            (_, Some(source)) => {
                let mut bind = Mount::bind(clean(&source), place, true);
                if let Source::Bind { recursive, .. } = &mut bind.source {
                    *recursive = !self.not_recursive;
                }
                let travels = self.travels.as_deref().unwrap_or("rprivate");
                if !propagation::set(&mut bind, travels) {
                    return Err(wrong(&format!("invalid propagation mode: {travels}")));
                }
                Ok(Shown::Mount(if self.read_only { bind.read_only() } else { bind }))
            }
        }
    }

    fn volume(self, name: Option<String>, target: PathBuf) -> VolumeUse {
        VolumeUse {
            anonymous: name.is_none(),
            name: name.unwrap_or_default(),
            target,
            read_only: self.read_only,
            // a part is there already, and somebody has put it there
            copy: !self.no_copy && self.part.as_os_str().is_empty(),
            part: self.part,
            mode: "z".into(),
            driver: self.driver,
            labels: self.labels,
            options: self.options,
        }
    }
}

/// A name below the volume; what links there lead to is looked up later, within the volume.
fn part(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let up = path.components().any(|part| part == Component::ParentDir);
    match text.is_empty() || path.is_absolute() || up {
        true => Err("subpath must be a relative path within the volume".into()),
        false => Ok(path.components().collect()),
    }
}
