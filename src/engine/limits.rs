//! Limits: what a container may use, checked by Docker's rules and in Docker's words.
//!
//! ```text
//!   --memory 64m --memory-swap 96m ──> memory.limit 64m, memory.swap 96m     both counted together, as in Docker
//!   --cpus 1.5                     ──> cpu.quota 150000                      the same as --cpu-quota
//! ```
//!
//! See the kernel's cgroup-v2.rst and `docker run --help`.

use crate::cgroups::{BlockIo, CgroupError, Cpu, Memory, Pids, Resources};

/// What is too little to start a program with, in bytes.
const LEAST_MEMORY: u64 = 6 << 20;
/// The period in which cpu time is counted where nothing is said of it, in microseconds.
const PERIOD: u64 = 100_000;

/// What the options of `run` and `update` ask for; `None`, 0 and an empty text are nothing said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// `--memory`, bytes
    pub memory: Option<u64>,
    /// `--memory-swap`, bytes of memory and swap together; -1: no limit
    pub memory_swap: Option<i64>,
    /// `--memory-reservation`, bytes
    pub reservation: Option<u64>,
    /// `--oom-kill-disable`
    pub oom_kill_disable: bool,
    /// `--cpus`, thousandths
    pub cpus: Option<u64>,
    /// `--cpu-period`, microseconds
    pub period: Option<u64>,
    /// `--cpu-quota`, microseconds
    pub quota: Option<i64>,
    /// `--cpu-shares`
    pub shares: Option<u64>,
    /// `--cpuset-cpus`, as `0-3,7`
    pub processors: Option<String>,
    /// `--cpuset-mems`
    pub nodes: Option<String>,
    /// `--blkio-weight`
    pub weight: Option<u16>,
    /// `--pids-limit`; below 0: no limit
    pub pids: Option<i64>,
}

/// Two options that do not go together, or a value that no kernel takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// no program fits into that
    #[error("Minimum memory {0} allowed is 6MB")]
    Least(&'static str),
    /// swap says how much more than memory
    #[error(
        "You should always set the Memory limit when using Memoryswap limit, see usage\nhint: add --memory"
    )]
    SwapAlone,
    /// it counts memory too
    #[error(
        "Minimum memoryswap limit should be larger than memory limit, see usage\nhint: --memory-swap {0} is below --memory {1}"
    )]
    SwapBelow(i64, u64),
    /// what is left to it is less than it may have
    #[error(
        "Minimum memory limit can not be less than memory reservation limit, see usage\nhint: --memory {0} is below --memory-reservation {1}"
    )]
    Reservation(u64, u64),
    /// `--cpus` is a quota by itself
    #[error(
        "Conflicting options: Nano CPUs and CPU {0} cannot both be set\nhint: leave out --cpus, or the other"
    )]
    Cpus(&'static str),
    /// the machine has not so many
    #[error("Range of CPUs is from 0.01 to {0}.00, as there are only {0} CPUs available")]
    Range(u32),
    /// the kernel's bounds
    #[error(
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)\nhint: --cpu-period {0}"
    )]
    Period(u64),
    /// the kernel's bound
    #[error("CPU cfs quota can not be less than 1ms (i.e. 1000)\nhint: --cpu-quota {0}")]
    Quota(i64),
    /// not a list
    #[error("Invalid value {1} for cpuset {0}: invalid format: {1}\nhint: numbers and spans, as 0-3,7")]
    List(&'static str, String),
    /// the machine has not so many
    #[error("Requested {0} are not available - requested {1}, available: {2}")]
    NotThere(&'static str, String, String),
    /// the kernel's bounds
    #[error("Range of blkio weight is from 10 to 1000")]
    Weight,
}

/// What was said, as `None` or as something.
fn said<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Asked {
    /// Whether it asks for anything.
    pub fn anything(&self) -> bool {
        self.over(&Resources::default()) != Resources::default()
    }

    /// What cgroups are told for a new container; the rest of them is empty.
    ///
    /// # Errors
    /// [`LimitError`].
    pub fn resources(&self) -> Result<Resources, LimitError> {
        if said(self.memory).is_none() && matches!(self.memory_swap, Some(1..)) {
            return Err(LimitError::SwapAlone);
        }
        self.check()?;
        let mut resources = self.over(&Resources::default());
        // as Docker: as much swap again
        let twice = said(self.memory).map(|bytes| whole(bytes.saturating_mul(2)));
        resources.memory.swap = resources.memory.swap.or(twice);
        // where nobody has a limit, none has to be lifted
        resources.pids.limit = resources.pids.limit.filter(|most| *most > 0);
        Ok(resources)
    }

    /// What cannot be meant by itself, whatever the container had before; in Docker's order.
    ///
    /// # Errors
    /// [`LimitError`].
    pub fn check(&self) -> Result<(), LimitError> {
        let (memory, reservation) = (said(self.memory), said(self.reservation));
        if memory.is_some_and(|bytes| bytes < LEAST_MEMORY) {
            return Err(LimitError::Least("limit"));
        }
        if let (Some(memory), Some(swap @ 1..)) = (memory, self.memory_swap)
            && swap.unsigned_abs() < memory
        {
            return Err(LimitError::SwapBelow(swap, memory));
        }
        if reservation.is_some_and(|bytes| bytes < LEAST_MEMORY) {
            return Err(LimitError::Least("reservation"));
        }
        if let (Some(memory), Some(most)) = (memory, reservation)
            && memory < most
        {
            return Err(LimitError::Reservation(memory, most));
        }
        self.check_cpus()?;
        match said(self.weight).is_some_and(|weight| !(10..=1000).contains(&weight)) {
            true => Err(LimitError::Weight),
            false => Ok(()),
        }
    }

    fn check_cpus(&self) -> Result<(), LimitError> {
        let (period, quota) = (said(self.period), said(self.quota));
        match (said(self.cpus), period, quota) {
            (Some(_), Some(_), _) => return Err(LimitError::Cpus("Period")),
            (Some(_), _, Some(1..)) => return Err(LimitError::Cpus("Quota")),
            (Some(cpus), ..) if cpus < 10 || cpus > u64::from(processors()) * 1000 => {
                return Err(LimitError::Range(processors()));
            }
            (_, Some(period), _) if !(1000..=1_000_000).contains(&period) => {
                return Err(LimitError::Period(period));
            }
            (_, _, Some(quota @ 1..1000)) => return Err(LimitError::Quota(quota)),
            _ => {}
        }
        let cpus = ("CPUs", "cpus", &self.processors, "/sys/devices/system/cpu/online");
        let nodes = ("memory nodes", "mems", &self.nodes, "/sys/devices/system/node/online");
        for (what, name, wanted, there) in [cpus, nodes] {
            let Some(wanted) = said(wanted.clone()) else { continue };
            let spans = spans(&wanted).ok_or_else(|| LimitError::List(name, wanted.clone()))?;
            let Ok(there) = std::fs::read_to_string(there) else { continue };
            available(what, &wanted, &spans, there.trim())?;
        }
        Ok(())
    }

    /// These limits, and over them what is asked for.
    pub fn over(&self, old: &Resources) -> Resources {
        let Resources { memory, cpu, pids, block_io, .. } = old.clone();
        let quota = said(self.cpus).map(|thousandths| whole(thousandths.saturating_mul(PERIOD / 1000)));
        Resources {
            memory: Memory {
                limit: said(self.memory).map(whole).or(memory.limit),
                swap: said(self.memory_swap).or(memory.swap),
                reservation: said(self.reservation).map(whole).or(memory.reservation),
                disable_oom_killer: self.oom_kill_disable.then_some(true).or(memory.disable_oom_killer),
                ..memory
            },
            cpu: Cpu {
                quota: said(self.quota).or(quota).or(cpu.quota),
                period: said(self.period).or(cpu.period),
                shares: said(self.shares).or(cpu.shares),
                cpus: said(self.processors.clone()).or(cpu.cpus.clone()),
                mems: said(self.nodes.clone()).or(cpu.mems.clone()),
                ..cpu
            },
            pids: Pids { limit: said(self.pids).map(|most| most.max(-1)).or(pids.limit) },
            block_io: BlockIo { weight: said(self.weight).or(block_io.weight), ..block_io },
            ..old.clone()
        }
    }
}

/// How many processors we may run on.
fn processors() -> u32 {
    rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count())
}

