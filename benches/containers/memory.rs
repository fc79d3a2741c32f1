//! Memory: what one idle container costs that no other process shares, by the kernel's own account.
//!
//! See proc_pid_smaps_rollup(5): Private_Clean + Private_Dirty.

use std::collections::BTreeMap;
use std::path::Path;

use crate::docker::Docker;
use crate::{Ours, all, box_name, engines};

/// So many run at once, so that what they share counts as shared.
const COUNT: usize = 10;

/// Private memory of a process in KiB, by what is mapped there.
fn private(pid: u32) -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let (mut found, mut name) = (BTreeMap::new(), String::new());
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["Private_Clean:" | "Private_Dirty:", kib, "kB"] => {
                *found.entry(name.clone()).or_default() += kib.parse().unwrap_or(0);
            }
            [range, _, _, _, _, rest @ ..] if range.contains('-') => {
                let path = Path::new(rest.first().copied().unwrap_or("anonymous"));
                name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            }
            _ => {}
        }
    }
    found
}

/// Processes whose command line holds this.
fn processes(words: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").contains(words)
    };
    pids.filter(is).collect()
}

/// The one in the middle of several processes, all and by parts.
fn middle(pids: &[u32]) -> Option<(u64, BTreeMap<String, u64>)> {
    let mut all: Vec<_> =
        pids.iter().map(|pid| private(*pid)).map(|parts| (parts.values().sum::<u64>(), parts)).collect();
    all.sort_by_key(|(sum, _)| *sum);
    (!all.is_empty()).then(|| all.swap_remove(all.len() / 2))
}

/// Prints what an idle container costs in each engine.
pub fn compare(ours: &Ours, docker: Option<&Docker>) {
    println!("\n{COUNT} idle containers, private memory of one {:>9}", "KiB");
    for engine in engines(ours, docker) {
        all((0..COUNT).map(&engine.run)).unwrap_or_else(|why| panic!("{}: {why}", engine.name));
        std::thread::sleep(std::time::Duration::from_millis(500));
        let words =
            if engine.name == "docker" { "containerd-shim-runc-v2 " } else { "/proc/self/exe monitor " };
        if let Some((sum, parts)) = middle(&processes(words)) {
            let mut parts: Vec<_> = parts.into_iter().filter(|(_, kib)| *kib > 0).collect();
            parts.sort_by_key(|(_, kib)| std::cmp::Reverse(*kib));
            let parts: Vec<String> =
                parts.iter().take(6).map(|(name, kib)| format!("{name} {kib}")).collect();
            println!("{:44} {sum:>9}   {}", engine.name, parts.join(", "));
        }
        all((0..COUNT).map(&engine.remove))
            .unwrap_or_else(|why| panic!("{} {}: {why}", engine.name, box_name(0)));
    }
}
