//! From create to rm.

use support::site::Site;

/// As whoever runs the tests, and as nobody.
fn both() -> [Site; 2] {
    [Site::ours(), Site::nobody()]
}

#[test]
fn it_runs_on_without_the_command_that_made_it() {
    for site in both() {
        let out = site.says(
            "id=$($S run -d --name red stepbox/base sh -c 'echo out; echo err >&2; exec sleep 1000'); \
             [ ${#id} = 64 ] && $S ps -q --no-trunc | grep -qx $id && echo there; \
             until $S logs red 2>&1 | grep -q err; do sleep 0.02; done; $S logs red 2>/dev/null; \
             $S stop -t 0 red; $S ps -q; $S wait red; $S rm red; $S ps -aq",
        );
        assert_eq!(out, "there\nout\nred\n137\nred\n");
        site.assert_clean();
    }
}

#[test]
fn create_and_start_are_two() {
    for site in both() {
        let out = site.says(
            "$S create --name red stepbox/base sh -c 'echo x >>/f; cat /f; exit 3' >/dev/null; \
             $S ps -a --filter status=created | grep -c 'Created .* red$'; \
             $S start red; $S wait red; $S start red; $S wait red; $S logs red; $S rm red",
        );
        // what it wrote is still there the second time
        assert_eq!(out, "1\nred\n3\nred\n3\nx\nx\nx\nred\n");
        site.assert_clean();
    }
}

#[test]
fn start_of_one_that_runs_changes_nothing() {
    let site = Site::ours();
    let out = site.says(
        "$S run -d --name red stepbox/base sleep 1000 >/dev/null; $S start red; $S logs red; \
         for i in 1 2 3 4 5 6; do $S restart -t 0 red; done; $S ps -q | wc -l; $S rm -f red",
    );
    assert_eq!(out, format!("{}1\nred\n", "red\n".repeat(7)));
    site.assert_clean();
}

#[test]
fn stop_sends_its_signal_and_kills_after_a_while() {
    for site in both() {
        let program = "trap 'echo asked; exit 9' USR1; echo ready; while :; do sleep 0.02; done";
        let out = site.says(&format!(
            "$S run -d --name red --stop-signal USR1 stepbox/base sh -c \"{program}\" >/dev/null; \
             until $S logs red | grep -q ready; do sleep 0.02; done; \
             $S stop red; $S wait red; $S logs red; $S rm red; \
             $S run -d --name deaf --stop-timeout 1 stepbox/base sleep 1000 >/dev/null; \
             $S stop deaf; $S wait deaf; $S stop deaf; $S rm deaf"
        ));
        assert_eq!(out, "red\n9\nready\nasked\nred\ndeaf\n137\ndeaf\ndeaf\n");
        site.assert_clean();
    }
}

#[test]
fn kill_sends_what_it_is_told() {
    let site = Site::ours();
    let program = "trap 'echo hup' HUP; echo ready; while :; do sleep 0.02; done";
    let out = site.says(&format!(
        "$S run -d --name red stepbox/base sh -c \"{program}\" >/dev/null; \
         until $S logs red | grep -q ready; do sleep 0.02; done; $S kill -s HUP red; \
         until $S logs red | grep -q hup; do sleep 0.02; done; $S kill red; $S wait red; $S rm red"
    ));
    assert_eq!(out, "red\nred\n137\nred\n");
    site.refused(
        "$S create --name red stepbox/base true >/dev/null; $S kill red",
        1,
        &["Cannot kill container: red: Container ", " is not running"],
    );
    site.says("$S rm red");
    site.assert_clean();
}

#[test]
fn wait_hears_of_one_that_is_removed_with_its_end() {
    for site in both() {
        let out = site.says(
            "$S run -d --rm --name red stepbox/base sh -c 'until test -e /go; do sleep 0.02; done; exit 7' >/dev/null; \
             monitor=$(owner); idle=$(sockets $monitor); $S wait red & wait=$!; \
             until [ $(sockets $monitor) -gt $idle ]; do sleep 0.02; done; $S exec red touch /go; wait $wait; \
             until [ -z \"$($S ps -aq)\" ]; do sleep 0.02; done",
        );
        assert_eq!(out, "7\n");
        site.assert_clean();
    }
}

