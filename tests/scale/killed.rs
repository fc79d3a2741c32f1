//! kill -9 of commands and of monitors, at random moments.
//!
//! ```text
//!   red: counts in a volume and in its log, all the time
//!   each turn:  a command about red ── kill -9, some milliseconds later ──> of the command, or of red's monitor
//!               what red had said and counted is still there; it is listed, inspected, started
//!   at the end: check --repair, rm, clean: nothing left
//! ```

use support::dice::Dice;
use support::player::said;
use support::site::Site;

use crate::{expect, more};

const COUNTS: &str = "n=$(cat /data/n 2>/dev/null || echo 0); trap 'exit 7' TERM; \
    while :; do n=$((n+1)); echo $n >/data/new && mv /data/new /data/n; echo line $n; sleep 0.005; done";

/// What can be killed. `fresh` is another container, which may be there or not.
const COMMANDS: [&str; 16] = [
    "run -d --name fresh -v kept:/data -v /anonymous stepbox/base sleep 1000",
    "run -d --rm --name fresh -v /anonymous stepbox/base sleep 1000",
    "create --name fresh -v /anonymous stepbox/base true",
    "rm -fv fresh",
    "start red",
    "stop -t 1 red",
    "restart -t 0 red",
    "kill red",
    "rename red blue",
    "exec red sh -c 'cat /data/n; sleep 0.02'",
    "logs -f red",
    "attach --sig-proxy=false red",
    "volume rm kept",
    "pause red",
    "update-volume",
    "volume prune -f",
];

/// The functions of the script. What was true before a kill must be so after it.
const LIBRARY: &str = r#"
fail() { echo "turn $turn ($what): $*"; cat $D/state/said; $S ps -a; exit 1; }
volume() { cat $D/state/volumes/counts/_data/n; }
owner() { sed -E 's/.*"owner":\{"pid":([0-9]+).*/\1/' $D/state/containers/$id/state.json | grep -x '[0-9]*'; }
boxes() { for p in /proc/[0-9]*; do tr '\0' ' ' <$p/environ; echo; done 2>/dev/null | grep -c "^.*MARK=$id "; }
settle() {
    $S ps -a --no-trunc | grep -q $id || fail is not listed any more
    $S rename blue red 2>/dev/null
    [ "$($S inspect --format '{{.Id}} {{.Name}}' red)" = "$id /red" ] || fail cannot be inspected
    $S unpause red >/dev/null 2>&1
    $S start red >$D/state/said 2>&1 || fail cannot be started
    $S exec red true >$D/state/said 2>&1 || fail cannot be entered
    $S logs red >$D/state/after 2>&1
    cmp -s -n $(stat -c %s $D/state/shown) $D/state/shown $D/state/after || fail has lost lines of its log
    [ "$(volume)" -ge $counted ] || fail has lost what its volume held
    grep -v '^line [0-9]*$' $D/state/after && fail has a line that it never printed
    :
}
turn() {
    turn=$((turn + 1)); what="$1, $2 s, kill $3"
    $S logs red >$D/state/shown 2>&1; counted=$(volume)
    case $1 in
        update-volume) $S volume create made >$D/state/said 2>&1 & ;;
        # the command itself, not a shell that waits for it: what outlives its kill would act in the turns to come
        *) eval "exec $S $1" >$D/state/said 2>&1 </dev/null & ;;
    esac
    victim=$!
    [ $3 = command ] || victim=$(owner)
    sleep $2
    [ -z "$victim" ] || { kill -9 $victim 2>/dev/null; dead $victim; }
    [ $3 = command ] || kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    settle
}
"#;

fn turns(dice: &mut Dice, count: usize) -> String {
    let mut script = String::new();
    for turn in 0..count {
        // each command once, before any comes again
        let command = COMMANDS[if turn < COMMANDS.len() { turn } else { dice.below(COMMANDS.len()) }];
        let whom = if dice.below(3) == 0 { "monitor" } else { "command" };
        let after = dice.below(60);
        script += &format!("turn \"{command}\" 0.{after:03} {whom}\n");
        if turn % 8 == 7 {
            script += "$S system check --repair >$D/state/said 2>&1 || fail is not repaired\nsettle\n";
        }
    }
    script
}

