//! Stats: the kernel's counters of a cgroup, of either version, in the one shape of runc's `events`.
//!
//! What is nought is left out where runc leaves it out; what has no limit says so with the kernel's own number
//! (version 1) or with the largest there is (version 2). See cgroup-v2.rst, cgroup-v1/{memory,pids,cpusets}.rst.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::cgroups::{Cgroup, Controller};

/// Everything that is counted.
pub(super) fn stats(cgroup: &Cgroup) -> Value {
    let at = |controller| cgroup.directory(controller).unwrap_or_default();
    json!({
        "cpu": cpu(&at(Controller::Cpu), &at(Controller::Accounting)),
        "cpuset": cpuset(&at(Controller::Cpuset)),
        "memory": memory(&at(Controller::Memory)),
        "pids": pids(&at(Controller::Pids)),
        "blkio": blkio(&at(Controller::Block)),
        "hugetlb": hugetlb(&at(Controller::Hugetlb)),
        "intel_rdt": {},
        "network_interfaces": null,
    })
}

/// For a container without a cgroup.
pub(super) fn nothing() -> Value {
    let nowhere = PathBuf::new();
    json!({
        "cpu": { "usage": {}, "throttling": {} }, "cpuset": {}, "memory": memory(&nowhere), "pids": {},
        "blkio": {}, "hugetlb": {}, "intel_rdt": {}, "network_interfaces": null,
    })
}

/// A file of lines `NAME NUMBER`.
pub(super) fn keyed(path: &Path) -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let pair = |line: &str| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_string(), number.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

/// A file of one number; `max` is the largest.
fn number(path: PathBuf) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    match text.trim() {
        "max" => Some(u64::MAX),
        text => text.parse().ok(),
    }
}

fn numbers(path: PathBuf) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// An object without what is nought.
fn object(fields: &[(&str, u64)]) -> Map<String, Value> {
    let told = fields.iter().filter(|(_, value)| *value != 0);
    told.map(|(name, value)| (name.to_string(), (*value).into())).collect()
}

fn cpu(cpu: &Path, accounting: &Path) -> Value {
    let stat = keyed(&cpu.join("cpu.stat"));
    let of = |name: &str| stat.get(name).copied().unwrap_or(0);
    let usage = match number(accounting.join("cpuacct.usage")) {
        Some(total) => usage_1(accounting, total),
        None => object(&[
            ("total", of("usage_usec") * 1000),
            ("kernel", of("system_usec") * 1000),
            ("user", of("user_usec") * 1000),
        ]),
    };
    let time = of("throttled_time").max(of("throttled_usec") * 1000);
    let throttling = object(&[
        ("periods", of("nr_periods")),
        ("throttledPeriods", of("nr_throttled")),
        ("throttledTime", time),
    ]);
    json!({ "usage": usage, "throttling": throttling })
}

fn usage_1(accounting: &Path, total: u64) -> Map<String, Value> {
    // in clock ticks, of which Linux shows 100 in a second on every machine
    let tick = 10_000_000;
    let stat = keyed(&accounting.join("cpuacct.stat"));
    let of = |name: &str| stat.get(name).copied().unwrap_or(0) * tick;
    let mut usage = object(&[("total", total)]);
    let lists = [
        ("percpu", "cpuacct.usage_percpu"),
        ("percpu_kernel", "cpuacct.usage_percpu_sys"),
        ("percpu_user", "cpuacct.usage_percpu_user"),
    ];
    for (name, file) in lists {
        let list = numbers(accounting.join(file));
        if !list.is_empty() {
            usage.insert(name.into(), json!(list));
        }
    }
    usage.insert("kernel".into(), of("system").into());
    usage.insert("user".into(), of("user").into());
    usage
}

fn cpuset(cpuset: &Path) -> Value {
    let list = |file: &str| ranges(&std::fs::read_to_string(cpuset.join(file)).unwrap_or_default());
    let first = |names: [&str; 2]| names.iter().map(|name| list(name)).find(|list| !list.is_empty());
    let mut told = Map::new();
    for (name, files) in [
        ("cpus", ["cpuset.cpus", "cpuset.cpus.effective"]),
        ("mems", ["cpuset.mems", "cpuset.mems.effective"]),
    ] {
        told.extend(first(files).map(|list| (name.to_string(), json!(list))));
    }
    let flags = [
        "cpu_exclusive",
        "mem_hardwall",
        "mem_exclusive",
        "memory_migrate",
        "memory_spread_page",
        "memory_spread_slab",
        "memory_pressure",
        "sched_load_balance",
        "sched_relax_domain_level",
    ];
    for name in flags {
        let text = std::fs::read_to_string(cpuset.join(format!("cpuset.{name}"))).unwrap_or_default();
        told.extend(text.trim().parse::<i64>().ok().map(|flag| (name.to_string(), flag.into())));
    }
    told.into()
}

