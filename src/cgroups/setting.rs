//! Setting: one value in one file of a cgroup, and which member of config.json it comes from.

use std::path::Path;

use super::{CgroupError, Controller, files};
use crate::kernel::{Errno, Op, hint};
use crate::step::Step;

/// One value in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) controller: Controller,
    /// the member of config.json, as `linux.resources.memory.limit`
    pub(super) member: &'static str,
    pub(super) name: &'static str,
    pub(super) why: &'static str,
    pub(super) file: String,
    pub(super) value: String,
    /// where that file may be missing: another that says the same
    pub(super) other: Option<(&'static str, String)>,
    /// an error that is as good as success
    pub(super) or_else: Option<Errno>,
}

impl Setting {
    pub(super) fn new(
        (controller, member): (Controller, &'static str),
        (name, why): (&'static str, &'static str),
        (file, value): (impl Into<String>, impl ToString),
    ) -> Setting {
        let (file, value) = (file.into(), value.to_string());
        Setting { controller, member, name, why, file, value, other: None, or_else: None }
    }

    pub(super) fn or_else(self, errno: Errno) -> Setting {
        Setting { or_else: Some(errno), ..self }
    }

    pub(super) fn or(self, file: &'static str, value: impl ToString) -> Setting {
        Setting { other: Some((file, value.to_string())), ..self }
    }

    /// The step that makes it so in this cgroup.
    pub(super) fn step(&self, directory: &Path, v1: bool) -> Step {
        let path = directory.join(&self.file);
        let op = match &self.other {
            None => Op::write(path, &self.value),
            Some((other, value)) => {
                let choices = [(path, &self.value), (directory.join(other), value)];
                Op::WriteFirst { choices: choices.map(|(path, value)| (path.into(), value.into())).into() }
            }
        };
        let mut step = Step::new(self.name, op).why(self.why);
        if files::shown(self.controller, v1).contains(&self.file.as_str()) && self.or_else.is_none() {
            step = step.show(files::probe(directory, self.controller, v1));
        }
        match self.or_else {
            Some(errno) => step.or_else(errno),
            None => step,
        }
    }
}

/// A value that no kernel would take, or that nobody can have meant.
pub(super) fn refuse<T>(member: &str, value: impl ToString, reason: &str) -> Result<T, CgroupError> {
    Err(CgroupError::Value { setting: member.into(), value: value.to_string(), reason: reason.into() })
}

/// What only one version has.
pub(super) fn only<T>(
    version: u8,
    member: &str,
    value: impl ToString,
    instead: &str,
) -> Result<T, CgroupError> {
    let other = 3 - version;
    let reason = format!(
        "invalid configuration: cgroup version {other} has nothing like it, only version {version}: {instead}"
    );
    refuse(member, value, &reason)
}

/// Of a call on a cgroup that the kernel refused: which member of config.json wanted it, the value, the error and
/// the remedy. `None` where no member wanted it.
pub fn explain(op: &Op, errno: Errno) -> Option<String> {
    let (path, value) = match op {
        Op::Write { path, data } => (path, data),
        Op::WriteFirst { choices } => choices.first().map(|(path, data)| (path, data))?,
        _ => return None,
    };
    let file = path.as_path().file_name()?.to_str()?;
    let member = member(file)?;
    let (value, error) = (value.as_path().display(), hint::errno_text(errno));
    let hint = hint::hint(op, errno).map_or(String::new(), |hint| format!("\nhint: {hint}"));
    Some(format!("{member}: {value} is refused: {} = {error}{hint}", path.as_path().display()))
}

/// Which member of config.json a file stands for.
fn member(file: &str) -> Option<String> {
    const MEMBERS: [(&str, &str); 40] = [
        ("memory.limit_in_bytes", "memory.limit"),
        ("memory.max", "memory.limit"),
        ("memory.soft_limit_in_bytes", "memory.reservation"),
        ("memory.low", "memory.reservation"),
        ("memory.memsw.limit_in_bytes", "memory.swap"),
        ("memory.swap.max", "memory.swap"),
        ("memory.kmem.limit_in_bytes", "memory.kernel"),
        ("memory.kmem.tcp.limit_in_bytes", "memory.kernelTCP"),
        ("memory.swappiness", "memory.swappiness"),
        ("memory.oom_control", "memory.disableOOMKiller"),
        ("memory.use_hierarchy", "memory.useHierarchy"),
        ("cpu.shares", "cpu.shares"),
        ("cpu.weight", "cpu.shares"),
        ("cpu.cfs_quota_us", "cpu.quota"),
        ("cpu.max", "cpu.quota"),
        ("cpu.cfs_burst_us", "cpu.burst"),
        ("cpu.max.burst", "cpu.burst"),
        ("cpu.cfs_period_us", "cpu.period"),
        ("cpu.rt_runtime_us", "cpu.realtimeRuntime"),
        ("cpu.rt_period_us", "cpu.realtimePeriod"),
        ("cpu.idle", "cpu.idle"),
        ("cpuset.cpus", "cpu.cpus"),
        ("cpuset.mems", "cpu.mems"),
        ("pids.max", "pids.limit"),
        ("blkio.bfq.weight", "blockIO.weight"),
        ("io.bfq.weight", "blockIO.weight"),
        ("io.weight", "blockIO.weight"),
        ("blkio.bfq.weight_device", "blockIO.weightDevice"),
        ("blkio.throttle.read_bps_device", "blockIO.throttleReadBpsDevice"),
        ("blkio.throttle.write_bps_device", "blockIO.throttleWriteBpsDevice"),
        ("blkio.throttle.read_iops_device", "blockIO.throttleReadIOPSDevice"),
        ("blkio.throttle.write_iops_device", "blockIO.throttleWriteIOPSDevice"),
        ("io.max", "blockIO.throttle…Device"),
        ("net_cls.classid", "network.classID"),
        ("net_prio.ifpriomap", "network.priorities"),
        ("rdma.max", "rdma"),
        ("devices.allow", "devices"),
        ("devices.deny", "devices"),
        ("cgroup.procs", ""),
        ("tasks", ""),
    ];
    let known = MEMBERS.iter().find(|(known, _)| *known == file);
    match known.map(|(_, member)| *member) {
        Some("") => None,
        Some(member) => Some(format!("linux.resources.{member}")),
        None if file.starts_with("hugetlb.") => Some("linux.resources.hugepageLimits".into()),
        None => Some(format!("linux.resources.unified[{file:?}]")),
    }
}