#[test]
fn what_cannot_start_says_why_and_stays() {
    let site = Site::ours();
    site.says("$S run --rm stepbox/base true");
    for (rest, code, words) in [
        ("stepbox/base nosuch", 127, "not found in $PATH"),
        ("stepbox/base /etc/passwd", 126, "permission denied"),
        ("-u nosuch stepbox/base true", 125, "unable to find user nosuch"),
        ("--network container:none stepbox/base true", 125, "No such container: none"),
    ] {
        site.refused(&format!("$S run -d --name red {rest} >/dev/null"), code, &[words]);
        let listed = site.says("$S ps -a --filter status=created");
        assert!(listed.contains("Created") && listed.contains("red"), "{listed}");
        site.refused(
            "$S run -d --name red stepbox/base true",
            125,
            &["Conflict. The container name \"/red\""],
        );
        site.says("$S rm red");
        site.refused(&format!("$S run -d --rm {rest} >/dev/null"), code, &[words]);
        assert_eq!(site.says("$S ps -aq"), "");
        site.assert_clean();
    }
}

#[test]
fn what_is_refused() {
    let site = Site::ours();
    site.says("$S create --name red stepbox/base true >/dev/null");
    for (command, code, words) in [
        ("start none", 1, "No such container: none"),
        ("stop none", 1, "No such container: none"),
        ("logs none", 1, "No such container: none"),
        ("wait none", 1, "No such container: none"),
        ("rm none", 1, "No such container: none"),
        ("restart none", 1, "No such container: none"),
        ("kill -s NOPE red", 1, "Invalid signal: NOPE"),
        ("run -d --restart maybe stepbox/base", 125, "invalid restart policy 'maybe'"),
        ("run -d --restart always:3 stepbox/base", 125, "maximum retry count cannot be used"),
        ("run -d --restart on-failure:x stepbox/base", 125, "maximum retry count must be an integer"),
        ("run -d --rm --restart always stepbox/base", 125, "Conflicting options: --restart and --rm"),
        ("run -d --log-driver syslog stepbox/base", 125, "plugin \"syslog\" not found"),
        ("run -d --log-opt nope=1 stepbox/base", 125, "unknown log opt 'nope' for json-file log driver"),
        ("run -d --stop-signal NOPE stepbox/base", 125, "Invalid signal: NOPE"),
        ("run -d --step stepbox/base", 125, "--detach"),
        ("create --detach stepbox/base", 125, "'--detach'"),
        ("ps --filter nonsense=1", 1, "Invalid filter 'nonsense'"),
    ] {
        let said = site.sh(&format!("$S {command}"));
        assert_eq!(said.code, code, "{command}: {}{}", said.out, said.err);
        assert!(said.err.contains(words), "{command}: no {words:?} in {}", said.err);
    }
    assert_eq!(site.says("$S ps -aq | wc -l; $S rm red"), "1\nred\n");
    site.assert_clean();
}

#[test]
fn its_id_goes_into_a_file() {
    let site = Site::ours();
    let out = site.says(
        "id=$($S run -d --cidfile $D/state/cid stepbox/base true); [ \"$(cat $D/state/cid)\" = $id ] && echo same; \
         $S wait $id; $S rm $id >/dev/null",
    );
    assert_eq!(out, "same\n0\n");
    site.refused("$S run -d --cidfile $D/state/cid stepbox/base", 125, &["Container ID file found"]);
    site.assert_clean();
}

#[test]
fn another_joins_it_each_time_anew() {
    for site in both() {
        let out = site.says(
            "$S run -d --name red stepbox/base sleep 1000 >/dev/null; \
             $S create --name blue --network container:red stepbox/base readlink /proc/self/ns/net >/dev/null; \
             for i in 1 2; do $S start blue >/dev/null; $S wait blue; $S restart -t 0 red >/dev/null; done; \
             $S logs blue | wc -l; $S rm -f red blue >/dev/null",
        );
        assert_eq!(out, "0\n0\n2\n");
        site.assert_clean();
    }
}

#[test]
fn a_terminal_of_its_own() {
    for site in both() {
        let out = site.says(
            "$S run -d -t --name red stepbox/base sh -c 'test -t 0 && test -t 2 && echo yes' >/dev/null; \
             $S wait red; $S logs red; $S rm red",
        );
        assert_eq!(out, "0\nyes\r\nred\n");
        site.assert_clean();
    }
}
