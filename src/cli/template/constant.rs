//! Constants: numbers, and what stands between the quotes of Go's strings and characters. See strconv.Unquote.

use serde_json::Number;

/// A number in one of Go's spellings: 42, 0x2a, 0o52, 052, 0b101010, 4_2, 4.2e1.
pub(super) fn number(text: &str) -> Option<Number> {
    let plain = text.replace('_', "").to_ascii_lowercase();
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let octal = digits.len() > 1 && digits.bytes().all(|byte| byte.is_ascii_digit());
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2), ("0", 8)] {
        if let Some(digits) = digits.strip_prefix(prefix)
            && (prefix != "0" || octal)
        {
            return Some((sign * i64::from_str_radix(digits, radix).ok()?).into());
        }
    }
    match digits.parse::<i64>() {
        Ok(number) => Some((sign * number).into()),
        Err(_) if digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') => {
            Number::from_f64(sign as f64 * digits.parse::<f64>().ok()?)
        }
        Err(_) => None,
    }
}

/// What stands between the quotes of a Go string or character.
pub(super) fn unquote(text: &str) -> Option<String> {
    let inner = &text[1..text.len() - 1];
    if text.starts_with('`') {
        return Some(inner.into());
    }
    let mut done = String::new();
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            done.push(letter);
            continue;
        }
        let code = |letters: &mut std::str::Chars<'_>, count: usize, radix: u32| {
            let digits: String = letters.take(count).collect();
            char::from_u32(u32::from_str_radix(&digits, radix).ok().filter(|_| digits.len() == count)?)
        };
        done.push(match letters.next()? {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => code(&mut letters, 2, 16)?,
            'u' => code(&mut letters, 4, 16)?,
            'U' => code(&mut letters, 8, 16)?,
            first @ '0'..='7' => {
                let digits: String = std::iter::once(first).chain(letters.by_ref().take(2)).collect();
                char::from_u32(u32::from_str_radix(&digits, 8).ok()?)?
            }
            other @ ('\\' | '"' | '\'') => other,
            _ => return None,
        });
    }
    Some(done)
}
