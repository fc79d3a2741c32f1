//! Spec template: the config.json that a new bundle begins with. In substance it is runc's, so that what was written
//! for one runtime begins the same with the other.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::OciError;

/// Writes config.json into the bundle; one that is there already stays.
pub fn write(bundle: &Path, rootless: Option<(u32, u32)>) -> Result<(), OciError> {
    let path = bundle.join("config.json");
    let mut config = template(rootless);
    // as runc: under version 1 programs find their cgroup by its whole name
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        let namespaces = config["linux"]["namespaces"].as_array_mut();
        namespaces.expect("a list").push(json!({ "type": "cgroup" }));
    }
    let mut text = tabbed(&config);
    text.push('\n');
    let mut file = match File::options().write(true).create_new(true).open(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(OciError::Usage(format!("File {} exists. Remove it first", path.display())));
        }
        other => other.map_err(OciError::file("cannot write", &path))?,
    };
    file.write_all(text.as_bytes()).map_err(OciError::file("cannot write", &path))
}

fn tabbed(value: &Value) -> String {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    serde::Serialize::serialize(value, &mut serializer).expect("JSON serialises");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// The configuration; for who is not root, with that user and group as the container's root.
pub fn template(rootless: Option<(u32, u32)>) -> Value {
    let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let mut config = json!({
        "ociVersion": super::OCI_VERSION,
        "process": {
            "terminal": true,
            "user": { "uid": 0, "gid": 0 },
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities
            },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            "noNewPrivileges": true
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "stepbox",
        "mounts": mounts(),
        "linux": {
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            "namespaces": namespaces(&["pid", "network", "ipc", "uts", "mount"]),
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                "/sys/firmware", "/sys/devices/virtual/powercap", "/proc/scsi"
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        }
    });
    if let Some((uid, gid)) = rootless {
        without_root(&mut config, uid, gid);
    }
    config
}

fn namespaces(kinds: &[&str]) -> Value {
    kinds.iter().map(|kind| json!({ "type": kind })).collect()
}

fn mounts() -> Value {
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| {
        let mut mount = json!({ "destination": destination, "type": kind, "source": source });
        if !options.is_empty() {
            mount["options"] = json!(options);
        }
        mount
    };
    let pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    json!([
        mount("/proc", "proc", "proc", &[]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", "devpts", &pts),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ])
}

/// What only root of the machine can have is left out: group 5 for terminals has no number outside, limits need a
/// cgroup, and a sysfs of one's own needs a network namespace of one's own, which would have no way out.
fn without_root(config: &mut Value, uid: u32, gid: u32) {
    let one = |host: u32| json!([{ "containerID": 0, "hostID": host, "size": 1 }]);
    let linux = &mut config["linux"];
    linux["uidMappings"] = one(uid);
    linux["gidMappings"] = one(gid);
    linux["namespaces"] = namespaces(&["pid", "ipc", "uts", "mount", "user"]);
    linux.as_object_mut().expect("an object").shift_remove("resources");
    for mount in config["mounts"].as_array_mut().into_iter().flatten() {
        match mount["destination"].as_str() {
            Some("/dev/pts") => {
                mount["options"].as_array_mut().expect("options").retain(|option| option != "gid=5");
            }
            Some("/sys") => {
                *mount = json!({
                    "destination": "/sys", "type": "none", "source": "/sys",
                    "options": ["rbind", "nosuid", "noexec", "nodev", "ro"]
                });
            }
            _ => {}
        }
    }
}
