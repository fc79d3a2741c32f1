//! Events: what has happened, told by whoever did it and heard by whoever listens.

use support::site::Site;

/// `story FROM …`: what has happened since then, without times and ids.
const STORY: &str = "now() { date +%s.%N; }; \
    story() { since=$1; shift; $S events --since $since --until $(now) \"$@\" | sed -E 's/^[^ ]+ //; s/[0-9a-f]{64}/ID/g; s/dev.stepbox.base=[a-z]+, //'; }; ";

#[test]
fn one_life_is_one_story() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(&format!(
            "{STORY} $S run --rm stepbox/base true; T=$(now); \
             $S run -d --name red --network none --label l=1 stepbox/base sleep 1000 >/dev/null; \
             $S exec red sh -c 'exit 3'; $S rename red blue; $S stop -t 0 blue >/dev/null; $S start blue >/dev/null; \
             $S kill blue >/dev/null; $S wait blue >/dev/null; $S rm blue >/dev/null; story $T"
        ));
        let whose = "ID (image=stepbox/base, l=1, name=";
        let network = |what: &str| format!("network {what} ID (container=ID, name=none, type=null)\n");
        let (on, off) = (network("connect"), network("disconnect"));
        let exec = "ID (execID=ID";
        let wanted = format!(
            "container create {whose}red)\n{on}container start {whose}red)\n\
             container exec_create: sh -c exit 3 {exec}, image=stepbox/base, l=1, name=red)\n\
             container exec_start: sh -c exit 3 {exec}, image=stepbox/base, l=1, name=red)\n\
             container exec_die {exec}, exitCode=3, image=stepbox/base, l=1, name=red)\n\
             container rename ID (image=stepbox/base, l=1, name=blue, oldName=/red)\n\
             container kill {whose}blue, signal=15)\ncontainer kill {whose}blue, signal=9)\n\
             container die ID (exitCode=137, image=stepbox/base, l=1, name=blue)\n{off}\
             container stop {whose}blue)\n{on}container start {whose}blue)\n\
             container kill {whose}blue, signal=9)\n\
             container die ID (exitCode=137, image=stepbox/base, l=1, name=blue)\n{off}\
             container destroy {whose}blue)\n"
        );
        assert_eq!(out, wanted);
        site.assert_clean();
    }
}

/// Also of one that runs in the foreground of its command, and of what that passes on to it.
#[test]
fn the_story_of_a_run_in_the_foreground() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(&format!(
            "{STORY} $S run --rm stepbox/base true; T=$(now); \
             $S run --rm --name red --network host stepbox/base \
                 sh -c 'trap \"exit 5\" USR1; echo >/ready; while :; do sleep 0.02; done' & run=$!; \
             until [ -e $D/state/containers/*/upper/ready ]; do sleep 0.02; done; kill -USR1 $run; wait $run; echo $?; \
             $S run --rm --name blue --network none stepbox/base nosuch 2>/dev/null; story $T"
        ));
        let red = "ID (image=stepbox/base, name=red)\n";
        let blue = "ID (image=stepbox/base, name=blue)\n";
        let network = |what: &str, name: &str, kind: &str| {
            format!("network {what} ID (container=ID, name={name}, type={kind})\n")
        };
        let wanted = format!(
            "5\ncontainer create {red}container attach {red}{}container start {red}\
             container kill ID (image=stepbox/base, name=red, signal=10)\n\
             container die ID (exitCode=5, image=stepbox/base, name=red)\n{}container destroy {red}\
             container create {blue}container attach {blue}{}{}container destroy {blue}",
            network("connect", "host", "host"),
            network("disconnect", "host", "host"),
            network("connect", "none", "null"),
            network("disconnect", "none", "null"),
        );
        assert_eq!(out, wanted);
        site.assert_clean();
    }
}

/// It ends under the name that it has then, as what was run in it does.
#[test]
fn a_run_in_the_foreground_that_is_renamed() {
    for site in [Site::ours(), Site::nobody()] {
        for remove in ["--rm", ""] {
            let out = site.says(&format!(
                "{STORY} $S run --rm stepbox/base true; B=$(now); \
                 $S run {remove} --name red --network none stepbox/base \
                     sh -c 'trap \"exit 5\" USR1; echo >/ready; while :; do sleep 0.02; done' & run=$!; \
                 until [ -e $D/state/containers/*/upper/ready ] && story $B --filter container=red | grep -q start; do \
                     sleep 0.02; done; T=$(now); \
                 $S exec red sh -c 'echo >/entered; until [ -e /go ]; do sleep 0.02; done' & exec=$!; \
                 until [ -e $D/state/containers/*/upper/entered ]; do sleep 0.02; done; $S rename red blue; \
                 $S exec blue touch /go; wait $exec; kill -USR1 $run; wait $run; echo $?; \
                 story $T | grep -v 'exec_[cs]'; [ '{remove}' ] || $S rm blue"
            ));
            let blue = "image=stepbox/base, name=blue";
            let exec_died = format!("container exec_die ID (execID=ID, exitCode=0, {blue})\n");
            let (then, rest) = match remove.is_empty() {
                true => ("", "blue\n"),
                false => ("container destroy ID (image=stepbox/base, name=blue)\n", ""),
            };
            let wanted = format!(
                "5\ncontainer rename ID ({blue}, oldName=/red)\n{exec_died}{exec_died}container kill ID ({blue}, signal=10)\n\
                 container die ID (exitCode=5, {blue})\nnetwork disconnect ID (container=ID, name=none, type=null)\n{then}{rest}"
            );
            assert_eq!(out, wanted);
            site.assert_clean();
        }
    }
}

