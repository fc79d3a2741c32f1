//! Signals that are sent to `stepbox run` reach the program.

use support::site::Site;

/// Runs a program that says when it is ready, sends this signal to stepbox then, and says the exit code.
fn signalled(site: &Site, signal: &str, program: &str) -> String {
    assert!(!program.contains('\''), "{program} stands in quotes");
    let out = site.says(&format!(
        ": >$D/state/out; $S run --rm stepbox/base sh -c '{program}' >$D/state/out & pid=$!; \
         until grep -qs ready $D/state/out; do sleep 0.05; done; \
         kill -{signal} $pid; wait $pid; echo code $?; cat $D/state/out"
    ));
    site.assert_clean();
    out
}

#[test]
fn a_program_that_handles_a_signal_gets_it() {
    let site = Site::ours();
    for (signal, code) in [("TERM", 143), ("INT", 130), ("USR1", 138)] {
        let program = format!(
            "trap \"echo got {signal}; exit {code}\" {signal}; echo ready; while :; do sleep 0.05; done"
        );
        let out = signalled(&site, signal, &program);
        assert_eq!(out, format!("code {code}\nready\ngot {signal}\n"));
    }
}

#[test]
fn process_1_that_handles_none_goes_on() {
    // pid_namespaces(7): a signal that process 1 has no handler for is dropped, in Docker too
    let out = signalled(&Site::ours(), "TERM", "echo ready; sleep 1; echo on");
    assert_eq!(out, "code 0\nready\non\n");
}

#[test]
fn a_killed_engine_takes_its_box_along_and_clean_does_the_rest() {
    let site = Site::ours();
    let out = site.says(
        "$S run --rm stepbox/base sh -c 'echo ready; sleep 33' >$D/state/out & pid=$!; \
         until grep -qs ready $D/state/out; do sleep 0.05; done; \
         kill -KILL $pid; wait $pid; echo code $?; $S clean | tail -1; $S ps -aq",
    );
    assert!(out.starts_with("code 137\n1 dead runs cleaned"), "{out}");
    assert_eq!(out.lines().count(), 2, "no container is listed: {out}");
    site.assert_clean();
}

#[test]
fn a_closed_pipe_ends_the_program_as_everywhere() {
    let site = Site::ours();
    let out = site.says("$S run --rm stepbox/base sh -c 'yes; echo $? >&2' 2>&1 | head -1");
    assert_eq!(out, "y\n");
    let ignored = site.inside("", "grep SigIgn /proc/self/status");
    let mask =
        u64::from_str_radix(ignored.split_whitespace().nth(1).expect("a mask"), 16).expect("hexadecimal");
    assert_eq!(mask & 1 << 12, 0, "SIGPIPE is not ignored: {ignored}");
    site.assert_clean();
}
