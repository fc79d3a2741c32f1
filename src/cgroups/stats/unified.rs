//! Unified: the counters of version 2, brought into the shape of version 1.

use super::text::Files;
use super::{BlkioEntry, BlkioStats, HugetlbStats, MemoryEntry, Stats};

pub(super) fn fill(stats: &mut Stats, files: &Files) {
    cpu(stats, files);
    memory(stats, files);
    stats.pids.current = files.number("pids.current").unwrap_or_else(|| {
        // without the controller: at least the processes
        files.text("cgroup.procs").map_or(0, |text| text.lines().count() as u64)
    });
    stats.pids.limit = files.number("pids.max").filter(|max| *max != u64::MAX).unwrap_or(0);
    stats.blkio = block(files);
    for size in files.page_sizes() {
        let usage =
            [".rsvd", ""].into_iter().find_map(|kind| files.number(&format!("hugetlb.{size}{kind}.current")));
        let events = files.words(&format!("hugetlb.{size}.events"));
        let failcnt = events.get("max").copied().unwrap_or(0);
        stats.hugetlb.insert(size, HugetlbStats { usage: usage.unwrap_or(0), max: 0, failcnt });
    }
}

fn cpu(stats: &mut Stats, files: &Files) {
    let stat = files.words("cpu.stat");
    let get = |word: &str| stat.get(word).copied().unwrap_or(0);
    let nanoseconds = |word| get(word) * 1000;
    stats.cpu.usage.total = nanoseconds("usage_usec");
    stats.cpu.usage.user = nanoseconds("user_usec");
    stats.cpu.usage.kernel = nanoseconds("system_usec");
    stats.cpu.throttling.periods = get("nr_periods");
    stats.cpu.throttling.throttled_periods = get("nr_throttled");
    stats.cpu.throttling.throttled_time = nanoseconds("throttled_usec");
    stats.cpu.psi = files.pressure("cpu.pressure");
}

/// Version 1 counts memory and swap together, so that is what is told. Of their peaks no sum can be made.
fn memory(stats: &mut Stats, files: &Files) {
    let Some(usage) = files.number("memory.current") else { return };
    let limit = files.number("memory.max").unwrap_or(u64::MAX);
    stats.memory.raw = files.words("memory.stat");
    stats.memory.cache = stats.memory.raw.get("file").copied().unwrap_or(0);
    stats.memory.usage = MemoryEntry { limit, usage, max: files.count("memory.peak"), failcnt: 0 };
    let (swap, most) = (files.count("memory.swap.current"), files.count("memory.swap.max"));
    let both = if most == u64::MAX { most } else { most.saturating_add(limit) };
    stats.memory.swap = MemoryEntry { limit: both, usage: usage + swap, max: 0, failcnt: 0 };
    stats.memory.psi = files.pressure("memory.pressure");
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`
fn block(files: &Files) -> BlkioStats {
    let mut found = BlkioStats { psi: files.pressure("io.pressure"), ..BlkioStats::default() };
    for line in files.text("io.stat").unwrap_or_default().lines() {
        let mut fields = line.split(' ');
        let Some((major, minor)) = fields.next().and_then(|disk| disk.split_once(':')) else { continue };
        let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else { continue };
        for (key, value) in fields.filter_map(|field| field.split_once('=')) {
            let (list, op) = match key {
                "rbytes" => (&mut found.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut found.io_service_bytes_recursive, "Write"),
                "rios" => (&mut found.io_serviced_recursive, "Read"),
                "wios" => (&mut found.io_serviced_recursive, "Write"),
                _ => continue,
            };
            let value = value.parse().unwrap_or(0);
            list.push(BlkioEntry { major, minor, op: op.into(), value });
        }
    }
    found
}
