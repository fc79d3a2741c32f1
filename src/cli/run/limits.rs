//! The options of `run` that say how much of the machine the container may use.

use super::size::{memory, swap};
use crate::cgroups::{BlockIo, Cpu, Memory, Resources};
use crate::engine::limits::{Asked, LimitError};
use crate::kernel::flags;
use crate::spec::Rlimit;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Resources")]
#[group(skip)]
pub(super) struct Args {
    /// The most memory it may use (bytes, or with k, m, g)
    #[arg(short, long, value_name = "SIZE", value_parser = memory)]
    memory: Option<u64>,
    /// The most memory and swap together (-1: any; default: twice)
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true, value_parser = swap)]
    memory_swap: Option<i64>,
    /// What it is left with when the machine runs short
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    memory_reservation: Option<u64>,
    /// Over the limit it waits and is not killed (cgroup version 1)
    #[arg(long)]
    oom_kill_disable: bool,
    /// How soon it is killed when memory runs out (-1000 to 1000)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    pub(super) oom_score_adj: Option<i32>,
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
    #[arg(long, value_name = "LIST", value_parser = list)]
    cpuset_cpus: Option<String>,
    /// The only memory nodes it may use (0,1)
    #[arg(long, value_name = "LIST", value_parser = list)]
    cpuset_mems: Option<String>,
    /// Its weight at the disks (10 to 1000)
    #[arg(long, value_name = "N", value_parser = weight)]
    blkio_weight: Option<u16>,
    /// The most processes it may have (-1: no limit)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pids_limit: Option<i64>,
    /// The most that each process may have (nofile=1024:4096)
    #[arg(long, value_name = "NAME=SOFT[:HARD]", value_parser = ulimit)]
    pub(super) ulimit: Vec<Rlimit>,
    /// The cgroup above its own
    #[arg(long, value_name = "PATH", value_parser = parent)]
    pub(super) cgroup_parent: Option<String>,
}

impl Args {
    pub(super) fn limits(&self) -> anyhow::Result<Resources> {
        let asked = Asked {
            memory: self.memory,
            memory_swap: self.memory_swap,
            reservation: self.memory_reservation,
            cpus: self.cpus,
            period: self.cpu_period,
            quota: self.cpu_quota,
            pids: self.pids_limit.and_then(|most| u64::try_from(most).ok()),
        };
        let Resources { memory, cpu, pids, .. } = asked.resources()?;
        for (what, wanted, there) in [
            ("CPUs", &self.cpuset_cpus, "/sys/devices/system/cpu/online"),
            ("memory nodes", &self.cpuset_mems, "/sys/devices/system/node/online"),
        ] {
            available(what, wanted.as_deref(), there)?;
        }
        Ok(Resources {
            memory: Memory { disable_oom_killer: self.oom_kill_disable.then_some(true), ..memory },
            cpu: Cpu {
                shares: self.cpu_shares,
                cpus: self.cpuset_cpus.clone(),
                mems: self.cpuset_mems.clone(),
                ..cpu
            },
            block_io: BlockIo { weight: self.blkio_weight, ..BlockIo::default() },
            pids,
            ..Resources::default()
        })
    }
}

/// # Errors
/// A processor or a memory node that this machine has not.
fn available(what: &'static str, wanted: Option<&str>, there: &str) -> anyhow::Result<()> {
    let (Some(wanted), Ok(there)) = (wanted, std::fs::read_to_string(there)) else { return Ok(()) };
    let here = spans(there.trim()).unwrap_or_default();
    let has =
        |&(from, to): &(u32, u32)| (from..=to).all(|one| here.iter().any(|(a, b)| (*a..=*b).contains(&one)));
    match spans(wanted).unwrap_or_default().iter().all(has) {
        true => Ok(()),
        false => Err(LimitError::NotThere(what, wanted.into(), there.trim().into()).into()),
    }
}

/// `0-3,7` as (0, 3) and (7, 7).
fn spans(text: &str) -> Option<Vec<(u32, u32)>> {
    let span = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let span: (u32, u32) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
        (span.0 <= span.1 && span.1 < 1 << 16).then_some(span)
    };
    text.split(',').map(span).collect()
}

fn list(text: &str) -> Result<String, String> {
    spans(text).map(|_| text.into()).ok_or("expected numbers and spans, as 0-3,7".into())
}

/// 0 is nothing said, as in Docker.
fn shares(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(shares @ (0 | 2..=262_144)) => Ok(shares),
        _ => Err("expected 2 to 262144".into()),
    }
}

fn weight(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(weight @ (0 | 10..=1000)) => Ok(weight),
        _ => Err("Range of blkio weight is from 10 to 1000".into()),
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
