//! Inspecting: a container as JSON, with Docker's field names in Docker's order; of them those whose values are known.
//!
//! See docker-inspect(1) and the Docker Engine API (ContainerInspect).

use serde_json::{Map, Value, json};

use super::life::Status;
use super::{Record, process};
use crate::engine::images::catalog::Catalog;
use crate::engine::images::inspect::{NEVER, config};
use crate::engine::state::State;
use crate::engine::store::{Store, size_of_files};
use crate::engine::volumes::Volumes;
use crate::engine::volumes::asked::VolumeUse;
use crate::rootfs::{Mount, Source};

/// Everything that is known of a container; with `sizes` also how much it has written.
pub fn inspect(state: &State, store: &Store, catalog: &Catalog, record: &Record, sizes: bool) -> Value {
    let directory = state.containers().join(&record.id);
    let pid = process(state, record).unwrap_or(0);
    let life = &record.life;
    let time = |time: &Option<String>| time.clone().unwrap_or_else(|| NEVER.into());
    let image = catalog.images.iter().find(|image| Some(image.id) == record.image_id);
    let path = |name: &str| {
        let file = directory.join(name);
        if file.exists() { file.display().to_string() } else { String::new() }
    };
    let (program, arguments) =
        record.command.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    let mut settings = config(&record.config);
    settings["Tty"] = record.request.terminal.into();
    settings["OpenStdin"] = record.request.stdin.into();
    settings["StdinOnce"] = record.request.stdin_once.into();
    settings["Image"] = record.image.as_str().into();
    let mut done = Map::new();
    let mut put = |name: &str, value: Value| _ = done.insert(name.into(), value);
    put("Id", record.id.as_str().into());
    put("Created", record.created.as_str().into());
    put("Path", program.into());
    put("Args", json!(arguments));
    put(
        "State",
        json!({
            "Status": life.status.word(), "Running": life.running(), "Paused": life.status == Status::Paused,
            "Restarting": life.status == Status::Restarting, "OOMKilled": life.oom_killed, "Dead": false,
            "Pid": pid, "ExitCode": life.exit_code, "Error": life.error,
            "StartedAt": time(&life.started), "FinishedAt": time(&life.finished),
        }),
    );
    put("Image", record.image_id.map(|id| id.to_string()).unwrap_or_default().into());
    for (name, file) in
        [("ResolvConfPath", "resolv.conf"), ("HostnamePath", "hostname"), ("HostsPath", "hosts")]
    {
        put(name, path(file).into());
    }
    put("LogPath", path(&format!("{}-json.log", record.id)).into());
    put("Name", format!("/{}", record.name).into());
    put("RestartCount", life.restarts.into());
    put("Driver", store.driver().name().into());
    put("Platform", "linux".into());
    put("HostConfig", json!({"Binds": null, "Runtime": "stepbox"}));
    let upper = directory.join("upper");
    let merged = directory.join("merged");
    put(
        "GraphDriver",
        json!({
            "Data": {"MergedDir": merged, "UpperDir": upper, "WorkDir": directory.join("work")},
            "Name": store.driver().name(),
        }),
    );
    if sizes {
        let written = size_of_files(&upper).unwrap_or(0);
        let below: u64 = image.and_then(|image| image.sizes(store).ok()).unwrap_or_default().iter().sum();
        put("SizeRw", written.into());
        put("SizeRootFs", (written + below).into());
    }
    put("Mounts", mounts(state, record));
    put("Config", settings);
    put("NetworkSettings", json!({"Ports": null, "Networks": null}));
    Value::Object(done)
}

/// Binds and volumes, as Docker shows them.
fn mounts(state: &State, record: &Record) -> Value {
    let volume = |volume: &VolumeUse| {
        let place = Volumes::of(state).find(&volume.name).map(|known| known.place.data());
        json!({
            "Type": "volume", "Name": volume.name, "Source": place.unwrap_or_default(),
            "Destination": volume.target, "Driver": "local", "Mode": volume.mode, "RW": !volume.read_only,
            "Propagation": "",
        })
    };
    let bind = |mount: &Mount| {
        let Source::Bind { path, .. } = &mount.source else { return None };
        let read_only = mount.options.set_below & libc::MOUNT_ATTR_RDONLY != 0;
        Some(json!({
            "Type": "bind", "Source": path, "Destination": mount.target, "Mode": if read_only { "ro" } else { "" },
            "RW": !read_only, "Propagation": "rprivate",
        }))
    };
    record.binds().iter().filter_map(bind).chain(record.volumes().iter().map(volume)).collect()
}
