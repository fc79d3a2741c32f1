//! Moments and durations on the command line, as Docker takes them, for `logs` and `events`; and the one that the
//! environment asks for, for `commit` and `import`.

use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;

/// A time as Docker takes it: RFC 3339, as much of it as there is; seconds since 1970; or a while ago, as Go writes
/// durations.
pub(super) fn moment(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let zone = jiff::tz::TimeZone::system();
    if let Some(span) = duration(text) {
        // before all calendars is before all that is asked about
        return Ok(now.checked_sub(span).unwrap_or(Timestamp::MIN));
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return Ok(Timestamp::from_nanosecond((seconds * 1e9) as i128)?);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(time) = text.trim_end_matches('Z').parse::<jiff::civil::DateTime>() {
        let zone = if text.ends_with('Z') { jiff::tz::TimeZone::UTC } else { zone };
        return Ok(time.to_zoned(zone)?.timestamp());
    }
    bail!(
        "invalid value for \"since\" or \"until\": {text:?} is no time, no number of seconds and no duration"
    )
}

/// The time that reproducible builds ask for, in the variable `SOURCE_DATE_EPOCH`; none where nothing is in it.
pub(super) fn epoch() -> anyhow::Result<Option<Timestamp>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map(Some)
        .with_context(|| format!("SOURCE_DATE_EPOCH is {text:?}, not a number of seconds since 1970"))
}

/// `1h30m`, `42m`, `10s`, `1.5s`, `100ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let units = [("ms", 0.001), ("us", 1e-6), ("ns", 1e-9), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];
        let (unit, factor) = units.into_iter().find(|(unit, _)| rest[digits..].starts_with(unit))?;
        total += number * factor;
        rest = &rest[digits + unit.len()..];
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(total).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_while_ago_may_be_before_the_calendar() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        for (text, wanted) in [
            ("1h30m", "2025-12-31T22:30:00Z"),
            ("1.5s", "2025-12-31T23:59:58.5Z"),
            ("1700000000", "2023-11-14T22:13:20Z"),
            ("2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"),
        ] {
            assert_eq!(moment(text, now).expect(text).to_string(), wanted, "{text}");
        }
        assert_eq!(moment("99999999999h", now).expect("a while"), Timestamp::MIN);
        for text in ["", "1x", "h", "1e300", "soon"] {
            assert!(moment(text, now).is_err(), "{text}");
        }
    }
}
