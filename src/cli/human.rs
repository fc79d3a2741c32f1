//! Numbers for people, as Docker's units package writes them.

/// Bytes in thousands with so many digits: `1.98MB`.
pub(super) fn size(bytes: u64, digits: usize) -> String {
    scaled(bytes, digits, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// Bytes in 1024s with four digits: `23.54GiB`.
pub(super) fn binary_size(bytes: u64) -> String {
    scaled(bytes, 4, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

fn scaled(bytes: u64, digits: usize, base: f64, units: &[&str]) -> String {
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= base && unit + 1 < units.len() {
        size /= base;
        unit += 1;
    }
    format!("{}{}", general(size, digits), units[unit])
}

/// Go's `%.4g`: so many digits, without zeros at the end; an exponent where they do not reach to the point.
fn general(number: f64, digits: usize) -> String {
    let text = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: usize = exponent.parse().unwrap_or(0);
    let short = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    match exponent >= digits {
        true => format!("{}e+{exponent:02}", short(mantissa)),
        false => short(&format!("{number:.*}", digits - 1 - exponent)),
    }
}

/// Seconds as `About a minute`, `2 weeks`.
pub(super) fn duration(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match () {
        _ if seconds < 1 => "Less than a second".into(),
        _ if seconds == 1 => "1 second".into(),
        _ if seconds < 60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".into(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".into(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// How long ago a second since 1970 was; `N/A` where it is not known.
pub(super) fn ago(second: Option<i64>) -> String {
    second.map_or("N/A".into(), |second| {
        format!("{} ago", duration(jiff::Timestamp::now().as_second() - second))
    })
}

/// A second since 1970 as Go prints a time: `2026-11-21 11:55:59 +0000 UTC`.
pub(super) fn moment(second: Option<i64>) -> String {
    let at = second.and_then(|second| jiff::Timestamp::from_second(second).ok());
    let zoned = at.map(|at| at.to_zoned(jiff::tz::TimeZone::system()));
    zoned.map_or("N/A".into(), |at| at.strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_docker_writes_them() {
        for (bytes, three, four) in [
            (0, "0B", "0B"),
            (6, "6B", "6B"),
            (999, "999B", "999B"),
            (1000, "1kB", "1kB"),
            (1_982_256, "1.98MB", "1.982MB"),
            (12_345, "12.3kB", "12.35kB"),
            (999_999, "1e+03kB", "1000kB"),
            (100_000_000, "100MB", "100MB"),
            (1_500_000_000_000, "1.5TB", "1.5TB"),
            (u64::MAX, "18.4EB", "18.45EB"),
        ] {
            assert_eq!((size(bytes, 3).as_str(), size(bytes, 4).as_str()), (three, four), "{bytes}");
        }
        assert_eq!(binary_size(25_276_510_208), "23.54GiB");
    }

    #[test]
    fn times_as_docker_writes_them() {
        for (seconds, text) in [
            (-5, "Less than a second"),
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (120, "2 minutes"),
            (3600, "About an hour"),
            (5400, "2 hours"),
            (47 * 3600, "47 hours"),
            (48 * 3600, "2 days"),
            (14 * 86400, "2 weeks"),
            (60 * 86400, "2 months"),
            (730 * 86400, "2 years"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }
}
