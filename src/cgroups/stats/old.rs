//! Old: the counters of version 1, controller by controller.

use super::text::Files;
use super::{BlkioStats, CpuUsage, CpusetStats, HugetlbStats, MemoryEntry, Stats};
use crate::cgroups::Controller;

/// cpuacct.stat counts in ticks of USER_HZ, which is 100 on every machine of today.
const TICK: u64 = 10_000_000;

pub(super) fn fill(stats: &mut Stats, controller: Controller, files: &Files) {
    match controller {
        Controller::Cpu => {
            let stat = files.words("cpu.stat");
            let get = |word: &str| stat.get(word).copied().unwrap_or(0);
            stats.cpu.throttling.periods = get("nr_periods");
            stats.cpu.throttling.throttled_periods = get("nr_throttled");
            stats.cpu.throttling.throttled_time = get("throttled_time");
        }
        Controller::Accounting => stats.cpu.usage = accounting(files),
        Controller::Cpuset => stats.cpuset = cpuset(files),
        Controller::Memory => {
            stats.memory.raw = files.words("memory.stat");
            stats.memory.cache = stats.memory.raw.get("cache").copied().unwrap_or(0);
            stats.memory.usage = memory(files, "memory");
            stats.memory.swap = memory(files, "memory.memsw");
            stats.memory.kernel = memory(files, "memory.kmem");
            stats.memory.kernel_tcp = memory(files, "memory.kmem.tcp");
        }
        Controller::Pids => {
            stats.pids.current = files.count("pids.current");
            stats.pids.limit = files.number("pids.max").filter(|max| *max != u64::MAX).unwrap_or(0);
        }
        Controller::Block => stats.blkio = block(files),
        Controller::Hugetlb => {
            for size in files.page_sizes() {
                let kind = [".rsvd", ""]
                    .into_iter()
                    .find(|kind| files.number(&format!("hugetlb.{size}{kind}.usage_in_bytes")).is_some());
                let count = |what| files.count(&format!("hugetlb.{size}{}.{what}", kind.unwrap_or_default()));
                let pages = HugetlbStats {
                    usage: count("usage_in_bytes"),
                    max: count("max_usage_in_bytes"),
                    failcnt: count("failcnt"),
                };
                stats.hugetlb.insert(size, pages);
            }
        }
        _ => {}
    }
}

fn accounting(files: &Files) -> CpuUsage {
    let stat = files.words("cpuacct.stat");
    let ticks = |word: &str| stat.get(word).copied().unwrap_or(0) * TICK;
    let numbers = |text: &str| text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    // cpu user system
    let all = files.text("cpuacct.usage_all").unwrap_or_default();
    let column = |at: usize| {
        let field = |line: &str| line.split(' ').nth(at)?.parse().ok();
        all.lines().skip(1).filter_map(field).collect()
    };
    CpuUsage {
        total: files.count("cpuacct.usage"),
        percpu: numbers(&files.text("cpuacct.usage_percpu").unwrap_or_default()),
        percpu_kernel: column(2),
        percpu_user: column(1),
        kernel: ticks("system"),
        user: ticks("user"),
    }
}

fn cpuset(files: &Files) -> CpusetStats {
    let flag = |name: &str| files.count(&format!("cpuset.{name}"));
    let list = |name: &str| expand(&files.text(&format!("cpuset.{name}")).unwrap_or_default());
    let level = files.text("cpuset.sched_relax_domain_level").and_then(|text| text.trim().parse().ok());
    CpusetStats {
        cpus: list("cpus"),
        cpu_exclusive: flag("cpu_exclusive"),
        mems: list("mems"),
        mem_hardwall: flag("mem_hardwall"),
        mem_exclusive: flag("mem_exclusive"),
        memory_migrate: flag("memory_migrate"),
        memory_spread_page: flag("memory_spread_page"),
        memory_spread_slab: flag("memory_spread_slab"),
        memory_pressure: flag("memory_pressure"),
        sched_load_balance: flag("sched_load_balance"),
        sched_relax_domain_level: level.unwrap_or(0),
    }
}

/// `0-2,7` as 0, 1, 2, 7.
fn expand(list: &str) -> Vec<u16> {
    let part = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u16>().ok()?..=last.parse().ok()?)
    };
    list.trim().split(',').filter_map(part).flatten().collect()
}

fn memory(files: &Files, name: &str) -> MemoryEntry {
    let count = |what: &str| files.count(&format!("{name}.{what}"));
    MemoryEntry {
        limit: count("limit_in_bytes"),
        usage: count("usage_in_bytes"),
        max: count("max_usage_in_bytes"),
        failcnt: count("failcnt"),
    }
}

/// Whoever has done the disk's work has counted it: BFQ, the scheduler of old kernels, or the throttle.
fn block(files: &Files) -> BlkioStats {
    let kinds = [("bfq.", "_recursive"), ("", "_recursive"), ("throttle.", "_recursive"), ("throttle.", "")];
    for (by, end) in kinds {
        let read = |what: &str| files.disks(&format!("blkio.{by}{what}{end}"));
        let found = BlkioStats {
            io_service_bytes_recursive: read("io_service_bytes"),
            io_serviced_recursive: read("io_serviced"),
            io_queue_recursive: read("io_queued"),
            io_service_time_recursive: read("io_service_time"),
            io_wait_time_recursive: read("io_wait_time"),
            io_merged_recursive: read("io_merged"),
            io_time_recursive: read("time"),
            sectors_recursive: read("sectors"),
            psi: None,
        };
        if !found.io_serviced_recursive.is_empty() {
            return found;
        }
    }
    BlkioStats::default()
}