/// # Errors
/// A processor or a memory node that this machine has not.
fn available(what: &'static str, wanted: &str, asked: &[(u32, u32)], there: &str) -> Result<(), LimitError> {
    let here = spans(there).unwrap_or_default();
    let has =
        |&(from, to): &(u32, u32)| (from..=to).all(|one| here.iter().any(|(a, b)| (*a..=*b).contains(&one)));
    match asked.iter().all(has) {
        true => Ok(()),
        false => Err(LimitError::NotThere(what, wanted.into(), there.into())),
    }
}

/// `0-3,7` as (0, 3) and (7, 7).
fn spans(text: &str) -> Option<Vec<(u32, u32)>> {
    let span = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let span: (u32, u32) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
        (span.0 <= span.1 && span.1 < 1 << 16).then_some(span)
    };
    text.split(',').map(span).collect()
}

/// Which option a member of the runtime specification is here.
const OPTIONS: [(&str, &str); 21] = [
    ("linux.resources.memory.limit", "--memory"),
    ("linux.resources.memory.swap", "--memory-swap"),
    ("linux.resources.memory.reservation", "--memory-reservation"),
    ("linux.resources.memory.disableOOMKiller", "--oom-kill-disable"),
    ("linux.resources.cpu.quota", "--cpus"),
    ("linux.resources.cpu.period", "--cpu-period"),
    ("linux.resources.cpu.shares", "--cpu-shares"),
    ("linux.resources.cpu.cpus", "--cpuset-cpus"),
    ("linux.resources.cpu.mems", "--cpuset-mems"),
    ("linux.resources.pids.limit", "--pids-limit"),
    ("linux.resources.blockIO.weight", "--blkio-weight"),
    ("linux.resources.blockIO.weightDevice", "--blkio-weight-device"),
    ("linux.resources.blockIO.throttleReadBpsDevice", "--device-read-bps"),
    ("linux.resources.blockIO.throttleWriteBpsDevice", "--device-write-bps"),
    ("linux.resources.blockIO.throttleReadIOPSDevice", "--device-read-iops"),
    ("linux.resources.blockIO.throttleWriteIOPSDevice", "--device-write-iops"),
    ("linux.resources.memory.kernel", "--kernel-memory"),
    ("linux.resources.memory.swappiness", "--memory-swappiness"),
    ("linux.resources.cpu.realtimePeriod", "--cpu-rt-period"),
    ("linux.resources.cpu.realtimeRuntime", "--cpu-rt-runtime"),
    ("linux.cgroupsPath", "--cgroup-parent"),
];

/// An error of cgroups that names options instead of members.
pub(super) fn in_our_words(error: &CgroupError) -> String {
    by_option(error.to_string())
}

/// The same for any text that begins with a member.
pub(super) fn by_option(text: String) -> String {
    let found = OPTIONS.iter().find_map(|(member, option)| {
        let rest = text.strip_prefix(member)?.strip_prefix(':')?;
        Some(format!("{option}:{rest}"))
    });
    found.unwrap_or(text)
}
