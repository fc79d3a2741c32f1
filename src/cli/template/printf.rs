//! `printf`: Go's verbs, flags, widths and its way to say that something does not fit. See the package fmt.

use serde_json::Value;

use super::value::{Shape, Val, float_text, kind, plain};

/// Flags, width and precision of one verb.
#[derive(Debug, Default, Clone, Copy)]
struct Form {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// A text with its verbs replaced by the values.
pub(super) fn sprintf(format: &str, args: &[Val<'_>]) -> String {
    let (mut done, mut used, mut ordered) = (String::new(), 0, false);
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            done.push(letter);
            continue;
        }
        let mut form = Form::default();
        while let Some(flag) = letters.next_if(|letter| "-+# 0".contains(*letter)) {
            match flag {
                '-' => form.minus = true,
                '+' => form.plus = true,
                '#' => form.sharp = true,
                ' ' => form.space = true,
                _ => form.zero = true,
            }
        }
        form.width = count(&mut letters, args, &mut used);
        while letters.next_if_eq(&'[').is_some() {
            // %[2]d: the second value
            let number = count(&mut letters, &[], &mut 0).unwrap_or(1);
            letters.next_if_eq(&']');
            (used, ordered) = (number.max(1) - 1, true);
        }
        if letters.next_if_eq(&'.').is_some() {
            form.precision = Some(count(&mut letters, args, &mut used).unwrap_or(0));
        }
        match letters.next() {
            None => done += "%!(NOVERB)",
            Some('%') => done.push('%'),
            Some(verb) => match args.get(used) {
                None => done += &format!("%!{verb}(MISSING)"),
                Some(arg) => {
                    used += 1;
                    done += &shown(arg, verb, form);
                }
            },
        }
    }
    let extra: Vec<String> = args[used.min(args.len())..].iter().map(|arg| named(arg.value())).collect();
    if !extra.is_empty() && !ordered {
        done += &format!("%!(EXTRA {})", extra.join(", "));
    }
    done
}

/// A number, or `*` for the next value; no more than Go takes.
fn count(
    letters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    args: &[Val<'_>],
    used: &mut usize,
) -> Option<usize> {
    const MOST: usize = 1_000_000;
    if letters.next_if_eq(&'*').is_some() {
        let number = args.get(*used)?.value().as_u64()?;
        *used += 1;
        return usize::try_from(number).ok().filter(|number| *number <= MOST);
    }
    let mut number: Option<usize> = None;
    while let Some(digit) = letters.next_if(char::is_ascii_digit) {
        let digit = digit as usize - '0' as usize;
        number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit).min(MOST));
    }
    number
}

fn named(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        value => format!("{}={}", kind(value), plain(value)),
    }
}

fn shown(arg: &Val<'_>, verb: char, form: Form) -> String {
    let value = arg.value();
    match (verb, value) {
        ('T', Value::Null) => pad("<nil>".into(), form),
        ('T', value) => pad(kind(value).into(), form),
        ('v', Value::Null) if arg.shape != Shape::Plain => pad(arg.print(), form),
        ('v', Value::Null) => pad("<nil>".into(), form),
        (verb, Value::Null) if arg.shape == Shape::Plain => format!("%!{verb}(<nil>)"),
        _ => one(value, verb, form),
    }
}

fn one(value: &Value, verb: char, form: Form) -> String {
    match (verb, value) {
        (_, Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| one(item, verb, form)).collect();
            format!("[{}]", items.join(" "))
        }
        (_, Value::Object(map)) => {
            let mut pairs: Vec<(&String, &Value)> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            let pair = |(key, value): &(&String, &Value)| {
                format!("{}:{}", text(key, verb, form), one(value, verb, form))
            };
            format!("map[{}]", pairs.iter().map(pair).collect::<Vec<_>>().join(" "))
        }
        ('v' | 's', Value::Null) => "<nil>".into(),
        (_, Value::Null) => format!("%!{verb}(<nil>)"),
        (_, Value::String(inner)) => text(inner, verb, form),
        ('v' | 't', Value::Bool(value)) => pad(value.to_string(), form),
        (_, Value::Number(number)) => match number.as_i64() {
            Some(whole) if !number.is_f64() => integer(whole, verb, form),
            _ => real(number.as_f64().unwrap_or(f64::NAN), verb, form),
        },
        _ => wrong(value, verb),
    }
}

