//! Block: the weight of a cgroup at the disks, and how much it may read and write a second.
//!
//! ```text
//!   config.json                version 1                       version 2
//!   weight, 10…1000            blkio.bfq.weight                io.bfq.weight; without BFQ io.weight, 1…10000
//!   weightDevice               blkio.bfq.weight_device         the same files, "8:0 500"
//!   throttleReadBpsDevice      blkio.throttle.read_bps_device  io.max: "8:0 rbps=1048576"
//! ```
//!
//! See the kernel's cgroup-v1/blkio-controller.rst, cgroup-v2.rst, "IO", block/bfq-iosched.rst.

use super::resources::{BlockIo, ThrottleDevice};
use super::setting::{Setting, refuse};
use super::{CgroupError, Controller::Block};

const WEIGHT: &str = "linux.resources.blockIO.weight";
const DEVICE: &str = "linux.resources.blockIO.weightDevice";
/// A member of config.json, its file in version 1, its key in io.max.
const THROTTLES: [(&str, &str, &str); 4] = [
    ("linux.resources.blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"),
    ("linux.resources.blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"),
    ("linux.resources.blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"),
    ("linux.resources.blockIO.throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"),
];

/// What is to be written.
pub(super) fn settings(block: &BlockIo, v1: bool) -> Result<Vec<Setting>, CgroupError> {
    let mut found = Vec::new();
    no_leaf("linux.resources.blockIO.leafWeight", block.leaf_weight)?;
    let name = "weigh disk time";
    let why = "when all want more than the disk gives, each gets by its weight";
    if let Some(weight) = block.weight.filter(|weight| *weight != 0) {
        check(WEIGHT, weight)?;
        let setting = match v1 {
            true => Setting::new((Block, WEIGHT), (name, why), ("blkio.bfq.weight", weight)),
            false => Setting::new((Block, WEIGHT), (name, why), ("io.bfq.weight", weight))
                .or("io.weight", io_weight(weight)),
        };
        found.push(setting);
    }
    for device in &block.weight_device {
        no_leaf("linux.resources.blockIO.weightDevice.leafWeight", device.leaf_weight)?;
        let Some(weight) = device.weight.filter(|weight| *weight != 0) else { continue };
        check(DEVICE, weight)?;
        let (major, minor) = (device.major, device.minor);
        let line = |weight: u64| format!("{major}:{minor} {weight}");
        let file = if v1 { "blkio.bfq.weight_device" } else { "io.bfq.weight" };
        let setting =
            Setting::new((Block, DEVICE), ("weigh time of one disk", why), (file, line(weight.into())));
        found.push(if v1 { setting } else { setting.or("io.weight", line(io_weight(weight))) });
    }
    let lists = [
        &block.throttle_read_bps_device,
        &block.throttle_write_bps_device,
        &block.throttle_read_iops_device,
        &block.throttle_write_iops_device,
    ];
    for (throttle, list) in THROTTLES.iter().zip(lists) {
        found.extend(list.iter().map(|device| throttled(throttle, device, v1)));
    }
    Ok(found)
}

fn throttled((member, file, key): &(&'static str, &str, &str), device: &ThrottleDevice, v1: bool) -> Setting {
    let ThrottleDevice { major, minor, rate } = device;
    let why = "requests over it wait in the queue; whoever made them does too, in the end";
    let line = match (v1, rate) {
        (true, rate) => (*file, format!("{major}:{minor} {rate}")),
        // version 1 means no limit by 0, version 2 has a word for it
        (false, 0) => ("io.max", format!("{major}:{minor} {key}=max")),
        (false, rate) => ("io.max", format!("{major}:{minor} {key}={rate}")),
    };
    Setting::new((Block, *member), ("limit one disk", why), line)
}

fn check(member: &str, weight: u16) -> Result<(), CgroupError> {
    if (10..=1000).contains(&weight) { Ok(()) } else { refuse(member, weight, "10 to 1000") }
}

/// A weight of 10 to 1000 on the scale of io.weight.
pub fn io_weight(weight: u16) -> u64 {
    1 + u64::from(weight).saturating_sub(10) * 9999 / 990
}

fn no_leaf(member: &str, weight: Option<u16>) -> Result<(), CgroupError> {
    match weight.filter(|weight| *weight != 0) {
        Some(weight) => {
            refuse(member, weight, "no kernel from 5.0 on weighs leaves: leave it out, and use weight")
        }
        None => Ok(()),
    }
}