/// All of them hear the same, in the same order, while several commands talk at once; SIGINT ends each as it ends
/// Docker's.
#[test]
fn several_listen() {
    let site = Site::ours();
    let out = site.says(
        "$S run --rm stepbox/base true; \
         for i in 1 2 3; do env --default-signal=INT $S events --format '{{json .}}' >$D/state/heard.$i & \
             listeners=\"$listeners $!\"; done; \
         for pid in $listeners; do until grep -qs inotify /proc/$pid/fdinfo/*; do sleep 0.02; done; done; sleep 0.3; \
         for i in 1 2 3 4; do $S run --rm --network none stepbox/base true & runs=\"$runs $!\"; done; wait $runs; \
         for i in 1 2 3; do until [ $(grep -c destroy $D/state/heard.$i) = 4 ]; do sleep 0.05; done; done; \
         kill -INT $listeners; for pid in $listeners; do wait $pid; echo $?; done; \
         cmp $D/state/heard.1 $D/state/heard.2; cmp $D/state/heard.1 $D/state/heard.3; \
         tail -n $(wc -l <$D/state/heard.1) $D/state/events/log | cmp - $D/state/heard.1; wc -l <$D/state/heard.1",
    );
    // created, attached, connected, started, died, disconnected, destroyed
    assert_eq!(out, "130\n130\n130\n28\n");
    site.assert_clean();
}

/// A monitor that was killed tells of no end: whoever finds the container does, once, however many look.
#[test]
fn the_end_of_a_killed_monitor_is_told_once() {
    let site = Site::ours();
    let out = site.says(&format!(
        "{STORY} $S run --rm stepbox/base true; \
         for option in --rm --init; do T=$(now); $S run -d $option --name red --network none stepbox/base sleep 1000 >/dev/null; \
             monitor=$(owner); kill -9 $monitor; dead $monitor; for i in 1 2 3 4 5; do $S ps -q >/dev/null & done; wait; story $T --filter container=red; done; $S rm red"
    ));
    let red = "ID (image=stepbox/base, name=red)\n";
    let begin = format!("container create {red}container start {red}");
    let die = "container die ID (exitCode=137, image=stepbox/base, name=red)\n";
    assert_eq!(out, format!("{begin}{die}container destroy {red}{begin}{die}red\n"));
    site.assert_clean();
}

#[test]
fn an_end_is_an_end() {
    let site = Site::ours();
    let out = site.says(
        "$S run --rm --network none stepbox/base true; $S events --until 5; echo $?; \
         timeout 5 $S events --until $(($(date +%s) + 1)) | grep -c 'container destroy'; \
         $S events --since 0 | head -n 1 | grep -c image; \
         $S events --since 0 --until 1h >/dev/null; echo $?; \
         $S events --since 0 --until 0s --filter event=die --format '{{.Actor.Attributes.exitCode}} {{.Action}}'",
    );
    assert_eq!(out, "0\n1\n1\n0\n0 die\n");
    for (command, code, words) in [
        ("$S events --until 5 --filter nosuch=1", 1, "Invalid filter 'nosuch'"),
        ("$S events --since 10 --until 5", 1, "`since` time (10) cannot be after `until` time (5)"),
        ("$S events --since nope", 1, "nope"),
    ] {
        site.refused(command, code, &[words]);
    }
    let said = site.sh("$S events --until 5 --format '{{'");
    assert_eq!((said.code, said.err.trim_end()), (64, "Error parsing format: template: :1: unclosed action"));
    let said = site.sh("$S events --since 0 --until 0s --format '{{.Nope}}'");
    let wanted = "Error parsing format: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type \
                  *events.Message";
    assert_eq!((said.code, said.err.trim_end()), (64, wanted));
    site.assert_clean();
}

/// Where nothing can be told, everything works all the same.
#[test]
fn no_place_for_events() {
    let site = Site::ours();
    let out = site.says(
        "$S run --rm stepbox/base true; rm -r $D/state/events; echo none >$D/state/events; \
         $S run --rm stepbox/base echo one; $S run -d --name red stepbox/base sleep 1000 >/dev/null; \
         $S exec red echo two; $S rm -f red; cat $D/state/events; rm $D/state/events",
    );
    assert_eq!(out, "one\ntwo\nred\nnone\n");
    site.assert_clean();
}

#[test]
fn memory_that_is_used_up_is_told() {
    let Some(site) = Site::limited("memory_that_is_used_up_is_told") else { return };
    let out = site.says(&format!(
        "{STORY} T=$(now); $S run -d --name red -m 24m --memory-swap 24m stepbox/base tail /dev/zero >/dev/null; \
         $S wait red; $S inspect -f '{{{{.State.OOMKilled}}}}' red; $S rm red; \
         $S run --name blue -m 24m --memory-swap 24m stepbox/base tail /dev/zero; echo $?; \
         $S inspect -f '{{{{.State.OOMKilled}}}}' blue; $S rm blue; story $T --filter event=oom"
    ));
    let told = |name: &str| format!("container oom ID (image=stepbox/base, name={name})\n");
    assert_eq!(out, format!("137\ntrue\nred\n137\ntrue\nblue\n{}{}", told("red"), told("blue")));
    site.assert_clean();
}
