//! The plans of a few bundles, step by step.

use serde_json::{Value, json};

use super::{Bundle, ours, root, stable, user};
use stepbox::oci::config::{self, Flags, Machine};
use stepbox::oci::log::Level;
use stepbox::spec::{Life, Start};

/// All snapshots lie in one folder.
macro_rules! snapshot {
    ($text:expr) => {
        insta::with_settings!({ snapshot_path => "../snapshots" }, { insta::assert_snapshot!($text) })
    };
}
pub(crate) use snapshot;

/// Who takes each step, its name, and what it does.
pub fn listed(plan: &stepbox::step::Plan) -> String {
    let line = |step: &stepbox::step::Step| format!("{:<4} {}: {}\n", step.lane.name(), step.name, step.op);
    plan.steps.iter().map(line).collect()
}

fn plan(patch: Value, machine: Machine, flags: Flags) -> String {
    let bundle = Bundle::new(patch);
    let mut place = bundle.place();
    (place.machine, place.flags) = (machine, flags);
    let spec = bundle.spec(&place).unwrap_or_else(|error| panic!("{error}"));
    let plan = stepbox::container::plan(&spec).expect("a plan");
    stable(&listed(&plan), &bundle.path())
}

#[test]
fn a_small_bundle() {
    snapshot!(plan(json!({}), root(), Flags::default()));
}

#[test]
fn everything_that_a_process_can_be() {
    let hook = |name: &str| json!([{ "path": format!("/hooks/{name}"), "args": [name, "x"], "env": ["A=b"], "timeout": 5 }]);
    let patch = json!({
        "process": {
            "terminal": true,
            "consoleSize": { "height": 24, "width": 80 },
            "user": { "uid": 1000, "gid": 1000, "umask": 63, "additionalGids": [5, 6] },
            "args": ["app", "-x"],
            "env": ["PATH=/bin:/sbin", "A=1", "A=2"],
            "cwd": "/srv",
            "capabilities": {
                "bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_NOT_YET"], "permitted": ["CAP_KILL"],
                "effective": ["CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL", "CAP_CHOWN"],
            },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 64, "hard": 128 }],
            "noNewPrivileges": true,
            "apparmorProfile": "mine",
            "selinuxLabel": "a:b:c:s0",
            "oomScoreAdj": 100,
            "scheduler": { "policy": "SCHED_BATCH", "nice": 5 },
            "ioPriority": { "class": "IOPRIO_CLASS_BE", "priority": 7 },
        },
        "hostname": "box",
        "domainname": "example.org",
        "annotations": { "a": "[BOX]" },
        "hooks": {
            "prestart": hook("prestart"), "createRuntime": hook("createRuntime"),
            "createContainer": hook("createContainer"), "startContainer": hook("startContainer"),
            "poststart": hook("poststart"), "poststop": hook("poststop"),
        },
        "linux": {
            "namespaces": [
                { "type": "mount" }, { "type": "pid" }, { "type": "network" }, { "type": "ipc" }, { "type": "uts" },
                { "type": "cgroup" }, { "type": "time" },
            ],
            "timeOffsets": { "boottime": { "secs": 7, "nanosecs": 9 } },
            "sysctl": { "net.ipv4.ip_forward": "1", "kernel.shmmni": "77" },
            "personality": { "domain": "LINUX32" },
            "cgroupsPath": "/pods/box",
        },
    });
    let flags = Flags {
        console_socket: Some("/run/console".into()),
        pidfd_socket: Some("/run/watch".into()),
        listen_fds: 1,
        preserve_fds: 2,
        life: Life::OfItsOwn,
        start: Start::AfterFifo("/run/oci/box/exec.fifo".into()),
        ..Flags::default()
    };
    snapshot!(plan(patch, Machine { apparmor: true, selinux: true, ..root() }, flags));
}

