//! Info: what this engine and this machine are, with Docker's field names; of them those that are true here.
//!
//! See docker-info(1), docker-version(1) and the Docker Engine API (SystemInfo, SystemVersion). Lab 00-doctor,
//! tutorials/00-doctor.md.

use std::path::Path;

use serde_json::{Value, json};

use super::config::architecture;
use super::containers::Record;
use super::containers::life::Status;
use super::machine::Machine;
use super::state::State;
use super::store::Store;
use crate::cgroups::{self, Hierarchy};

/// This engine's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What `info` says.
pub fn info(state: &State, store: &Store, containers: &[Record], images: usize) -> Value {
    let machine = Machine::look();
    let name = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let paused = containers.iter().filter(|record| record.life.status == Status::Paused).count();
    // as Docker counts: what waits for its next start is running
    let active = containers.iter().filter(|record| record.running()).count();
    let mut security = vec!["name=seccomp,profile=default".to_owned()];
    security.extend((!machine.all_powerful()).then(|| "name=rootless".into()));
    let networks = match machine.root() {
        true => vec!["bridge", "container", "host", "none"],
        false => vec!["container", "host", "none"],
    };
    json!({
        "Containers": containers.len(),
        "ContainersRunning": active - paused,
        "ContainersPaused": paused,
        "ContainersStopped": containers.len() - active,
        "Images": images,
        "Driver": store.driver().name(),
        "Plugins": {"Network": networks},
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": cgroup_version(),
        "KernelVersion": text(name.release()),
        "OperatingSystem": operating_system(),
        "OSType": "linux",
        "Architecture": text(name.machine()),
        "NCPU": std::thread::available_parallelism().map_or(1, usize::from),
        "MemTotal": memory(),
        "DockerRootDir": state.root,
        "ExecRootDir": state.run,
        "Name": text(name.nodename()),
        "ServerVersion": VERSION,
        "Runtimes": {"stepbox": {"path": "stepbox", "runtimeArgs": ["oci"]}},
        "DefaultRuntime": "stepbox",
        "SecurityOptions": security,
    })
}

/// What `version` says. Client and engine are one program.
pub fn version() -> Value {
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let (os, arch) = ("linux", architecture());
    json!({
        "Client": {"Version": VERSION, "Os": os, "Arch": arch},
        "Server": {
            "Components": [{
                "Name": "Engine",
                "Version": VERSION,
                "Details": {"Arch": arch, "KernelVersion": kernel, "Os": os},
            }],
            "Version": VERSION,
            "Os": os,
            "Arch": arch,
            "KernelVersion": kernel,
        },
    })
}

fn cgroup_version() -> &'static str {
    match cgroups::detect(Path::new("/")) {
        Ok(Hierarchy { v1, v2: Some(_) }) if v1.is_empty() => "2",
        Ok(Hierarchy { v1, .. }) if !v1.is_empty() => "1",
        _ => "none",
    }
}

fn operating_system() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or("Linux".into(), |name| name.trim_matches('"').into())
}

/// Bytes.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}
