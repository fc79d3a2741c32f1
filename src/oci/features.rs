//! Features: what this runtime does, for engines to ask before they rely on it: the runtime specification's
//! features.md. Only what is done is listed, and each list comes from the table by which the word is taken.

use serde_json::{Value, json};

use super::config::document::Hooks;
use super::config::{mounts, namespaces};
use crate::kernel::flags;
use crate::privilege::seccomp::profile;

/// The whole answer.
pub fn features() -> Value {
    let capabilities: Vec<String> = flags::CAPABILITIES.iter().map(|name| format!("CAP_{name}")).collect();
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": super::OCI_VERSION,
        "hooks": Hooks::default().lists().map(|(name, _)| name),
        "mountOptions": mounts::known(),
        "linux": {
            "namespaces": namespaces::known(),
            "capabilities": capabilities,
            "cgroup": { "v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true },
            "seccomp": seccomp(),
            "apparmor": { "enabled": true },
            // processes are labelled, mounts are not
            "selinux": { "enabled": false },
            "intelRdt": { "enabled": false },
            "mountExtensions": { "idmap": { "enabled": true } },
            "netDevices": { "enabled": false }
        },
        "annotations": { "org.stepbox.version": env!("CARGO_PKG_VERSION") },
        "potentiallyUnsafeConfigAnnotations": []
    })
}

fn seccomp() -> Value {
    let profile::Known { actions, operators, architectures, flags } = profile::known();
    json!({
        "enabled": true,
        "actions": actions,
        "operators": operators,
        "archs": architectures,
        "knownFlags": flags,
        "supportedFlags": flags
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::config::document::Config;

    /// What is said is what the reader of profiles takes.
    #[test]
    fn every_word_about_seccomp_is_taken() {
        let said = seccomp();
        let words = |list: &str| said[list].as_array().cloned().expect("a list");
        let taken =
            |profile: Value| profile::oci(&profile).map(drop).map_err(|error| format!("{profile}: {error}"));
        for action in words("actions") {
            let listener = if action == "SCMP_ACT_NOTIFY" { json!("/run/listener") } else { json!("") };
            let rule = json!([{ "names": ["kill"], "action": action }]);
            let profile =
                json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": rule, "listenerPath": listener });
            assert_eq!(taken(profile), Ok(()));
        }
        for op in words("operators") {
            let args = json!([{ "index": 0, "value": 1, "op": op }]);
            let rule = json!([{ "names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": args }]);
            assert_eq!(taken(json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": rule })), Ok(()));
        }
        assert_eq!(
            taken(json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": words("archs") })),
            Ok(())
        );
        for flag in words("knownFlags") {
            let profile = json!({ "defaultAction": "SCMP_ACT_ALLOW", "flags": [flag] });
            assert_eq!(taken(profile), Ok(()));
        }
    }

    /// A list of hooks that is named is read, and is the one that runs then.
    #[test]
    fn every_list_of_hooks_is_read() {
        for name in features()["hooks"].as_array().expect("a list").iter().filter_map(Value::as_str) {
            let config: Config = serde_json::from_value(json!({ "hooks": { name: [{ "path": "/hook" }] } }))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let full: Vec<&str> = config
                .hooks
                .lists()
                .iter()
                .filter(|(_, list)| !list.is_empty())
                .map(|(name, _)| *name)
                .collect();
            assert_eq!(full, [name]);
        }
    }
}
