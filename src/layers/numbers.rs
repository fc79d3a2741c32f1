//! Numbers of a tar header: octal text, or base 256 where octal is too short.
//!
//! ```text
//!   "0000644\0"             octal, blanks or NUL around it
//!   80 00 … 01 00 00 00 00  base 256: the first bit marks it, the second is the sign
//! ```
//!
//! See tar(5), "Numeric extensions". Lab 13-union-image, tutorials/13-union-image.md.

/// The number in this field; none where it is not one. An empty field is 0, as GNU tar and Docker read it.
pub(super) fn field(bytes: &[u8]) -> Option<i64> {
    if bytes.first()? & 0x80 != 0 {
        return base256(bytes);
    }
    let text = bytes.split(|byte| *byte == 0).find(|part| !part.is_empty()).unwrap_or_default().trim_ascii();
    text.iter().try_fold(0_i64, |sum, digit| match digit {
        b'0'..=b'7' => sum.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// The same for a number that cannot be negative.
pub(super) fn unsigned(bytes: &[u8]) -> Option<u64> {
    field(bytes).and_then(|number| u64::try_from(number).ok())
}

fn base256(bytes: &[u8]) -> Option<i64> {
    let negative = bytes[0] & 0x40 != 0;
    let first = if negative { i64::from(bytes[0]) - 0x100 } else { i64::from(bytes[0] & 0x3f) };
    bytes[1..]
        .iter()
        .try_fold(first, |sum, byte| sum.checked_mul(256).and_then(|sum| sum.checked_add(i64::from(*byte))))
}

/// Writes the number as octal text with a NUL; false, and zeros, where it does not fit.
pub(super) fn put(field: &mut [u8], number: u64) -> bool {
    let digits = field.len() - 1;
    let fits = number >> (3 * digits).min(63) == 0;
    let text = format!("{:0digits$o}\0", if fits { number } else { 0 });
    field.copy_from_slice(text.as_bytes());
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_and_base256_are_read_and_rubbish_is_not() {
        assert_eq!(field(b"0000644\0"), Some(0o644));
        assert_eq!(field(b"   644 \0"), Some(0o644));
        assert_eq!(field(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(field(b"\x80\0\0\0\0\0\0\0\0\0\x01\0"), Some(256));
        assert_eq!(field(&[0xff; 12]), Some(-1));
        assert_eq!(unsigned(&[0xff; 12]), None);
        assert_eq!(field(b"00x0644\0"), None);
        assert_eq!(field(&[0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    }

    #[test]
    fn a_number_that_does_not_fit_is_said_so() {
        let mut bytes = [0; 8];
        assert!(put(&mut bytes, 0o7777777));
        assert_eq!(&bytes, b"7777777\0");
        assert!(!put(&mut bytes, 0o10000000));
        assert_eq!(&bytes, b"0000000\0");
    }
}
