//! Health: whether a container's program is well, as a check of its own finds out again and again.
//!
//! ```text
//!   starting ──0──> healthy <──0── unhealthy
//!      │               └── failed `retries` times in a row ──^
//!      └───────────────────────────────────────────────────── │     what fails within the start period does not count
//!                              paused, or at its end ─────────┘
//! ```
//!
//! The rules are Docker's, also the odd one that what nobody checks any more is unhealthy. Who runs the check is the
//! container's monitor.
//!
//! See docker-run(1), "HEALTHCHECK"; HEALTHCHECK in Docker's Dockerfile reference.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::config::ImageConfig;
use super::instruction::Health as Settings;

/// How much of what a check prints is kept, in bytes.
const OUTPUT: usize = 4096;
/// How many results are kept.
const RESULTS: usize = 5;
/// Between two checks, and for one, where nothing else is said.
const USUAL: Duration = Duration::from_secs(30);
/// How often it may fail, where nothing else is said.
const RETRIES: u32 = 3;

/// Docker's word for a container without a check.
pub const NONE: &str = "none";

/// What is run in a container, and what follows from how it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// the program and its arguments
    pub command: Vec<String>,
    /// how long it may take
    pub timeout: Duration,
    interval: Duration,
    start_period: Duration,
    start_interval: Option<Duration>,
    retries: u32,
}

/// How a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// no check has ended well yet
    Starting,
    /// the last one has
    Healthy,
    /// too many in a row have failed, or nobody checks
    Unhealthy,
}

/// What is known of a container's health; in JSON as Docker shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Health {
    /// how it is
    pub status: Condition,
    /// how many checks in a row have failed
    pub failing_streak: u32,
    /// the last ones, the latest last
    pub log: Vec<Outcome>,
}

/// How one check has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Outcome {
    /// when it began, RFC 3339
    pub start: String,
    /// when it ended
    pub end: String,
    /// its exit code; -1 for one that could not be run, or took too long
    pub exit_code: i32,
    /// what it printed, or why it could not be run
    pub output: String,
}

/// What a check prints, as far as it is kept.
#[derive(Debug, Default)]
pub struct Output {
    kept: Vec<u8>,
    cut: bool,
}

impl Condition {
    /// Docker's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Condition::Starting => "starting",
            Condition::Healthy => "healthy",
            Condition::Unhealthy => "unhealthy",
        }
    }

    /// As `ps` shows it.
    pub fn shown(self) -> &'static str {
        if self == Condition::Starting { "health: starting" } else { self.word() }
    }
}

impl Check {
    /// The one that a container's config asks for. As in Docker, a kind that nobody knows is none.
    pub fn of(config: &ImageConfig) -> Option<Check> {
        let said: Settings = serde_json::from_value(config.healthcheck.clone()?).ok()?;
        let (kind, words) = said.test.split_first()?;
        let command = match kind.as_str() {
            "CMD" => words.to_vec(),
            "CMD-SHELL" => {
                let usual = || vec!["/bin/sh".to_owned(), "-c".to_owned()];
                let shell = config.shell.clone().filter(|shell| !shell.is_empty());
                [shell.unwrap_or_else(usual), words.to_vec()].concat()
            }
            _ => return None,
        };
        let time =
            |nanos: i64| u64::try_from(nanos).ok().filter(|nanos| *nanos > 0).map(Duration::from_nanos);
        Some(Check {
            command,
            timeout: time(said.timeout).unwrap_or(USUAL),
            interval: time(said.interval).unwrap_or(USUAL),
            start_period: time(said.start_period).unwrap_or_default(),
            start_interval: time(said.start_interval),
            retries: u32::try_from(said.retries).ok().filter(|retries| *retries > 0).unwrap_or(RETRIES),
        })
    }

    /// How long to wait before the next one, in a container that was started so long ago.
    pub fn pause(&self, condition: Condition, since_start: Duration) -> Duration {
        let beginning = condition == Condition::Starting && since_start < self.start_period;
        self.start_interval.filter(|_| beginning).unwrap_or(self.interval)
    }
}

