//! HEALTHCHECK: how to find out whether the program is well.
//!
//! ```text
//!   HEALTHCHECK --interval=30s --retries=3 CMD curl -f localhost || exit 1
//!     -> {"Test": ["CMD-SHELL", "curl …"], "Interval": 30000000000, "Retries": 3}      nanoseconds, as Docker
//! ```

use super::InstructionError;
use super::parse::{Command, Flags};
use serde::{Deserialize, Serialize};

/// A health check, as the config document holds it; times in nanoseconds, 0 for Docker's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    /// `NONE`; `CMD` and a program with its arguments; `CMD-SHELL` and a line for the shell
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// between two checks
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// for one check
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// at the beginning, when failures do not count
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// between two checks at the beginning
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// failures in a row until it is unhealthy
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Health {
    /// Reads what follows the word HEALTHCHECK and its flags.
    pub(super) fn parse(rest: &str, flags: Flags) -> Result<Health, InstructionError> {
        let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let mut health = Health::default();
        match kind.to_ascii_uppercase().as_str() {
            "" => return Err(InstructionError::NoArgument("HEALTHCHECK")),
            "NONE" if !command.trim().is_empty() => return Err(InstructionError::HealthNone),
            "NONE" => health.test = vec!["NONE".to_owned()],
            "CMD" => {
                health.test = match Command::parse(command)? {
                    Command::Exec(words) if words.is_empty() => return Err(InstructionError::HealthCommand),
                    Command::Exec(words) => [vec!["CMD".to_owned()], words].concat(),
                    Command::Shell(line) if line.is_empty() => return Err(InstructionError::HealthCommand),
                    Command::Shell(line) => vec!["CMD-SHELL".to_owned(), line],
                }
            }
            other => return Err(InstructionError::HealthType(other.to_owned())),
        }
        for (name, value) in flags {
            let time = |flag| {
                let wrong = || InstructionError::Duration { flag, value: value.clone() };
                duration(&value).filter(|time| *time == 0 || *time >= 1_000_000).ok_or_else(wrong)
            };
            match name.as_str() {
                "interval" => health.interval = time("interval")?,
                "timeout" => health.timeout = time("timeout")?,
                "start-period" => health.start_period = time("start-period")?,
                "start-interval" => health.start_interval = time("start-interval")?,
                "retries" => {
                    let number = value.parse().ok().filter(|number: &i64| (1..=1 << 31).contains(number));
                    health.retries = number.ok_or(InstructionError::Retries(value))?;
                }
                _ => return Err(InstructionError::Flag(name)),
            }
        }
        Ok(health)
    }
}

/// A time as Go writes it, `1h2m3.5s`, in nanoseconds; none for another text, a negative time or too long a one.
pub fn duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut sum) = (text.strip_prefix('+').unwrap_or(text), 0_f64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let units =
            [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12)];
        let (unit, nanos) = units.iter().find(|(unit, _)| rest[end..].starts_with(unit))?;
        sum += number * nanos;
        rest = &rest[end + unit.len()..];
    }
    (sum < 9e18).then_some(sum.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_gos() {
        for (text, wanted) in [
            ("30s", Some(30_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            ("300ms", Some(300_000_000)),
            ("1us2ns", Some(1002)),
            ("0", Some(0)),
            ("", None),
            ("5", None),
            ("-1s", None),
            ("1d", None),
            ("s", None),
            ("9999999999h", None),
        ] {
            assert_eq!(duration(text), wanted, "{text}");
        }
    }
}
