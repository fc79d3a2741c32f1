//! The options of `run` that say what the container may use, and which of the kernel's settings are its own.

use std::path::{Component, Path, PathBuf};

use crate::cgroups::Limits;
use crate::engine::request::HostDevice;
use crate::kernel::flags;
use crate::rootfs::Mount;
use crate::spec::Rlimit;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// The most memory it may use (bytes, or with b, k, m, g; at least 6m)
    #[arg(short, long, value_parser = memory)]
    memory: Option<u64>,
    /// The most processor time it may use (1.5: one and a half processors)
    #[arg(long, value_parser = cpus)]
    cpus: Option<u64>,
    /// The most processes it may have (-1: no limit)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pids_limit: Option<i64>,
    /// The most of one thing that each process may have (nofile=1024, or nofile=1024:4096)
    #[arg(long, value_name = "NAME=SOFT[:HARD]", value_parser = ulimit)]
    pub(super) ulimit: Vec<Rlimit>,
    /// How soon it is killed when memory runs out (-1000 to 1000)
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    pub(super) oom_score_adj: Option<i32>,
    /// One of the kernel's settings that belong to a namespace (net.ipv4.ip_forward=1)
    #[arg(long, value_name = "NAME=VALUE", value_parser = sysctl)]
    pub(super) sysctl: Vec<(String, String)>,
    /// Lend it a device of the host
    #[arg(long, value_name = "HOST[:CONTAINER][:rwm]", value_parser = device)]
    pub(super) device: Vec<HostDevice>,
    /// A file system in memory, with mount options (/run:size=64m,mode=755)
    #[arg(long, value_name = "CONTAINER[:OPTIONS]", value_parser = tmpfs)]
    pub(super) tmpfs: Vec<Mount>,
    /// The size of /dev/shm
    #[arg(long, value_parser = size, default_value = "64m")]
    pub(super) shm_size: u64,
}

impl Args {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            memory: self.memory,
            // as Docker: as much swap again
            swap: self.memory,
            cpus: self.cpus,
            pids: self.pids_limit.and_then(|most| u64::try_from(most).ok()).filter(|most| *most > 0),
        }
    }
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

fn size(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix("ib").or(lower.strip_suffix('b')).unwrap_or(&lower);
    let (digits, shift) = match lower.strip_suffix(['k', 'm', 'g', 't']) {
        Some(digits) => (digits, ["k", "m", "g", "t"].iter().position(|unit| lower.ends_with(unit))),
        None => (lower, None),
    };
    let factor = shift.map_or(1, |place| 1u64 << (10 * (place + 1)));
    let number: u64 = digits.parse().map_err(|_| "expected a size, as 64m".to_string())?;
    match number.checked_mul(factor) {
        Some(0) => Err("expected a size above 0".into()),
        Some(bytes) => Ok(bytes),
        None => Err("is more than can be counted".into()),
    }
}

fn memory(text: &str) -> Result<u64, String> {
    const LEAST: u64 = 6 << 20;
    match size(text)? {
        bytes @ LEAST.. => Ok(bytes),
        _ => Err("the least memory limit is 6m".into()),
    }
}

/// Thousandths of a processor.
fn cpus(text: &str) -> Result<u64, String> {
    let most = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    match text.parse::<f64>() {
        Ok(number) if number >= 0.01 && number <= most => Ok((number * 1000.0).round() as u64),
        Ok(_) => Err(format!("must be from 0.01 to {most:.2}, as there are only {most} processors here")),
        Err(_) => Err("expected a number, as 1.5".into()),
    }
}

fn ulimit(text: &str) -> Result<Rlimit, String> {
    let (name, values) = text.split_once('=').ok_or("expected NAME=SOFT or NAME=SOFT:HARD")?;
    let known = || flags::RLIMITS.iter().map(|name| name.to_ascii_lowercase()).collect::<Vec<_>>().join(", ");
    let resource = flags::RLIMITS.iter().position(|known| known.eq_ignore_ascii_case(name));
    let resource = resource.ok_or_else(|| format!("{name:?} is none of {}", known()))? as u32;
    let number = |text: &str| match text {
        "-1" | "unlimited" => Ok(u64::MAX),
        text => text.parse::<u64>().map_err(|_| format!("{text:?} is not a number, or -1 for no limit")),
    };
    let (soft, hard) = match values.split_once(':') {
        Some((soft, hard)) => (number(soft)?, number(hard)?),
        None => (number(values)?, number(values)?),
    };
    match soft <= hard {
        true => Ok(Rlimit { resource, soft, hard }),
        false => Err(format!("the soft limit {soft} is above the hard limit {hard}")),
    }
}

fn sysctl(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => Ok((name.into(), value.into())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

fn device(text: &str) -> Result<HostDevice, String> {
    let access = |text: &str| !text.is_empty() && text.chars().all(|letter| "rwm".contains(letter));
    let parts: Vec<&str> = text.split(':').collect();
    let (path, inside, may) = match parts.as_slice() {
        [path] => (*path, *path, "rwm"),
        [path, may] if access(may) => (*path, *path, *may),
        [path, inside] => (*path, *inside, "rwm"),
        [path, inside, may] if access(may) => (*path, *inside, *may),
        _ => return Err("expected HOST, HOST:CONTAINER or HOST:CONTAINER:rwm".into()),
    };
    if !Path::new(path).is_absolute() {
        return Err(format!("{path:?} is not an absolute path"));
    }
    Ok(HostDevice { path: path.into(), target: target(inside)?, access: may.into() })
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
