//! Stats: what a container uses, as Docker counts it.
//!
//! ```text
//!   its cgroup     cpu time, memory, disks, processes      version 1, version 2, or some of each
//!   /proc/stat     cpu time of the machine                 cpu % = 100 x its part of that x processors
//!   /proc/PID/net  bytes by link, but for lo               its own network's alone
//! ```
//!
//! Twice, a second apart: cpu time is a counter. Memory is without the cache of files that nobody has asked for lately,
//! which the kernel gives up first.
//!
//! See proc_stat(5), proc_pid_net(5), the kernel's cgroup-v2.rst and cgroup-v1/. Lab 06-cgroups, tutorials/06-cgroups.md.

use std::path::Path;

use super::{ContainerError, Record, cgroup, process};
use crate::cgroups::stats::Stats;
use crate::cgroups::{Cgroup, Controller};
use crate::engine::peers::Mode;
use crate::engine::state::State;
use crate::kernel::op::Peer;

/// /proc/stat counts in ticks of USER_HZ, which is 100 on every machine of today.
const TICK: u64 = 10_000_000;

/// What was counted at one moment; `None` is what nobody counts here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// cpu time since it was started, nanoseconds
    pub cpu: Option<u64>,
    /// cpu time of the machine since it was started, nanoseconds, idle time included
    pub machine: u64,
    /// processors of the machine
    pub processors: u64,
    /// bytes that it uses, and the most that it may
    pub memory: Option<(u64, u64)>,
    /// bytes received, bytes sent
    pub network: Option<(u64, u64)>,
    /// bytes read, bytes written
    pub disks: Option<(u64, u64)>,
    /// processes and threads
    pub pids: Option<u64>,
}

impl Sample {
    /// What Docker says of a container that does not run: nothing is used.
    pub fn nothing() -> Sample {
        let none = Some((0, 0));
        Sample { cpu: Some(0), memory: none, network: none, disks: none, pids: Some(0), ..Sample::default() }
    }

    /// Its part of the machine's cpu time since an earlier moment, in percent of one processor.
    pub fn percent(&self, before: &Sample) -> Option<f64> {
        let (now, then) = (self.cpu?, before.cpu?);
        match (now.saturating_sub(then), self.machine.saturating_sub(before.machine)) {
            (0, _) | (_, 0) => Some(0.0),
            (ours, all) => Some(ours as f64 / all as f64 * self.processors as f64 * 100.0),
        }
    }
}

/// What a container uses now.
///
/// # Errors
/// What cannot be read of the machine's cgroups.
pub fn sample(state: &State, record: &Record) -> Result<Sample, ContainerError> {
    let Ok(Peer { pid, .. }) = process(state, record) else { return Ok(Sample::nothing()) };
    let read = |file: &str| std::fs::read_to_string(Path::new("/proc").join(file)).unwrap_or_default();
    let counted = counted(&cgroup(record)?, memory_of(&read("meminfo")));
    let (machine, processors) = machine(&read("stat"));
    let network = match record.request.peers.network {
        // as Docker: the host's is nobody's own
        Some(Mode::Host) => Some((0, 0)),
        _ => network(&read(&format!("{pid}/net/dev"))),
    };
    Ok(Sample { machine, processors, network, ..counted })
}

/// What the kernel counts by cgroup, on a machine of so many bytes.
fn counted(cgroup: &Cgroup, most: u64) -> Sample {
    let Ok(stats) = cgroup.stats() else { return Sample::default() };
    let known = |controller| cgroup.counts(controller).then_some(());
    Sample {
        cpu: known(Controller::Accounting).map(|()| stats.cpu.usage.total),
        memory: known(Controller::Memory).map(|()| (memory(&stats), stats.memory.usage.limit.min(most))),
        disks: known(Controller::Block).map(|()| disks(&stats)),
        pids: known(Controller::Pids).map(|()| stats.pids.current),
        ..Sample::default()
    }
}

/// Without the cache that is given up first.
fn memory(stats: &Stats) -> u64 {
    let (used, raw) = (stats.memory.usage.usage, &stats.memory.raw);
    let cache = raw.get("total_inactive_file").or(raw.get("inactive_file")).copied().unwrap_or(0);
    if cache < used { used - cache } else { used }
}

/// Bytes read, bytes written.
fn disks(stats: &Stats) -> (u64, u64) {
    let sum = |first: char| {
        let list = stats.blkio.io_service_bytes_recursive.iter();
        list.filter(|entry| entry.op.to_ascii_lowercase().starts_with(first)).map(|entry| entry.value).sum()
    };
    (sum('r'), sum('w'))
}

/// `MemTotal:        8123456 kB`; as much as there can be where nobody says it.
fn memory_of(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    number.map_or(u64::MAX, |kilobytes| kilobytes.saturating_mul(1024))
}

/// Nanoseconds of all processors together, and how many they are: `cpu  10 0 5 …`, then `cpu0 …` for each.
fn machine(stat: &str) -> (u64, u64) {
    // user, nice, system, idle, iowait, irq, softirq; what guests use is in user already
    const COUNTED: usize = 7;
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let numbers = all.into_iter().flat_map(str::split_whitespace).take(COUNTED);
    let ticks: u64 = numbers.filter_map(|number| number.parse::<u64>().ok()).sum();
    let one = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
    (ticks.saturating_mul(TICK), stat.lines().filter(one).count() as u64)
}

