//! An isolated box, exit codes, refusals, and nothing left behind.

use support::site::Site;

#[test]
fn a_box_sees_only_itself() {
    let site = Site::ours();
    let program = "hostname; id; ps; cat /proc/self/cgroup; ip addr";
    let out = site.inside("--hostname red", program);
    assert!(out.starts_with("red\nuid=0(root) gid=0(root)"), "{out}");
    let processes = out.lines().filter(|line| line.contains("root ") && !line.contains("uid=")).count();
    assert!(processes <= 3, "more than its own processes: {out}");
    let mut cgroups = out.lines().filter(|line| line.split(':').count() == 3 && line.contains(":/"));
    assert!(cgroups.all(|line| line.ends_with(":/")) || !site.is_root(), "{out}");
    assert!(out.contains("127.0.0.1/8"), "loopback is up: {out}");
    assert_eq!(out.contains("eth0"), site.is_root(), "{out}");
    site.assert_clean();
}

#[test]
fn what_cannot_run_is_refused_in_one_line() {
    let site = Site::ours();
    let run = |rest: &str| format!("$S run --rm {rest}");
    let cases: [(&str, i32, &[&str]); 16] = [
        ("--pull never nope true", 125, &["Unable to find image 'nope:latest' locally"]),
        ("stepbox/base nocmd", 127, &["\"nocmd\"", "not found in $PATH"]),
        ("stepbox/base /no/such", 127, &["\"/no/such\""]),
        ("stepbox/base ''", 127, &["not found"]),
        ("stepbox/base /etc/passwd", 126, &["permission denied"]),
        ("stepbox/base /tmp", 126, &["permission denied"]),
        ("-m much stepbox/base true", 125, &["'much'", "--memory"]),
        ("--cpus 9999 stepbox/base true", 125, &["Range of CPUs is from 0.01 to"]),
        ("--frobnicate stepbox/base true", 125, &["--frobnicate", "hint: see stepbox run --help"]),
        ("--network moon stepbox/base true", 125, &["'moon'", "bridge, none, host"]),
        ("-v ./relative:/x stepbox/base true", 125, &["use absolute path"]),
        ("-v /tmp:/x/../y stepbox/base true", 125, &["without .."]),
        ("-v /tmp:/ stepbox/base true", 125, &["cannot be covered"]),
        ("-v /proc/no/such:/x stepbox/base true", 125, &["/proc/no/such"]),
        ("-u nosuch stepbox/base true", 125, &["unable to find user nosuch"]),
        ("-u 99999999999 stepbox/base true", 125, &["99999999999"]),
    ];
    site.says("$S run --rm stepbox/base true");
    for (rest, code, words) in cases {
        site.refused(&run(rest), code, words);
        site.assert_clean();
    }
    site.refused("$S run", 125, &["<IMAGE>", "hint: see stepbox run --help"]);
    site.refused("$S frobnicate", 125, &["'frobnicate'", "hint: see stepbox --help"]);
    site.refused("$S run -it --rm stepbox/base true", 125, &["not a terminal"]);
}

#[test]
fn the_programs_exit_code_comes_back() {
    let site = Site::ours();
    for (program, code) in [("exit 7", 7), ("exit 255", 255), ("sh -c \"kill -9 \\$\\$\"; exit $?", 137)] {
        let said = site.sh(&format!("$S run --rm stepbox/base sh -c '{program}'"));
        assert_eq!(said.code, code, "{program}: {}", said.err);
    }
    site.assert_clean();
}

#[test]
fn a_name_is_taken_until_its_container_is_removed() {
    let site = Site::ours();
    assert_eq!(site.sh("$S run --name red stepbox/base sh -c 'exit 5'").code, 5);
    assert!(site.says("$S ps -a").contains("Exited (5)"));
    assert_eq!(site.says("$S ps -q"), "");
    site.refused(
        "$S run --name red stepbox/base true",
        125,
        &["Conflict. The container name \"/red\" is already in use by container"],
    );
    assert_eq!(site.says("$S rm red"), "red\n");
    assert_eq!(site.sh("$S rm red").code, 1);
    site.assert_clean();
}

#[test]
fn clean_takes_the_bridge_away() {
    let Some(site) = Site::root("clean_takes_the_bridge_away") else { return };
    let out = site.says(
        "$S run --rm stepbox/base true; \
         for i in $(seq 400); do ls /sys/class/net | grep -q veth || break; sleep 0.05; done; \
         ls /sys/class/net; echo -; $S clean >&2; ls /sys/class/net; \
         nft list tables 2>/dev/null || true",
    );
    let (before, after) = out.split_once("-\n").expect("both lists");
    assert!(before.contains("stepbox0") && !before.contains("veth"), "{before}");
    assert!(!after.contains("stepbox"), "{after}");
    site.assert_clean();
}

#[test]
fn a_dry_run_touches_nothing() {
    let site = Site::ours();
    site.says("$S run --rm stepbox/base true");
    let out =
        site.says("$S run --dry-run -v $D/absent:/x stepbox/base sh -c 'echo ran'; ls /sys/class/net; ls $D");
    assert!(out.contains("clone3(") && out.contains("pivot_root("), "{out}");
    assert!(!out.lines().any(|line| line == "ran" || line == "absent"), "{out}");
    site.assert_clean();
}

#[test]
fn twenty_at_once_get_addresses_of_their_own() {
    let site = Site::ours();
    site.says("$S run --rm stepbox/base true");
    let out = site.says(
        // an address is free again when its box is gone: each waits until all of them are there
        "mkdir $D/state/all; for i in $(seq 20); do \
           { $S run --rm -v $D/state/all:/all stepbox/base sh -c 'ip -o -4 addr; touch /all/$(hostname); \
             while [ $(ls /all | wc -l) -lt 20 ]; do sleep 0.1; done' >$D/state/$i || echo failed; } & \
         done; wait; cat $D/state/[0-9]*",
    );
    assert!(!out.contains("failed"), "{out}");
    let addresses: std::collections::BTreeSet<&str> =
        out.lines().filter(|line| line.contains("eth0")).collect();
    assert_eq!(addresses.len(), if site.is_root() { 20 } else { 0 }, "{out}");
    site.assert_clean();
}
