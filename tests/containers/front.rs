//! A container in the foreground of the command that made it: what others see of it, and what stays.

use support::screen::Terminal;
use support::site::Site;

use crate::SEES;

fn both() -> [Site; 2] {
    [Site::ours(), Site::nobody()]
}

#[test]
fn what_it_printed_is_logged() {
    for site in both() {
        let out = site.says(
            "$S run --name red stepbox/base sh -c 'echo out; sleep 0.1; echo err >&2; printf end; exit 3' >$D/state/out 2>$D/state/err; \
             echo $?; cat $D/state/out; echo; cat $D/state/err; $S logs red 2>/dev/null; echo; $S logs red 2>&1 >/dev/null; \
             $S logs -t red 2>&1 | grep -cE '^[0-9-]{10}T[0-9:]{8}[.][0-9]{9}Z (out|err|end)$'; \
             $S start red; $S wait red; $S logs red 2>/dev/null; echo; $S rm red; \
             echo typed | $S run -i --name red stepbox/base cat; $S logs red; $S rm red; \
             $S run --explain --name red stepbox/base echo seen 2>/dev/null; $S logs red; $S rm red; rm $D/state/out $D/state/err",
        );
        let lines = "3\nout\nend\nerr\nout\nend\nerr\n3\nred\n3\nout\nendout\nend\nred\n";
        assert_eq!(out, format!("{lines}typed\ntyped\nred\nseen\nseen\nred\n"));
        site.assert_clean();
    }
}

#[test]
fn a_log_is_as_large_as_it_may_be() {
    let site = Site::ours();
    let out = site.says(
        "$S run --name red --log-opt max-size=2k --log-opt max-file=3 stepbox/base seq 500 | tail -n 1; \
         ls $D/state/containers/*/ | grep -c json.log; find $D/state/containers -name '*json.log*' -size +4 | wc -l; \
         $S logs red | tail -n 1; $S rm red; \
         for how in '--log-driver none' ''; do $S run --name red $how stepbox/base sh -c '[ \"$0\" ] || echo' \"$how\"; \
         ls $D/state/containers/*/ | grep -c json.log; $S rm red; done",
    );
    // a program that prints nothing has no log
    assert_eq!(out, "500\n3\n0\n500\nred\n0\nred\n\n1\nred\n");
    site.assert_clean();
}

/// A program that says how often it was told to go on, and ends with 5 where it is asked to.
const EARS: &str = "sh -c 'trap \"echo one\" USR1; trap \"echo bye; exit 5\" TERM; echo ready; while :; do sleep 0.02; done'";

#[test]
fn others_reach_it_while_it_runs() {
    for site in both() {
        for remove in ["", "--rm"] {
            let out = site.says(&format!(
                "$S run {remove} --name red stepbox/base {EARS} >$D/state/front & front=$!; \
                 until grep -qs ready $D/state/front; do sleep 0.02; done; idle=$(sockets $front); \
                 $S logs -f red >$D/state/logs & logs=$!; $S wait red >$D/state/wait & wait=$!; \
                 $S attach red >$D/state/seen & attach=$!; until grep -q ready $D/state/logs; do sleep 0.02; done; \
                 until [ $(sockets $front) = $((idle + 2)) ]; do sleep 0.02; done; {SEES} sees $D/state/seen; \
                 $S kill -s USR1 red; until grep -q one $D/state/seen; do sleep 0.02; done; \
                 kill -USR1 $front; until [ $(grep -c one $D/state/seen) = 2 ]; do sleep 0.02; done; \
                 $S exec red echo in; $S ps --format '{{{{.Names}}}} {{{{.State}}}}'; $S stop red; \
                 for each in $front $logs $wait $attach; do wait $each; echo $?; done; \
                 for each in front logs wait seen; do echo $each; grep -v ping $D/state/$each; rm $D/state/$each; done; \
                 $S ps -aq | wc -l; [ '{remove}' ] || $S rm red"
            ));
            let seen = "one\none\nbye\n";
            let ends = "red\nin\nred running\nred\n5\n0\n0\n5\n";
            let all = format!("{ends}front\nready\n{seen}logs\nready\n{seen}wait\n5\nseen\n{seen}");
            let rest = if remove.is_empty() { "1\nred\n" } else { "0\n" };
            assert_eq!(out, format!("{all}{rest}"));
            site.assert_clean();
        }
    }
}

