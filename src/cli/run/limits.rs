//! The options of `run` that say how much of the machine the container may use; those of `update` are among them.

use super::disks;
use super::size::{kernel_memory, size_or_none, swap};
use crate::cgroups::{BlockIo, Cpu, Memory, Resources};
use crate::engine::limits::Asked;
use crate::kernel::flags;
use crate::spec::Rlimit;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Resources")]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    changing: Changing,
    /// The most memory the kernel may use for it (cgroup version 1)
    #[arg(long, value_name = "SIZE", value_parser = kernel_memory)]
    kernel_memory: Option<u64>,
    /// How readily it is swapped (0 to 100; cgroup version 1)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = swappiness)]
    memory_swappiness: Option<i64>,
    /// The period of its real-time tasks, in microseconds (cgroup v1)
    #[arg(long, value_name = "N")]
    cpu_rt_period: Option<u64>,
    /// The most processor time of those in each period (cgroup v1)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    cpu_rt_runtime: Option<i64>,
    #[command(flatten)]
    disks: disks::Args,
    /// Over the limit it waits and is not killed (cgroup version 1)
    #[arg(long)]
    oom_kill_disable: bool,
    /// How soon it is killed when memory runs out (-1000 to 1000)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    pub(super) oom_score_adj: Option<i32>,
    /// The most that each process may have (nofile=1024:4096)
    #[arg(long, value_name = "NAME=SOFT[:HARD]", value_parser = ulimit)]
    pub(super) ulimit: Vec<Rlimit>,
    /// The cgroup above its own
    #[arg(long, value_name = "PATH", value_parser = parent)]
    pub(super) cgroup_parent: Option<String>,
}

// What can be changed while it runs.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Resources")]
#[group(skip)]
pub(in crate::cli) struct Changing {
    /// The most memory it may use (bytes, or with k, m, g)
    #[arg(short, long, value_name = "SIZE", value_parser = size_or_none)]
    memory: Option<u64>,
    /// The most memory and swap together (-1: any; default: twice)
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true, value_parser = swap)]
    memory_swap: Option<i64>,
    /// What it is left with when the machine runs short
    #[arg(long, value_name = "SIZE", value_parser = size_or_none)]
    memory_reservation: Option<u64>,
    /// The most processor time (1.5: one and a half processors)
    #[arg(long, value_name = "N", value_parser = cpus)]
    cpus: Option<u64>,
    /// Its weight when all want more (2 to 262144; others: 1024)
    #[arg(short = 'c', long, value_name = "N", value_parser = shares)]
    cpu_shares: Option<u64>,
    /// The period in which processor time is counted, in microseconds
    #[arg(long, value_name = "N")]
    cpu_period: Option<u64>,
    /// The most processor time in each period, in microseconds
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    cpu_quota: Option<i64>,
    /// The only processors it may use (0-3,7)
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// The only memory nodes it may use (0,1)
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Its weight at the disks (10 to 1000)
    #[arg(long, value_name = "N")]
    blkio_weight: Option<u16>,
    /// The most processes it may have (-1: no limit)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pids_limit: Option<i64>,
}

impl Changing {
    pub(in crate::cli) fn asked(&self) -> Asked {
        Asked {
            memory: self.memory,
            memory_swap: self.memory_swap,
            reservation: self.memory_reservation,
            oom_kill_disable: false,
            cpus: self.cpus,
            period: self.cpu_period,
            quota: self.cpu_quota,
            shares: self.cpu_shares,
            processors: self.cpuset_cpus.clone(),
            nodes: self.cpuset_mems.clone(),
            weight: self.blkio_weight,
            pids: self.pids_limit,
        }
    }
}

impl Args {
    pub(super) fn asked(&self) -> Asked {
        Asked { oom_kill_disable: self.oom_kill_disable, ..self.changing.asked() }
    }

    /// With what is said once, when the container is made.
    ///
    /// # Errors
    /// What is no disk.
    pub(super) fn with(&self, resources: Resources) -> anyhow::Result<Resources> {
        Ok(Resources {
            memory: Memory {
                kernel: self.kernel_memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
                swappiness: self.memory_swappiness.and_then(|value| u64::try_from(value).ok()),
                ..resources.memory
            },
            cpu: Cpu {
                realtime_period: self.cpu_rt_period.filter(|period| *period != 0),
                realtime_runtime: self.cpu_rt_runtime.filter(|runtime| *runtime != 0),
                ..resources.cpu
            },
            block_io: BlockIo { weight: resources.block_io.weight, ..self.disks.limits()? },
            ..resources
        })
    }
}

/// -1 is nothing said, as in Docker.
fn swappiness(text: &str) -> Result<i64, String> {
    match text.parse() {
        Ok(value @ -1..=100) => Ok(value),
        _ => Err(format!("invalid value: {text}, valid memory swappiness range is 0-100")),
    }
}

/// 0 is nothing said, as in Docker.
fn shares(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(shares @ (0 | 2..=262_144)) => Ok(shares),
        _ => Err("expected 2 to 262144".into()),
    }
}

/// A path of cgroups; what it leads to is the kernel's to say.
fn parent(text: &str) -> Result<String, String> {
    let parts = text.split('/').filter(|part| !part.is_empty());
    match text.contains(['\0', '\n']) || parts.clone().any(|part| part == "..") || parts.count() == 0 {
        true => Err("expected the path of a cgroup, without ..: /group or group".into()),
        false => Ok(text.trim_end_matches('/').into()),
    }
}

/// Thousandths of a processor.
fn cpus(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        // what is less than a thousandth is not nothing
        Ok(number) if number > 0.0 && number < 1e6 => Ok(((number * 1000.0).round() as u64).max(1)),
        Ok(0.0) => Ok(0),
        _ => Err(format!("failed to parse {text} as a rational number")),
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