#[test]
fn what_exists_already_is_joined() {
    let namespace = |kind: &str, file: &str| json!({ "type": kind, "path": ours(file) });
    let patch = json!({ "linux": { "namespaces": [
        { "type": "mount" }, namespace("pid", "pid"), namespace("network", "net"), namespace("ipc", "ipc"),
        namespace("uts", "uts"), namespace("cgroup", "cgroup"),
    ] } });
    snapshot!(plan(patch, root(), Flags { no_new_keyring: true, ..Flags::default() }));
}

fn mapped(size: u32) -> Value {
    let map = json!([{ "containerID": 0, "hostID": 1000, "size": 1 }, { "containerID": 1, "hostID": 100_000, "size": size }]);
    let map = if size == 0 { json!([map[0]]) } else { map };
    json!({"linux": {
        "namespaces": [{"type": "mount"}, {"type": "user"}, {"type": "pid"}], "uidMappings": map, "gidMappings": map,
    }})
}

#[test]
fn a_user_with_the_own_id() {
    snapshot!(plan(mapped(0), user(), Flags { lenient: true, ..Flags::default() }));
}

#[test]
fn a_user_with_ranges() {
    let [newuidmap, newgidmap] = ["/usr/bin/newuidmap", "/usr/bin/newgidmap"].map(|path| Some(path.into()));
    snapshot!(plan(
        mapped(65_536),
        Machine { newuidmap, newgidmap, ..user() },
        Flags { lenient: true, ..Flags::default() }
    ));
}

#[test]
fn root_with_ranges() {
    snapshot!(plan(mapped(65_536), root(), Flags::default()));
}

/// A name that a newer kernel may know is no error, and no secret either.
#[test]
fn what_is_ignored_is_said() {
    let bundle = Bundle::new(json!({"process": {"capabilities": {
        "bounding": ["CAP_KILL", "CAP_NOT_YET"], "permitted": ["CAP_KILL", "kill"], "ambient": ["CAP_KILL"],
    }}}));
    let config = config::load(&bundle.path()).expect("a configuration");
    let said = config::notes(config.process.as_ref().expect("a process"));
    assert_eq!(
        said,
        [
            (Level::Warning, "ignoring unknown or unavailable capabilities: [CAP_NOT_YET kill]".into()),
            (
                Level::Debug,
                "ignoring ambient capabilities that are not both permitted and inheritable: [CAP_KILL]"
                    .into()
            ),
        ]
    );
}

/// What nobody asked for is as runc has it.
#[test]
fn defaults() {
    let bundle = Bundle::new(
        json!({"process": {"user": {"uid": 1000, "gid": 5}}, "mounts": null, "unknown": {"a": 1}}),
    );
    let spec = bundle.spec(&bundle.place()).expect("a container");
    assert_eq!(spec.process.umask, 0o022);
    assert_eq!(spec.privilege.capabilities, Default::default());
    assert_eq!(spec.process.keyring.as_deref(), Some("_ses.box"));
    let env: Vec<String> =
        spec.process.exec.env.iter().map(|pair| pair.as_path().display().to_string()).collect();
    assert_eq!(env, ["PATH=/bin:/sbin", "HOME=/home/app"]);
    let paths: Vec<String> =
        spec.process.exec.paths.iter().map(|path| path.as_path().display().to_string()).collect();
    assert_eq!(paths, ["/bin/true", "/sbin/true"]);
}

