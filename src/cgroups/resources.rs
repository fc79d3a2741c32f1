//! Resources: what may be limited, as `linux.resources` of a config.json has it.
//!
//! The members are called as there, and so are those of the JSON. `None` is no limit. See the OCI runtime
//! specification 1.2, config-linux.md, "Control groups".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Limits, devices::Rule};

/// Everything that may be limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// which devices may be used; `None` leaves that as it is, as where we may not set it (rootless)
    pub devices: Option<Vec<Rule>>,
    /// memory
    pub memory: Memory,
    /// cpu time, and on which cpus
    pub cpu: Cpu,
    /// processes and threads
    pub pids: Pids,
    /// disks
    #[serde(rename = "blockIO")]
    pub block_io: BlockIo,
    /// huge pages, by size
    pub hugepage_limits: Vec<HugepageLimit>,
    /// marks for the host's packet filter
    pub network: Network,
    /// RDMA, by device
    pub rdma: BTreeMap<String, Rdma>,
    /// files of version 2, and what to write into them
    pub unified: BTreeMap<String, String>,
}

/// `linux.resources.memory`, in bytes; -1 is unlimited, 0 as good as nothing said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// the most it may use
    pub limit: Option<i64>,
    /// what it is left with when the machine runs short
    pub reservation: Option<i64>,
    /// the most of memory and swap together
    pub swap: Option<i64>,
    /// of the kernel's own memory; the kernel has given that up
    pub kernel: Option<i64>,
    /// of the kernel's buffers for TCP; version 1 only
    #[serde(rename = "kernelTCP")]
    pub kernel_tcp: Option<i64>,
    /// 0 to 100: how readily it is swapped; version 1 only
    pub swappiness: Option<u64>,
    /// over the limit, it waits instead of being killed; version 1 only
    #[serde(rename = "disableOOMKiller")]
    pub disable_oom_killer: Option<bool>,
    /// count what is used in cgroups below; kernels do nothing else any more
    pub use_hierarchy: Option<bool>,
    /// refuse to change the limit to less than what is in use
    pub check_before_update: Option<bool>,
}

/// `linux.resources.cpu`, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cpu {
    /// its weight against others, 2 to 262144; 1024 is everybody's
    pub shares: Option<u64>,
    /// cpu time in each period; negative is unlimited
    pub quota: Option<i64>,
    /// what it may have saved up of that
    pub burst: Option<u64>,
    /// the period
    pub period: Option<u64>,
    /// real-time tasks' time in each of their periods; version 1 only
    pub realtime_runtime: Option<i64>,
    /// the period of those
    pub realtime_period: Option<u64>,
    /// on which cpus, as `0-3,7`
    pub cpus: Option<String>,
    /// from which memory nodes
    pub mems: Option<String>,
    /// 1: only when nobody else wants to
    pub idle: Option<i64>,
}

/// `linux.resources.pids`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pids {
    /// the most; negative is unlimited, 0 as good as nothing said
    pub limit: Option<i64>,
}

/// `linux.resources.blockIO`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BlockIo {
    /// 10 to 1000
    pub weight: Option<u16>,
    /// kernels before 5.0 had it
    pub leaf_weight: Option<u16>,
    /// the same for one disk
    pub weight_device: Vec<WeightDevice>,
    /// bytes a second
    pub throttle_read_bps_device: Vec<ThrottleDevice>,
    /// bytes a second
    pub throttle_write_bps_device: Vec<ThrottleDevice>,
    /// operations a second
    #[serde(rename = "throttleReadIOPSDevice")]
    pub throttle_read_iops_device: Vec<ThrottleDevice>,
    /// operations a second
    #[serde(rename = "throttleWriteIOPSDevice")]
    pub throttle_write_iops_device: Vec<ThrottleDevice>,
}

/// The weight at one disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct WeightDevice {
    pub major: i64,
    pub minor: i64,
    pub weight: Option<u16>,
    pub leaf_weight: Option<u16>,
}

/// The most at one disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ThrottleDevice {
    pub major: i64,
    pub minor: i64,
    pub rate: u64,
}

/// The most of pages of one size, as `2MB`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct HugepageLimit {
    pub page_size: String,
    pub limit: u64,
}

/// `linux.resources.network`; version 1 only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// the mark of its packets
    #[serde(rename = "classID")]
    pub class_id: Option<u32>,
    /// their priority, by link
    pub priorities: Vec<Priority>,
}

/// The priority of packets that leave by one link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Priority {
    pub name: String,
    pub priority: u32,
}

/// The most of one RDMA device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Rdma {
    pub hca_handles: Option<u32>,
    pub hca_objects: Option<u32>,
}

/// Docker's four, in its units.
impl From<&Limits> for Resources {
    fn from(limits: &Limits) -> Resources {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let swap = limits.memory.zip(limits.swap).map(|(memory, swap)| whole(memory.saturating_add(swap)));
        let quota = limits.cpus.map(|thousandths| whole(thousandths.saturating_mul(super::PERIOD / 1000)));
        Resources {
            memory: Memory { limit: limits.memory.map(whole), swap, ..Memory::default() },
            cpu: Cpu { quota, ..Cpu::default() },
            pids: Pids { limit: limits.pids.map(whole) },
            ..Resources::default()
        }
    }
}
