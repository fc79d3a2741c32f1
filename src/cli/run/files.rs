//! The options of `run` that say which files the container sees besides its image's.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::mount;
use super::size::size;
use crate::engine::propagation;
use crate::engine::run::RunError;
use crate::engine::volumes::asked::VolumeUse;
use crate::rootfs::{Mount, Source};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Files")]
#[group(skip)]
pub(super) struct Args {
    /// Show a volume, or a directory or file of the host, inside; made if missing
    #[arg(short, long, value_name = "[VOLUME|HOST:]CONTAINER[:ro]", value_parser = volume)]
    volume: Vec<Shown>,
    /// The same by fields: type=volume|bind|tmpfs,src=…,dst=CONTAINER
    #[arg(long, value_name = "FIELD=VALUE,…", value_parser = mount::parse)]
    mount: Vec<Shown>,
    /// The driver of the volumes of --volume: local
    #[arg(long, value_name = "DRIVER")]
    volume_driver: Option<String>,
    /// Show what another container is shown
    #[arg(long, value_name = "CONTAINER[:ro]")]
    pub(super) volumes_from: Vec<String>,
    /// A file system in memory (/run:size=64m,mode=755)
    #[arg(long, value_name = "CONTAINER[:OPTIONS]", value_parser = tmpfs)]
    tmpfs: Vec<Mount>,
    /// Nothing of its / can be written, but for volumes and --tmpfs
    #[arg(long)]
    pub(super) read_only: bool,
    /// The size of /dev/shm
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "64m")]
    pub(super) shm_size: u64,
}

/// What is shown at a place of the container.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    /// something of the host, or memory
    Mount(Mount),
    /// a volume
    Volume(VolumeUse),
}

impl Shown {
    fn mount(&self) -> Option<&Mount> {
        match self {
            Shown::Mount(mount) => Some(mount),
            Shown::Volume(_) => None,
        }
    }

    fn volume(&self) -> Option<&VolumeUse> {
        match self {
            Shown::Mount(_) => None,
            Shown::Volume(volume) => Some(volume),
        }
    }

    fn target(&self) -> &Path {
        match self {
            Shown::Mount(mount) => &mount.target,
            Shown::Volume(volume) => &volume.target,
        }
    }
}

impl Args {
    /// The volumes.
    pub(super) fn volumes(&self) -> Vec<VolumeUse> {
        // as Docker: those of --mount say for themselves
        let driver = self.volume_driver.clone().unwrap_or_default();
        let short = self.volume.iter().filter_map(Shown::volume);
        let short = short.map(|volume| VolumeUse { driver: driver.clone(), ..volume.clone() });
        short.chain(self.mount.iter().filter_map(Shown::volume).cloned()).collect()
    }

    /// The places of those that came by their fields.
    pub(super) fn by_fields(&self) -> Vec<PathBuf> {
        self.mount.iter().map(|shown| shown.target().to_path_buf()).collect()
    }

    /// What is bound. As Docker does for -v: a source that is missing becomes a directory; a dry run makes none.
    pub(super) fn binds(&self, dry_run: bool) -> Result<Vec<Mount>, RunError> {
        let bound =
            |list: &[Shown]| -> Vec<Mount> { list.iter().filter_map(Shown::mount).cloned().collect() };
        let (mut volumes, mut mounts) = (bound(&self.volume), bound(&self.mount));
        volumes.iter_mut().try_for_each(|bind| find_source(bind, true, dry_run))?;
        mounts.iter_mut().try_for_each(|bind| find_source(bind, false, dry_run))?;
        let bound = |mount: &Mount| matches!(mount.source, Source::Bind { .. });
        Ok(volumes.into_iter().chain(mounts.into_iter().filter(bound)).collect())
    }

    /// What lies in memory.
    pub(super) fn in_memory(&self) -> Vec<Mount> {
        let new = |mount: &&Mount| matches!(mount.source, Source::New { .. });
        self.tmpfs.iter().chain(self.mount.iter().filter_map(Shown::mount).filter(new)).cloned().collect()
    }

    /// # Errors
    /// Two mounts at one place: the one below would never be seen. A driver of volumes that there is not.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if let Some(driver) =
            self.volume_driver.as_ref().filter(|name| !["", "local"].contains(&name.as_str()))
        {
            anyhow::bail!(
                "error looking up volume plugin {driver}: plugin {driver:?} not found\nhint: --volume-driver local is there"
            );
        }
        let mut seen: Vec<&Path> = Vec::new();
        let shown = self.volume.iter().chain(&self.mount).map(Shown::target);
        for target in shown.chain(self.tmpfs.iter().map(|mount| mount.target.as_path())) {
            if seen.contains(&target) {
                anyhow::bail!("Duplicate mount point: {}", target.display());
            }
            seen.push(target);
        }
        Ok(())
    }
}

