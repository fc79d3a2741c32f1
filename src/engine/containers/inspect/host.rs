//! `HostConfig`: what was asked of the host for a container, as Docker calls it, in Docker's order.
//!
//! What only other machines have (Windows' `CpuCount`), and what this engine does not do (`Links`), is there with the value
//! that means nothing. See the Docker Engine API (ContainerInspect).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::mounts;
use crate::cgroups::devices::Rule;
use crate::cgroups::{ThrottleDevice, WeightDevice};
use crate::engine::containers::Record;
use crate::engine::peers::Mode;
use crate::engine::ports::asked::Asked;
use crate::engine::request::{HostAddress, LogKept, Request, Restart};
use crate::kernel::flags;
use crate::rootfs::{self, Source};
use crate::spec::Rlimit;

/// Everything that was asked for.
pub fn config(record: &Record) -> Value {
    let request = &record.request;
    let mut done = Map::new();
    let mut put = |fields: Vec<(&str, Value)>| {
        done.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    };
    put(kept(record));
    put(shared(request));
    put(limits(request));
    put(devices(request));
    let mounts = mounts::asked(request);
    if !mounts.is_empty() {
        put(vec![("Mounts", mounts.into())]);
    }
    let paths = |list: Vec<_>| if request.privileged { Value::Null } else { json!(list) };
    put(vec![
        ("MaskedPaths", paths(rootfs::masked_by_default())),
        ("ReadonlyPaths", paths(rootfs::read_only_by_default())),
    ]);
    if request.init {
        put(vec![("Init", true.into())]);
    }
    Value::Object(done)
}

/// A list, or null where nothing was asked for.
fn list<T: serde::Serialize>(items: &[T]) -> Value {
    if items.is_empty() { Value::Null } else { json!(items) }
}

/// Its files, its log, when it is started again.
fn kept(record: &Record) -> Vec<(&'static str, Value)> {
    let request = &record.request;
    let (policy, most) = match request.restart {
        Restart::No => ("no", 0),
        Restart::OnFailure(most) => ("on-failure", most),
        Restart::Always => ("always", 0),
        Restart::UnlessStopped => ("unless-stopped", 0),
    };
    vec![
        ("Binds", list(&mounts::binds(request))),
        ("ContainerIDFile", json!(request.id_file.clone().unwrap_or_default())),
        ("LogConfig", log(&request.log)),
        ("NetworkMode", mode(&request.peers.network, "default").into()),
        ("PortBindings", bindings(&request.publish)),
        ("RestartPolicy", json!({"Name": policy, "MaximumRetryCount": most})),
        ("AutoRemove", request.remove.into()),
        ("VolumeDriver", "".into()),
        ("VolumesFrom", Value::Null),
        ("CapAdd", list(&request.cap_add)),
        ("CapDrop", list(&request.cap_drop)),
    ]
}

/// What is to be published where, as it was asked for.
fn bindings(asked: &[Asked]) -> Value {
    let mut bindings: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for asked in asked {
        let address = asked.address.map(|address| address.to_string()).unwrap_or_default();
        let host = json!({"HostIp": address, "HostPort": asked.host_text()});
        bindings.entry(asked.name()).or_default().push(host);
    }
    json!(bindings)
}

fn log(log: &LogKept) -> Value {
    let LogKept::JsonFile(rotation) = log else { return json!({"Type": "none", "Config": {}}) };
    let mut options = BTreeMap::new();
    if let Some(size) = rotation.size {
        options.insert("max-size", short(size));
    }
    if rotation.files > 1 {
        options.insert("max-file", rotation.files.to_string());
    }
    json!({"Type": "json-file", "Config": options})
}

/// 10000000 as `10m`.
fn short(size: u64) -> String {
    let units = [(1_000_000_000_000, "t"), (1_000_000_000, "g"), (1_000_000, "m"), (1000, "k")];
    let unit = units.into_iter().find(|(unit, _)| size.is_multiple_of(*unit) && size > 0);
    unit.map_or_else(|| size.to_string(), |(unit, letter)| format!("{}{letter}", size / unit))
}