fn wrong(value: &Value, verb: char) -> String {
    format!("%!{verb}({})", named(value))
}

fn text(inner: &str, verb: char, form: Form) -> String {
    let cut: String = match form.precision {
        Some(most) => inner.chars().take(most).collect(),
        None => inner.into(),
    };
    let done = match verb {
        'v' if form.sharp => quote(&cut),
        'v' | 's' => cut,
        'q' if form.sharp && !cut.contains('`') => format!("`{cut}`"),
        'q' => quote(&cut),
        'x' => cut.bytes().map(|byte| format!("{byte:02x}")).collect(),
        'X' => cut.bytes().map(|byte| format!("{byte:02X}")).collect(),
        _ => return wrong(&Value::from(inner), verb),
    };
    pad(done, form)
}

fn integer(number: i64, verb: char, form: Form) -> String {
    let size = number.unsigned_abs();
    let letter = || u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
    let digits = match verb {
        'v' | 'd' => size.to_string(),
        'b' => format!("{size:b}"),
        'o' => format!("{}{size:o}", if form.sharp { "0" } else { "" }),
        'O' => format!("0o{size:o}"),
        'x' => format!("{}{size:x}", if form.sharp { "0x" } else { "" }),
        'X' => format!("{}{size:X}", if form.sharp { "0X" } else { "" }),
        'c' => return pad(letter().into(), form),
        'q' => return pad(format!("'{}'", letter()), form),
        'U' => return pad(format!("U+{size:04X}"), form),
        _ => return wrong(&number.into(), verb),
    };
    let digits = match form.precision {
        Some(least) => format!("{digits:0>least$}"),
        None => digits,
    };
    signed(number < 0, digits, Form { zero: form.zero && form.precision.is_none(), ..form })
}

fn real(number: f64, verb: char, form: Form) -> String {
    let size = number.abs();
    let exponent = |text: String| {
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        format!("{digits}e{sign}{exponent:0>2}")
    };
    let digits = match (verb, form.precision) {
        ('v' | 'g', None) => float_text(size),
        ('f' | 'F', precision) => format!("{size:.*}", precision.unwrap_or(6)),
        ('e', precision) => exponent(format!("{size:.*e}", precision.unwrap_or(6))),
        ('v' | 'g', Some(precision)) => {
            let rounded = format!("{size:.*e}", precision.max(1) - 1).parse::<f64>();
            float_text(rounded.unwrap_or(size))
        }
        _ => return wrong(&serde_json::json!(number), verb),
    };
    signed(number.is_sign_negative() && number != 0.0, digits, form)
}

/// Zeros stand behind the sign, blanks before it.
fn signed(negative: bool, digits: String, form: Form) -> String {
    let sign = match (negative, form.plus, form.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (.., true) => " ",
        _ => "",
    };
    match form.width {
        Some(width) if form.zero && !form.minus => {
            let width = width.saturating_sub(sign.len());
            format!("{sign}{digits:0>width$}")
        }
        _ => pad(format!("{sign}{digits}"), form),
    }
}

fn pad(text: String, form: Form) -> String {
    let width = form.width.unwrap_or(0);
    match form.minus {
        true => format!("{text:<width$}"),
        false if form.zero => format!("{text:0>width$}"),
        false => format!("{text:>width$}"),
    }
}

/// A text in quotes, as strconv.Quote writes it.
fn quote(text: &str) -> String {
    let mut done = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => done.extend(['\\', letter]),
            '\u{7}' => done += "\\a",
            '\u{8}' => done += "\\b",
            '\u{c}' => done += "\\f",
            '\n' => done += "\\n",
            '\r' => done += "\\r",
            '\t' => done += "\\t",
            '\u{b}' => done += "\\v",
            control if (control as u32) < 0x80 && control.is_control() => {
                done += &format!("\\x{:02x}", control as u32);
            }
            control if control.is_control() => done += &format!("\\u{:04x}", control as u32),
            other => done.push(other),
        }
    }
    done + "\""
}