#[test]
fn kill_9_at_any_moment_loses_nothing() {
    let mut dice = Dice::thrown();
    let sites = [(Site::ours(), more(16, 40)), (Site::nobody(), more(8, 20))];
    let scripts: Vec<_> = sites.iter().map(|(_, count)| turns(&mut dice, *count)).collect();
    std::thread::scope(|scope| {
        for ((site, _), turns) in sites.iter().zip(&scripts) {
            scope.spawn(move || {
                let script = format!(
                    "{LIBRARY}
                    # what stands still would keep these namespaces alive
                    trap '$S unpause red >/dev/null 2>&1' EXIT
                    id=$($S run -d --name red -v counts:/data stepbox/base sh -c \"{counts}\") || exit 1
                    until [ -s $D/state/volumes/counts/_data/n ]; do sleep 0.01; done
                    {turns}
                    $S rm -f red >/dev/null; $S rm -fv fresh >/dev/null 2>&1
                    $S system check --repair >$D/state/said 2>&1 || fail is not repaired
                    $S clean >/dev/null; [ \"$(volume)\" -gt 10 ] || fail its volume went with it
                    $S volume rm counts >/dev/null; $S volume prune -f >/dev/null; $S volume rm kept >/dev/null 2>&1
                    $S ps -aq; $S volume ls -q; $S system check | grep -o 'nothing wrong'",
                    counts = COUNTS.replace('$', "\\$"),
                );
                expect(site, 400, &script, "nothing wrong\n");
                site.assert_clean();
            });
        }
    });
}

/// Whoever starts a container is killed while the monitor is on its way: there is one monitor all the same, and nobody
/// removes what is being started.
#[test]
fn a_start_that_was_killed_is_no_second_start() {
    let mut dice = Dice::thrown();
    let site = Site::ours();
    let rounds = more(6, 20);
    let mut script = String::from(
        "gone() { for i in $(seq 1000); do [ $(monitors) = 0 ] && return; sleep 0.02; done; echo $1; }; monitors() { for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null | \
             grep -c \"self/exe [m]onitor $id\"; }; \
         id=$($S create --name red stepbox/base sleep 1000); ",
    );
    for round in 0..rounds {
        let after = dice.below(40);
        script += &format!(
            "$S start red >/dev/null 2>&1 & sleep 0.{after:03}; kill -9 $! 2>/dev/null; wait $! 2>/dev/null
             $S start red >/dev/null || echo round {round}: not started; [ $(monitors) = 1 ] || echo round {round}: $(monitors)
             $S exec red true || echo round {round}: not there
             $S rm -f red >/dev/null || echo round {round}: not removed; gone 'round {round}: left'
             id=$($S create --name red stepbox/base sleep 1000)
             $S start red >/dev/null 2>&1 & sleep 0.{after:03}; kill -9 $! 2>/dev/null; wait $! 2>/dev/null
             $S rm -f red >/dev/null || echo round {round}: not removed by force
             gone 'round {round}: a monitor of what is removed'
             id=$($S create --name red stepbox/base sleep 1000); "
        );
    }
    script += "$S rm red >/dev/null; $S system check | grep -o 'nothing wrong'";
    expect(&site, 300, &script, "nothing wrong\n");
    site.assert_clean();
}

/// Killed in the moment between the program's start and the word that it runs: nobody knows of the program but the
/// journal.
#[test]
fn a_program_that_only_its_journal_knows() {
    let site = Site::ours();
    let out = said(&mut site.script(
        "id=$($S run -d --name red stepbox/base sleep 1000); \
         monitor=$(owner); kill -9 $monitor; dead $monitor; \
         rm $D/state/containers/$id/state.json; \
         $S ps -a --format '{{.Status}}'; ls $D/state/run/journal | wc -l; \
         $S start red && $S exec red echo in; $S rm -f red",
    ));
    assert_eq!((out.out.as_str(), out.code), ("Created\n1\nred\nin\nred\n", 0), "{}", out.err);
    site.assert_clean();
}

/// What stands still cannot die where cgroups are of version 1: whoever cleans up after its monitor must let it go first.
#[test]
fn a_monitor_of_one_that_stands_still() {
    let Some(site) = Site::limited_root("a_monitor_of_one_that_stands_still") else { return };
    for cleaning in [
        "$S rm -f red",
        "$S start red && $S exec red true",
        "$S clean",
        "$S system check --repair",
        "$S ps -aq",
    ] {
        let out = site.says(&format!(
            "id=$($S run -d --name red stepbox/base sleep 1000); $S pause red >/dev/null; \
             trap '$S unpause red >/dev/null 2>&1' EXIT; \
             monitor=$(owner); kill -9 $monitor; dead $monitor; \
             {{ {cleaning}; }} >/dev/null || echo failed; $S ps -aq --filter status=paused; \
             $S rm -f red >/dev/null 2>&1; $S system check | grep -o 'nothing wrong'"
        ));
        assert_eq!(out, "nothing wrong\n", "{cleaning}");
        site.assert_clean();
    }
}