/// Docker's word for what was asked for one kind of namespace.
pub(super) fn mode(mode: &Option<Mode>, otherwise: &str) -> String {
    match mode {
        None => otherwise.into(),
        Some(Mode::Private) => "private".into(),
        Some(Mode::Shareable) => "shareable".into(),
        Some(Mode::None) => "none".into(),
        Some(Mode::Host) => "host".into(),
        Some(Mode::Bridge) => "bridge".into(),
        Some(Mode::Container(name)) => format!("container:{name}"),
    }
}

/// What it shares, how it finds others, and what it may do.
fn shared(request: &Request) -> Vec<(&'static str, Value)> {
    let (peers, lookup) = (&request.peers, &request.lookup);
    let address = |(name, address): &(String, HostAddress)| match address {
        HostAddress::Ip(address) => format!("{name}:{address}"),
        HostAddress::Gateway => format!("{name}:host-gateway"),
    };
    let hosts: Vec<String> = lookup.hosts.iter().map(address).collect();
    // as Docker: who sees the host's processes is not told apart by labels
    let mut security = request.security_opt.clone();
    if request.privileged || [&peers.pid, &peers.ipc].contains(&&Some(Mode::Host)) {
        security.push("label=disable".into());
    }
    let mut fields = vec![
        ("CgroupnsMode", mode(&peers.cgroup, "private").into()),
        ("Dns", json!(lookup.servers)),
        ("DnsOptions", json!(lookup.options)),
        ("DnsSearch", json!(lookup.search)),
        ("ExtraHosts", list(&hosts)),
        ("GroupAdd", list(&request.groups)),
        ("IpcMode", mode(&peers.ipc, "private").into()),
        ("Cgroup", "".into()),
        ("Links", Value::Null),
        ("OomScoreAdj", request.oom_score_adj.unwrap_or(0).into()),
        ("PidMode", mode(&peers.pid, "").into()),
        ("Privileged", request.privileged.into()),
        ("PublishAllPorts", request.publish_all.into()),
        ("ReadonlyRootfs", request.read_only.into()),
        ("SecurityOpt", list(&security)),
    ];
    let tmpfs = mounts::tmpfs(request);
    if !tmpfs.is_empty() {
        fields.push(("Tmpfs", json!(tmpfs)));
    }
    fields.extend([
        ("UTSMode", mode(&peers.uts, "").into()),
        ("UsernsMode", "".into()),
        ("ShmSize", request.shm_size.into()),
    ]);
    if !request.sysctls.is_empty() {
        let sysctls: BTreeMap<_, _> = request.sysctls.iter().cloned().collect();
        fields.push(("Sysctls", json!(sysctls)));
    }
    fields.extend([("Runtime", "stepbox".into()), ("ConsoleSize", json!([0, 0])), ("Isolation", "".into())]);
    fields
}

/// How much of the machine it may use; `--cpus` is a quota, and called otherwise.
fn limits(request: &Request) -> Vec<(&'static str, Value)> {
    let (cpu, memory) = (&request.limits.cpu, &request.limits.memory);
    let number = |value: Option<i64>| Value::from(value.unwrap_or(0));
    let count = |value: Option<u64>| Value::from(value.unwrap_or(0));
    let quota = cpu.quota.filter(|_| request.cpus.is_none());
    let block = &request.limits.block_io;
    let weighed =
        |one: &WeightDevice| json!({"Path": disk(one.major, one.minor), "Weight": one.weight.unwrap_or(0)});
    vec![
        ("CpuShares", count(cpu.shares)),
        ("Memory", number(memory.limit)),
        ("NanoCpus", count(request.cpus.map(|thousandths| thousandths.saturating_mul(1_000_000)))),
        ("CgroupParent", request.cgroup_parent.clone().unwrap_or_default().into()),
        ("BlkioWeight", request.limits.block_io.weight.unwrap_or(0).into()),
        ("BlkioWeightDevice", block.weight_device.iter().map(weighed).collect()),
        ("BlkioDeviceReadBps", throttled(&block.throttle_read_bps_device)),
        ("BlkioDeviceWriteBps", throttled(&block.throttle_write_bps_device)),
        ("BlkioDeviceReadIOps", throttled(&block.throttle_read_iops_device)),
        ("BlkioDeviceWriteIOps", throttled(&block.throttle_write_iops_device)),
        ("CpuPeriod", count(cpu.period)),
        ("CpuQuota", number(quota)),
        ("CpuRealtimePeriod", count(cpu.realtime_period)),
        ("CpuRealtimeRuntime", number(cpu.realtime_runtime)),
        ("CpusetCpus", cpu.cpus.clone().unwrap_or_default().into()),
        ("CpusetMems", cpu.mems.clone().unwrap_or_default().into()),
    ]
}

