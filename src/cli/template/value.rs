//! Values: JSON, and how Go prints it.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// A value while a template is carried out.
#[derive(Debug, Clone)]
pub(super) struct Val<'d> {
    /// none: there is no such value, `<no value>`
    pub json: Option<Cow<'d, Value>>,
    pub shape: Shape,
}

/// What Go's type would be where JSON says too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Plain,
    /// a map, whose keys need not be there
    Map,
    /// a list, if perhaps null
    List,
}

impl<'d> Val<'d> {
    pub fn missing() -> Val<'d> {
        Val { json: None, shape: Shape::Plain }
    }

    pub fn borrowed(value: &'d Value) -> Val<'d> {
        Val { json: Some(Cow::Borrowed(value)), shape: Shape::Plain }
    }

    pub fn owned(value: impl Into<Value>) -> Val<'d> {
        Val { json: Some(Cow::Owned(value.into())), shape: Shape::Plain }
    }

    /// The value; what is not there is null.
    pub fn value(&self) -> &Value {
        self.json.as_deref().unwrap_or(&Value::Null)
    }

    /// What the value has under this name.
    pub fn get(&self, name: &str) -> Option<Val<'d>> {
        let json = match self.json.as_ref()? {
            Cow::Borrowed(value) => Cow::Borrowed(value.get(name)?),
            Cow::Owned(value) => Cow::Owned(value.get(name)?.clone()),
        };
        Some(Val { json: Some(json), shape: Shape::Plain })
    }

    /// The value at this place of a list.
    pub fn at(&self, index: usize) -> Option<Val<'d>> {
        let json = match self.json.as_ref()? {
            Cow::Borrowed(value) => Cow::Borrowed(value.get(index)?),
            Cow::Owned(value) => Cow::Owned(value.get(index)?.clone()),
        };
        Some(Val { json: Some(json), shape: Shape::Plain })
    }

    /// Whether `if` takes it for true: neither empty, nor 0, nor false.
    pub fn truth(&self) -> bool {
        match self.value() {
            Value::Null => false,
            Value::Bool(value) => *value,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(map) => !map.is_empty(),
        }
    }

    /// As an action prints it.
    pub fn print(&self) -> String {
        match (self.value(), self.shape) {
            (Value::Null, Shape::Plain) => "<no value>".into(),
            (Value::Null, Shape::Map) => "map[]".into(),
            (Value::Null, Shape::List) => "[]".into(),
            // Go has structs without fields where JSON has empty objects
            (value @ Value::Object(_), Shape::Map) => plain(value).replace(":map[]", ":{}"),
            (value, _) => plain(value),
        }
    }
}

/// As `%v` prints it: `[a b]`, `map[a:b]`.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number_text(number),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut pairs: Vec<(&String, &Value)> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            let pairs: Vec<String> =
                pairs.iter().map(|(key, value)| format!("{key}:{}", plain(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

/// Whole numbers as they are, others in the fewest digits, with an exponent below -4 and from 6 on.
fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_text(float),
        _ => number.to_string(),
    }
}

pub(super) fn float_text(float: f64) -> String {
    let text = format!("{float:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if float != 0.0 && !(-4..6).contains(&exponent) => {
            format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
        _ => float.to_string(),
    }
}

/// The name of a value's type.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as one line of JSON; with `<`, `>` and `&` escaped where Go's encoder does so.
pub(in crate::cli) fn json(value: &Value, escaped: bool) -> String {
    let text = value.to_string();
    let text = text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    match escaped {
        true => text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
        false => text,
    }
}
