//! PAX records: what a plain tar header has no room for.
//!
//! ```text
//!   "27 mtime=1700000000.000001\n"
//!    │  │     └ value, any bytes, newlines too (so records are cut by length, never by line)
//!    │  └ key: path, linkpath, size, uid, gid, mtime, SCHILY.xattr.NAME, GNU.sparse.*
//!    └ length of the whole record, itself included
//! ```
//!
//! See POSIX pax, "pax Extended Header", and tar(5). Lab 13-union-image, tutorials/13-union-image.md.

use super::entry::Stamp;

/// The key prefix of an extended attribute.
pub(super) const XATTR: &[u8] = b"SCHILY.xattr.";

/// Cuts records out of an extension's data; none where a record is malformed.
pub(super) fn parse(mut data: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    // some writers pad with NUL
    while !data.is_empty() && data[0] != 0 {
        let blank = data.iter().take(20).position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&data[..blank]).ok()?.parse().ok()?;
        if length <= blank + 1 || length > data.len() || data[length - 1] != b'\n' {
            return None;
        }
        let record = &data[blank + 1..length - 1];
        let equals = record.iter().position(|byte| *byte == b'=')?;
        if equals == 0 {
            return None;
        }
        records.push((&record[..equals], &record[equals + 1..]));
        data = &data[length..];
    }
    Some(records)
}

/// Appends one record.
pub(super) fn push(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() > length {
        length += 1;
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// A decimal number.
pub(super) fn number(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(value).ok()?.parse().ok())?
}

/// Seconds with an optional fraction, `-1.25` included; digits after the ninth are dropped.
pub(super) fn stamp(value: &[u8]) -> Option<Stamp> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let mut parts = value.splitn(2, |byte| *byte == b'.');
    let seconds = i64::try_from(number(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanos = (0..9)
        .fold(0, |sum, place| sum * 10 + fraction.get(place).map_or(0, |digit| u32::from(digit - b'0')));
    Some(match (negative, nanos) {
        (false, nanos) => Stamp { seconds, nanos },
        (true, 0) => Stamp { seconds: -seconds, nanos: 0 },
        (true, nanos) => Stamp { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos },
    })
}

/// The text that [`stamp`] reads back.
pub(super) fn stamp_text(stamp: Stamp) -> String {
    match stamp {
        Stamp { seconds, nanos: 0 } => seconds.to_string(),
        Stamp { seconds, nanos } if seconds >= 0 => {
            format!("{seconds}.{nanos:09}").trim_end_matches('0').to_owned()
        }
        Stamp { seconds, nanos } => {
            let (whole, part) = (-(seconds + 1), 1_000_000_000 - nanos);
            format!("-{whole}.{part:09}").trim_end_matches('0').to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_newlines_and_length_borders() {
        for length in 0..1100 {
            let value = vec![b'\n'; length];
            let mut data = Vec::new();
            push(&mut data, b"SCHILY.xattr.user.x", &value);
            push(&mut data, b"path", b"a=b");
            let records = parse(&data).expect("own records are read");
            assert_eq!(records, [(&b"SCHILY.xattr.user.x"[..], &value[..]), (b"path", b"a=b")]);
        }
    }

    #[test]
    fn a_record_that_lies_is_refused() {
        for lie in
            ["8 path=a\n", "11 path=a\n", "99 path=a\n", "path=a\n", "11 =aaaaaa\n", "4 a\n", "-1 a=b\n"]
        {
            assert_eq!(parse(lie.as_bytes()), None, "{lie:?}");
        }
    }

    #[test]
    fn times_before_and_after_1970_go_there_and_back() {
        for (seconds, nanos) in [(0, 0), (1, 500_000_000), (-1, 750_000_000), (-5, 0), (1_700_000_000, 1)] {
            let time = Stamp { seconds, nanos };
            assert_eq!(stamp(stamp_text(time).as_bytes()), Some(time));
        }
        assert_eq!(stamp(b"1.5x"), None);
        assert_eq!(stamp(b""), None);
    }
}
