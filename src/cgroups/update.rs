//! Update: other limits for a cgroup that has some already, and processes that live under them.
//!
//! ```text
//!   memory 64M, sum 128M  ─> 256M, 512M    the sum first: it may not be below the memory
//!   memory 256M, sum 512M ─> 64M, 128M     the memory first
//!   50 ms in 100          ─> 10 in 10      whichever first leaves less in between: none above allows more than its own
//! ```
//!
//! What is set already is not written again. Each step knows the old value, to be taken back when a later one fails.

use std::path::Path;

use super::setting::{Setting, refuse};
use super::{Cgroup, CgroupError, Controller, Resources, devices};
use crate::kernel::{CText, Op};
use crate::step::Step;

/// How a file of a cgroup is read; `None` where there is none.
pub type Read<'r> = &'r dyn Fn(&Path) -> Option<String>;

/// Files of which each line is a setting of its own: what was there before is not told by reading them once.
const KEYED: [&str; 9] = [
    "memory.oom_control",
    "io.max",
    "io.weight",
    "io.bfq.weight",
    "rdma.max",
    "net_prio.ifpriomap",
    "blkio.bfq.weight_device",
    "blkio.throttle",
    "hugetlb",
];

impl Cgroup {
    /// The steps that set these limits, where they are not set already. What is not said stays as it is. The steps are
    /// undone where one of them fails; a plan that succeeds must be told to keep them.
    pub fn update(&self, resources: &Resources, read: Read<'_>) -> Result<Vec<Step>, CgroupError> {
        let mut wanted = self.wanted(resources)?;
        if resources.memory.check_before_update == Some(true) {
            self.check_usage(resources, read)?;
        }
        let number = |controller, file: &str| {
            let text = read(&self.directory(controller)?.join(file))?;
            Some(if text.trim() == "max" { -1 } else { text.trim().parse::<i64>().ok()? })
        };
        order_memory(&mut wanted, |file| number(Controller::Memory, file));
        order_cpu(&mut wanted, |file| number(Controller::Cpu, file));
        let mut steps: Vec<Step> = wanted.iter().filter_map(|setting| self.change(setting, read)).collect();
        if resources.devices.is_some() && self.in_v1(Controller::Devices) {
            steps.extend(self.change_devices(resources, read)?);
        } else {
            steps.extend(self.filter(resources, true)?);
        }
        Ok(steps)
    }

    /// One step; none where the value is there already.
    fn change(&self, setting: &Setting, read: Read<'_>) -> Option<Step> {
        let directory = self.directory(setting.controller)?;
        let v1 = self.in_v1(setting.controller);
        let step = setting.step(&directory, v1);
        let path = match &step.op {
            Op::Write { path, .. } => path.as_path(),
            Op::WriteFirst { choices } => return weigh(&step, choices, read),
            _ => return Some(step),
        };
        // version 2: nothing is chosen, or the file only comes with the controller
        let chosen = setting.controller == Controller::Cpuset && !v1;
        let Some(old) = read(path).or(chosen.then(String::new)) else { return Some(step) };
        let old = old.trim();
        // version 1 has no word for no limit, and says the largest number of pages
        let unlimited = setting.value == "-1" && old.parse::<i64>().is_ok_and(|old| old >= i64::MAX - 0xffff);
        if old == setting.value || unlimited {
            return None;
        }
        let keyed = KEYED.iter().any(|file| setting.file.starts_with(file));
        if keyed || old.is_empty() && !chosen || old.contains('\n') {
            return Some(step);
        }
        if !old.is_empty() {
            let undo = Op::write(path, old);
            return Some(step.undo(undo));
        }
        // nothing chosen: a cgroup with processes in it cannot go back to that (ENOSPC), but to what counted
        let effective = |directory: &Path| read(&directory.join(format!("{}.effective", setting.file)));
        let before = effective(&directory).or_else(|| effective(directory.parent()?));
        match before.map(|list| Op::write(path, list.trim())) {
            Some(undo) => Some(step.undo(undo)),
            None => Some(step),
        }
    }

    /// Version 1 changes its list device by device, so that those that stay allowed are so at all times.
    fn change_devices(&self, resources: &Resources, read: Read<'_>) -> Result<Vec<Step>, CgroupError> {
        let target = devices::List::of(resources.devices.as_deref().unwrap_or_default())?;
        let directory = self.directory(Controller::Devices).unwrap_or_default();
        let now = devices::List::parse(&read(&directory.join("devices.list")).unwrap_or_default());
        Ok(devices::steps(&now.towards(&target), &directory))
    }

