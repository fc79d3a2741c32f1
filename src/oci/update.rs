//! Update: other limits for a container that runs.

use std::path::Path;

use super::state::{Container, Status};
use super::{OciError, take};
use crate::cgroups::Resources;
use crate::step::Plan;

/// Reads the JSON of `--resources`: what `linux.resources` of a config.json is.
pub fn parse(text: &str) -> Result<Resources, OciError> {
    let mut json: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| OciError::Usage(format!("--resources: not JSON: {error}")))?;
    if let Some(members) = json.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    serde_path_to_error::deserialize(json)
        .map_err(|error| OciError::Usage(format!("--resources: {}: {}", error.path(), error.inner())))
}

/// Sets the limits that are named; all others stay. Where one is refused, those before it are taken back.
pub fn update(container: &Container, resources: &Resources) -> Result<(), OciError> {
    if matches!(container.status(), Status::Stopped | Status::Creating) {
        return Err(OciError::State("container not running".into()));
    }
    let Some(cgroup) = &container.record.cgroup else {
        return Err(OciError::Unsupported(
            "update: this container has no cgroup, so it has no limits".into(),
        ));
    };
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    take(Plan::default().then(cgroup.update(resources, &read)?))
}
