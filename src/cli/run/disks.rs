//! The options of `run` that say how much of one disk the container may use.
//!
//! ```text
//!   --device-read-bps /dev/sda:1mb      ──>  8:0 1048576        the kernel goes by numbers
//!   --blkio-weight-device /dev/sda:200  ──>  8:0 200
//! ```

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::size::size;
use crate::cgroups::{BlockIo, ThrottleDevice, WeightDevice};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Resources")]
#[group(skip)]
pub(super) struct Args {
    /// Its weight at one disk (10 to 1000)
    #[arg(long, value_name = "DEV:N", value_parser = weight)]
    blkio_weight_device: Vec<Disk>,
    /// The most it may read of one disk in a second
    #[arg(long, value_name = "DEV:SIZE", value_parser = bytes)]
    device_read_bps: Vec<Disk>,
    /// The most it may write to one disk in a second
    #[arg(long, value_name = "DEV:SIZE", value_parser = bytes)]
    device_write_bps: Vec<Disk>,
    /// How often it may read of one disk in a second
    #[arg(long, value_name = "DEV:N", value_parser = times)]
    device_read_iops: Vec<Disk>,
    /// How often it may write to one disk in a second
    #[arg(long, value_name = "DEV:N", value_parser = times)]
    device_write_iops: Vec<Disk>,
}

/// A disk by its name, and a number for it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Disk {
    path: PathBuf,
    number: u64,
}

impl Args {
    /// The same by the numbers of the disks.
    ///
    /// # Errors
    /// What is no disk.
    pub(super) fn limits(&self) -> anyhow::Result<BlockIo> {
        let throttle = |disks: &[Disk]| disks.iter().map(Disk::throttled).collect::<anyhow::Result<Vec<_>>>();
        Ok(BlockIo {
            weight_device: self
                .blkio_weight_device
                .iter()
                .map(Disk::weighed)
                .collect::<anyhow::Result<_>>()?,
            throttle_read_bps_device: throttle(&self.device_read_bps)?,
            throttle_write_bps_device: throttle(&self.device_write_bps)?,
            throttle_read_iops_device: throttle(&self.device_read_iops)?,
            throttle_write_iops_device: throttle(&self.device_write_iops)?,
            ..BlockIo::default()
        })
    }
}

impl Disk {
    fn weighed(&self) -> anyhow::Result<WeightDevice> {
        let (major, minor) = self.numbers()?;
        Ok(WeightDevice { major, minor, weight: u16::try_from(self.number).ok(), leaf_weight: None })
    }

    fn throttled(&self) -> anyhow::Result<ThrottleDevice> {
        let (major, minor) = self.numbers()?;
        Ok(ThrottleDevice { major, minor, rate: self.number })
    }

    fn numbers(&self) -> anyhow::Result<(i64, i64)> {
        let name = self.path.display();
        let meta = std::fs::metadata(&self.path).with_context(|| format!("cannot limit the disk {name}"))?;
        if !meta.file_type().is_block_device() {
            bail!("cannot limit the disk {name}: it is no block device");
        }
        let device = meta.rdev();
        Ok((rustix::fs::major(device).into(), rustix::fs::minor(device).into()))
    }
}

fn disk(text: &str, number: impl FnOnce(&str) -> Result<u64, String>) -> Result<Disk, String> {
    let Some((path, value)) = text.split_once(':').filter(|(path, _)| !path.is_empty()) else {
        return Err(format!("bad format: {text}"));
    };
    if !Path::new(path).starts_with("/dev") {
        return Err(format!("bad format for device path: {text}"));
    }
    Ok(Disk { path: path.into(), number: number(value)? })
}

fn weight(text: &str) -> Result<Disk, String> {
    disk(text, |value| match value.parse() {
        Ok(weight @ (0 | 10..=1000)) => Ok(weight),
        _ => Err(format!("invalid weight for device: {text}")),
    })
}

fn bytes(text: &str) -> Result<Disk, String> {
    let wrong = || {
        format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. Number must be a \
             positive integer. Unit is optional and can be kb, mb, or gb"
        )
    };
    disk(text, |value| size(value).map_err(|_| wrong()))
}

fn times(text: &str) -> Result<Disk, String> {
    let wrong = || {
        format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>. Number must be a positive integer"
        )
    };
    disk(text, |value| value.parse().ok().filter(|times| *times > 0).ok_or_else(wrong))
}
