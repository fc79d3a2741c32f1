//! Limits: what a container may use, checked by Docker's rules and in Docker's words.
//!
//! ```text
//!   --memory 64m --memory-swap 96m ──> memory.limit 64m, memory.swap 96m     both counted together, as in Docker
//!   --cpus 1.5                     ──> cpu.quota 150000                      the same as --cpu-quota
//! ```
//!
//! See the kernel's cgroup-v2.rst and `docker run --help`.

use crate::cgroups::{CgroupError, Cpu, Memory, Pids, Resources};

/// What the options of `run` ask for; `None` and 0 are nothing said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// `--memory`, bytes
    pub memory: Option<u64>,
    /// `--memory-swap`, bytes of memory and swap together; -1: no limit
    pub memory_swap: Option<i64>,
    /// `--memory-reservation`, bytes
    pub reservation: Option<u64>,
    /// `--cpus`, thousandths
    pub cpus: Option<u64>,
    /// `--cpu-period`, microseconds
    pub period: Option<u64>,
    /// `--cpu-quota`, microseconds
    pub quota: Option<i64>,
    /// `--pids-limit`
    pub pids: Option<u64>,
}

/// Two options that do not go together, or a value that no kernel takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// swap says how much more than memory
    #[error("You should always set the Memory limit when using Memoryswap limit, see usage: add --memory")]
    SwapAlone,
    /// it counts memory too
    #[error(
        "Minimum memoryswap limit should be larger than memory limit, see usage: --memory-swap {0} is below --memory {1}"
    )]
    SwapBelow(i64, u64),
    /// what is left to it is less than it may have
    #[error(
        "Minimum memory limit can not be less than memory reservation limit, see usage: --memory {0} is below --memory-reservation {1}"
    )]
    Reservation(u64, u64),
    /// `--cpus` is a quota by itself
    #[error("Conflicting options: Nano CPUs and CPU {0} cannot both be set: leave out --cpus, or the other")]
    Cpus(&'static str),
    /// the kernel's bounds
    #[error(
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000): --cpu-period {0}"
    )]
    Period(u64),
    /// the kernel's bound
    #[error("CPU cfs quota can not be less than 1ms (i.e. 1000): --cpu-quota {0}")]
    Quota(i64),
    /// the machine has not so many
    #[error("Requested {0} are not available - requested {1}, available: {2}")]
    NotThere(&'static str, String, String),
}

impl Asked {
    /// The same for cgroups; the rest of them is empty.
    pub fn resources(self) -> Result<Resources, LimitError> {
        let said = |value: Option<u64>| value.filter(|value| *value != 0);
        let (memory, period) = (said(self.memory), said(self.period));
        let (swap, quota) =
            (self.memory_swap.filter(|swap| *swap != 0), self.quota.filter(|quota| *quota != 0));
        match (memory, swap, said(self.reservation)) {
            (None, Some(1..), _) => return Err(LimitError::SwapAlone),
            (Some(memory), Some(swap @ 1..), _) if swap.unsigned_abs() < memory => {
                return Err(LimitError::SwapBelow(swap, memory));
            }
            (Some(memory), _, Some(most)) if memory < most => {
                return Err(LimitError::Reservation(memory, most));
            }
            _ => {}
        }
        match (self.cpus, period, quota) {
            (Some(_), Some(_), _) => return Err(LimitError::Cpus("Period")),
            (Some(_), _, Some(1..)) => return Err(LimitError::Cpus("Quota")),
            (_, Some(period), _) if !(1000..=1_000_000).contains(&period) => {
                return Err(LimitError::Period(period));
            }
            (_, _, Some(quota @ 1..1000)) => return Err(LimitError::Quota(quota)),
            _ => {}
        }
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        // as Docker: as much swap again
        let twice = memory.map(|bytes| whole(bytes.saturating_mul(2)));
        Ok(Resources {
            memory: Memory {
                limit: memory.map(whole),
                swap: swap.or(twice),
                reservation: said(self.reservation).map(whole),
                ..Memory::default()
            },
            cpu: Cpu {
                quota: quota.or(self.cpus.map(|thousandths| whole(thousandths.saturating_mul(100)))),
                period,
                ..Cpu::default()
            },
            pids: Pids { limit: said(self.pids).map(whole) },
            ..Resources::default()
        })
    }
}

/// Which option a member of the runtime specification is here.
const OPTIONS: [(&str, &str); 12] = [
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
    ("linux.cgroupsPath", "--cgroup-parent"),
];

/// An error of cgroups that names options instead of members.
pub(super) fn in_our_words(error: &CgroupError) -> String {
    let text = error.to_string();
    let found = OPTIONS.iter().find_map(|(member, option)| {
        let rest = text.strip_prefix(member)?.strip_prefix(':')?;
        Some(format!("{option}:{rest}"))
    });
    found.unwrap_or(text)
}
