//! Profiles from files: what is taken over, what is refused by name, and whose rule wins.

use serde_json::{Value, json};
use stepbox::privilege::seccomp::profile::{Host, docker, oci};
use stepbox::privilege::seccomp::{Action, Arch, Profile, compile};

use super::{ENOSYS, EPERM, number, run};

const HOST: Host = Host { capabilities: 0, kernel: (6, 1) };

/// What becomes of a call under a profile, on this machine's own way into the kernel.
fn answer(profile: &Profile, name: &str, arguments: &[u64]) -> u32 {
    let arch = Arch::OURS[0];
    let mut six = [0; 6];
    six[..arguments.len()].copy_from_slice(arguments);
    run(&compile(profile), arch.audit(), number(arch, name), six).0
}

fn read(syscalls: Value) -> Profile {
    oci(&json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls })).expect("a profile")
}

fn errno(names: &[&str], errno: u16, args: Value) -> Value {
    json!({ "names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": args })
}

#[test]
fn every_action_is_compiled() {
    for (action, number, wanted) in [
        ("SCMP_ACT_ALLOW", None, Action::Allow),
        ("SCMP_ACT_LOG", None, Action::Log),
        ("SCMP_ACT_ERRNO", None, EPERM),
        ("SCMP_ACT_ERRNO", Some(38), ENOSYS),
        ("SCMP_ACT_ERRNO", Some(0), Action::Errno(0)),
        ("SCMP_ACT_TRACE", None, Action::Trace(1)),
        ("SCMP_ACT_TRACE", Some(65535), Action::Trace(65535)),
        ("SCMP_ACT_TRAP", None, Action::Trap),
        ("SCMP_ACT_NOTIFY", None, Action::Notify),
        ("SCMP_ACT_KILL", None, Action::KillThread),
        ("SCMP_ACT_KILL_THREAD", None, Action::KillThread),
        ("SCMP_ACT_KILL_PROCESS", None, Action::KillProcess),
    ] {
        let profile = oci(&json!({
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 99, "listenerPath": "/run/agent",
            "syscalls": [{ "names": ["umask", "no_such_call"], "action": action, "errnoRet": number }],
        }));
        let profile = profile.unwrap_or_else(|error| panic!("{action}: {error}"));
        assert_eq!(answer(&profile, "umask", &[]), wanted.answer(), "{action}");
        assert_eq!(answer(&profile, "getpid", &[]), Action::Errno(99).answer(), "{action}");
        assert_eq!(profile.unknown(), ["no_such_call"]);
        assert_eq!(profile.listener.is_some(), wanted == Action::Notify);
        if wanted != Action::Notify {
            let whole =
                oci(&json!({ "defaultAction": action, "defaultErrnoRet": number })).expect("a profile");
            assert_eq!(answer(&whole, "umask", &[]), wanted.answer(), "{action} for all");
        }
    }
}

#[test]
fn every_operator_is_compiled() {
    let big = 0x1_0000_0005u64;
    for (op, holds, fails) in [
        ("SCMP_CMP_EQ", vec![big], vec![5, big - 1, big + 1]),
        ("SCMP_CMP_NE", vec![5, big + 1], vec![big]),
        ("SCMP_CMP_LT", vec![0, 6, big - 1], vec![big, big + 1, u64::MAX]),
        ("SCMP_CMP_LE", vec![0, 6, big], vec![big + 1, u64::MAX]),
        ("SCMP_CMP_GT", vec![big + 1, 2 << 32], vec![big, 6]),
        ("SCMP_CMP_GE", vec![big, 2 << 32], vec![big - 1, 6]),
        ("SCMP_CMP_MASKED_EQ", vec![big, big | 8, 1 << 32 | 0x8005], vec![5, 1 << 32, 1 << 32 | 4]),
    ] {
        let (value, second) = if op.contains("MASKED") { (0x1_0000_0005, big) } else { (big, 0) };
        let args = json!([{ "index": 1, "value": value, "valueTwo": second, "op": op }]);
        let profile = read(json!([errno(&["umask"], 7, args)]));
        for (values, wanted) in [(holds, Action::Errno(7)), (fails, Action::Allow)] {
            for value in values {
                assert_eq!(answer(&profile, "umask", &[0, value]), wanted.answer(), "{op} {value:#x}");
            }
        }
    }
}

