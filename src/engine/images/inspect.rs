//! Inspecting: an image as JSON, with Docker's field names in Docker's order.
//!
//! See docker-inspect(1) and the Docker Engine API (ImageInspect). Lab 13-union-image, tutorials/13-union-image.md.

use serde_json::{Map, Value, json};

use super::catalog::{ImageError, Known};
use crate::engine::config::ImageConfig;
use crate::engine::store::Store;

/// What Docker says where nothing is known of a time.
pub const NEVER: &str = "0001-01-01T00:00:00Z";

/// Everything that is known of an image.
///
/// # Errors
/// Those of measuring its layers.
pub fn inspect(store: &Store, image: &Known) -> Result<Value, ImageError> {
    let size: u64 = image.sizes(store)?.iter().sum();
    let document = &image.document;
    let text = |name: &str| document.rest.get(name).and_then(Value::as_str).unwrap_or_default();
    let comment = match text("comment") {
        "" => document.history.last().and_then(|last| last.comment.clone()).unwrap_or_default(),
        comment => comment.into(),
    };
    let raw: Value = store.document(image.id)?;
    let mut done = Map::new();
    let mut put = |name: &str, value: Value| _ = done.insert(name.into(), value);
    put("Id", image.id.to_string().into());
    put(
        "RepoTags",
        image.names.iter().filter(|name| name.tag().is_some()).map(ToString::to_string).collect(),
    );
    put("RepoDigests", image.repo_digests().into());
    put("Parent", image.parent().map(|parent| parent.to_string()).unwrap_or_default().into());
    put("Comment", comment.into());
    put("Created", document.created.clone().unwrap_or_else(|| NEVER.into()).into());
    put("Container", text("container").into());
    put("ContainerConfig", as_written(&raw["container_config"]));
    put("DockerVersion", text("docker_version").into());
    put("Author", document.author.clone().unwrap_or_default().into());
    put("Config", as_written(&raw["config"]));
    put("Architecture", document.architecture.as_str().into());
    for (name, field) in [("Variant", "variant"), ("OsVersion", "os.version")] {
        if !text(field).is_empty() {
            put(name, text(field).into());
        }
    }
    put("Os", document.os.as_str().into());
    put("Size", size.into());
    put("VirtualSize", size.into());
    put("GraphDriver", driver(store, image));
    let layers: Vec<String> = document.rootfs.diff_ids.iter().map(ToString::to_string).collect();
    put("RootFS", json!({"Type": "layers", "Layers": layers}));
    put("Metadata", json!({"LastTagTime": NEVER}));
    Ok(Value::Object(done))
}

/// Where its layers lie, in the words that Docker's overlay driver has for it.
fn driver(store: &Store, image: &Known) -> Value {
    let directory = |chain: &crate::layers::Digest| store.layer_path(*chain).display().to_string();
    let Some((top, below)) = image.chains.split_last() else {
        return json!({"Data": null, "Name": store.driver().name()});
    };
    let lower: Vec<String> = below.iter().rev().map(directory).collect();
    let mut data = Map::new();
    if !lower.is_empty() && store.driver() == crate::engine::store::Driver::Overlay {
        data.insert("LowerDir".into(), lower.join(":").into());
    }
    data.insert("UpperDir".into(), directory(top).into());
    json!({"Data": data, "Name": store.driver().name()})
}

/// A config of an image's document. In Go an empty list is another thing than none, and Docker shows which it was.
fn as_written(raw: &Value) -> Value {
    let mut shown = config(&serde_json::from_value(raw.clone()).unwrap_or_default());
    if raw["Env"].as_array().is_some_and(Vec::is_empty) {
        shown["Env"] = json!([]);
    }
    shown
}

/// What to run, with every field that Docker shows of it.
pub fn config(config: &ImageConfig) -> Value {
    let rest = |name: &str| config.rest.get(name).cloned();
    let text = |name: &str| rest(name).filter(Value::is_string).unwrap_or_else(|| "".into());
    let flag = |name: &str| rest(name).filter(Value::is_boolean).unwrap_or(Value::Bool(false));
    let mut done = Map::new();
    let mut put = |name: &str, value: Value| _ = done.insert(name.into(), value);
    put("Hostname", text("Hostname"));
    put("Domainname", text("Domainname"));
    put("User", config.user.as_str().into());
    for name in ["AttachStdin", "AttachStdout", "AttachStderr"] {
        put(name, flag(name));
    }
    if let Some(ports) = config.exposed_ports.as_ref().filter(|ports| !ports.is_empty()) {
        put("ExposedPorts", json!(ports));
    }
    for name in ["Tty", "OpenStdin", "StdinOnce"] {
        put(name, flag(name));
    }
    put("Env", if config.env.is_empty() { Value::Null } else { json!(config.env) });
    put("Cmd", json!(config.cmd));
    if let Some(check) = &config.healthcheck {
        put("Healthcheck", check.clone());
    }
    if let Some(escaped) = rest("ArgsEscaped") {
        put("ArgsEscaped", escaped);
    }
    put("Image", text("Image"));
    put("Volumes", json!(config.volumes));
    put("WorkingDir", config.working_dir.as_str().into());
    put("Entrypoint", json!(config.entrypoint));
    put("OnBuild", json!(config.on_build));
    put("Labels", json!(config.labels));
    if !config.stop_signal.is_empty() {
        put("StopSignal", config.stop_signal.as_str().into());
    }
    if let Some(shell) = &config.shell {
        put("Shell", json!(shell));
    }
    Value::Object(done)
}
