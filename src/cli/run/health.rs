//! The options of `run` and `create` that say how its monitor finds out whether the program is well.

use anyhow::bail;

use crate::engine::instruction::{self, Health};

/// The shortest time that counts, in nanoseconds.
const SHORTEST: i64 = 1_000_000;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Health")]
#[group(skip)]
pub(super) struct Args {
    /// What its shell runs: exit code 0 says that it is well
    #[arg(long, value_name = "COMMAND")]
    health_cmd: Option<String>,
    /// Between two checks (default: 30s)
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    health_interval: Option<i64>,
    /// How long one may take (default: 30s)
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    health_timeout: Option<i64>,
    /// How long failures do not count at the beginning (default: 0s)
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    health_start_period: Option<i64>,
    /// Failures in a row until it is unhealthy (default: 3)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    health_retries: Option<i64>,
    /// Check nothing, whatever the image says
    #[arg(long)]
    no_healthcheck: bool,
}

impl Args {
    /// Whether a check is asked for.
    pub(super) fn check(&self) -> bool {
        !self.no_healthcheck && self.command().is_some()
    }

    /// As in Docker, an empty line is none.
    fn command(&self) -> Option<&String> {
        self.health_cmd.as_ref().filter(|line| !line.is_empty())
    }

    /// # Errors
    /// What contradicts itself, and times that nobody can keep, in Docker's words.
    pub(super) fn settings(&self) -> anyhow::Result<Option<Health>> {
        let numbers = [
            ("interval", "Interval", self.health_interval),
            ("timeout", "Timeout", self.health_timeout),
            ("start-period", "StartPeriod", self.health_start_period),
            ("retries", "Retries", self.health_retries),
        ];
        let [interval, timeout, start_period, retries] = numbers.map(|(.., said)| said.unwrap_or(0));
        let said = self.command().is_some() || [interval, timeout, start_period, retries] != [0; 4];
        if self.no_healthcheck {
            return match said {
                true => bail!("--no-healthcheck conflicts with --health-* options"),
                false => Ok(Some(Health { test: vec!["NONE".into()], ..Health::default() })),
            };
        }
        for (option, name, number) in numbers.map(|(option, name, said)| (option, name, said.unwrap_or(0))) {
            if number < 0 {
                bail!("--health-{option} cannot be negative");
            }
            if option != "retries" && number != 0 && number < SHORTEST {
                bail!("{name} in Healthcheck cannot be less than 1ms");
            }
        }
        let test = self.command().map(|line| vec!["CMD-SHELL".to_owned(), line.clone()]).unwrap_or_default();
        let settings = Health { test, interval, timeout, start_period, retries, ..Health::default() };
        Ok(said.then_some(settings))
    }
}

/// A time as Go writes it, in nanoseconds, also below 0.
fn duration(text: &str) -> Result<i64, String> {
    let (sign, bare) = text.strip_prefix('-').map_or((1, text), |bare| (-1, bare));
    let known = instruction::duration(bare).map(|nanos| sign * nanos);
    known.ok_or_else(|| match bare.parse::<f64>() {
        Ok(_) => format!("time: missing unit in duration {text:?}"),
        Err(_) => format!("time: invalid duration {text:?}"),
    })
}
