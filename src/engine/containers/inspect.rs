//! Inspecting: a container as JSON, with Docker's field names in Docker's order.
//!
//! ```text
//!   Record, Life ──> Id, State, Config …
//!   Request ───────> HostConfig      [`host`]
//!   leases ────────> NetworkSettings [`network`]
//! ```
//!
//! See docker-inspect(1) and the Docker Engine API (ContainerInspect).

mod host;
mod mounts;
mod network;

pub(super) use self::mounts::points;

use serde_json::{Map, Value, json};

use super::life::Status;
use super::{Record, process};
use crate::engine::images::catalog::Catalog;
use crate::engine::images::inspect::{NEVER, config};
use crate::engine::peers::Mode;
use crate::engine::ports;
use crate::engine::state::State;
use crate::engine::store::{Driver, Store, size_of_files};

/// Everything that is known of a container; with `sizes` also how much it has written.
pub fn inspect(state: &State, store: &Store, catalog: &Catalog, record: &Record, sizes: bool) -> Value {
    let directory = state.containers().join(&record.id);
    let pid = process(state, record).map_or(0, |peer| peer.pid);
    let image = catalog.images.iter().find(|image| Some(image.id) == record.image_id);
    let path = |name: &str| {
        let file = directory.join(name);
        if file.exists() { file.display().to_string() } else { String::new() }
    };
    let (program, arguments) =
        record.command.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    let mut done = Map::new();
    let mut put = |name: &str, value: Value| _ = done.insert(name.into(), value);
    put("Id", record.id.as_str().into());
    put("Created", record.created.as_str().into());
    put("Path", program.into());
    put("Args", json!(arguments));
    put("State", life(record, pid));
    put("Image", record.image_id.map(|id| id.to_string()).unwrap_or_default().into());
    for (name, file) in
        [("ResolvConfPath", "resolv.conf"), ("HostnamePath", "hostname"), ("HostsPath", "hosts")]
    {
        put(name, path(file).into());
    }
    put("LogPath", path(&format!("{}-json.log", record.id)).into());
    put("Name", format!("/{}", record.name).into());
    put("RestartCount", record.life.restarts.into());
    put("Driver", record.driver.name().into());
    put("Platform", "linux".into());
    for name in ["MountLabel", "ProcessLabel", "AppArmorProfile"] {
        put(name, "".into());
    }
    put("ExecIDs", Value::Null);
    put("HostConfig", host::config(record));
    put("GraphDriver", tree(state, record));
    if sizes {
        let written = size_of_files(&directory.join("upper")).unwrap_or(0);
        let below: u64 = image.and_then(|image| image.sizes(store).ok()).unwrap_or_default().iter().sum();
        put("SizeRw", written.into());
        put("SizeRootFs", (written + below).into());
    }
    put("Mounts", mounts::points(state, record));
    put("Config", program_config(record));
    put("NetworkSettings", network::settings(state, record, pid));
    Value::Object(done)
}

fn life(record: &Record, pid: i32) -> Value {
    let life = &record.life;
    let time = |time: &Option<String>| time.clone().unwrap_or_else(|| NEVER.into());
    let mut shown = json!({
        "Status": life.status.word(), "Running": life.running(), "Paused": life.status == Status::Paused,
        "Restarting": life.status == Status::Restarting, "OOMKilled": life.oom_killed, "Dead": false,
        "Pid": pid, "ExitCode": life.exit_code, "Error": life.error,
        "StartedAt": time(&life.started), "FinishedAt": time(&life.finished),
    });
    if let Some(health) = &life.health {
        shown["Health"] = json!(health);
    }
    shown
}

/// Where its files lie, in the words that Docker's overlay driver has for it.
fn tree(state: &State, record: &Record) -> Value {
    let directory = state.containers().join(&record.id);
    let data = match record.driver {
        Driver::Overlay => {
            let lower: Vec<String> =
                record.lower.iter().rev().map(|layer| layer.display().to_string()).collect();
            json!({
                "LowerDir": lower.join(":"), "MergedDir": directory.join("merged"),
                "UpperDir": directory.join("upper"), "WorkDir": directory.join("work"),
            })
        }
        // a tree by itself, of which Docker's drivers say nothing either
        Driver::Vfs | Driver::Btrfs => Value::Null,
    };
    json!({"Data": data, "Name": record.driver.name()})
}

/// What runs in it, and how: the image's words and those of whoever made it.
fn program_config(record: &Record) -> Value {
    let request = &record.request;
    let mut done = config(&record.config);
    let shared = request.peers.network == Some(Mode::Host);
    let hostname = match &request.hostname {
        Some(name) => name.clone(),
        None if shared => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        None => record.id[..12].into(),
    };
    done["Hostname"] = hostname.into();
    done["Domainname"] = request.domainname.clone().unwrap_or_default().into();
    done["AttachStdin"] = request.attaches.stdin.into();
    done["AttachStdout"] = request.attaches.stdout.into();
    done["AttachStderr"] = request.attaches.stderr.into();
    done["Tty"] = request.terminal.into();
    done["OpenStdin"] = request.stdin.into();
    done["StdinOnce"] = request.stdin_once.into();
    done["Image"] = record.image.as_str().into();
    if let Some(ports) = ports::exposed(record) {
        done["ExposedPorts"] = json!(ports);
    }
    if let Some(mac) = request.mac {
        done["MacAddress"] = mac.to_string().into();
    }
    for volume in record.volumes().iter().filter(|volume| volume.anonymous) {
        if done["Volumes"].is_null() {
            done["Volumes"] = json!({});
        }
        done["Volumes"][volume.target.display().to_string()] = json!({});
    }
    if done["Labels"].is_null() {
        done["Labels"] = json!({});
    }
    if let Some(seconds) = request.stop_timeout {
        done["StopTimeout"] = seconds.into();
    }
    done
}
