//! Those who are attached: what they see, what they type, and how they end.

use support::screen::Terminal;
use support::site::Site;

use crate::SEES;

/// As whoever runs the tests, and as nobody.
fn both() -> [Site; 2] {
    [Site::ours(), Site::nobody()]
}

#[test]
fn start_attached_misses_nothing_and_ends_with_its_code() {
    for site in both() {
        let out = site.says(
            "$S create --name red stepbox/base sh -c 'echo out; echo err >&2; exit 7' >/dev/null; \
             for i in 1 2 3; do $S start -a red 2>$D/state/err; echo $?; cat $D/state/err; done; \
             $S logs red 2>/dev/null | wc -l; rm $D/state/err; $S rm red; \
             $S create --name red --rm stepbox/base sh -c 'exit 9' >/dev/null; $S start -a red; echo $?; $S ps -aq",
        );
        assert_eq!(out, format!("{}3\nred\n9\n", "out\n7\nerr\n".repeat(3)));
        site.assert_clean();
    }
}

#[test]
fn what_is_typed_goes_in_and_its_end_too() {
    for site in both() {
        let out = site.says(
            "$S create -i --name red stepbox/base sh -c 'cat; echo over' >/dev/null; \
             echo typed | $S start -i red; echo typed | $S start -ai red; echo $?; $S rm red; \
             $S create --name red stepbox/base cat >/dev/null; echo lost | $S start -ai red; $S rm red",
        );
        assert_eq!(out, "typed\nover\ntyped\nover\n0\nred\nred\n");
        site.assert_clean();
    }
}

#[test]
fn as_much_as_it_prints_also_to_a_slow_reader() {
    let site = Site::ours();
    let out = site.says(
        "$S create --name red --log-driver none stepbox/base sh -c 'seq 200000; exit 3' >/dev/null; \
         seq 200000 | sha256sum >$D/state/expected; \
         $S start -a red | { sleep 1; dd bs=7k count=3 iflag=fullblock 2>/dev/null; sleep 1; cat; } | sha256sum | \
           cmp - $D/state/expected && echo same; \
         $S start -a red >$D/state/said; echo $?; sha256sum <$D/state/said | cmp - $D/state/expected && echo same; \
         $S start -a red 2>$D/state/said >/dev/full; echo $?; grep -c '^stepbox: write /dev/stdout: ' $D/state/said; \
         rm $D/state/said $D/state/expected; $S rm -f red",
    );
    // where what it prints has nowhere to go, whoever is attached says so, and the container goes on
    assert_eq!(out, "same\n3\nsame\n1\n1\nred\n");
    site.assert_clean();
}

#[test]
fn several_see_the_same_and_one_may_leave() {
    for site in both() {
        let out = site.says(&format!(
            "$S run -d -i --name red stepbox/base sh -c 'while read line; do echo got $line; done; exit 4' >/dev/null; \
             $S attach --no-stdin red >$D/state/one & one=$!; \
             $S attach --no-stdin red >$D/state/two & two=$!; {SEES} sees $D/state/one $D/state/two; \
             echo first | $S attach red >/dev/null & three=$!; \
             until grep -q first $D/state/one && grep -q first $D/state/two; do sleep 0.02; done; \
             kill -KILL $two; wait $two; \
             echo second | $S attach red >/dev/null & four=$!; \
             until grep -q second $D/state/one; do sleep 0.02; done; $S kill -s KILL red; \
             for each in $one $three $four; do wait $each; echo $?; done; grep -v ping $D/state/one; \
             rm $D/state/one $D/state/two; $S rm red"
        ));
        // the input of one in the background outlives those who type
        assert_eq!(out, "red\n137\n137\n137\ngot first\ngot second\nred\n");
        site.assert_clean();
    }
}

