//! Update: other limits for a container that runs.
//!
//! ```text
//!   linux.resources, as far as said ──> cgroup files, each where it differs     all of them, or none
//!                                   └─> state.json: the configuration says what counts from now on
//! ```
//!
//! See runc-update(8) and the runtime specification, config-linux.md, "Control groups".

use std::fs::File;
use std::path::Path;

use serde_json::Value;

use super::state::{Container, Record, Status};
use super::{OciError, take};
use crate::cgroups::Resources;
use crate::step::Plan;

/// Reads the JSON of `--resources`: what `linux.resources` of a config.json is.
pub fn parse(text: &str) -> Result<Resources, OciError> {
    let mut json: Value = serde_json::from_str(text)
        .map_err(|error| OciError::Usage(format!("--resources: not JSON: {error}")))?;
    if let Some(members) = json.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    serde_path_to_error::deserialize(json)
        .map_err(|error| OciError::Usage(format!("--resources: {}: {}", error.path(), error.inner())))
}

/// Sets the limits that are named; all others stay. Where one is refused, those before it are taken back. What is kept
/// of the container says the new ones, as with runc.
pub fn update(container: &Container, resources: &Resources) -> Result<(), OciError> {
    if matches!(container.status(), Status::Stopped | Status::Creating) {
        return Err(OciError::State("container not running".into()));
    }
    let Some(cgroup) = &container.record.cgroup else {
        return Err(OciError::Unsupported(
            "update: this container has no cgroup, so it has no limits".into(),
        ));
    };
    let directory = &container.directory;
    // of two who change it at once, the second must find what the first has written
    let lock = File::open(directory).and_then(|file| file.lock().map(|()| file));
    let lock = lock.map_err(OciError::file("cannot lock", directory))?;
    let mut record = Record::read(directory)?;
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    take(Plan::default().then(cgroup.update(resources, &read)?))?;
    if let Some(said) = said(serde_json::to_value(resources).unwrap_or_default(), "") {
        merge(&mut record.config["linux"]["resources"], said);
        record.save(directory)?;
    }
    drop(lock);
    Ok(())
}

/// Numbers of which 0 means that nothing was said.
const ZERO_IS_NOTHING: [&str; 11] = [
    "limit",
    "reservation",
    "swap",
    "kernel",
    "kernelTCP",
    "shares",
    "quota",
    "period",
    "realtimeRuntime",
    "realtimePeriod",
    "weight",
];

/// What of it was said at all.
fn said(value: Value, name: &str) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(members) => {
            let members = members.into_iter();
            let members = members.filter_map(|(name, value)| said(value, &name).map(|value| (name, value)));
            let members: serde_json::Map<String, Value> = members.collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        // no device at all is an order; the other lists only name what they change
        Value::Array(items) if items.is_empty() && name != "devices" => None,
        Value::Number(number) if number.as_i64() == Some(0) && ZERO_IS_NOTHING.contains(&name) => None,
        other => Some(other),
    }
}

/// Members take the place of those of the same name; an entry of a list, of the one for the same disk, page or link.
fn merge(old: &mut Value, new: Value) {
    const KEYS: [&str; 4] = ["major", "minor", "pageSize", "name"];
    match (old, new) {
        (old, Value::Object(members)) => {
            if !old.is_object() {
                *old = Value::Object(serde_json::Map::new());
            }
            for (name, value) in members {
                match (name.as_str(), &mut old[&name]) {
                    ("devices", old) => *old = value,
                    (_, old) => merge(old, value),
                }
            }
        }
        (Value::Array(items), Value::Array(new)) => {
            for item in new {
                let same = |other: &Value| KEYS.iter().all(|key| other.get(key) == item.get(key));
                items.retain(|other| !same(other));
                items.push(item);
            }
        }
        (old, new) => *old = new,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is kept after an update, of what was kept before it.
    fn after(old: Value, update: Value) -> Value {
        let resources = parse(&update.to_string()).expect("resources");
        let mut kept = old;
        if let Some(said) = said(serde_json::to_value(resources).expect("JSON"), "") {
            merge(&mut kept, said);
        }
        kept
    }

    #[test]
    fn what_was_said_counts_and_all_else_stays() {
        let old = json!({ "memory": { "limit": 64, "swap": 128 }, "unified": { "memory.high": "1" } });
        let kept = after(old.clone(), json!({ "memory": { "limit": 32, "swap": 0 }, "cpu": { "idle": 0 } }));
        assert_eq!(kept["memory"], json!({ "limit": 32, "swap": 128 }));
        assert_eq!((&kept["cpu"], &kept["unified"]), (&json!({ "idle": 0 }), &old["unified"]));
        assert_eq!(after(old.clone(), json!({})), old);
        assert_eq!(
            after(Value::Null, json!({ "pids": { "limit": -1 } })),
            json!({ "pids": { "limit": -1 } })
        );
    }

    #[test]
    fn of_a_list_each_entry_is_a_limit_of_its_own() {
        let page = |size: &str, limit: u64| json!({ "pageSize": size, "limit": limit });
        let old =
            json!({ "hugepageLimits": [page("2MB", 1), page("1GB", 2)], "devices": [{ "allow": true }] });
        let update = json!({ "hugepageLimits": [page("2MB", 7)], "devices": [] });
        let kept = after(old, update);
        assert_eq!(kept["hugepageLimits"], json!([page("1GB", 2), page("2MB", 7)]));
        assert_eq!(kept["devices"], json!([]));
    }
}
