//! Limits: the members of `process` that are names or numbers for the kernel: rlimits, scheduling, priorities.
//!
//! See getrlimit(2), sched_setattr(2), sched_setaffinity(2), ioprio_set(2), personality(2), proc_pid_oom_score_adj(5).

use super::document;
use super::error::{ConfigError, Problem};
use crate::kernel::op::Scheduling;
use crate::spec::{Affinity, IoPriority, Rlimit};

/// By the kernel's numbers.
const RLIMITS: [&str; 16] = [
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
];

/// `rlimits`: each resource once.
pub(super) fn rlimits(place: &str, limits: &[document::Rlimit]) -> Result<Vec<Rlimit>, ConfigError> {
    let mut found: Vec<Rlimit> = Vec::new();
    for (index, limit) in limits.iter().enumerate() {
        let wrong =
            |problem| ConfigError::at(format!("{place}[{index}].type"), format!("{:?}", limit.kind), problem);
        let resource = number(&RLIMITS, &limit.kind).ok_or_else(|| wrong(not_one_of(&RLIMITS)))?;
        if found.iter().any(|other| other.resource == resource) {
            return Err(wrong(Problem::Twice));
        }
        if limit.soft > limit.hard {
            let problem = Problem::Range("the soft limit is at most the hard limit");
            return Err(ConfigError::at(format!("{place}[{index}].soft"), limit.soft, problem));
        }
        found.push(Rlimit { resource, soft: limit.soft, hard: limit.hard });
    }
    Ok(found)
}

/// `oomScoreAdj`.
pub(super) fn oom_score_adj(place: &str, value: Option<i32>) -> Result<Option<i32>, ConfigError> {
    match value.filter(|value| !(-1000..=1000).contains(value)) {
        Some(value) => Err(ConfigError::at(place, value, Problem::Range("-1000 to 1000"))),
        None => Ok(value),
    }
}

/// By the kernel's numbers; 4 was never used.
const POLICIES: [&str; 8] = [
    "SCHED_OTHER",
    "SCHED_FIFO",
    "SCHED_RR",
    "SCHED_BATCH",
    "SCHED_ISO",
    "SCHED_IDLE",
    "SCHED_DEADLINE",
    "SCHED_EXT",
];

/// Bit by bit.
const SCHED_FLAGS: [&str; 7] = [
    "SCHED_FLAG_RESET_ON_FORK",
    "SCHED_FLAG_RECLAIM",
    "SCHED_FLAG_DL_OVERRUN",
    "SCHED_FLAG_KEEP_POLICY",
    "SCHED_FLAG_KEEP_PARAMS",
    "SCHED_FLAG_UTIL_CLAMP_MIN",
    "SCHED_FLAG_UTIL_CLAMP_MAX",
];

/// `scheduler`.
pub(super) fn scheduler(
    place: &str,
    wanted: Option<&document::Scheduler>,
) -> Result<Option<Scheduling>, ConfigError> {
    let Some(wanted) = wanted else { return Ok(None) };
    let document::Scheduler { policy: name, nice, priority, flags, runtime, deadline, period } = wanted;
    let wrong =
        |member: &str, value: String, problem| ConfigError::at(format!("{place}.{member}"), value, problem);
    let policy = number(&POLICIES, name).filter(|policy| *policy != 4);
    let policy = policy.ok_or_else(|| wrong("policy", format!("{name:?}"), not_one_of(&POLICIES)))?;
    let mut bits = 0;
    for (index, flag) in flags.iter().enumerate() {
        let place = format!("flags[{index}]");
        let bit = number(&SCHED_FLAGS, flag);
        bits |= 1 << bit.ok_or_else(|| wrong(&place, format!("{flag:?}"), not_one_of(&SCHED_FLAGS)))?;
    }
    if !(-20..=19).contains(nice) {
        return Err(wrong("nice", nice.to_string(), Problem::Range("-20 to 19")));
    }
    let real_time = matches!(name.as_str(), "SCHED_FIFO" | "SCHED_RR");
    if real_time && !(1..=99).contains(priority) {
        return Err(wrong("priority", priority.to_string(), Problem::Range("1 to 99 for this policy")));
    }
    if !real_time && *priority != 0 {
        return Err(wrong(
            "priority",
            priority.to_string(),
            Problem::Range("only SCHED_FIFO and SCHED_RR have one"),
        ));
    }
    let in_order = runtime <= deadline && deadline <= period;
    if name == "SCHED_DEADLINE" && (*runtime == 0 || !in_order) {
        let value = format!("{runtime}, {deadline}, {period}");
        let problem = Problem::Range("runtime at most deadline, deadline at most period, none of them 0");
        return Err(wrong("runtime", value, problem));
    }
    if name != "SCHED_DEADLINE" && (*runtime, *deadline, *period) != (0, 0, 0) {
        let value = format!("{runtime}, {deadline}, {period}");
        return Err(wrong("runtime", value, Problem::Range("only SCHED_DEADLINE has one")));
    }
    let priority = priority.unsigned_abs();
    let (runtime, deadline, period) = (*runtime, *deadline, *period);
    Ok(Some(Scheduling { policy, flags: bits, nice: *nice, priority, runtime, deadline, period }))
}