/// Links of the root file system lead nowhere else, and a fifo stops nobody.
#[test]
fn a_home_is_looked_up_inside() {
    let bundle = Bundle::new(json!({}));
    let etc = bundle.path().join("rootfs/etc");
    let home = || config::home::of(&bundle.path().join("rootfs"), 0);
    assert_eq!(home(), "/root");
    std::fs::rename(etc.join("passwd"), etc.join("users")).expect("renamed");
    std::os::unix::fs::symlink("/etc/users", etc.join("passwd")).expect("a link");
    assert_eq!(home(), "/root", "the link is the container's");
    std::fs::remove_file(etc.join("users")).expect("removed");
    rustix::fs::mknodat(rustix::fs::CWD, etc.join("users"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .expect("a fifo");
    assert_eq!(home(), "/");
}

/// What engines are told, so that a change of it is seen.
#[test]
fn features() {
    let mut features = stepbox::oci::features::features();
    features["annotations"]["org.stepbox.version"] = "[VERSION]".into();
    snapshot!(serde_json::to_string_pretty(&features).expect("JSON"));
}

/// What follows from it is in `container::departure`, and played on the real kernel by the tests of `life`.
#[test]
fn a_box_leaves_the_engine_behind_only_where_that_comes_to_the_same() {
    let reached = || Machine { engine_in_reach: true, apparmor: true, selinux: true, ..root() };
    let departs = |patch: Value, flags: Flags| {
        plan(patch, reached(), flags).contains("box  leave the engine's program behind: execveat(memfd")
    };
    let ends = plan(json!({}), reached(), Flags::default());
    let last: Vec<&str> =
        ends.lines().rev().take(2).map(|line| line.split(':').next().unwrap_or_default()).collect();
    assert_eq!(last, ["box  run the program", "box  leave the engine's program behind"]);
    assert!(!plan(json!({}), root(), Flags::default()).contains("leave the engine"), "it is not in reach");
    let hook = json!([{ "path": "/hooks/one" }]);
    let capabilities = |bounding: &[&str], held: &[&str], ambient: &[&str]| json!({ "bounding": bounding, "permitted": held, "effective": held, "inheritable": ambient, "ambient": ambient });
    let as_user = |uid: u32, capabilities: Value| json!({ "process": { "user": { "uid": uid, "gid": uid }, "capabilities": capabilities } });
    let filter = |default: &str, action: &str, call: &str| json!({ "linux": { "seccomp": { "defaultAction": default, "syscalls": [{ "names": [call], "action": action }] } } });
    let (allow, refuse) = ("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO");
    let (one, two) = (["CAP_KILL"], ["CAP_KILL", "CAP_CHOWN"]);
    for (wanted, what, patch) in [
        (true, "root", as_user(0, capabilities(&two, &two, &[]))),
        (true, "a user", as_user(7, capabilities(&two, &[], &[]))),
        (true, "ambient", as_user(7, capabilities(&two, &one, &one))),
        (true, "a filter of others", filter(allow, refuse, "mount")),
        (false, "root that would gain some", as_user(0, capabilities(&two, &one, &[]))),
        (false, "a user who would lose some", as_user(7, capabilities(&two, &one, &[]))),
        (false, "execve", filter(allow, refuse, "execve")),
        (false, "execveat", filter(allow, "SCMP_ACT_KILL", "execveat")),
        (false, "fcntl", filter(allow, "SCMP_ACT_LOG", "fcntl")),
        (false, "all but one", filter(refuse, allow, "execve")),
        (false, "AppArmor", json!({ "process": { "apparmorProfile": "mine" } })),
        (false, "SELinux", json!({ "process": { "selinuxLabel": "a:b:c:s0" } })),
        (false, "another machine", json!({ "linux": { "personality": { "domain": "LINUX32" } } })),
        (false, "a hook of the host", json!({ "hooks": { "createRuntime": hook } })),
        (false, "a hook of the box", json!({ "hooks": { "startContainer": hook } })),
        (false, "among others", json!({ "linux": { "namespaces": [{ "type": "mount" }] } })),
        (
            false,
            "in what exists",
            json!({ "linux": { "namespaces": [
                { "type": "mount" }, { "type": "pid" }, { "type": "uts", "path": ours("uts") },
            ] } }),
        ),
    ] {
        assert_eq!(departs(patch, Flags::default()), wanted, "{what}");
    }
    let start = Start::AfterFifo("/run/oci/box/exec.fifo".into());
    assert!(!departs(json!({}), Flags { start, ..Flags::default() }), "who waits to be started");
}