/// Measured with libseccomp 2.5 on the real kernel.
#[test]
fn several_rules_for_one_call_as_in_libseccomp() {
    let one = |index: u64, op: &str, value: u64| json!({ "index": index, "op": op, "value": value });
    let rule = |number, args: &[Value]| errno(&["umask"], number, args.into());
    let (eq, gt, ne) = ("SCMP_CMP_EQ", "SCMP_CMP_GT", "SCMP_CMP_NE");
    for (rules, arguments, wanted) in [
        ("a condition is nothing beside none", [rule(11, &[one(0, eq, 1)]), rule(12, &[])], 12),
        ("in either order", [rule(12, &[]), rule(11, &[one(0, eq, 1)])], 12),
        ("the first without conditions", [rule(11, &[]), rule(12, &[])], 11),
        ("the higher argument first", [rule(11, &[one(0, eq, 1)]), rule(12, &[one(1, eq, 2)])], 12),
        (
            "the general one first",
            [rule(11, &[one(0, eq, 1)]), rule(12, &[one(0, eq, 1), one(1, eq, 2)])],
            11,
        ),
        (
            "both conditions",
            [rule(11, &[one(0, eq, 1), one(1, eq, 3)]), rule(12, &[one(0, eq, 1), one(1, eq, 2)])],
            12,
        ),
        ("equality before inequality", [rule(11, &[one(0, ne, 7)]), rule(12, &[one(0, eq, 1)])], 12),
        ("the narrower first", [rule(11, &[one(1, gt, 0)]), rule(12, &[one(1, gt, 1)])], 12),
    ]
    .map(|(what, rules, wanted)| ((what, read(json!(rules))), [1, 2], wanted))
    {
        assert_eq!(answer(&rules.1, "umask", &arguments), Action::Errno(wanted).answer(), "{}", rules.0);
    }
    // runc: two conditions on one argument are two rules
    let either = read(json!([rule(7, &[one(0, eq, 1), one(0, eq, 3)])]));
    for (value, wanted) in [(1, Action::Errno(7)), (2, Action::Allow), (3, Action::Errno(7))] {
        assert_eq!(answer(&either, "umask", &[value]), wanted.answer(), "{value}");
    }
    // what asks for the default action is no rule at all
    let default = json!({ "names": ["umask"], "action": "SCMP_ACT_ALLOW" });
    let idle = read(json!([default, rule(7, &[one(0, eq, 1)])]));
    assert_eq!(answer(&idle, "umask", &[1]), Action::Errno(7).answer());
}

#[test]
fn younger_calls_answer_that_they_are_not_known() {
    let strict = |action: &str| {
        oci(
            &json!({ "defaultAction": action, "syscalls": [{ "names": ["openat2"], "action": "SCMP_ACT_LOG" }] }),
        )
    };
    let refused = strict("SCMP_ACT_KILL_PROCESS").expect("a profile");
    assert_eq!(answer(&refused, "clone3", &[]), Action::KillProcess.answer(), "435 is below openat2's 437");
    assert_eq!(answer(&refused, "cachestat", &[]), ENOSYS.answer());
    let allowed = strict("SCMP_ACT_ALLOW").expect("a profile");
    assert_eq!(answer(&allowed, "cachestat", &[]), Action::Allow.answer());
}

#[test]
fn doors_and_flags() {
    let all = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_S390X"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
                  "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
    });
    let profile = oci(&all).expect("a profile");
    assert_eq!(profile.arches.len(), Arch::OURS.len(), "what this machine can run, once");
    assert_eq!(profile.flags, 1 | 2 | 4, "nobody is waited for");
    let narrow = oci(&json!({ "defaultAction": "SCMP_ACT_ALLOW" })).expect("a profile");
    assert_eq!(narrow.arches, [Arch::OURS[0]]);
    let program = compile(&narrow);
    assert_eq!(run(&program, 0x4000_0003, 20, [0; 6]).0, Action::KillProcess.answer());
    let mut asking = all;
    asking["listenerPath"] = "/run/agent.sock".into();
    asking["listenerMetadata"] = "ours [BOX]".into();
    asking["syscalls"] = json!([{ "names": ["getcwd"], "action": "SCMP_ACT_NOTIFY" }]);
    let profile = oci(&asking).expect("a profile");
    assert_eq!(profile.flags, 1 | 2 | 4 | 8 | 16 | 32);
    let mut listener = profile.listener.expect("somebody is asked");
    listener.state = json!({ "ociVersion": "1.2.0", "id": "c", "status": "creating", "bundle": "/b" });
    let message = listener.message().as_path().display().to_string();
    assert_eq!(
        message,
        r#"{"ociVersion":"1.2.0","fds":["seccompFd"],"pid":[BOX],"metadata":"ours \u005bBOX]","state":{"ociVersion":"1.2.0","id":"c","status":"creating","bundle":"/b","pid":[BOX]}}"#
    );
}