#[test]
fn it_is_started_again_by_others() {
    for site in both() {
        for remove in ["", "--rm", "--rm -d"] {
            let out = site.says(&format!(
                "$S run {remove} --name red stepbox/base {EARS} >$D/state/front & front=$!; \
                 until $S logs red 2>/dev/null | grep -q ready; do sleep 0.02; done; $S exec red touch /kept; \
                 $S restart red; wait $front; echo $?; $S exec red ls /kept; $S ps --format '{{{{.Names}}}} {{{{.State}}}}'; \
                 until [ $($S logs red | grep -c ready) = 2 ]; do sleep 0.02; done; $S stop red; \
                 until [ -z \"$($S ps -q)\" ]; do sleep 0.02; done; rm $D/state/front; \
                 if [ '{remove}' ]; then until [ -z \"$($S ps -aq)\" ]; do sleep 0.02; done; else $S rm red; fi; $S ps -aq"
            ));
            let code = if remove.ends_with("-d") { 0 } else { 5 };
            let rest = if remove.is_empty() { "red\n" } else { "" };
            assert_eq!(out, format!("red\n{code}\n/kept\nred running\nred\n{rest}"), "{remove}");
            site.assert_clean();
        }
    }
}

#[test]
fn several_type_into_it() {
    let site = Site::ours();
    let out = site.says(
        "mkfifo $D/state/in $D/state/more; \
         $S run -i --name red stepbox/base sh -c 'while read x; do echo got $x; done; exit 4' \
         <$D/state/in >$D/state/front & front=$!; exec 3>$D/state/in; echo first >&3; \
         until grep -qs first $D/state/front; do sleep 0.02; done; \
         $S attach red <$D/state/more >$D/state/other 3>&- & other=$!; exec 4>$D/state/more; echo second >&4; \
         until grep -q second $D/state/front; do sleep 0.02; done; exec 3>&-; \
         for each in $front $other; do wait $each; echo $?; done; \
         cat $D/state/front; $S logs red; $S rm red; rm $D/state/in $D/state/more $D/state/front $D/state/other",
    );
    // with the end of what the first one types, its input ends
    assert_eq!(out, "4\n4\ngot first\ngot second\ngot first\ngot second\nred\n");
    site.assert_clean();
}

#[test]
fn as_much_as_it_prints_and_to_whom() {
    for site in both() {
        let out = site.says(
            "seq 200000 | sha256sum >$D/state/expected; \
             $S run --rm stepbox/base sh -c 'seq 200000; exit 3' >$D/state/out; echo $?; \
             sha256sum <$D/state/out | cmp - $D/state/expected && echo same; \
             $S run --rm stepbox/base seq 200000 | { sleep 0.5; dd bs=7k count=3 iflag=fullblock 2>/dev/null; cat; } | sha256sum | \
               cmp - $D/state/expected && echo same; \
             $S run -i --rm stepbox/base cat <$D/state/out | sha256sum | cmp - $D/state/expected && echo same; \
             { $S run --rm stepbox/base sh -c 'while echo y; do :; done; echo $? >&2' 2>&1 >&3 | tail -n 1; } 3>&1 | head -n 2; \
             $S run --rm stepbox/base sh -c 'echo x; sleep 0.2; echo x; exit 3' >/dev/full 2>$D/state/out; echo $?; \
             grep -c '^stepbox: write /dev/stdout: ' $D/state/out; rm $D/state/out $D/state/expected",
        );
        // whose reader is gone hears of it: EPIPE, for process 1 is not killed by SIGPIPE
        assert_eq!(out, "3\nsame\nsame\nsame\ny\ny\n3\n1\n");
        site.assert_clean();
    }
}

