//! Sizes, as Docker writes them: bytes, or with b, k, m, g, t, each 1024 times the one before.

/// Above 0.
pub(super) fn size(text: &str) -> Result<u64, String> {
    match size_or_none(text)? {
        0 => Err("expected a size above 0".into()),
        bytes => Ok(bytes),
    }
}

/// 0 is a size too: as much as there is.
pub(super) fn size_or_none(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix("ib").or(lower.strip_suffix('b')).unwrap_or(&lower);
    let (digits, shift) = match lower.strip_suffix(['k', 'm', 'g', 't']) {
        Some(digits) => (digits, ["k", "m", "g", "t"].iter().position(|unit| lower.ends_with(unit))),
        None => (lower, None),
    };
    let factor = shift.map_or(1, |place| 1u64 << (10 * (place + 1)));
    let number: u64 = digits.parse().map_err(|_| format!("invalid size: '{text}'"))?;
    number.checked_mul(factor).ok_or_else(|| "is more than can be counted".into())
}

/// What the kernel may use at least.
pub(super) fn kernel_memory(text: &str) -> Result<u64, String> {
    const LEAST: u64 = 4 << 20;
    match size_or_none(text)? {
        bytes @ (0 | LEAST..) => Ok(bytes),
        _ => Err("Minimum kernel memory limit allowed is 4MB".into()),
    }
}

/// A size, or -1 for no limit.
pub(super) fn swap(text: &str) -> Result<i64, String> {
    match text {
        "-1" => Ok(-1),
        text => i64::try_from(size_or_none(text)?).map_err(|_| "is more than can be counted".into()),
    }
}
