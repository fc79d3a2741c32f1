//! Every setting that is wrong or cannot be had is refused by its place, its value and the remedy.

use serde_json::{Value, json};

use super::{Bundle, ours, root, user};
use stepbox::oci::config::{Flags, Machine};

fn refusal(patch: Value, machine: Machine, flags: Flags) -> String {
    let bundle = Bundle::new(patch);
    let mut place = bundle.place();
    (place.machine, place.flags) = (machine, flags);
    bundle.spec(&place).expect_err("it is wrong").to_string()
}

/// name: what is changed => how the message begins
macro_rules! refused {
    ($($name:ident: $patch:tt => $wanted:expr;)*) => {$(
        #[test]
        fn $name() {
            let said = refusal(json!($patch), root(), Flags::default());
            let wanted: &str = &$wanted;
            assert!(said.starts_with(wanted), "\n{said}\nwas to begin with\n{wanted}");
        }
    )*};
}

refused! {
    no_version: {"ociVersion": null} => r#"ociVersion: "": must be set"#;
    an_unknown_version: {"ociVersion": "2.0.0"} => r#"ociVersion: "2.0.0": no version of the specification"#;
    a_number_for_a_text: {"hostname": 3} => "hostname: invalid type: integer `3`, expected a string";
    a_text_for_a_number: {"process": {"user": {"uid": "root"}}} => "process.user.uid: invalid type: string";
    a_negative_id: {"process": {"user": {"gid": -1}}} => "process.user.gid: invalid value: integer `-1`";
    no_root: {"root": null} => "root: none: must be set";
    a_root_that_is_not_there: {"root": {"path": "nowhere"}} => r#"root.path: "nowhere": no directory: ENOENT"#;
    a_root_that_is_a_file: {"root": {"path": "config.json"}} => r#"root.path: "config.json": no directory: ENOTDIR"#;
    the_hosts_own_root: {"root": {"path": "/"}} => r#"root.path: "/": that is the host's own root"#;
    no_process: {"process": null} => "process: none: must be set";
    no_arguments: {"process": {"args": []}} => "process.args: []: must be set";
    a_nul_in_an_argument: {"process": {"args": ["a", "b\u{0}c"]}} => r#"process.args[1]: "b\0c": a NUL"#;
    no_variable: {"process": {"env": ["PATH=/bin", "HOME"]}} => r#"process.env[1]: "HOME": an environment variable is NAME=value"#;
    a_variable_without_name: {"process": {"env": ["=x"]}} => r#"process.env[0]: "=x""#;
    no_directory: {"process": {"cwd": null}} => r#"process.cwd: "": must be set"#;
    a_relative_directory: {"process": {"cwd": "tmp"}} => r#"process.cwd: "tmp": must be an absolute path"#;
    a_command_line: {"process": {"commandLine": "dir"}} => r#"process.commandLine: "dir": a setting for Windows; leave it out"#;
    a_user_name: {"process": {"user": {"username": "x"}}} => r#"process.user.username: "x": a setting for Windows"#;
    a_wide_umask: {"process": {"user": {"umask": 4096}}} => "process.user.umask: 4096: out of range: at most 511";
    the_last_id: {"process": {"user": {"uid": 4294967295u32}}} => "process.user.uid: 4294967295: out of range";

    an_unknown_limit: {"process": {"rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]}} => r#"process.rlimits[0].type: "RLIMIT_X": not known: one of RLIMIT_CPU, "#;
    a_limit_twice: {"process": {"rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}, {"type": "RLIMIT_CPU", "soft": 1, "hard": 1}]}} => r#"process.rlimits[1].type: "RLIMIT_CPU": named twice"#;
    a_soft_limit_over_the_hard: {"process": {"rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]}} => "process.rlimits[0].soft: 2: out of range";
    a_score_out_of_range: {"process": {"oomScoreAdj": 1001}} => "process.oomScoreAdj: 1001: out of range: -1000 to 1000";
    an_unknown_policy: {"process": {"scheduler": {"policy": "SCHED_X"}}} => r#"process.scheduler.policy: "SCHED_X": not known"#;
    an_unknown_flag: {"process": {"scheduler": {"policy": "SCHED_OTHER", "flags": ["X"]}}} => r#"process.scheduler.flags[0]: "X": not known"#;
    a_priority_without_policy: {"process": {"scheduler": {"policy": "SCHED_OTHER", "priority": 3}}} => "process.scheduler.priority: 3: out of range: only SCHED_FIFO and SCHED_RR";
    a_deadline_without_runtime: {"process": {"scheduler": {"policy": "SCHED_DEADLINE", "deadline": 5, "period": 5}}} => "process.scheduler.runtime: 0, 5, 5: out of range";
    an_unknown_class: {"process": {"ioPriority": {"class": "X", "priority": 0}}} => r#"process.ioPriority.class: "X": not known: one of IOPRIO_CLASS_RT, "#;
    a_ninth_level: {"process": {"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}}} => "process.ioPriority.priority: 8: out of range: 0 to 7";
    effective_beyond_permitted: {"process": {"capabilities": {"effective": ["CAP_KILL"]}}} => "process.capabilities.effective: KILL: out of range: not in capabilities.permitted";
    inheritable_beyond_bounding: {"process": {"capabilities": {"inheritable": ["CAP_KILL"]}}} => "process.capabilities.inheritable: KILL: out of range: not in capabilities.bounding";
    no_apparmor: {"process": {"apparmorProfile": "docker-default"}} => r#"process.apparmorProfile: "docker-default": apparmor: config provided but apparmor not supported"#;
    no_selinux: {"process": {"selinuxLabel": "a:b:c:s0"}} => r#"process.selinuxLabel: "a:b:c:s0": selinux label is specified in config, but selinux is disabled"#;
    a_terminal_for_nobody: {"process": {"terminal": true}} => "process.terminal: true: --console-socket is needed";

    an_unknown_namespace: {"linux": {"namespaces": [{"type": "mount"}, {"type": "net"}]}} => r#"linux.namespaces[1].type: "net": not known: one of pid, network, mount"#;
    a_namespace_twice: {"linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "pid"}]}} => r#"linux.namespaces[2].type: "pid": named twice"#;
    a_namespace_of_another_kind: {"linux": {"namespaces": [{"type": "mount"}, {"type": "ipc", "path": (ours("net"))}]}} => r#"linux.namespaces[1].path: "/proc/self/ns/net": a network namespace, wanted is a ipc one"#;
    a_namespace_that_is_none: {"linux": {"namespaces": [{"type": "ipc", "path": "/dev/null"}]}} => r#"linux.namespaces[0].path: "/dev/null": no file of a namespace"#;
    a_namespace_that_is_not_there: {"linux": {"namespaces": [{"type": "ipc", "path": "/proc/0/ns/ipc"}]}} => r#"linux.namespaces[0].path: "/proc/0/ns/ipc": no file of a namespace: ENOENT"#;
    a_relative_namespace: {"linux": {"namespaces": [{"type": "ipc", "path": "ns/ipc"}]}} => r#"linux.namespaces[0].path: "ns/ipc": must be an absolute path"#;
    mounts_of_others: {"linux": {"namespaces": [{"type": "mount", "path": (ours("mnt"))}]}} => r#"linux.namespaces[0].path: "/proc/self/ns/mnt": a mount namespace is always new"#;
    no_mounts: {"linux": {"namespaces": [{"type": "pid"}]}} => "linux.namespaces: no mount namespace: a container has mounts of its own";
    a_name_for_the_host: {"hostname": "x"} => r#"hostname: "x": a new uts namespace must be asked for"#;
    a_domain_for_the_host: {"domainname": "x"} => r#"domainname: "x": a new uts namespace must be asked for"#;
    clocks_of_the_host: {"linux": {"timeOffsets": {"boottime": {"secs": 1}}}} => "linux.timeOffsets.boottime: 1 s 0 ns: a new time namespace must be asked for";
    an_unknown_clock: {"linux": {"namespaces": [{"type": "mount"}, {"type": "time"}], "timeOffsets": {"realtime": {"secs": 1}}}} => "linux.timeOffsets.realtime: 1 s 0 ns: not known: one of monotonic, boottime";
    too_many_nanoseconds: {"linux": {"namespaces": [{"type": "mount"}, {"type": "time"}], "timeOffsets": {"boottime": {"nanosecs": 1000000000}}}} => "linux.timeOffsets.boottime: 0 s 1000000000 ns: out of range";

    a_map_for_nobody: {"linux": {"uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}} => "linux.uidMappings: [0 0 1]: a new user namespace must be asked for";
    users_without_a_map: {"linux": {"namespaces": [{"type": "mount"}, {"type": "user"}]}} => "linux.uidMappings: none: a new user namespace needs";
    an_empty_range: {"linux": {"namespaces": [{"type": "mount"}, {"type": "user"}], "uidMappings": [{"size": 0}], "gidMappings": [{"size": 1}]}} => "linux.uidMappings[0]: 0 0 0: out of range: size is at least 1";
    ranges_that_meet: {"linux": {"namespaces": [{"type": "mount"}, {"type": "user"}], "uidMappings": [{"size": 1}], "gidMappings": [{"hostID": 5, "size": 9}, {"containerID": 8, "hostID": 50, "size": 9}]}} => "linux.gidMappings[1]: 8 50 9: the map names an id twice";
    a_user_without_a_number: {"process": {"user": {"uid": 7}}, "linux": {"namespaces": [{"type": "mount"}, {"type": "user"}], "uidMappings": [{"size": 1}], "gidMappings": [{"size": 1}]}} => "process.user.uid: 7: id 7 is not mapped: add it to linux.uidMappings";

    a_network_setting_of_the_host: {"linux": {"sysctl": {"net.ipv4.ip_forward": "1"}}} => r#"linux.sysctl."net.ipv4.ip_forward": "1": belongs to the whole machine: add {"type": "network"}"#;
    our_own_network_by_its_path: {"linux": {"namespaces": [{"type": "mount"}, {"type": "network", "path": (ours("net"))}], "sysctl": {"net.ipv4.ip_forward": "1"}}} => r#"linux.sysctl."net.ipv4.ip_forward": "1": belongs to the whole machine"#;
    a_queue_setting_of_the_host: {"linux": {"sysctl": {"fs.mqueue.msg_max": "1"}}} => r#"linux.sysctl."fs.mqueue.msg_max": "1": belongs to the whole machine"#;
    a_setting_of_the_machine: {"linux": {"sysctl": {"kernel.core_pattern": "|/x"}}} => r#"linux.sysctl."kernel.core_pattern": "|/x": not a setting of any namespace"#;
    a_setting_that_walks_away: {"linux": {"namespaces": [{"type": "mount"}, {"type": "network"}], "sysctl": {"net.//.kernel.core_pattern": "|/x"}}} => r#"linux.sysctl."net.//.kernel.core_pattern": "|/x": not a setting of any namespace"#;
    the_name_as_a_setting: {"linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}], "sysctl": {"kernel.hostname": "x"}}} => r#"linux.sysctl."kernel.hostname": "x": linux.sysctl is not the way to it: use hostname"#;

    a_relative_hook: {"hooks": {"poststop": [{"path": "bin/true"}]}} => r#"hooks.poststop[0].path: "bin/true": must be an absolute path"#;
    a_hook_without_time: {"hooks": {"prestart": [{"path": "/bin/true", "timeout": 0}]}} => "hooks.prestart[0].timeout: 0: out of range: at least 1 second";
    a_hook_with_half_a_variable: {"hooks": {"createRuntime": [{"path": "/bin/true", "env": ["A"]}]}} => r#"hooks.createRuntime[0].env[0]: "A": an environment variable"#;

    a_mount_onto_nothing: {"mounts": [{"type": "proc"}]} => r#"mounts[0].destination: "": must be set"#;
    a_bind_of_nothing: {"mounts": [{"destination": "/x", "type": "bind", "source": "/nowhere/at/all"}]} => r#"mounts[0]: "/x": source /nowhere/at/all: ENOENT"#;
    an_unknown_propagation: {"linux": {"rootfsPropagation": "out"}} => r#"linux.rootfsPropagation: "out": not known"#;
    a_nul_in_a_mask: {"linux": {"maskedPaths": ["/proc/\u{0}keys"]}} => r#"linux.maskedPaths[0]: "/proc/\0keys": a NUL"#;
    an_unknown_device: {"linux": {"devices": [{"type": "x", "path": "/dev/x"}]}} => r#"linux.devices[0].type: "x": not known: one of c, u, b, p"#;
    a_device_without_number: {"linux": {"devices": [{"type": "c", "path": "/dev/x", "major": 1}]}} => "linux.devices[0].minor: none: must be set";
    a_relative_device: {"linux": {"devices": [{"type": "p", "path": "x"}]}} => r#"linux.devices[0].path: "x": must be an absolute path"#;
    an_unknown_personality: {"linux": {"personality": {"domain": "BSD"}}} => r#"linux.personality.domain: "BSD": not known: one of LINUX, LINUX32"#;
    a_flag_of_a_personality: {"linux": {"personality": {"domain": "LINUX", "flags": ["X"]}}} => r#"linux.personality.flags: ["X"]: no flag is known; leave it out"#;
    a_filter_that_is_none: {"linux": {"seccomp": {"defaultAction": "SCMP_ACT_X"}}} => "linux.seccomp.defaultAction";
    systemds_notation: {"linux": {"cgroupsPath": "a.slice:b:c"}} => "linux.cgroupsPath: a.slice:b:c: that is systemd's notation";

    a_virtual_machine: {"vm": {"kernel": {"path": "/k"}}} => r#"vm: {"kernel":{"path":"/k"}}: containers are processes here"#;
    windows: {"windows": {"layerFolders": []}} => "windows: ";
    a_share_of_the_cache: {"linux": {"intelRdt": {"closID": "x"}}} => r#"linux.intelRdt: {"closID":"x"}: "#;
    memory_nodes: {"linux": {"memoryPolicy": {"mode": "MPOL_BIND"}}} => "linux.memoryPolicy: ";
    a_device_of_the_network: {"linux": {"netDevices": {"eth0": {}}}} => r#"linux.netDevices: {"eth0":{}}: "#;
    a_label_for_mounts: {"linux": {"mountLabel": "a:b:c:s0"}} => r#"linux.mountLabel: "a:b:c:s0": "#;
}

#[test]
fn nobody_without_users_of_his_own() {
    let said = refusal(json!({}), user(), Flags::default());
    assert_eq!(
        said,
        "linux.namespaces: uid 1000: without root there are no namespaces but through a user namespace: add \
         {\"type\": \"user\"} to linux.namespaces"
    );
}

/// Two users, or somebody else's one.
fn mapped(outside: u32, size: u32) -> Value {
    let map = json!([{ "containerID": 0, "hostID": outside, "size": size }]);
    json!({"linux": {
        "namespaces": [{"type": "mount"}, {"type": "user"}], "uidMappings": map, "gidMappings": map,
    }})
}

#[test]
fn more_users_than_ones_own() {
    for patch in [mapped(1000, 2), mapped(1001, 1)] {
        let said = refusal(patch, user(), Flags::default());
        let wanted = "linux.uidMappings: 1000: who is not root may map only the own id (1000), or ranges through \
                      newuidmap: install it (Debian: uidmap)";
        assert_eq!(said, wanted);
    }
}

#[test]
fn groups_without_setgroups() {
    let mut patch = mapped(1000, 1);
    patch["process"] = json!({"user": {"uid": 0, "gid": 0, "additionalGids": [0]}});
    let said = refusal(patch, user(), Flags::default());
    assert!(
        said.starts_with("process.user.additionalGids: [0]: supplementary groups cannot be set"),
        "{said}"
    );
}

#[test]
fn a_console_for_no_terminal() {
    let flags = Flags { console_socket: Some("/run/console".into()), ..Flags::default() };
    let said = refusal(json!({}), root(), flags);
    assert!(said.starts_with("process.terminal: false: cannot use console socket"), "{said}");
}

#[test]
fn a_bundle_without_a_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    let said = stepbox::oci::config::load(directory.path()).expect_err("no file").to_string();
    assert!(said.contains("config.json: No such file or directory"), "{said}");
    assert!(said.ends_with("(a bundle is a directory with a config.json: --bundle)"), "{said}");
    std::fs::write(directory.path().join("config.json"), "{").expect("half a file");
    let said = stepbox::oci::config::load(directory.path()).expect_err("half a file").to_string();
    assert!(said.contains("config.json: not JSON: EOF"), "{said}");
}
