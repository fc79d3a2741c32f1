//! The options of `run` that say which files the container sees besides its image's.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::mount;
use super::size::size;
use crate::engine::run::RunError;
use crate::rootfs::{Mount, Source};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Files")]
#[group(skip)]
pub(super) struct Args {
    /// Show a directory or file of the host inside; made if missing
    #[arg(short, long, value_name = "HOST:CONTAINER[:ro]", value_parser = volume)]
    volume: Vec<Mount>,
    /// The same by fields: type=bind|tmpfs,src=HOST,dst=CONTAINER
    #[arg(long, value_name = "FIELD=VALUE,…", value_parser = mount::parse)]
    mount: Vec<Mount>,
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

impl Args {
    /// What is bound. As Docker does for -v: a source that is missing becomes a directory; a dry run makes none.
    pub(super) fn binds(&self, dry_run: bool) -> Result<Vec<Mount>, RunError> {
        let (mut volumes, mut mounts) = (self.volume.clone(), self.mount.clone());
        volumes.iter_mut().try_for_each(|bind| find_source(bind, true, dry_run))?;
        mounts.iter_mut().try_for_each(|bind| find_source(bind, false, dry_run))?;
        let bound = |mount: &Mount| matches!(mount.source, Source::Bind { .. });
        Ok(volumes.into_iter().chain(mounts.into_iter().filter(bound)).collect())
    }

    /// What lies in memory.
    pub(super) fn in_memory(&self) -> Vec<Mount> {
        let new = |mount: &&Mount| matches!(mount.source, Source::New { .. });
        self.tmpfs.iter().chain(self.mount.iter().filter(new)).cloned().collect()
    }

    /// # Errors
    /// Two mounts at one place: the one below would never be seen.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let mut seen: Vec<&Path> = Vec::new();
        for mount in self.volume.iter().chain(&self.mount).chain(&self.tmpfs) {
            if seen.contains(&mount.target.as_path()) {
                anyhow::bail!("Duplicate mount point: {}", mount.target.display());
            }
            seen.push(&mount.target);
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

fn volume(text: &str) -> Result<Mount, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts.as_slice() {
        [source, target] => (source, target, "rw"),
        [source, target, mode] => (source, target, *mode),
        _ => return Err("expected HOST:CONTAINER or HOST:CONTAINER:ro".into()),
    };
    if !source.starts_with('/') {
        return Err(format!(
            "{source:?} is not an absolute path; named volumes are not part of this version"
        ));
    }
    let target = self::target(target)?;
    let bind = Mount::bind(clean(source), target, true);
    match mode {
        "ro" => Ok(bind.read_only()),
        "rw" => Ok(bind),
        other => Err(format!("{other:?} is not a mode that is known here: ro or rw")),
    }
}

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
