//! Functions: Go's own, and those that Docker adds. See text/template/funcs.go and docker/cli's templates package.

use serde_json::Value;

use super::Types;
use super::compare;
use super::printf::sprintf;
use super::value::{Shape, Val, json, kind};

/// What a template may call.
pub(super) const KNOWN: &[&str] = &[
    "and", "eq", "ge", "gt", "html", "index", "join", "js", "json", "le", "len", "lower", "lt", "ne", "not",
    "or", "pad", "print", "printf", "println", "slice", "split", "title", "truncate", "upper", "urlquery",
];

/// The most blanks that `pad` puts on one side; `printf` takes no larger width either.
const BLANKS: usize = 1_000_000;

/// Why a call came to nothing.
pub(super) enum Wrong {
    /// too many arguments, or too few
    Count(String),
    /// an argument of another type
    Type {
        /// which, counted from 0
        at: usize,
        wanted: &'static str,
        given: &'static str,
    },
    /// the function itself says so
    Call(String),
}

/// Calls a function by its name.
pub(super) fn call<'d>(name: &str, args: &[Val<'d>], types: &Types) -> Result<Val<'d>, Wrong> {
    count(name, args.len())?;
    let text = |at: usize| match args[at].value() {
        Value::String(text) => Ok(text.as_str()),
        other => Err(Wrong::Type { at, wanted: "string", given: kind(other) }),
    };
    let whole = |at: usize| match args[at].value().as_i64() {
        Some(number) => Ok(number.max(0) as usize),
        None => Err(Wrong::Type { at, wanted: "int", given: kind(args[at].value()) }),
    };
    // a heading stays what it is, but for its letters
    if types.headings && matches!(name, "json" | "title" | "lower" | "split" | "join" | "truncate" | "pad") {
        return Ok(args[0].clone());
    }
    Ok(match name {
        "json" => {
            let marshals = types.marshals && args[0].value().is_object();
            Val::owned(json(args[0].value(), marshals))
        }
        "lower" => Val::owned(text(0)?.to_lowercase()),
        "upper" => Val::owned(text(0)?.to_uppercase()),
        "title" => Val::owned(title(text(0)?)),
        "split" => Val::owned(split(text(0)?, text(1)?)),
        "join" => Val::owned(join(&args[0], text(1)?)?),
        "pad" => {
            let blanks = |at| match whole(at)? {
                count if count <= BLANKS => Ok(" ".repeat(count)),
                count => Err(Wrong::Call(format!("{count} blanks are more than {BLANKS}"))),
            };
            match text(0)? {
                "" => Val::owned(""),
                inner => Val::owned(blanks(1)? + inner + &blanks(2)?),
            }
        }
        "truncate" => Val::owned(text(0)?.chars().take(whole(1)?).collect::<String>()),
        "not" => Val::owned(!args[0].truth()),
        "len" => Val::owned(length(&args[0]).map_err(Wrong::Call)?),
        "index" => index(args).map_err(Wrong::Call)?,
        "slice" => slice(args).map_err(Wrong::Call)?,
        "print" => Val::owned(print(args)),
        "println" => Val::owned(args.iter().map(operand).collect::<Vec<_>>().join(" ") + "\n"),
        "printf" => Val::owned(sprintf(text(0)?, &args[1..])),
        "html" => Val::owned(html(&print(args))),
        "js" => Val::owned(js(&print(args))),
        "urlquery" => Val::owned(urlquery(&print(args))),
        "eq" => Val::owned(compare::equal(args).map_err(Wrong::Call)?),
        "ne" => Val::owned(!compare::equal(&args[..2]).map_err(Wrong::Call)?),
        _ => Val::owned(compare::less(name, &args[0], &args[1]).map_err(Wrong::Call)?),
    })
}

/// Docker's functions take as many arguments as they name.
fn count(name: &str, given: usize) -> Result<(), Wrong> {
    let (least, most) = match name {
        "json" | "lower" | "upper" | "title" | "not" | "len" => (1, Some(1)),
        "split" | "join" | "truncate" | "ne" | "lt" | "le" | "gt" | "ge" => (2, Some(2)),
        "pad" => (3, Some(3)),
        "index" | "slice" | "printf" | "eq" => (1, None),
        _ => (0, None),
    };
    let wanted = match most {
        Some(most) if given > most || given < least => format!("want {most}"),
        None if given < least => format!("want at least {least}"),
        _ => return Ok(()),
    };
    Err(Wrong::Count(format!("wrong number of args for {name}: {wanted} got {given}")))
}

fn title(text: &str) -> String {
    let mut begins = true;
    let mut done = String::new();
    for letter in text.chars() {
        match begins {
            true => done.extend(letter.to_uppercase()),
            false => done.push(letter),
        }
        begins = !(letter.is_alphanumeric() || letter == '_');
    }
    done
}

fn split(text: &str, separator: &str) -> Vec<Value> {
    match separator {
        "" => text.chars().map(|letter| letter.to_string().into()).collect(),
        _ => text.split(separator).map(Value::from).collect(),
    }
}