/// `0-2,7` as numbers.
fn ranges(text: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<u32>().ok()?..=last.trim().parse().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

fn memory(memory: &Path) -> Value {
    let raw = keyed(&memory.join("memory.stat"));
    let of = |name: &str| raw.get(name).copied().unwrap_or(0);
    let entry = |limit: Option<u64>, usage: Option<u64>, max: Option<u64>, failures: Option<u64>| {
        let mut entry = Map::new();
        entry.insert("limit".into(), limit.unwrap_or(0).into());
        entry.extend(object(&[("usage", usage.unwrap_or(0)), ("max", max.unwrap_or(0))]));
        entry.insert("failcnt".into(), failures.unwrap_or(0).into());
        Value::from(entry)
    };
    let read = |file: &str| number(memory.join(file));
    let v1 = |kind: &str| {
        entry(
            read(&format!("{kind}.limit_in_bytes")),
            read(&format!("{kind}.usage_in_bytes")),
            read(&format!("{kind}.max_usage_in_bytes")),
            read(&format!("{kind}.failcnt")),
        )
    };
    let mut told = object(&[("cache", of("cache").max(of("file")))]);
    if memory.join("memory.usage_in_bytes").exists() {
        for (name, kind) in [
            ("usage", "memory"),
            ("swap", "memory.memsw"),
            ("kernel", "memory.kmem"),
            ("kernelTCP", "memory.kmem.tcp"),
        ] {
            told.insert(name.into(), v1(kind));
        }
    } else {
        let failures = keyed(&memory.join("memory.events")).get("max").copied();
        let (usage, limit) = (read("memory.current"), read("memory.max"));
        let both = |a: Option<u64>, b: Option<u64>| Some(a?.saturating_add(b.unwrap_or(0)));
        let swap =
            entry(both(limit, read("memory.swap.max")), both(usage, read("memory.swap.current")), None, None);
        told.insert("usage".into(), entry(limit, usage, read("memory.peak"), failures));
        told.insert("swap".into(), swap);
        told.insert("kernel".into(), entry(None, None, None, None));
        told.insert("kernelTCP".into(), entry(None, None, None, None));
    }
    told.insert("raw".into(), json!(raw));
    told.into()
}

fn pids(pids: &Path) -> Value {
    let limit = number(pids.join("pids.max")).filter(|limit| *limit != u64::MAX);
    object(&[("current", number(pids.join("pids.current")).unwrap_or(0)), ("limit", limit.unwrap_or(0))])
        .into()
}

/// Version 1: lines `8:0 Read 4096`; version 2: lines `8:0 rbytes=4096 wbytes=0 rios=1 wios=0`.
fn blkio(blkio: &Path) -> Value {
    let mut told = Map::new();
    let read = |file: &str| std::fs::read_to_string(blkio.join(file)).unwrap_or_default();
    let mut add = |name: &str, entries: Vec<Value>| {
        if !entries.is_empty() {
            told.insert(name.into(), entries.into());
        }
    };
    for (name, file) in [
        ("ioServiceBytesRecursive", "blkio.throttle.io_service_bytes_recursive"),
        ("ioServicedRecursive", "blkio.throttle.io_serviced_recursive"),
    ] {
        let text = read(file);
        let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        add(name, words.filter_map(|words| disk(words.first()?, words.get(1)?, words.get(2)?)).collect());
    }
    let text = read("io.stat");
    let v2 = |pairs: [(&str, &str); 2]| -> Vec<Value> {
        let line = |line: &str| {
            let (device, rest) = line.split_once(' ')?;
            let value =
                |key: &str| rest.split(' ').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
            let entries = pairs.iter().filter_map(|(key, op)| disk(device, op, value(key)?));
            Some(entries.collect::<Vec<_>>())
        };
        text.lines().filter_map(line).flatten().collect()
    };
    add("ioServiceBytesRecursive", v2([("rbytes", "Read"), ("wbytes", "Write")]));
    add("ioServicedRecursive", v2([("rios", "Read"), ("wios", "Write")]));
    told.into()
}

fn disk(device: &str, op: &str, value: &str) -> Option<Value> {
    let (major, minor) = device.split_once(':')?;
    let (major, minor): (u64, u64) = (major.parse().ok()?, minor.parse().ok()?);
    Some(json!({ "major": major, "minor": minor, "op": op, "value": value.parse::<u64>().ok()? }))
}

/// By the size of the pages, as `2MB`.
fn hugetlb(hugetlb: &Path) -> Value {
    let mut told = Map::new();
    let names = std::fs::read_dir(hugetlb).into_iter().flatten().flatten();
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        let size = name
            .strip_prefix("hugetlb.")
            .and_then(|rest| rest.strip_suffix(".usage_in_bytes").or_else(|| rest.strip_suffix(".current")));
        let Some(size) = size.filter(|size| !size.ends_with(".rsvd")) else { continue };
        let read = |file: &str| number(hugetlb.join(format!("hugetlb.{size}.{file}"))).unwrap_or(0);
        let mut entry = object(&[
            ("usage", read("usage_in_bytes").max(read("current"))),
            ("max", read("max_usage_in_bytes")),
        ]);
        entry.insert("failcnt".into(), read("failcnt").into());
        told.insert(size.into(), entry.into());
    }
    told.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_counted_out() {
        assert_eq!(ranges("0-2,7\n"), [0, 1, 2, 7]);
        assert_eq!(ranges("\n"), [0; 0]);
    }

    #[test]
    fn a_line_of_a_disk_says_device_kind_and_number() {
        assert_eq!(
            disk("8:16", "Read", "4096"),
            Some(json!({"major":8,"minor":16,"op":"Read","value":4096}))
        );
        assert_eq!(disk("Total", "", "4096"), None);
    }
}
