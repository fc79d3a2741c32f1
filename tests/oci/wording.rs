//! What is wrong, in runc's words: engines and suites read them. And what is asked without a container.

use serde_json::{Value, json};

use support::bundle::Bundles;
use support::site::Site;

#[test]
fn each_refusal_says_what_and_leaves_nothing() {
    let bundles = Bundles::at(Site::ours());
    bundles.bundle("b", &["sleep", "600"], |_| {});
    bundles.bundle("nosuch", &["nosuch"], |_| {});
    bundles.bundle("noexec", &["/etc/passwd"], |_| {});
    bundles.bundle("nofile", &["/no/such"], |_| {});
    bundles.bundle("noargs", &[], |_| {});
    bundles.bundle("tty", &["true"], |config| config["process"]["terminal"] = json!(true));
    let missing = "container does not exist";
    let cases: [(&str, i32, &[&str]); 25] = [
        ("$R state no", 1, &[missing]),
        ("$R start no", 1, &[missing]),
        ("$R kill no", 1, &[missing]),
        ("$R delete no", 1, &[missing]),
        ("$R exec no true", 255, &["exec failed: ", missing]),
        ("$R ps no", 1, &[missing]),
        ("$R pause no", 1, &[missing]),
        ("$R events --stats no", 1, &[missing]),
        ("$R state ../oci", 1, &["invalid container ID format"]),
        ("$R create -b $B/b ..", 1, &["invalid container ID format"]),
        ("$R create -b $B/b a/b", 1, &["invalid container ID format"]),
        ("$R create -b $B/b ''", 1, &["container id cannot be empty"]),
        ("$R create -b $B/none c1", 1, &["create failed: ", "no such file or directory"]),
        ("$R create -b $B c1", 1, &["config.json"]),
        ("$R create -b $B/nosuch c1", 1, &["exec: \\\"nosuch\\\": executable file not found in $PATH"]),
        ("$R run -b $B/nofile c1", 1, &["run failed: ", "no such file or directory"]),
        ("$R create -b $B/noexec c1", 1, &["permission denied"]),
        ("$R create -b $B/noargs c1", 1, &["process.args"]),
        ("$R create -b $B/tty c1", 1, &["console"]),
        ("$R create --bogus c1", 1, &["flag provided but not defined: -bogus"]),
        ("$R create", 1, &["CONTAINER"]),
        ("$R bogus", 3, &["bogus"]),
        ("$R list -f xml", 1, &["invalid format option"]),
        ("$R checkpoint c1", 1, &["CRIU"]),
        ("$R create -b $B/b --pid-file /no/such/dir/pid c1", 1, &["pid file"]),
    ];
    for (command, code, words) in cases {
        bundles.refused(command, code, words);
        bundles.assert_clean();
    }
    let cases: [(&str, &str); 5] = [
        ("$R create -b $B/b c1", "container with given ID already exists"),
        ("$R kill c1 NOPE", "unknown signal"),
        ("$R start c1", "cannot start an already running container"),
        ("$R resume c1", "container not paused"),
        ("$R delete c1", "cannot delete container c1 that is not stopped: running"),
    ];
    for (command, words) in cases {
        let script = format!("$R run -d -b $B/b c1 || exit 9; {command}; c=$?; $R delete -f c1; exit $c");
        bundles.refused(&script, 1, &[words]);
    }
    for (command, words) in [
        ("$R start c1", "cannot start a container that has stopped"),
        ("$R kill c1", "container not running"),
        ("$R pause c1", "container not running"),
        ("$R events --stats c1", "container with id c1 is not running"),
    ] {
        let script = format!(
            "$R run -d -b $B/b c1 || exit 9; $R kill c1 9; while $R state c1 | grep -q running; do :; done; \
             {command}; c=$?; $R delete c1; exit $c"
        );
        bundles.refused(&script, 1, &[words]);
    }
    bundles.assert_clean();
}

#[test]
fn systemd_is_not_asked_for_cgroups_and_says_so() {
    let bundles = Bundles::at(Site::ours());
    bundles.bundle("b", &["true"], |_| {});
    // whether systemd runs is what /run says, and it can say either; the option comes before the command, and after it
    let machine = |run: &str, command: &str| {
        format!("export R B; unshare -rm sh -c 'mount -t tmpfs t /run && {run} && exec $R {command}'")
    };
    let remedy = "set the engine's cgroup driver to cgroupfs";
    for (run, problem) in [
        ("true", "systemd not running on this host, cannot use systemd cgroups manager"),
        ("mkdir -p /run/systemd/system", "makes cgroups itself"),
    ] {
        for (command, what) in [
            ("--systemd-cgroup create -b $B/b c1", "create failed: --systemd-cgroup: "),
            ("run --systemd-cgroup -b $B/b c1", "run failed: --systemd-cgroup: "),
        ] {
            bundles.refused(&machine(run, command), 1, &[what, problem, remedy]);
            bundles.assert_clean();
        }
        // engines give it to every command, also to those that have no cgroup to make
        for command in ["list", "features", "delete --force c1"] {
            bundles.says(&machine(run, &format!("--systemd-cgroup {command}")));
        }
    }
}

#[test]
fn log_lines_are_runcs() {
    let bundles = Bundles::at(Site::ours());
    let said = bundles
        .sh("$R --log $B/log --log-format json state no; cat $B/log; $R --log $B/log state no; cat $B/log");
    let lines: Vec<&str> = said.out.lines().collect();
    let line: Value = serde_json::from_str(lines[0]).expect("JSON");
    assert_eq!(line["level"], "error");
    assert!(
        line["msg"].as_str().is_some_and(|text| text.starts_with("container does not exist")),
        "{}",
        said.out
    );
    assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{}", said.out);
    assert_eq!(lines[1], lines[0], "it is added to");
    assert!(
        lines[2].starts_with("time=\"") && lines[2].contains("level=error msg=\"container"),
        "{}",
        said.out
    );
    assert!(said.err.lines().all(|line| line.starts_with("container does not exist")), "{}", said.err);
}

#[test]
fn it_answers_to_the_name_runc() {
    let bundles = Bundles::at(Site::ours());
    let out = bundles.says("ln -s $S $B/runc; $B/runc --version; $B/runc --root $B/oci list; $B/runc --help");
    assert!(out.contains(" version ") && out.contains("spec: 1.2.0"), "{out}");
    assert!(out.contains("ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"), "{out}");
    assert!(out.contains("Usage: runc"), "{out}");
}

#[test]
fn spec_and_features_are_json() {
    let bundles = Bundles::at(Site::ours());
    let out = bundles.says("$R features");
    let features: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(features["ociVersionMax"], "1.2.0");
    let options = features["mountOptions"].as_array().expect("a list");
    assert!(options.contains(&json!("rbind")), "{out}");
    let out = bundles.says("mkdir $B/new; cd $B/new; $R spec; cat config.json; $R spec 2>&1; echo $?");
    assert!(out.contains("exists. Remove it first"), "{out}");
    assert!(out.ends_with("1\n"), "{out}");
    let (text, _) = out.split_once("\n}\n").expect("a configuration");
    let config: Value = serde_json::from_str(&format!("{text}\n}}")).expect("JSON");
    assert_eq!(config["root"]["path"], "rootfs");
}