#[test]
fn only_what_is_attached() {
    const PROGRAM: &str = "sh -c 'echo out; echo err >&2; exit 3'";
    for site in both() {
        for (options, out, err, code) in [
            ("-a stdout", "out\n", "", 3),
            ("-a STDERR", "", "err\n", 3),
            ("-a stdout -a stderr", "out\n", "err\n", 3),
            ("-a stdout --restart on-failure:1", "out\n", "", 3),
        ] {
            let said = site.sh(&format!("$S run {options} --name red stepbox/base {PROGRAM}"));
            assert_eq!((said.out.as_str(), said.err.as_str(), said.code), (out, err, code), "{options}");
            let logged =
                "until [ -z \"$($S ps -q)\" ]; do sleep 0.02; done; $S logs red 2>&1 | sort -u; $S rm red";
            assert_eq!(site.says(logged), "err\nout\nred\n", "{options}");
        }
        // who only types is told the id, and does not wait
        let out = site.says(
            "id=$(echo typed | $S run -i -a stdin --name red stepbox/base sh -c 'cat; sleep 0.3; exit 6'); echo $?; \
             [ $id = $($S ps -aq --no-trunc) ] && echo its id; $S wait red; $S logs red; $S rm red; \
             $S create -a stdin -a stdout --name red stepbox/base true >/dev/null; $S rm red",
        );
        assert_eq!(out, "0\nits id\n6\ntyped\nred\nred\n");
        site.refused("$S run -d -a stdout stepbox/base true", 1, &["Conflicting options: -a and -d"]);
        site.refused(
            "$S run -a both stepbox/base true",
            125,
            &["valid streams are STDIN, STDOUT and STDERR"],
        );
        for option in ["-a stdin", "--sig-proxy=false", "--detach-keys a"] {
            site.refused(&format!("$S run --explain {option} stepbox/base true"), 125, &["watched"]);
        }
        site.assert_clean();
    }
}

#[test]
fn what_a_killed_command_leaves() {
    for site in both() {
        let out = site.says(&format!(
            "$S run --name red stepbox/base {EARS} >$D/state/front & front=$!; \
             until $S logs red 2>/dev/null | grep -q ready; do sleep 0.02; done; kill -KILL $front; wait $front; \
             $S wait red; $S logs red; $S attach red 2>&1; $S rm red; rm $D/state/front; $S clean >/dev/null"
        ));
        let stopped = "stepbox: You cannot attach to a stopped container, start it first\n";
        assert_eq!(out, format!("137\nready\n{stopped}red\n"));
        site.assert_clean();
    }
}

/// Without its signals, the container is none of the command's business: it outlives it.
#[test]
fn signals_that_are_not_passed_on() {
    let site = Site::ours();
    let out = site.says(&format!(
        ": >$D/state/front; $S run --sig-proxy=false --name red stepbox/base {EARS} >$D/state/front & front=$!; \
         until grep -q ready $D/state/front; do sleep 0.02; done; kill -TERM $front; wait $front; echo $?; \
         $S ps --format '{{{{.State}}}}'; $S stop red; $S wait red; rm $D/state/front; $S rm red"
    ));
    assert_eq!(out, "143\nrunning\nred\n5\nred\n");
    site.assert_clean();
}

#[test]
fn keys_of_the_users_own() {
    const TEST: &str = "keys_of_the_users_own";
    let site = Site::ours();
    site.says("$S run --rm stepbox/base true; mkdir $D/config; echo '{\"detachKeys\": \"ctrl-x,x\"}' >$D/config/config.json");
    let Some(terminal) = Terminal::open(TEST, &site) else { return };
    terminal.types("export DOCKER_CONFIG=$D/config; $S run -it --name red stepbox/base sh; echo code $?");
    terminal.shows("/ #");
    terminal.press("C-x");
    terminal.press("x");
    terminal.shows("code 0");
    terminal.types("clear; $S attach --detach-keys y,y red; echo code $?");
    terminal.press("y");
    terminal.press("y");
    terminal.shows("\ncode 1");
    terminal.types(
        "clear; echo '{\"detachKeys\": \"nonsense\"}' >$D/config/config.json; $S attach red; echo code $?",
    );
    terminal.shows("Invalid detach keys (nonsense) provided");
    terminal.types("clear; $S rm -f red; echo do''ne");
    terminal.shows("\ndone");
    drop(terminal);
    site.assert_clean();
}