/// The settings of a container: what was asked for, and what its image says of the rest.
pub fn settings(asked: Option<&Settings>, image: Option<&serde_json::Value>) -> Option<serde_json::Value> {
    let Some(asked) = asked else { return image.cloned() };
    let known: Settings =
        image.and_then(|image| serde_json::from_value(image.clone()).ok()).unwrap_or_default();
    let or = |asked: i64, image: i64| if asked == 0 { image } else { asked };
    let test = if asked.test.is_empty() { known.test } else { asked.test.clone() };
    let whole = Settings {
        test,
        interval: or(asked.interval, known.interval),
        timeout: or(asked.timeout, known.timeout),
        start_period: or(asked.start_period, known.start_period),
        start_interval: or(asked.start_interval, known.start_interval),
        retries: or(asked.retries, known.retries),
    };
    serde_json::to_value(whole).ok()
}

impl Health {
    /// Of a container that is started; the results of its last run stay.
    pub fn begun(last: Option<Health>) -> Health {
        let log = last.map(|last| last.log).unwrap_or_default();
        Health { status: Condition::Starting, failing_streak: 0, log }
    }

    /// Nobody checks any more.
    pub fn left_alone(&mut self) {
        self.status = Condition::Unhealthy;
    }

    /// Takes a result of a check that began so long after the container; whether the container is another now.
    pub fn take(&mut self, outcome: Outcome, check: &Check, since_start: Duration) -> bool {
        let before = self.status;
        if outcome.exit_code == 0 {
            (self.status, self.failing_streak) = (Condition::Healthy, 0);
        } else if before != Condition::Starting || since_start >= check.start_period {
            self.failing_streak = self.failing_streak.saturating_add(1);
            if self.failing_streak >= check.retries {
                self.status = Condition::Unhealthy;
            }
        }
        let many = self.log.len().saturating_sub(RESULTS - 1);
        self.log.drain(..many);
        self.log.push(outcome);
        self.status != before
    }
}

impl Output {
    /// Keeps as much as there is room for.
    pub fn take(&mut self, bytes: &[u8]) {
        let room = (OUTPUT - self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..room]);
        self.cut |= room < bytes.len();
    }

    /// As text; where it was cut, three dots say so.
    pub fn text(&self) -> String {
        let dots = if self.cut { "..." } else { "" };
        format!("{}{dots}", String::from_utf8_lossy(&self.kept))
    }
}

/// What Docker says of a check that was ended.
pub fn too_long(timeout: Duration) -> String {
    format!("Health check exceeded timeout ({})", go(timeout))
}