/// How fast each of these disks may be used; null where nothing was asked for.
fn throttled(disks: &[ThrottleDevice]) -> Value {
    let one = |one: &ThrottleDevice| json!({"Path": disk(one.major, one.minor), "Rate": one.rate});
    list(&disks.iter().map(one).collect::<Vec<_>>())
}

/// A disk's name by its numbers, which are what is kept: sysfs(5).
fn disk(major: i64, minor: i64) -> String {
    let link = std::fs::read_link(format!("/sys/dev/block/{major}:{minor}")).unwrap_or_default();
    format!("/dev/{}", link.file_name().unwrap_or_default().display())
}

/// As it was written: `c 42:* rwm`.
fn rule(rule: &Rule) -> String {
    let number = |number: Option<i64>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
    let (kind, access) = (rule.kind.as_deref().unwrap_or("a"), rule.access.as_deref().unwrap_or_default());
    format!("{kind} {}:{} {access}", number(rule.major), number(rule.minor))
}

/// What it is lent, and the limits that stand behind it in Docker's order.
fn devices(request: &Request) -> Vec<(&'static str, Value)> {
    let device = |device: &crate::engine::request::HostDevice| {
        json!({
            "PathOnHost": device.path, "PathInContainer": device.target, "CgroupPermissions": device.access,
        })
    };
    let ulimit = |limit: &Rlimit| {
        let name = flags::RLIMITS.get(limit.resource as usize).unwrap_or(&"").to_ascii_lowercase();
        // the largest is no limit, which Docker writes as -1
        json!({"Name": name, "Hard": limit.hard.cast_signed(), "Soft": limit.soft.cast_signed()})
    };
    let (memory, pids) = (&request.limits.memory, request.limits.pids.limit);
    vec![
        ("Devices", request.devices.iter().map(device).collect()),
        ("DeviceCgroupRules", list(&request.device_rules.iter().map(rule).collect::<Vec<_>>())),
        ("DeviceRequests", Value::Null),
        ("KernelMemory", memory.kernel.unwrap_or(0).into()),
        ("KernelMemoryTCP", 0.into()),
        ("MemoryReservation", memory.reservation.unwrap_or(0).into()),
        ("MemorySwap", memory.swap.unwrap_or(0).into()),
        ("MemorySwappiness", memory.swappiness.into()),
        ("OomKillDisable", memory.disable_oom_killer.unwrap_or(false).into()),
        ("PidsLimit", pids.into()),
        ("Ulimits", list(&request.rlimits.iter().map(ulimit).collect::<Vec<_>>())),
        ("CpuCount", 0.into()),
        ("CpuPercent", 0.into()),
        ("IOMaximumIOps", 0.into()),
        ("IOMaximumBandwidth", 0.into()),
    ]
}

/// Whether a mount was asked for by its fields, and not by `--volume` or `--tmpfs`.
pub(super) fn by_fields(request: &Request, mount: &rootfs::Mount) -> bool {
    request.by_fields.contains(&mount.target) && !matches!(mount.source, Source::Theirs { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_they_are_asked_for() {
        for (size, text) in [(0, "0"), (999, "999"), (1000, "1k"), (10_000_000, "10m"), (1_500_000, "1500k")]
        {
            assert_eq!(short(size), text);
        }
    }
}
