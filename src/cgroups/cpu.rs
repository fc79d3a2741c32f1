//! Cpu: how much time, with what weight, on which cpus.
//!
//! ```text
//!   config.json        version 1                          version 2
//!   quota, period      cpu.cfs_quota_us, …_period_us      cpu.max: both in one line
//!   burst              cpu.cfs_burst_us                   cpu.max.burst
//!   shares, 2…262144   cpu.shares                         cpu.weight, 1…10000
//!   cpus, mems         cpuset.cpus, cpuset.mems           the same
//! ```
//!
//! See the kernel's scheduler/sched-bwc.rst, scheduler/sched-rt-group.rst, cgroup-v1/cpusets.rst, cgroup-v2.rst.

use super::resources::Cpu;
use super::setting::{Setting, only, refuse};
use super::{CgroupError, Controller, files};

const QUOTA: &str = "linux.resources.cpu.quota";
const SHARES: &str = "linux.resources.cpu.shares";
const REALTIME: (Controller, &str) = (Controller::Cpu, "linux.resources.cpu.realtimeRuntime");

/// What is to be written for time and weight, in an order that suits a new cgroup.
pub(super) fn settings(cpu: &Cpu, v1: bool) -> Result<Vec<Setting>, CgroupError> {
    let (quota, period) = (cpu.quota.filter(|quota| *quota != 0), cpu.period.filter(|period| *period != 0));
    let mut found = Vec::new();
    if let Some(shares) = cpu.shares.filter(|shares| *shares != 0) {
        found.push(weigh(shares, v1)?);
    }
    if let Some(period) = period.filter(|_| v1) {
        let why = "the quota is for so many microseconds";
        let member = (Controller::Cpu, "linux.resources.cpu.period");
        found.push(Setting::new(member, ("set the period", why), ("cpu.cfs_period_us", period)));
    }
    if quota.is_some() || (!v1 && period.is_some()) {
        let why = match period {
            None => "so many microseconds in every 100,000; who has used them waits for the next period",
            Some(_) => "so many microseconds in every period; who has used them waits for the next",
        };
        let file = (files::table(v1).cpus)(quota.unwrap_or(-1), period);
        found.push(Setting::new((Controller::Cpu, QUOTA), ("limit cpu time", why), file));
    }
    if let Some(burst) = cpu.burst {
        let why = "what it has not used of earlier periods, it may use on top";
        let file = if v1 { "cpu.cfs_burst_us" } else { "cpu.max.burst" };
        let member = (Controller::Cpu, "linux.resources.cpu.burst");
        found.push(Setting::new(member, ("let it save time up", why), (file, burst)));
    }
    found.extend(real_time(cpu, v1)?);
    if let Some(idle) = cpu.idle {
        let why = "1: it runs when nobody else wants to";
        let member = (Controller::Cpu, "linux.resources.cpu.idle");
        found.push(Setting::new(member, ("say whether it stands back", why), ("cpu.idle", idle)));
    }
    Ok(found)
}

/// Which cpus and memory nodes: another controller's matter.
pub(super) fn places(cpu: &Cpu) -> Vec<Setting> {
    let set = |member, name, why, file, list: &Option<String>| {
        let list = list.as_ref().filter(|list| !list.is_empty())?;
        Some(Setting::new((Controller::Cpuset, member), (name, why), (file, list)))
    };
    let cpus = "it runs on no other, however idle they are";
    let mems = "on a machine with several nodes, memory of its own cpus' node is nearest";
    let cpus = set("linux.resources.cpu.cpus", "choose its cpus", cpus, "cpuset.cpus", &cpu.cpus);
    let mems = set("linux.resources.cpu.mems", "choose its memory nodes", mems, "cpuset.mems", &cpu.mems);
    cpus.into_iter().chain(mems).collect()
}

fn weigh(shares: u64, v1: bool) -> Result<Setting, CgroupError> {
    let why = "when all want more than there is, each gets by its weight";
    let member = (Controller::Cpu, SHARES);
    if !v1 {
        return Ok(Setting::new(member, ("weigh cpu time", why), ("cpu.weight", weight(shares))));
    }
    match shares {
        0..2 => refuse(SHARES, shares, "the minimum allowed cpu-shares is 2"),
        2..=262_144 => Ok(Setting::new(member, ("weigh cpu time", why), ("cpu.shares", shares))),
        _ => refuse(SHARES, shares, "the maximum allowed cpu-shares is 262144"),
    }
}

/// Shares as a weight of version 2: the curve through (2, 1), (1024, 100) and (262144, 10000) that runtimes have
/// agreed on, so that everybody's shares are everybody's weight.
pub fn weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        shares => {
            let log = (shares as f64).log2();
            10f64.powf((log * log + 125.0 * log) / 612.0 - 7.0 / 34.0).ceil() as u64
        }
    }
}

/// A new cgroup has no real-time runtime, so any period is right for it.
fn real_time(cpu: &Cpu, v1: bool) -> Result<Vec<Setting>, CgroupError> {
    let (runtime, period) = (
        cpu.realtime_runtime.filter(|runtime| *runtime != 0),
        cpu.realtime_period.filter(|period| *period != 0),
    );
    if let Some(value) = runtime.or(period.map(u64::cast_signed)).filter(|_| !v1) {
        return only(1, REALTIME.1, value, "leave it out");
    }
    let mut found = Vec::new();
    if let Some(period) = period {
        let why = "the real-time runtime is for so many microseconds";
        let member = (Controller::Cpu, "linux.resources.cpu.realtimePeriod");
        let name = ("set the real-time period", why);
        found.push(Setting::new(member, name, ("cpu.rt_period_us", period)));
    }
    if let Some(runtime) = runtime {
        let why = "without it, no process here may become a real-time one";
        let name = ("allow real-time processes", why);
        found.push(Setting::new(REALTIME, name, ("cpu.rt_runtime_us", runtime)));
    }
    Ok(found)
}
