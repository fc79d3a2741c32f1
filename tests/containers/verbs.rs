//! Pause, rename, top, port, prune.

use std::path::Path;

use support::site::Site;

#[test]
fn it_stands_still_and_goes_on() {
    let Some(site) = Site::limited("it_stands_still_and_goes_on") else { return };
    let out = site.says(
        "$S run -d --name red stepbox/base sh -c 'while :; do echo; sleep 0.02; done' >/dev/null; \
         $S pause red; $S ps | grep -c '(Paused)'; lines() { $S logs red | wc -l; }; \
         until before=$(lines); sleep 0.3; [ $(lines) = $before ]; do :; done; \
         sleep 0.5; [ $(lines) = $before ] && echo still; \
         $S unpause red; $S ps | grep -c '(Paused)'; \
         until [ $(lines) -gt $((before + 5)) ]; do sleep 0.02; done; echo on; $S rm -f red",
    );
    assert_eq!(out, "red\n1\nstill\nred\n0\non\nred\n");
    site.assert_clean();
}

#[test]
fn one_that_stands_still_can_be_ended() {
    let Some(site) = Site::limited("one_that_stands_still_can_be_ended") else { return };
    let program = "trap \"echo asked; exit 5\" TERM; echo ready; while :; do sleep 0.02; done";
    for (ending, end, then) in [
        ("stop", "$S wait red; $S rm red", "exited\n5\nred\n"),
        ("kill", "$S wait red; $S rm red", "exited\n137\nred\n"),
        ("rm -f", ":", ""),
        ("restart -t 1", "$S kill red; $S wait red; $S rm red", "running\nred\n137\nred\n"),
    ] {
        let out = site.says(&format!(
            "$S run -d --name red stepbox/base sh -c '{program}' >/dev/null; \
             until $S logs red | grep -q ready; do sleep 0.02; done; $S pause red; $S {ending} red; \
             $S ps -a --format '{{{{.State}}}}'; {end}"
        ));
        assert_eq!(out, format!("red\nred\n{then}"), "{ending}");
        site.assert_clean();
    }
}

/// Whoever is killed between mark and freezer leaves a container that runs; a run in the foreground can be paused, too.
#[test]
fn a_mark_alone_pauses_nothing() {
    let Some(site) = Site::limited("a_mark_alone_pauses_nothing") else { return };
    let out = site.says(
        "$S run --rm --name red stepbox/base sleep 1000 & until $S exec red true 2>/dev/null; do sleep 0.02; done; \
         touch $D/state/containers/*/paused; $S ps | grep -c Paused; $S pause red; $S ps | grep -c Paused; \
         $S unpause red; $S kill red; wait $!; echo $?",
    );
    assert_eq!(out, "0\nred\n1\nred\nred\n137\n");
    site.assert_clean();
}

/// Nobody has handed a cgroup over to nobody.
#[test]
fn without_a_cgroup_nothing_stands_still() {
    let handed = stepbox::cgroups::detect(Path::new("/")).expect("read the cgroups").writable().is_ok();
    if handed && !Site::ours().is_root() {
        return support::skip("without_a_cgroup_nothing_stands_still", "this user has a cgroup");
    }
    let site = Site::nobody();
    let out = site.says(
        "$S run -d --name red stepbox/base sleep 1000 >/dev/null; $S pause red 2>&1; echo $?; \
         $S ps | grep -c Paused; $S rm -f red",
    );
    let wanted = "stepbox: cannot pause container red: it has no cgroup that can be frozen\nhint: as another user than root \
                  it needs one that is delegated: systemd-run --user --scope -p Delegate=yes\n1\n0\nred\n";
    assert_eq!(out, wanted);
    site.assert_clean();
}

#[test]
fn another_name() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "$S run -d --name red stepbox/base sleep 1000 >/dev/null; $S create --name blue stepbox/base true >/dev/null; \
             $S rename red green; $S exec green echo here; $S rename blue red; $S ps -a --filter name=red -q | wc -l; \
             $S rm -f red green; $S ps -aq",
        );
        assert_eq!(out, "here\n1\nred\ngreen\n");
        site.says("$S create --name red stepbox/base true >/dev/null; $S create --name blue stepbox/base true >/dev/null");
        for (command, words) in [
            ("rename red blue", "Error when allocating new name: Conflict. The container name \"/blue\""),
            ("rename red red", "Renaming a container with the same name as its current name"),
            ("rename red ''", "Neither old nor new names may be empty"),
            ("rename red a/b", "Invalid container name (a/b)"),
            ("rename none some", "No such container: none"),
        ] {
            let said = site.sh(&format!("$S {command}"));
            assert_eq!((said.code, said.out.as_str()), (1, ""), "{command}: {}", said.err);
            assert!(said.err.contains(words), "{command}: {}", said.err);
        }
        assert_eq!(site.says("$S rm red blue"), "red\nblue\n");
        site.assert_clean();
    }
}

#[test]
fn its_processes() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "$S run -d --name red stepbox/base sh -c 'sleep 901 & exec sleep 902' >/dev/null; $S exec -d red sleep 903; \
             until [ $($S top red -o pid,args | grep -c ' sleep 90[123]$') = 3 ]; do sleep 0.02; done; \
             $S top red -o pid,args | sed -E 's/^[0-9]+ +//' | sort; $S top red | head -n 1; $S rm -f red",
        );
        let heading = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME"].map(|name| format!("{name:20}"));
        let wanted = format!(
            "PID                 COMMAND\nsleep 901\nsleep 902\nsleep 903\n{}CMD\nred\n",
            heading.concat()
        );
        assert_eq!(out, wanted);
        site.assert_clean();
    }
}

#[test]
fn those_that_have_ended_go() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "$S run -d --name red stepbox/base sleep 1000 >/dev/null; \
             for name in one two three; do $S create --name $name --label w=$name stepbox/base true >/dev/null; done; \
             $S container prune -f --filter label=w=x; $S container prune -f --filter label=w=one | wc -l; \
             $S container prune -f --filter 'label!=w=two' | wc -l; $S ps -a --format '{{.Names}}'; \
             echo n | $S container prune; echo y | $S container prune | tail -n 1; \
             $S container inspect -f '{{.Name}}' red; $S rm -f red",
        );
        let asked =
            "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ";
        let nothing = "Total reclaimed space: 0B\n";
        let wanted = format!("{nothing}4\n4\ntwo\nred\n{asked}{nothing}{nothing}/red\nred\n");
        assert_eq!(out, wanted);
        site.assert_clean();
    }
}
