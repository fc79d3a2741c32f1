//! A flood of lines: files are bounded, so is the monitor, and nobody who reads slowly stops the container for good or
//! takes lines from its log.

use support::site::Site;

use crate::{expect, more};

/// What a monitor has used at most, in KiB, and how much is kept, in bytes.
const MONITOR: &str = r#"
    peak() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' /proc/$(owner)/status; }
    files() { cat $D/state/containers/*/*-json.log* | wc -c; }
"#;

#[test]
fn a_flood_fills_so_many_files_and_no_memory() {
    let site = Site::ours();
    let seconds = more(2, 4);
    let script = format!(
        "{MONITOR}
        $S run -d --name red --log-opt max-size=1m --log-opt max-file=3 stepbox/base sh -c \
            'while :; do echo y y y y y y y y; done & while :; do echo e >&2; done' >/dev/null
        until $S logs red 2>/dev/null | grep -q y; do sleep 0.01; done
        for i in $(seq $(({seconds} * 5))); do sleep 0.2; [ $(files) -le 3300000 ] || echo too large: $(files); done
        until [ $(files) -ge 300000 ]; do sleep 0.1; done; echo much
        [ $(peak) -le $(($(sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\) kB/\\1/p' /proc/$(owner)/status) + 4096)) ] && \
        [ $(peak) -le 40000 ] && echo bounded
        timeout 30 $S stop -t 0 red; $S rm red"
    );
    expect(&site, 150, &script, "much\nbounded\nred\nred\n");
    site.assert_clean();
}

/// Somebody attached who takes nothing, and one who follows the log and takes nothing.
#[test]
fn slow_readers_lose_nothing_and_hold_up_nobody_for_good() {
    for site in [Site::ours(), Site::nobody()] {
        // 2 MB: more than all queues, pipes and sockets on the way hold
        let lines = more(20_000, 60_000);
        let pad = "x".repeat(100);
        let script = format!(
            "{MONITOR}
            mkfifo $D/state/go $D/state/slow $D/state/slower
            $S create --name red -v $D/state/go:/go:ro stepbox/base sh -c 'read x </go; seq {lines} | sed s/$/\\ {pad}/; sleep 1000' >/dev/null
            $S start -a red </dev/null >$D/state/slow & attached=$!
            exec 3<$D/state/slow
            until $S ps -q | grep -q .; do sleep 0.02; done
            $S logs -f red >$D/state/slower & follows=$!
            exec 4<$D/state/slower
            echo go >$D/state/go; sleep 0.7
            # the one who is attached holds it up, as whoever reads a pipe
            [ $($S logs red | wc -l) -lt {lines} ] && echo held up
            [ $(peak) -le 40000 ] && echo bounded
            # and everything else goes on meanwhile
            $S exec red echo in
            # he reads a little, and then he goes
            head -c 300000 <&3 | head -n 3 | cut -d' ' -f1; kill -9 $attached; wait $attached 2>/dev/null
            for i in $(seq 400); do $S logs --tail 1 red | grep -q '^{lines} '  && break; sleep 0.1; done
            $S logs red | cksum
            # the one who follows has been waited for by nobody, and has all of it
            {{ head -n {lines}; kill -9 $follows; }} <&4 | cksum; wait $follows 2>/dev/null
            timeout 30 $S stop -t 0 red; $S rm red"
        );
        let sum = {
            let text: String = (1..=lines).map(|number| format!("{number} {pad}\n")).collect();
            let mut command = std::process::Command::new("cksum");
            let path = site.path().join("lines");
            std::fs::write(&path, text).expect("written");
            let out = command.stdin(std::fs::File::open(&path).expect("there")).output().expect("cksum runs");
            String::from_utf8(out.stdout).expect("text")
        };
        let wanted = format!("held up\nbounded\nin\n1\n2\n3\n{}red\nred\n", sum.repeat(2));
        expect(&site, 150, &script, &wanted);
        site.assert_clean();
    }
}

/// As `--pid host` has it: somebody of the container outlives its program, with its pipe, and prints on.
#[test]
fn one_who_prints_on_without_the_program() {
    let Some(site) = Site::root("one_who_prints_on_without_the_program") else { return };
    let out = site.says(
        "$S run -d --pid host --name red --log-opt max-size=1m stepbox/base sh -c \
             'while :; do echo y; done & sleep 0.1; exit 5' >/dev/null; \
         timeout 60 $S wait red; $S ps -a --format '{{.Status}}' | cut -d' ' -f-2; $S rm red",
    );
    assert_eq!(out, "5\nExited (5)\nred\n");
    site.assert_clean();
}
