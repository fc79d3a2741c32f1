//! From a config.json to a plan: what is refused, in which words, and what the steps of a bundle are. Nothing is made,
//! so everybody may run this.

#[path = "oci_config/joins.rs"]
mod joins;
#[path = "oci_config/plans.rs"]
mod plans;
#[path = "oci_config/refusals.rs"]
mod refusals;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stepbox::cgroups::Hierarchy;
use stepbox::oci::config::{self, Config, ConfigError, Flags, Machine, Place};
use stepbox::rootfs::CgroupTree;
use stepbox::spec::Spec;

/// A bundle whose config.json is a small one, with these members put in or, by null, taken out: RFC 7396.
struct Bundle(tempfile::TempDir);

impl Bundle {
    fn new(patch: Value) -> Bundle {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(directory.path().join("rootfs/etc")).expect("a root");
        let passwd = "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n";
        std::fs::write(directory.path().join("rootfs/etc/passwd"), passwd).expect("passwd");
        let mut text = small();
        merge(&mut text, patch);
        std::fs::write(directory.path().join("config.json"), text.to_string()).expect("config.json");
        Bundle(directory)
    }

    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().expect("the bundle")
    }

    fn place(&self) -> Place {
        Place {
            id: "box".into(),
            bundle: self.path(),
            directory: "/run/oci/box".into(),
            machine: root(),
            hierarchy: Hierarchy::version_2(),
            flags: Flags { foreground: true, ..Flags::default() },
        }
    }

    fn spec(&self, place: &Place) -> Result<Spec, ConfigError> {
        let config: Config = config::load(&self.path())?;
        config::spec(&config, place)
    }
}

/// Root of a machine without security modules.
fn root() -> Machine {
    Machine {
        uid: 0,
        gid: 0,
        initial: true,
        setgroups: true,
        apparmor: false,
        selinux: false,
        newuidmap: None,
        newgidmap: None,
        engine_in_reach: false,
        cgroups: CgroupTree::V2,
    }
}

/// An ordinary user of it.
fn user() -> Machine {
    Machine { uid: 1000, gid: 1000, ..root() }
}

fn small() -> Value {
    json!({
        "ociVersion": "1.2.0",
        "root": { "path": "rootfs" },
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": ["true"],
            "env": ["PATH=/bin:/sbin"],
            "cwd": "/",
        },
        "linux": { "namespaces": [{ "type": "mount" }, { "type": "pid" }] },
    })
}

fn merge(into: &mut Value, patch: Value) {
    match (into.as_object_mut(), patch) {
        (Some(members), Value::Object(patch)) => {
            for (name, value) in patch {
                match value {
                    Value::Null => drop(members.remove(&name)),
                    value => merge(members.entry(name).or_insert(json!({})), value),
                }
            }
        }
        (_, patch) => *into = patch,
    }
}

/// The file of our own namespace of this kind: there is one on every machine.
fn ours(kind: &str) -> String {
    format!("/proc/self/ns/{kind}")
}

/// A path in the texts of a bundle, which lies elsewhere each time.
fn stable(text: &str, bundle: &Path) -> String {
    text.replace(&bundle.display().to_string(), "[BUNDLE]")
}