#[test]
fn what_is_wrong_is_named() {
    let rule = |rule: Value| json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_LOG" }, rule] });
    let args = |args: Value| rule(json!({ "names": ["umask"], "action": "SCMP_ACT_TRAP", "args": [args] }));
    let cases = [
        (json!([]), "linux.seccomp: [] is not an object"),
        (json!({}), "linux.seccomp.defaultAction: is missing"),
        (json!({ "defaultAction": 5 }), "linux.seccomp.defaultAction: 5 is not a string"),
        (
            json!({ "defaultAction": "ALLOW" }),
            "linux.seccomp.defaultAction: \"ALLOW\" is no action: SCMP_ACT_ALLOW,",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_NOTIFY" }),
            "linux.seccomp.defaultAction: \"SCMP_ACT_NOTIFY\" cannot be the default",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096 }),
            "linux.seccomp.defaultErrnoRet: 4096 is too much: 0 to 4095",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": -1 }),
            "linux.seccomp.defaultErrnoRet: -1 is not a whole number",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_KILL", "defaultErrnoRet": 1 }),
            "linux.seccomp.defaultErrnoRet: 1 goes with SCMP_ACT_ERRNO",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_VAX"] }),
            "linux.seccomp.architectures[1]: \"SCMP_ARCH_VAX\" is no architecture",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"] }),
            "linux.seccomp.flags[0]: \"SECCOMP_FILTER_FLAG_NEW_LISTENER\" is no flag",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": {} }),
            "linux.seccomp.syscalls: {} is not a list",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x" }),
            "linux.seccomp.listenerMetadata: \"x\" needs a listenerPath",
        ),
        (
            rule(json!({ "names": [], "action": "SCMP_ACT_LOG" })),
            "linux.seccomp.syscalls[1]: {\"names\":[],\"action\":\"SCMP_ACT_LOG\"} names no call",
        ),
        (
            rule(json!({ "names": ["umask", 7], "action": "SCMP_ACT_LOG" })),
            "linux.seccomp.syscalls[1].names[1]: 7 is not a string",
        ),
        (rule(json!({ "names": ["umask"] })), "linux.seccomp.syscalls[1].action: is missing"),
        (
            rule(json!({ "names": ["getcwd", "write"], "action": "SCMP_ACT_NOTIFY" })),
            "linux.seccomp.syscalls[1].names[1]: \"write\" cannot be left to a listener",
        ),
        (
            rule(json!({ "names": ["getcwd"], "action": "SCMP_ACT_NOTIFY" })),
            "linux.seccomp.syscalls[1].action: \"SCMP_ACT_NOTIFY\" needs a listenerPath",
        ),
        (
            rule(json!({ "names": ["getcwd"], "action": "SCMP_ACT_TRAP", "errnoRet": 5 })),
            "linux.seccomp.syscalls[1].errnoRet: 5 goes with",
        ),
        (
            rule(
                json!({ "names": ["read"], "action": "SCMP_ACT_TRAP", "args": [{ "index": 6, "value": 0, "op": "SCMP_CMP_EQ" }] }),
            ),
            "linux.seccomp.syscalls[1].args[0].index: 6 is no argument",
        ),
        (
            args(json!({ "index": 0, "value": 0, "op": "==" })),
            "linux.seccomp.syscalls[1].args[0].op: \"==\" is no operator",
        ),
        (
            args(json!({ "index": 0, "value": -1, "op": "SCMP_CMP_EQ" })),
            "linux.seccomp.syscalls[1].args[0].value: -1 is not a whole number",
        ),
        (
            args(json!({ "index": 0, "op": "SCMP_CMP_EQ" })),
            "linux.seccomp.syscalls[1].args[0].value: is missing",
        ),
    ];
    for (seccomp, wanted) in cases {
        let said = oci(&seccomp).map(|_| "accepted".to_string()).unwrap_or_else(|error| error.to_string());
        assert!(said.starts_with(wanted), "{seccomp}\n said: {said}\n not: {wanted}");
    }
    let twice = |first: &str, second: &str| {
        let rule = |action: &str| json!({ "names": ["umask"], "action": action, "args": [{ "index": 0, "value": 1, "op": "SCMP_CMP_EQ" }] });
        oci(&json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule(first), rule(second)] }))
    };
    assert!(twice("SCMP_ACT_TRAP", "SCMP_ACT_TRAP").is_ok());
    let said = twice("SCMP_ACT_TRAP", "SCMP_ACT_LOG").expect_err("a contradiction").to_string();
    assert!(said.starts_with("linux.seccomp.syscalls[1].action: \"SCMP_ACT_LOG\" contradicts"), "{said}");
}