/// The first and the ninth number of each link: `  eth0: 1234 12 0 0 0 0 0 0 5678 …`.
fn network(dev: &str) -> Option<(u64, u64)> {
    let links = dev.lines().skip(2).filter_map(|line| line.split_once(':'));
    let mut sum = (0, 0);
    for (_, numbers) in links.filter(|(name, _)| name.trim() != "lo") {
        let numbers: Vec<u64> = numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        sum.0 += numbers.first()?;
        sum.1 += numbers.get(8)?;
    }
    (!dev.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroups::{Hierarchy, Place, Unified};

    /// A container's cgroup of version 2 on a Debian 12, with the files of a kernel 6.1.
    const RECORDED: [(&str, &str); 6] = [
        (
            "cpu.stat",
            "usage_usec 1500250\nuser_usec 1200000\nsystem_usec 300250\nnr_periods 12\nnr_throttled 3\n\
             throttled_usec 45678\nnr_bursts 0\nburst_usec 0\n",
        ),
        ("memory.current", "9510912\n"),
        ("memory.max", "67108864\n"),
        (
            "memory.stat",
            "anon 1122304\nfile 7340032\nkernel 901120\nkernel_stack 32768\npagetables 122880\nsock 0\nshmem 0\n\
             file_mapped 4325376\nfile_dirty 0\ninactive_anon 1085440\nactive_anon 4096\ninactive_file 2097152\n\
             active_file 5242880\nunevictable 0\nslab 552016\npgfault 1831\npgmajfault 27\n",
        ),
        (
            "io.stat",
            "254:0 rbytes=7000064 wbytes=4096 rios=180 wios=1 dbytes=0 dios=0\n\
             8:16 rbytes=1000000 wbytes=0 rios=9 wios=0 dbytes=0 dios=0\n7:0 \n",
        ),
        ("pids.current", "3\n"),
    ];

    fn recorded(files: &[(&str, &str)]) -> (tempfile::TempDir, Cgroup) {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("stepbox-ID");
        std::fs::create_dir(&directory).expect("made");
        files.iter().for_each(|(name, text)| std::fs::write(directory.join(name), text).expect("written"));
        let place = Place { point: root.path().into(), parent: root.path().into(), refused: None };
        let controllers = ["cpu", "io", "memory", "pids"].map(String::from).to_vec();
        let v2 = Some(Unified { place, controllers: controllers.clone(), enabled: controllers });
        let cgroup = Cgroup::of_box(&Hierarchy { v1: Vec::new(), v2 }, "ID");
        (root, cgroup)
    }

    #[test]
    fn version_2_as_recorded() {
        let (_root, cgroup) = recorded(&RECORDED);
        let wanted = Sample {
            cpu: Some(1_500_250_000),
            memory: Some((9_510_912 - 2_097_152, 64 << 20)),
            disks: Some((8_000_064, 4096)),
            pids: Some(3),
            ..Sample::default()
        };
        assert_eq!(counted(&cgroup, 8 << 30), wanted);
    }

    #[test]
    fn without_a_limit_the_machine_is_the_limit() {
        let mut files = RECORDED;
        files[2].1 = "max\n";
        let (_root, cgroup) = recorded(&files);
        assert_eq!(counted(&cgroup, 8 << 30).memory, Some((7_413_760, 8 << 30)));
    }

    /// As systemd hands over to users: cpu time is counted for everybody, disks for nobody.
    #[test]
    fn what_is_not_handed_down_is_not_known() {
        let (_root, cgroup) = recorded(&RECORDED[..1]);
        let wanted = Sample { cpu: Some(1_500_250_000), ..Sample::default() };
        assert_eq!(counted(&cgroup, 8 << 30), wanted);
        let none = Cgroup::of_box(&Hierarchy::default(), "ID");
        assert_eq!(counted(&none, 8 << 30), Sample::default());
    }

    #[test]
    fn the_part_of_the_machine_in_percent_of_one_processor() {
        let stat = "cpu  100 20 30 800 40 5 5 7 3 0\ncpu0 50 10 15 400 20 3 2 4 2 0\ncpu1 50 10 15 400 20 2 3 3 1 0\n\
                    intr 1 2\nctxt 3\nbtime 1\n";
        assert_eq!(machine(stat), (10_000_000_000, 2));
        let at = |cpu, machine| Sample { cpu: Some(cpu), machine, processors: 2, ..Sample::default() };
        let (before, after) = (at(1_000_000_000, 10_000_000_000), at(1_500_000_000, 12_000_000_000));
        assert_eq!(after.percent(&before), Some(50.0));
        assert_eq!(before.percent(&before), Some(0.0));
        assert_eq!(before.percent(&after), Some(0.0));
        assert_eq!(Sample { cpu: None, ..after }.percent(&before), None);
    }

    #[test]
    fn bytes_of_all_links_but_the_loopback() {
        let heading = "Inter-|   Receive                          |  Transmit\n face |bytes packets …|bytes packets …\n";
        let lo =
            "    lo:    840      10    0    0    0     0          0         0      840      10 0 0 0 0 0 0\n";
        let eth0 = "  eth0: 1000 9 0 0 0 0 0 0 2000 8 0 0 0 0 0 0\n eth1:10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n";
        assert_eq!(network(&[heading, lo, eth0].concat()), Some((1010, 2020)));
        assert_eq!(network(&[heading, lo].concat()), Some((0, 0)));
        assert_eq!(network(""), None);
    }

    #[test]
    fn memory_of_a_machine() {
        assert_eq!(memory_of("MemTotal:        8000000 kB\nMemFree:  1 kB\n"), 8_192_000_000);
        assert_eq!(memory_of(""), u64::MAX);
    }
}