fn find_source(mount: &mut Mount, make: bool, dry_run: bool) -> Result<(), RunError> {
    let Source::Bind { path, directory, .. } = &mut mount.source else { return Ok(()) };
    let describe = |error| RunError::Bind { path: path.clone(), error };
    match std::fs::metadata(&path) {
        Ok(meta) => *directory = meta.is_dir(),
        Err(error) if error.kind() == ErrorKind::NotFound && !make => {
            return Err(RunError::NoSource(path.clone()));
        }
        Err(error) if error.kind() == ErrorKind::NotFound && dry_run => *directory = true,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(&path).map_err(describe)?;
        }
        Err(error) => return Err(describe(error)),
    }
    Ok(())
}

fn volume(text: &str) -> Result<Shown, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts.as_slice() {
        [target] => return Ok(Shown::Volume(VolumeUse::anonymous(self::target(target)?))),
        [source, target] => (*source, target, ""),
        [source, target, mode] => (*source, target, *mode),
        _ => return Err(format!("invalid volume specification: {text:?}")),
    };
    let target = self::target(target)?;
    let named = !source.starts_with('/');
    if named && mode.split(',').any(|word| propagation::WORDS.iter().any(|(known, _)| *known == word)) {
        return Err(format!(
            "invalid volume specification: '{text}': invalid mount config for type \"volume\": field BindOptions must not be specified"
        ));
    }
    let how = Mode::parse(mode, named)?;
    if !named {
        let mut bind = Mount::bind(clean(source), target, true);
        propagation::set(&mut bind, how.travels);
        return Ok(Shown::Mount(if how.read_only { bind.read_only() } else { bind }));
    }
    if source.is_empty() {
        return Err(format!("invalid volume specification: {text:?}"));
    }
    let mode = if mode.is_empty() { "z" } else { mode }.to_owned();
    let (name, read_only, copy) = (source.to_owned(), how.read_only, how.copy);
    Ok(Shown::Volume(VolumeUse { name, target, read_only, copy, mode, ..VolumeUse::default() }))
}

/// What is said behind the second colon of `-v`.
struct Mode {
    read_only: bool,
    copy: bool,
    /// how mounts below it travel
    travels: &'static str,
}

impl Mode {
    /// At most one word of each kind, as Docker has it.
    fn parse(text: &str, named: bool) -> Result<Mode, String> {
        let mut mode = Mode { read_only: false, copy: true, travels: "rprivate" };
        let mut kinds = Vec::new();
        for word in text.split(',').filter(|_| !text.is_empty()) {
            kinds.push(match word {
                "ro" | "rw" => {
                    mode.read_only = word == "ro";
                    "access"
                }
                "nocopy" if named => {
                    mode.copy = false;
                    "copy"
                }
                "z" | "Z" if Path::new(SELINUX).exists() => {
                    return Err(format!("{word:?}: labels of SELinux are not part of this version"));
                }
                // without SELinux there are no labels
                "z" | "Z" => "label",
                // for machines whose containers run in a virtual one
                "consistent" | "cached" | "delegated" if !named => "consistency",
                _ => match propagation::WORDS.iter().find(|(known, _)| *known == word && !named) {
                    Some((known, _)) => {
                        mode.travels = known;
                        "propagation"
                    }
                    None => return Err(format!("invalid mode: {text}")),
                },
            });
        }
        let count = kinds.len();
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.len() == count { Ok(mode) } else { Err(format!("invalid mode: {text}")) }
    }
}

/// Where a kernel with SELinux says so.
const SELINUX: &str = "/sys/fs/selinux/enforce";

/// `..` taken away by its text, as Docker does: a source that is missing is made, and nothing beside it.
pub(super) fn clean(path: &str) -> PathBuf {
    let mut cleaned = PathBuf::from("/");
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => _ = cleaned.pop(),
            _ => {}
        }
    }
    cleaned
}

/// A path of the container that can be mounted on.
pub(super) fn target(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
        return Err(format!("{text} must be an absolute path without .."));
    }
    if path == Path::new("/") {
        return Err("the container's / cannot be covered".into());
    }
    Ok(path.components().collect())
}

fn tmpfs(text: &str) -> Result<Mount, String> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let mut flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let mut data = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "rw" => flags &= !libc::MS_RDONLY,
            "ro" => flags |= libc::MS_RDONLY,
            "exec" => flags &= !libc::MS_NOEXEC,
            "noexec" => flags |= libc::MS_NOEXEC,
            "suid" => flags &= !libc::MS_NOSUID,
            "nosuid" => flags |= libc::MS_NOSUID,
            "dev" => flags &= !libc::MS_NODEV,
            "nodev" => flags |= libc::MS_NODEV,
            own if ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"].contains(&key(own)) => {
                data.push(own)
            }
            other => return Err(format!("{other:?} is no option of tmpfs that is known here")),
        }
    }
    Ok(Mount::new("tmpfs", target(path)?, flags, &data.join(",")))
}

fn key(option: &str) -> &str {
    option.split('=').next().unwrap_or_default()
}