const FILE: &str = r#"{
  "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
  "archMap": [
    { "architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
    { "architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"] },
    { "architecture": "SCMP_ARCH_MIPS64", "subArchitectures": null }
  ],
  "syscalls": [
    { "names": ["read"], "action": "SCMP_ACT_ALLOW", "comment": "always", "args": [], "includes": {}, "excludes": {} },
    { "name": "umask", "action": "SCMP_ACT_ALLOW", "args": null },
    { "names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": { "minKernel": "4.8" } },
    { "names": ["kcmp"], "action": "SCMP_ACT_ALLOW", "includes": { "minKernel": "6.2" } },
    { "names": ["sync"], "action": "SCMP_ACT_ALLOW", "excludes": { "minKernel": "6.1" } },
    { "names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_SYS_ADMIN"] } },
    { "names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_SYS_ADMIN", "CAP_BPF"] } },
    { "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": { "caps": ["CAP_SYS_ADMIN"] } },
    { "names": ["clone3"], "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_SYS_ADMIN"] } },
    { "names": ["getppid"], "action": "SCMP_ACT_ALLOW", "includes": { "arches": ["amd64", "arm64"] } },
    { "names": ["getpid"], "action": "SCMP_ACT_ALLOW", "includes": { "arches": ["s390x"] } },
    { "names": ["gettid"], "action": "SCMP_ACT_ALLOW", "excludes": { "arches": ["amd64", "arm64"] } }
  ]
}"#;

#[test]
fn docker_files_speak_of_the_container_and_the_machine() {
    let few = docker(FILE, HOST).expect("a profile");
    let admin = 1 << 21;
    let more = docker(FILE, Host { capabilities: admin, kernel: (6, 1) }).expect("a profile");
    assert_eq!(few.arches, Arch::OURS);
    for (name, without, with) in [
        ("read", Action::Allow, Action::Allow),
        ("umask", Action::Allow, Action::Allow),
        ("ptrace", Action::Allow, Action::Allow),
        ("kcmp", EPERM, EPERM),
        ("sync", EPERM, EPERM),
        ("mount", EPERM, Action::Allow),
        ("bpf", EPERM, EPERM),
        ("clone3", ENOSYS, Action::Allow),
        ("getppid", Action::Allow, Action::Allow),
        ("getpid", EPERM, EPERM),
        ("gettid", EPERM, EPERM),
        ("keyctl", EPERM, EPERM),
        ("file_setattr", ENOSYS, ENOSYS),
    ] {
        assert_eq!(answer(&few, name, &[]), without.answer(), "{name}");
        assert_eq!(answer(&more, name, &[]), with.answer(), "{name} with CAP_SYS_ADMIN");
    }
}

#[test]
fn a_docker_file_that_is_wrong_is_named() {
    for (file, wanted) in [
        ("{", "not JSON: EOF"),
        ("{}", "defaultAction: is missing"),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86"}]}"#,
            "archMap[0]: {\"architecture\":\"SCMP_ARCH_X86\"} cannot stand beside the other: either architectures or archMap",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"read","names":["read"],"action":"SCMP_ACT_LOG"}]}"#,
            "syscalls[0].name: \"read\" cannot stand beside the other: either name or names",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_LOG","includes":{"minKernel":"four"}}]}"#,
            "syscalls[0].includes.minKernel: \"four\" is no version of a kernel",
        ),
    ] {
        let said = docker(file, HOST).expect_err(file).to_string();
        assert!(said.starts_with(wanted), "{file}: {said}");
    }
}
