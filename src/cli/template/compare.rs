//! `eq`, `lt` and their kin. See text/template/funcs.go.

use std::cmp::Ordering;

use serde_json::Value;

use super::value::{Val, kind, plain};

/// Whether the first equals one of the others.
pub(super) fn equal(args: &[Val<'_>]) -> Result<bool, String> {
    let [first, others @ ..] = args else { return Err("missing argument for comparison".into()) };
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if same(first.value(), other.value())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn same(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Array(_) | Value::Object(_), Value::Null)
        | (Value::Null, Value::Array(_) | Value::Object(_)) => Ok(false),
        (Value::Array(_) | Value::Object(_), _) => Err(non_comparable(a)),
        (_, Value::Array(_) | Value::Object(_)) => Err(non_comparable(b)),
        (Value::Null, _) | (_, Value::Null) => Ok(false),
        _ => Ok(order(a, b)? == Ordering::Equal),
    }
}

fn non_comparable(value: &Value) -> String {
    format!("non-comparable type {}: {}", plain(value), kind(value))
}

/// Which of two is the smaller: numbers, or texts.
pub(super) fn order(a: &Value, b: &Value) -> Result<Ordering, String> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (Value::Number(x), Value::Number(y)) if x.is_f64() == y.is_f64() => {
            let whole = x.as_i64().zip(y.as_i64()).map(|(x, y)| x.cmp(&y));
            let real = || x.as_f64().zip(y.as_f64()).and_then(|(x, y)| x.partial_cmp(&y));
            whole.or_else(real).ok_or_else(|| "invalid type for comparison".into())
        }
        (Value::Array(_) | Value::Object(_) | Value::Null, _)
        | (_, Value::Array(_) | Value::Object(_) | Value::Null) => Err("invalid type for comparison".into()),
        _ => Err("incompatible types for comparison".into()),
    }
}

/// `lt`, `le`, `gt`, `ge`.
pub(super) fn less(name: &str, a: &Val<'_>, b: &Val<'_>) -> Result<bool, String> {
    let (a, b) = (a.value(), b.value());
    if a.is_boolean() && b.is_boolean() {
        return Err("invalid type for comparison".into());
    }
    let order = order(a, b)?;
    Ok(match name {
        "lt" => order.is_lt(),
        "le" => order.is_le(),
        "gt" => order.is_gt(),
        _ => order.is_ge(),
    })
}
