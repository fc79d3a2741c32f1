//! Features: what this runtime does, for engines to ask before they rely on it: the runtime specification's
//! features.md. Only what is done is listed.

use serde_json::{Value, json};

use super::config::mounts;
use crate::kernel::flags;

/// The whole answer.
pub fn features() -> Value {
    let capabilities: Vec<String> = flags::CAPABILITIES.iter().map(|name| format!("CAP_{name}")).collect();
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": super::OCI_VERSION,
        "hooks": [
            "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"
        ],
        "mountOptions": mounts::known(),
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": capabilities,
            "cgroup": { "v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true },
            "seccomp": seccomp(),
            "apparmor": { "enabled": false },
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
    #[cfg(target_arch = "x86_64")]
    const ARCHS: &[&str] = &["SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"];
    #[cfg(target_arch = "aarch64")]
    const ARCHS: &[&str] = &["SCMP_ARCH_AARCH64"];
    const FLAGS: &[&str] = &[
        "SECCOMP_FILTER_FLAG_LOG",
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_TSYNC",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ];
    json!({
        "enabled": true,
        "actions": [
            "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
            "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"
        ],
        "operators": [
            "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
            "SCMP_CMP_NE"
        ],
        "archs": ARCHS,
        "knownFlags": FLAGS,
        "supportedFlags": FLAGS
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privilege::seccomp::profile;

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

    #[test]
    fn mount_options_are_those_that_are_known() {
        assert!(features()["mountOptions"].as_array().is_some_and(|words| words.contains(&json!("rbind"))));
    }
}