/// As Go writes a duration: `1m30s`, `1.5s`, `300ms`.
fn go(time: Duration) -> String {
    let decimal = |nanos: u128, unit: u128| {
        let (whole, part) = (nanos / unit, nanos % unit);
        let width = unit.ilog10() as usize;
        format!("{whole}.{part:0width$}").trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let nanos = time.as_nanos();
    match nanos {
        0 => "0s".into(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => decimal(nanos, 1_000) + "µs",
        1_000_000..1_000_000_000 => decimal(nanos, 1_000_000) + "ms",
        _ => {
            let (minutes, rest) = (time.as_secs() / 60, nanos % 60_000_000_000);
            let seconds = decimal(rest, 1_000_000_000) + "s";
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(config: serde_json::Value) -> Option<Check> {
        Check::of(&ImageConfig { healthcheck: Some(config), ..ImageConfig::default() })
    }

    fn outcome(exit_code: i32) -> Outcome {
        Outcome { start: String::new(), end: String::new(), exit_code, output: String::new() }
    }

    #[test]
    fn conditions_follow_from_results() {
        let check = check(json!({"Test": ["CMD", "true"], "Retries": 2, "StartPeriod": 1_000_000_000}));
        let check = check.expect("a check");
        let [early, late] = [Duration::ZERO, Duration::from_secs(1)];
        let mut health = Health::begun(None);
        // (when, exit code) and (status, failures in a row, changed)
        let walk = [
            (early, 1, Condition::Starting, 0, false),
            (late, 1, Condition::Starting, 1, false),
            (late, -1, Condition::Unhealthy, 2, true),
            (late, 1, Condition::Unhealthy, 3, false),
            (late, 0, Condition::Healthy, 0, true),
            // what was well once has no start period any more
            (early, 1, Condition::Healthy, 1, false),
            (late, 0, Condition::Healthy, 0, false),
        ];
        for (number, (when, code, status, streak, changed)) in walk.into_iter().enumerate() {
            assert_eq!(health.take(outcome(code), &check, when), changed, "{number}");
            assert_eq!((health.status, health.failing_streak), (status, streak), "{number}");
        }
        let codes: Vec<i32> = health.log.iter().map(|outcome| outcome.exit_code).collect();
        assert_eq!(codes, [-1, 1, 0, 1, 0]);
        health.left_alone();
        let again = Health::begun(Some(health.clone()));
        assert_eq!((health.status, again.status), (Condition::Unhealthy, Condition::Starting));
        assert_eq!((again.failing_streak, again.log.len()), (0, 5));
    }

    #[test]
    fn what_a_config_asks_for() {
        assert_eq!(check(json!({"Test": ["NONE"]})), None);
        assert_eq!(check(json!({"Test": ["NOPE", "x"]})), None);
        assert_eq!(check(json!({"Interval": 5})), None);
        let usual = check(json!({"Test": ["CMD-SHELL", "test -e x"]})).expect("a check");
        assert_eq!(usual.command, ["/bin/sh", "-c", "test -e x"]);
        assert_eq!((usual.timeout, usual.interval, usual.retries), (USUAL, USUAL, 3));
        let shell = ImageConfig {
            healthcheck: Some(json!({"Test": ["CMD-SHELL", "x"], "StartInterval": 7, "StartPeriod": 9})),
            shell: Some(vec!["/bin/bash".into(), "-ec".into()]),
            ..ImageConfig::default()
        };
        let shell = Check::of(&shell).expect("a check");
        assert_eq!(shell.command, ["/bin/bash", "-ec", "x"]);
        assert_eq!(shell.pause(Condition::Starting, Duration::from_nanos(8)), Duration::from_nanos(7));
        assert_eq!(shell.pause(Condition::Starting, Duration::from_nanos(9)), USUAL);
    }

    #[test]
    fn what_is_asked_for_stands_over_the_images() {
        let image = json!({"Test": ["CMD", "a"], "Interval": 5, "Retries": 2});
        let asked = |asked: Settings| settings(Some(&asked), Some(&image));
        assert_eq!(settings(None, Some(&image)), Some(image.clone()));
        let mine = asked(Settings { retries: 7, timeout: 3, ..Settings::default() });
        assert_eq!(mine, Some(json!({"Test": ["CMD", "a"], "Interval": 5, "Timeout": 3, "Retries": 7})));
        let none = asked(Settings { test: vec!["NONE".into()], ..Settings::default() });
        assert_eq!(none, Some(json!({"Test": ["NONE"], "Interval": 5, "Retries": 2})));
    }

    #[test]
    fn output_is_cut() {
        let mut output = Output::default();
        output.take(&[b'x'; 4000]);
        output.take(&[b'y'; 96]);
        assert_eq!(output.text().len(), 4096);
        output.take(b"z");
        assert!(output.text().len() == 4099 && output.text().ends_with("y..."));
    }

    #[test]
    fn times_are_written_as_go_does() {
        let times =
            [0, 1, 1_500, 300_000_000, 1_000_000_000, 1_500_000_000, 90_000_000_000, 3_600_000_000_000];
        let texts: Vec<String> = times.into_iter().map(|nanos| go(Duration::from_nanos(nanos))).collect();
        assert_eq!(texts, ["0s", "1ns", "1.5µs", "300ms", "1s", "1.5s", "1m30s", "1h0m0s"]);
    }
}
