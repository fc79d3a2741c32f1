//! The options of `run` and `create` that say how a container is kept: its log, its labels, when it is started again
//! and how it is stopped.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::{environment, health};
use crate::engine::config::ImageConfig;
use crate::engine::log::Rotation;
use crate::engine::request::{LogKept, Restart};
use crate::kernel::signals;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Keeping")]
#[group(skip)]
pub(super) struct Args {
    /// When to start it again: no, on-failure[:N], always, unless-stopped
    #[arg(long, value_name = "POLICY", value_parser = restart)]
    pub(super) restart: Option<Restart>,
    /// Where to keep what it prints: json-file (default), none
    #[arg(long, value_name = "DRIVER")]
    log_driver: Option<String>,
    /// max-size=SIZE and max-file=N, for json-file
    #[arg(long, value_name = "NAME=VALUE")]
    log_opt: Vec<String>,
    /// A name and a value for people and tools
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    label: Vec<String>,
    /// A file of labels, one a line
    #[arg(long, value_name = "FILE")]
    label_file: Vec<PathBuf>,
    /// Write the container's id to a new file
    #[arg(long, value_name = "FILE")]
    pub(super) cidfile: Option<PathBuf>,
    /// The signal that asks its program to stop
    #[arg(long, value_name = "SIGNAL", value_parser = signal)]
    stop_signal: Option<String>,
    /// Seconds from that signal to SIGKILL (default: 10)
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(super) stop_timeout: Option<i64>,
    #[command(flatten)]
    pub(super) health: health::Args,
}

impl Args {
    /// # Errors
    /// What is removed at its end is not started again.
    pub(super) fn check(&self, remove: bool) -> anyhow::Result<()> {
        if remove && self.restart.is_some_and(|policy| policy != Restart::No) {
            bail!("Conflicting options: --restart and --rm");
        }
        self.log().map(drop)
    }

    /// What only a monitor of its own can do, by its option; none where nothing is said of it.
    fn of_monitor(&self) -> Option<&'static str> {
        let restart = self.restart.is_some_and(|policy| policy != Restart::No);
        let said = [("--restart", restart), ("--health-cmd", self.health.check())];
        said.into_iter().find(|(_, said)| *said).map(|(name, _)| name)
    }

    /// Whether somebody has to stay who starts it again, or looks whether it is well.
    pub(super) fn need_monitor(&self) -> bool {
        self.of_monitor().is_some()
    }

    /// # Errors
    /// What only a monitor can do, where each step is watched.
    pub(super) fn check_in_this_process(&self) -> anyhow::Result<()> {
        if let Some(name) = self.of_monitor() {
            bail!(
                "{name}: a container whose steps are watched has no monitor, which would do that; leave it out"
            );
        }
        self.check_id_file()
    }

    /// # Errors
    /// A file that is there: perhaps another container's.
    pub(super) fn check_id_file(&self) -> anyhow::Result<()> {
        match &self.cidfile {
            Some(path) if path.exists() => bail!(
                "Container ID file found, make sure the other container isn't running or delete {}",
                path.display()
            ),
            _ => Ok(()),
        }
    }

    pub(super) fn write_id(&self, id: &str) -> anyhow::Result<()> {
        let Some(path) = &self.cidfile else { return Ok(()) };
        let failed = || format!("Failed to create the container ID file {}", path.display());
        let mut file = std::fs::File::create_new(path).with_context(failed)?;
        file.write_all(id.as_bytes()).with_context(failed)
    }

    pub(super) fn log(&self) -> anyhow::Result<LogKept> {
        match self.log_driver.as_deref().unwrap_or("json-file") {
            "none" if self.log_opt.is_empty() => Ok(LogKept::None),
            "none" => bail!("invalid logging opts for driver none"),
            "json-file" => Ok(LogKept::JsonFile(self.rotation()?)),
            other => bail!(
                "error looking up logging plugin {other}: plugin {other:?} not found\nhint: json-file and none are there"
            ),
        }
    }

    fn rotation(&self) -> anyhow::Result<Rotation> {
        let mut rotation = Rotation::default();
        for option in &self.log_opt {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name {
                "max-size" => rotation.size = Some(decimal_size(value)?),
                "max-file" => {
                    rotation.files = match value.parse() {
                        Ok(0) => bail!("max-file cannot be less than 1"),
                        Ok(count) => count,
                        Err(_) => bail!("max-file: {value:?} is not a number of files"),
                    }
                }
                _ => bail!(
                    "unknown log opt '{name}' for json-file log driver\nhint: max-size and max-file are known here"
                ),
            }
        }
        match rotation.size.is_none() && rotation.files > 1 {
            true => bail!("max-file is for log files that end: add --log-opt max-size=10m"),
            false => Ok(rotation),
        }
    }

    /// The image's, then those of files, then those of the command line.
    pub(super) fn labels(&self, image: &ImageConfig) -> anyhow::Result<BTreeMap<String, String>> {
        let mut labels = image.labels.clone().unwrap_or_default();
        let mut pairs = Vec::new();
        for path in &self.label_file {
            pairs.extend(environment::read(Path::new(path), |_| Some(String::new()))?);
        }
        pairs.extend(self.label.iter().cloned());
        for pair in pairs {
            let (name, value) = pair.split_once('=').unwrap_or((&pair, ""));
            labels.insert(name.into(), value.into());
        }
        Ok(labels)
    }

    pub(super) fn stop_signal(&self, image: &ImageConfig) -> Option<String> {
        let of_image = (!image.stop_signal.is_empty()).then(|| image.stop_signal.clone());
        self.stop_signal.clone().or(of_image)
    }
}

pub(in crate::cli) fn restart(text: &str) -> Result<Restart, String> {
    let (name, count) = text.split_once(':').map_or((text, None), |(name, count)| (name, Some(count)));
    let count = match count.map(str::parse::<i64>) {
        Some(Err(_)) => return Err("maximum retry count must be an integer".into()),
        Some(Ok(count)) if count < 0 => return Err("maximum retry count cannot be negative".into()),
        other => other.and_then(Result::ok).and_then(|count| u32::try_from(count).ok()),
    };
    match (name, count) {
        ("on-failure", count) => Ok(Restart::OnFailure(count.unwrap_or(0))),
        ("no" | "", None | Some(0)) => Ok(Restart::No),
        ("always", None | Some(0)) => Ok(Restart::Always),
        ("unless-stopped", None | Some(0)) => Ok(Restart::UnlessStopped),
        ("no" | "always" | "unless-stopped", _) => {
            Err(format!("maximum retry count cannot be used with restart policy '{name}'"))
        }
        _ => Err(format!("invalid restart policy '{name}'")),
    }
}

fn signal(text: &str) -> Result<String, String> {
    signals::named(text).map(|_| text.into()).ok_or_else(|| format!("Invalid signal: {text}"))
}

/// As Docker here: 1k is 1000.
fn decimal_size(text: &str) -> anyhow::Result<u64> {
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_suffix('b').unwrap_or(&lower);
    let (digits, factor) = match bare.strip_suffix(['k', 'm', 'g', 't']) {
        Some(digits) => (digits, 1000u64.pow(1 + "kmgt".find(&bare[digits.len()..]).unwrap_or(0) as u32)),
        None => (bare, 1),
    };
    let size = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    match size {
        Some(0) | None => bail!("max-size should be a positive number, as 10m, not {text:?}"),
        Some(size) => Ok(size),
    }
}