#[test]
fn signals_are_passed_on_or_not() {
    let site = Site::ours();
    let program = "trap 'echo asked; exit 5' TERM; echo ready; while :; do sleep 0.02; done";
    let out = site.says(&format!(
        "$S create --restart always --name red stepbox/base sh -c \"{program}\" >/dev/null; \
         : >$D/state/said; $S start -a red >$D/state/said & pid=$!; \
         until grep -q ready $D/state/said; do sleep 0.02; done; \
         $S attach --sig-proxy=false red >/dev/null & other=$!; sleep 0.5; kill -TERM $other; wait $other; echo $?; \
         kill -TERM $pid; wait $pid; echo $?; cat $D/state/said; rm $D/state/said; \
         $S ps -aq --filter status=exited | wc -l; $S rm red"
    ));
    assert_eq!(out, "143\n5\nready\nasked\n1\nred\n");
    site.assert_clean();
}

#[test]
fn its_end_is_noticed_also_where_the_monitor_is_killed() {
    let site = Site::ours();
    let out = site.says(
        "$S create --name red stepbox/base sh -c 'echo ready; exec sleep 1000' >/dev/null; \
         : >$D/state/said; $S start -a red >$D/state/said & pid=$!; \
         until grep -q ready $D/state/said; do sleep 0.02; done; rm $D/state/said; \
         kill -KILL $(owner); wait $pid; echo $?; $S rm red",
    );
    assert_eq!(out, "137\nred\n");
    site.assert_clean();
}

#[test]
fn what_cannot_be_attached_says_why() {
    let site = Site::ours();
    site.says("$S create --name red stepbox/base nosuch >/dev/null; $S create --name blue -it stepbox/base sh >/dev/null");
    for (command, code, words) in [
        ("attach none", 1, "No such container: none"),
        ("attach red", 1, "You cannot attach to a stopped container, start it first"),
        ("attach --detach-keys ctrl-1 red", 125, "Invalid detach keys (ctrl-1) provided"),
        ("start -a none", 1, "No such container: none"),
        ("start -a red blue", 1, "you cannot start and attach multiple containers at once"),
        ("start -a red", 1, "not found in $PATH"),
    ] {
        site.refused(&format!("$S {command}"), code, &[words]);
    }
    site.says("$S start blue");
    let out = site.says(
        "$S run -d --name green stepbox/base sleep 1000 >/dev/null; $S start blue >/dev/null; \
         $S attach blue 2>&1; echo $?; $S rm -f red green blue",
    );
    assert!(out.contains("the input device is not a terminal") && out.contains("\n1\n"), "{out}");
    site.says("$S ps -aq");
    site.assert_clean();
}

#[test]
fn a_terminal_is_left_and_taken_up_again() {
    const TEST: &str = "a_terminal_is_left_and_taken_up_again";
    for site in both() {
        site.says("$S run --rm stepbox/base true");
        let Some(terminal) = Terminal::open(TEST, &site) else { return };
        terminal.types("stty -g >$D/state/before; $S create -it --name red stepbox/base sh; $S start -ai red; echo code $?");
        terminal.shows("/ #");
        // the size is there before the program
        terminal.types("stty size; word=kept");
        terminal.shows("30 90");
        terminal.press("C-p");
        terminal.press("C-q");
        terminal.shows("code 0");
        terminal.types("stty -g | diff - $D/state/before && echo restored as it was; $S ps --format '{{.Names}} {{.State}}'");
        terminal.shows("\nrestored as it was");
        terminal.shows("\nred running");
        terminal.tmux(&["resize-window", "-x", "77", "-y", "22"]);
        terminal.types("clear; tmux clear-history; $S attach --detach-keys a,b red; echo code $?");
        // what is typed before somebody is attached waits for him
        terminal
            .types("echo still $word; until [ \"$(stty size)\" = 22\\ 77 ]; do sleep 0.1; done; stty size");
        terminal.shows("\nstill kept");
        terminal.shows("\n22 77");
        terminal.tmux(&["resize-window", "-x", "66", "-y", "20"]);
        terminal.types("until [ \"$(stty size)\" = 20\\ 66 ]; do sleep 0.1; done; stty size");
        terminal.shows("\n20 66");
        terminal.types(
            "trap 'got=1; echo inter''rupted' INT; echo wait''ing; while [ -z \"$got\" ]; do sleep 0.1; done",
        );
        terminal.shows("\nwaiting");
        terminal.press("C-c");
        terminal.shows("interrupted");
        terminal.press("a");
        terminal.press("b");
        terminal.shows("read escape sequence");
        terminal.shows("\ncode 1");
        terminal.types("clear; $S attach red; echo code $?");
        // before he is attached, it would end him
        terminal.types("echo at''tached");
        terminal.shows("\nattached");
        terminal.press("C-c");
        terminal.types("exit 9");
        terminal.shows("\ncode 9");
        terminal.types("stty -g | diff - $D/state/before && echo again as it was; $S rm red");
        terminal.shows("\nagain as it was");
        terminal.shows("\nred");
        drop(terminal);
        std::fs::remove_file(site.root_directory().join("before")).expect("it was kept");
        site.assert_clean();
    }
}