fn join(list: &Val<'_>, separator: &str) -> Result<String, Wrong> {
    match list.value() {
        Value::Array(items) => Ok(items.iter().map(super::value::plain).collect::<Vec<_>>().join(separator)),
        Value::Null => Ok(String::new()),
        other => Err(Wrong::Type { at: 0, wanted: "[]string", given: kind(other) }),
    }
}

fn length(value: &Val<'_>) -> Result<usize, String> {
    match value.value() {
        Value::String(text) => Ok(text.len()),
        Value::Array(items) => Ok(items.len()),
        Value::Object(map) => Ok(map.len()),
        Value::Null if value.shape != Shape::Plain => Ok(0),
        Value::Null => Err("len of nil pointer".into()),
        other => Err(format!("len of type {}", kind(other))),
    }
}

/// Go's own test lets the first place behind a list through to the list itself, which complains in other words.
fn outside(at: i64, length: usize) -> String {
    match (at, length) {
        (0, 0) => "error calling index: reflect: slice index out of range".into(),
        _ => format!("index out of range: {at}"),
    }
}

fn index<'d>(args: &[Val<'d>]) -> Result<Val<'d>, String> {
    let mut value = args[0].clone();
    for index in &args[1..] {
        value = match value.value() {
            Value::Array(items) => {
                let at = number(index, "index")?;
                let found = usize::try_from(at).ok().filter(|at| *at < items.len());
                found.and_then(|at| value.at(at)).ok_or_else(|| outside(at, items.len()))?
            }
            Value::String(text) => {
                let at = number(index, "index")?;
                let byte = usize::try_from(at).ok().and_then(|at| text.as_bytes().get(at));
                Val::owned(*byte.ok_or_else(|| format!("index out of range: {at}"))?)
            }
            Value::Object(map) => {
                let Value::String(key) = index.value() else {
                    return Err(format!("value has type {}; should be string", kind(index.value())));
                };
                // a map of texts has a text for every key
                let texts = !map.is_empty() && map.values().all(Value::is_string);
                value.get(key).unwrap_or_else(|| if texts { Val::owned("") } else { Val::missing() })
            }
            Value::Null if value.shape == Shape::Map => Val::owned(""),
            Value::Null if value.shape == Shape::List => {
                return Err(outside(number(index, "index")?, 0));
            }
            Value::Null => return Err("index of untyped nil".into()),
            other => return Err(format!("can't index item of type {}", kind(other))),
        };
    }
    Ok(value)
}

fn number(value: &Val<'_>, what: &str) -> Result<i64, String> {
    match value.value() {
        Value::Null => Err(format!("cannot {what} slice/array with nil")),
        Value::Number(number) => {
            number.as_i64().ok_or_else(|| format!("cannot {what} slice/array with type float64"))
        }
        other => Err(format!("cannot {what} slice/array with type {}", kind(other))),
    }
}

fn slice<'d>(args: &[Val<'d>]) -> Result<Val<'d>, String> {
    let length = match args[0].value() {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        Value::Null => return Err("slice of untyped nil".into()),
        other => return Err(format!("can't slice item of type {}", kind(other))),
    };
    let is_text = args[0].value().is_string();
    if args.len() > if is_text { 3 } else { 4 } {
        return Err(match is_text {
            true => "cannot 3-index slice a string".into(),
            false => format!("too many slice indexes: {}", args.len() - 1),
        });
    }
    let mut bounds = [0, length, length];
    for (bound, arg) in bounds.iter_mut().zip(&args[1..]) {
        let at = number(arg, "index")?;
        let inside = usize::try_from(at).ok().filter(|at| *at <= length);
        *bound = inside.ok_or_else(|| format!("index out of range: {at}"))?;
    }
    let [from, to, most] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > most {
        return Err(format!("invalid slice index: {to} > {most}"));
    }
    Ok(match args[0].value() {
        Value::Array(items) => Val::owned(items[from..to].to_vec()),
        Value::String(text) => Val::owned(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned()),
        _ => Val::missing(),
    })
}

/// As fmt.Sprint: a blank between two of which neither is a text.
fn print(args: &[Val<'_>]) -> String {
    let mut done = String::new();
    for (at, arg) in args.iter().enumerate() {
        let text = |arg: &Val<'_>| arg.value().is_string();
        if at > 0 && !text(arg) && !text(&args[at - 1]) {
            done.push(' ');
        }
        done += &operand(arg);
    }
    done
}

fn operand(arg: &Val<'_>) -> String {
    match arg.value() {
        Value::Null if arg.shape == Shape::Plain => "<nil>".into(),
        _ => arg.print(),
    }
}

fn html(text: &str) -> String {
    let escaped = |letter| match letter {
        '"' => "&#34;".into(),
        '\'' => "&#39;".into(),
        '&' => "&amp;".into(),
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '\0' => "\u{fffd}".into(),
        other => String::from(other),
    };
    text.chars().map(escaped).collect()
}

fn js(text: &str) -> String {
    let escaped = |letter: char| match letter {
        '\\' | '\'' | '"' => format!("\\{letter}"),
        '<' | '>' | '&' | '=' => format!("\\u{:04X}", letter as u32),
        other if other.is_control() => format!("\\u{:04X}", other as u32),
        other => other.into(),
    };
    text.chars().map(escaped).collect()
}

fn urlquery(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        b' ' => "+".into(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(escaped).collect()
}