    /// A limit below what is in use would kill.
    fn check_usage(&self, resources: &Resources, read: Read<'_>) -> Result<(), CgroupError> {
        let Some(directory) = self.directory(Controller::Memory) else { return Ok(()) };
        let file = if self.in_v1(Controller::Memory) { "memory.usage_in_bytes" } else { "memory.current" };
        let usage = read(&directory.join(file)).and_then(|text| text.trim().parse::<i64>().ok());
        let Some(usage) = usage else { return Ok(()) };
        let limits = [
            ("linux.resources.memory.swap", "memory+swap limit", resources.memory.swap),
            ("linux.resources.memory.limit", "memory limit", resources.memory.limit),
        ];
        for (member, what, limit) in limits {
            if let Some(limit) = limit.filter(|limit| *limit > 0 && *limit <= usage) {
                return refuse(member, limit, &format!("rejecting {what} {limit} <= usage {usage}"));
            }
        }
        Ok(())
    }
}

/// The weight at all disks, whose old value is known; at one disk it is one line of many.
fn weigh(step: &Step, choices: &[(CText, CText)], read: Read<'_>) -> Option<Step> {
    let there = choices.iter().find_map(|(path, new)| Some((path, new.as_path(), read(path.as_path())?)));
    let Some((path, new, text)) = there else { return Some(step.clone()) };
    let old = text.lines().find_map(|line| line.strip_prefix("default ")).unwrap_or(text.trim());
    let of_one_disk = new.to_string_lossy().contains(':');
    match new == Path::new(old) {
        true => None,
        false if of_one_disk || old.parse::<u64>().is_err() => Some(step.clone()),
        false => Some(step.clone().undo(Op::write(path.as_path(), old))),
    }
}

/// Version 1 refuses a sum below the memory at any moment.
fn order_memory(wanted: &mut [Setting], now: impl Fn(&str) -> Option<i64>) {
    let find = |file: &str| wanted.iter().position(|setting| setting.file == file);
    let (memory, sum) = (find("memory.limit_in_bytes"), find("memory.memsw.limit_in_bytes"));
    let (Some(memory), Some(sum), Some(limit)) = (memory, sum, now("memory.limit_in_bytes")) else { return };
    let new: i64 = wanted[sum].value.parse().unwrap_or(-1);
    if new == -1 || limit < new {
        wanted.swap(memory, sum);
    }
}

/// No cgroup may have a larger part of the time than the one above; nor save up more than its quota.
fn order_cpu(wanted: &mut Vec<Setting>, now: impl Fn(&str) -> Option<i64>) {
    let new = |wanted: &[Setting], file: &str| {
        let at = wanted.iter().position(|setting| setting.file == file)?;
        Some((at, wanted[at].value.parse::<i64>().unwrap_or(-1)))
    };
    let quota_first = |quota: i64, period: i64| {
        let (old_quota, old_period) = (now("cpu.cfs_quota_us")?, now("cpu.cfs_period_us")?);
        let part =
            |quota: i64, period: i64| if quota < 0 { f64::INFINITY } else { quota as f64 / period as f64 };
        Some(old_quota > 0 && part(quota, old_period) < part(old_quota, period))
    };
    if let (Some((first, period)), Some((second, quota))) =
        (new(wanted, "cpu.cfs_period_us"), new(wanted, "cpu.cfs_quota_us"))
        && quota_first(quota, period) == Some(true)
    {
        wanted.swap(first, second);
    }
    for (burst, quota) in [("cpu.cfs_burst_us", "cpu.cfs_quota_us"), ("cpu.max.burst", "cpu.max")] {
        let (Some((from, value)), Some((to, _))) = (new(wanted, burst), new(wanted, quota)) else { continue };
        if now(burst).is_some_and(|old| value < old) && from > to {
            let setting = wanted.remove(from);
            wanted.insert(to, setting);
        }
    }
    let (period, runtime) = (new(wanted, "cpu.rt_period_us"), new(wanted, "cpu.rt_runtime_us"));
    if let (Some((first, period)), Some((second, _))) = (period, runtime)
        && now("cpu.rt_period_us").is_some_and(|old| period < old)
    {
        wanted.swap(first, second);
    }
}