#[test]
fn a_run_with_a_terminal_is_left_and_logged() {
    const TEST: &str = "a_run_with_a_terminal_is_left_and_logged";
    for site in both() {
        site.says("$S run --rm stepbox/base true");
        let Some(terminal) = Terminal::open(TEST, &site) else { return };
        terminal.types("stty -g >$D/state/before; $S run -it --name red stepbox/base sh; echo code $?");
        terminal.shows("/ #");
        terminal.types("echo a word that is 'kept'");
        terminal.shows("\na word that is kept");
        terminal.press("C-p");
        terminal.press("C-q");
        terminal.shows("code 0");
        terminal
            .types("stty -g | diff - $D/state/before && echo restored as it was; clear; tmux clear-history");
        terminal.types(
            "$S logs red | grep -c '^a word that is kept'; $S kill red; $S wait red; $S rm red; echo do''ne",
        );
        let screen = terminal.shows("\ndone");
        assert!(screen.contains("1\nred\n137\nred\ndone"), "{screen}");
        terminal.types("$S run --rm -it --detach-keys q,q stepbox/base sh -c 'read x; echo got $x; exit 6'; echo code $?");
        terminal.types("qx");
        terminal.shows("\ngot qx");
        terminal.shows("\ncode 6");
        terminal.types("$S run -it --rm stepbox/base nosuch; echo code $?; stty -g | diff - $D/state/before && echo as be''fore");
        terminal.shows("not found in $PATH");
        terminal.shows("\ncode 127");
        terminal.shows("\nas before");
        drop(terminal);
        std::fs::remove_file(site.root_directory().join("before")).expect("it was kept");
        site.assert_clean();
    }
}

#[test]
fn a_run_in_the_foreground_has_what_only_a_monitor_does() {
    for site in both() {
        let out = site.says(
            "$S run --rm -t stepbox/base sh -c 'test -t 1 && echo yes; exit 3'; echo $?; \
             $S run --name red --restart on-failure:1 stepbox/base sh -c 'echo go; exit 4'; echo $?; \
             until [ \"$($S logs red | wc -l)\" = 2 ] && [ -z \"$($S ps -q)\" ]; do sleep 0.02; done; $S rm red; \
             echo typed | $S run -i --name red --log-opt max-size=1m stepbox/base cat; $S logs red; $S rm red; \
             $S run --rm --log-driver none stepbox/base echo on; $S ps -aq",
        );
        assert_eq!(out, "yes\r\n3\ngo\n4\nred\ntyped\ntyped\nred\non\n");
        let watched = "$S run --explain --restart always stepbox/base true";
        site.refused(watched, 125, &["--restart", "no monitor"]);
        site.assert_clean();
    }
}

/// More than the monitor has descriptors for: those who come last wait, and the container goes on.
#[test]
fn too_many_who_are_attached_at_once() {
    let site = Site::ours();
    let out = site.says(
        "(ulimit -n 48; $S run -d --name red stepbox/base sleep 1000 >/dev/null); \
         for i in $(seq 40); do $S wait red >>$D/state/codes & waiting=\"$waiting $!\"; done; \
         sleep 1; $S exec red echo alive; $S kill red; wait $waiting; sort $D/state/codes | uniq -c; $S rm red",
    );
    let words: Vec<&str> = out.split_whitespace().collect();
    assert_eq!(words, ["alive", "red", "40", "137", "red"]);
    site.says("rm $D/state/codes");
    site.assert_clean();
}
