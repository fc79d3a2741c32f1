//! `update`: the options, as members of `linux.resources`.

use std::io::Read;
use std::path::PathBuf;

use super::Site;
use crate::cgroups::Resources;
use crate::oci::OciError;
use crate::oci::update::{parse, update};

// The options of `update`. Sizes are bytes, or with b, k, m, g; -1 is no limit.
#[derive(Debug, clap::Args)]
pub(super) struct Update {
    /// Take the limits from FILE (- is standard input), in the shape of config.json's linux.resources
    #[arg(short, long, value_name = "FILE", conflicts_with_all = FLAGS)]
    resources: Option<PathBuf>,
    /// Weight of reads and writes against others, 10 to 1000
    #[arg(long, value_name = "N")]
    blkio_weight: Option<u16>,
    /// The period in which cpu time is counted, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_period: Option<u64>,
    /// The most cpu time in each period, in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    cpu_quota: Option<i64>,
    /// How much cpu time may be saved up, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_burst: Option<u64>,
    /// Weight of cpu time against others
    #[arg(long, value_name = "N")]
    cpu_share: Option<u64>,
    /// The same for real-time processes (version 1)
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_rt_period: Option<u64>,
    /// The most for real-time processes (version 1)
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    cpu_rt_runtime: Option<i64>,
    /// 1: only when nobody else wants the cpu
    #[arg(long, value_name = "0|1")]
    cpu_idle: Option<i64>,
    /// On which cpus, as 0-3,7
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// From which memory nodes
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// The most memory
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = size)]
    memory: Option<i64>,
    /// What it is left with when the machine runs short
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = size)]
    memory_reservation: Option<i64>,
    /// The most of memory and swap together
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = size)]
    memory_swap: Option<i64>,
    /// (without effect, as in runc: kernels have given it up)
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = size)]
    kernel_memory: Option<i64>,
    /// (without effect, as in runc: kernels have given it up)
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = size)]
    kernel_memory_tcp: Option<i64>,
    /// The most processes
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pids_limit: Option<i64>,
    /// (an error: Intel's cache allocation is not part of this runtime)
    #[arg(long, value_name = "SCHEMA")]
    l3_cache_schema: Option<String>,
    /// (an error: Intel's bandwidth allocation is not part of this runtime)
    #[arg(long, value_name = "SCHEMA")]
    mem_bw_schema: Option<String>,
    /// The container
    #[arg(value_name = "CONTAINER")]
    id: String,
}

/// What a file says, it says alone.
const FLAGS: [&str; 14] = [
    "blkio_weight",
    "cpu_period",
    "cpu_quota",
    "cpu_burst",
    "cpu_share",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_idle",
    "cpuset_cpus",
    "cpuset_mems",
    "memory",
    "memory_reservation",
    "memory_swap",
    "pids_limit",
];

/// Docker's notation: `10000000`, `512m`, `1.5g`, `64kb`, `-1`.
fn size(text: &str) -> Result<i64, String> {
    let wrong = || format!("invalid size: '{text}'");
    if text == "-1" {
        return Ok(-1);
    }
    let lower = text.to_ascii_lowercase();
    let digits = lower.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(lower.len());
    let number: f64 = lower[..digits].parse().map_err(|_| wrong())?;
    let unit = lower[digits..].trim_start().trim_end_matches('b').trim_end_matches('i');
    let power = match unit {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(wrong()),
    };
    let bytes = number * 1024f64.powi(power);
    if bytes < i64::MAX as f64 { Ok(bytes as i64) } else { Err(wrong()) }
}

impl Update {
    pub(super) fn obey(self, site: &mut Site) -> Result<u8, OciError> {
        for (name, value) in
            [("--l3-cache-schema", &self.l3_cache_schema), ("--mem-bw-schema", &self.mem_bw_schema)]
        {
            if value.is_some() {
                let text =
                    format!("{name} is not supported: cache and memory bandwidth are not divided here");
                return Err(OciError::Unsupported(text));
            }
        }
        let container = site.root.find(&self.id)?;
        if self.kernel_memory.or(self.kernel_memory_tcp).is_some() {
            site.log.warning("Kernel memory settings are ignored and will be removed");
        }
        update(&container, &self.wanted()?).map(|()| 0)
    }

    fn wanted(self) -> Result<Resources, OciError> {
        if let Some(file) = &self.resources {
            let mut text = String::new();
            let read = match file.to_str() {
                Some("-") => std::io::stdin().read_to_string(&mut text),
                _ => std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text)),
            };
            read.map_err(OciError::file("cannot read", file))?;
            return parse(&text);
        }
        let mut wanted = Resources::default();
        wanted.block_io.weight = self.blkio_weight;
        let cpu = &mut wanted.cpu;
        (cpu.period, cpu.quota, cpu.burst) = (self.cpu_period, self.cpu_quota, self.cpu_burst);
        (cpu.realtime_period, cpu.realtime_runtime) = (self.cpu_rt_period, self.cpu_rt_runtime);
        (cpu.shares, cpu.idle) = (self.cpu_share, self.cpu_idle);
        (cpu.cpus, cpu.mems) = (self.cpuset_cpus, self.cpuset_mems);
        let memory = &mut wanted.memory;
        (memory.limit, memory.reservation) = (self.memory, self.memory_reservation);
        memory.swap = self.memory_swap;
        wanted.pids.limit = self.pids_limit;
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_dockers() {
        for (text, bytes) in [("-1", -1), ("0", 0), ("10M", 10 << 20), ("1.5g", 3 << 29), ("64kb", 65536)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "xyz", "-2", "1x", "m", "99999999999999g"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