/// By the kernel's numbers; 0 is what nobody set.
const CLASSES: [&str; 4] = ["", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"];

/// `ioPriority`.
pub(super) fn io_priority(
    place: &str,
    wanted: Option<&document::IoPriority>,
) -> Result<Option<IoPriority>, ConfigError> {
    let Some(wanted) = wanted else { return Ok(None) };
    let class = number(&CLASSES, &wanted.class).filter(|class| *class != 0).ok_or_else(|| {
        ConfigError::at(format!("{place}.class"), format!("{:?}", wanted.class), not_one_of(&CLASSES[1..]))
    })?;
    let level = u32::try_from(wanted.priority).ok().filter(|level| *level < 8).ok_or_else(|| {
        ConfigError::at(format!("{place}.priority"), wanted.priority, Problem::Range("0 to 7"))
    })?;
    Ok(Some(IoPriority { class, level }))
}

/// `execCPUAffinity`.
pub(super) fn affinity(place: &str, wanted: Option<&document::CpuAffinity>) -> Result<Affinity, ConfigError> {
    let Some(document::CpuAffinity { initial, finally }) = wanted else { return Ok(Affinity::default()) };
    let list = |member: &str, text: &str| {
        let problem = Problem::Range("a list of cpus, as 0-3,7, of numbers below 8192");
        cpus(text).ok_or_else(|| ConfigError::at(format!("{place}.{member}"), format!("{text:?}"), problem))
    };
    Ok(Affinity { initial: list("initial", initial)?, finally: list("final", finally)? })
}

/// A list of cpus as the kernel writes it: cpuset(7), "List format". `None` where it is none; no cpu at all is nothing said.
fn cpus(text: &str) -> Option<Option<Vec<u32>>> {
    /// as many as the kernel can be built for
    const MOST: u32 = 8192;
    let mut found = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<u32>().ok()?, last.trim().parse::<u32>().ok()?);
        if first > last || last >= MOST {
            return None;
        }
        found.extend(first..=last);
    }
    match found.is_empty() {
        // as runc: commas alone are a mistake
        true if !text.is_empty() => None,
        true => Some(None),
        false => Some(Some(found)),
    }
}

/// `linux.personality`.
pub(super) fn personality(wanted: Option<&document::Personality>) -> Result<Option<u32>, ConfigError> {
    let Some(wanted) = wanted else { return Ok(None) };
    let place = "linux.personality";
    if !wanted.flags.is_empty() {
        let value = format!("{:?}", wanted.flags);
        return Err(ConfigError::at(
            format!("{place}.flags"),
            value,
            Problem::Unsupported("no flag is known"),
        ));
    }
    match wanted.domain.as_str() {
        "LINUX" => Ok(Some(0)),
        "LINUX32" => Ok(Some(8)),
        other => {
            let problem = Problem::NotOneOf("LINUX, LINUX32".into());
            Err(ConfigError::at(format!("{place}.domain"), format!("{other:?}"), problem))
        }
    }
}

fn number(names: &[&str], wanted: &str) -> Option<u32> {
    names.iter().position(|name| *name == wanted).map(|at| at as u32)
}

fn not_one_of(names: &[&str]) -> Problem {
    Problem::NotOneOf(names.join(", "))
}
