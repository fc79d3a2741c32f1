//! Health checks: run by the monitor beside everything else.

use support::site::Site;

/// `until_ps FILTER`: a container passes it, at last.
const UNTIL: &str = "until_ps() { for i in $(seq 400); do [ -n \"$($S ps -q --filter $1)\" ] && return; sleep 0.05; done; \
                     echo never $1; }; ";

#[test]
fn conditions_come_and_go() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(&format!(
            "{UNTIL} status() {{ $S ps --format '{{{{.Status}}}}' | sed -E 's/Up [^(]*//'; }}; \
             $S run -d --name red --health-cmd 'until test -e /on; do sleep 0.02; done; echo said; echo err >&2; test -e /ok' \
                --health-interval 250ms --health-retries 2 stepbox/base sleep 1000 >/dev/null; status; $S exec red touch /on; \
             until_ps health=unhealthy; status; $S exec red touch /ok; until_ps health=healthy; status; \
             $S inspect -f '{{{{.State.Health.FailingStreak}}}}' red; $S exec red rm /ok; until_ps health=unhealthy; \
             $S inspect -f '{{{{with index .State.Health.Log 0}}}}{{{{.Output}}}}{{{{end}}}}' red | sort; \
             sleep 1.5; $S inspect -f '{{{{len .State.Health.Log}}}}' red; $S rm -f red"
        ));
        assert_eq!(
            out,
            "(health: starting)\n(unhealthy)\n(healthy)\n0\n\nerr\nsaid\n5\nred\n",
            "as {}",
            if site.is_root() { "root" } else { "nobody" }
        );
        site.assert_clean();
    }
}

/// One that hangs holds up nobody: neither the monitor nor, by what it has open, whoever waits for an end of file.
#[test]
fn a_check_that_hangs() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(&format!(
            "{UNTIL} $S run -d -i --name red --health-cmd 'echo $$ >>/pids; exec sleep 900' --health-interval 50ms \
                --health-timeout 1s --health-retries 1 stepbox/base sh -c 'echo hi; exec sleep 1000' >/dev/null; \
             until $S exec red test -s /pids && $S logs red | grep hi; do sleep 0.02; done; until_ps health=unhealthy; \
             $S inspect -f '{{{{with index .State.Health.Log 0}}}}{{{{.ExitCode}}}} {{{{.Output}}}}{{{{end}}}}' red; \
             until [ $($S exec red wc -l </dev/null /pids | sed 's/ .*//') -gt 1 ]; do sleep 0.05; done; \
             $S exec red sh -c 'case $(grep State /proc/$(head -n 1 /pids)/status) in \"\"|*Z*) echo killed; esac' 2>/dev/null; \
             $S rm -f red; \
             (sleep 1; echo typed) | $S run --rm -i --health-cmd 'exec sleep 900' --health-interval 50ms stepbox/base \
                sh -c 'cat; echo end'; \
             $S run -d --name blue --health-cmd 'exec sleep 900' --health-interval 50ms stepbox/base sh -c 'sleep 1; exit 3' \
                >/dev/null; $S wait blue; $S rm blue"
        ));
        assert_eq!(out, "hi\n-1 Health check exceeded timeout (1s)\nkilled\nred\ntyped\nend\n3\nblue\n");
        site.assert_clean();
    }
}

#[test]
fn what_a_check_prints_is_cut() {
    let site = Site::ours();
    let out = site.says(&format!(
        "{UNTIL} $S run -d --name red --health-cmd 'yes | head -c 300000' --health-interval 50ms stepbox/base sleep 1000 \
            >/dev/null; until_ps health=healthy; \
         $S inspect -f '{{{{with index .State.Health.Log 0}}}}{{{{len .Output}}}}{{{{end}}}}' red; $S rm -f red; \
         $S run -d --name red --health-cmd 'yes' --health-interval 50ms --health-timeout 300ms --health-retries 1 \
            stepbox/base sleep 1000 >/dev/null; until_ps health=unhealthy; $S rm -f red"
    ));
    assert_eq!(out, "4099\nred\nred\n");
    site.assert_clean();
}

#[test]
fn who_is_paused_is_left_alone() {
    let Some(site) = Site::limited("who_is_paused_is_left_alone") else { return };
    let out = site.says(&format!(
        "{UNTIL} $S run -d --name red --health-cmd true --health-interval 100ms stepbox/base sleep 1000 >/dev/null; \
         until_ps health=healthy; $S pause red; log() {{ $S inspect -f '{{{{json .State.Health}}}}' red; }}; \
         until log >$D/state/before; sleep 0.3; log | cmp -s - $D/state/before; do :; done; \
         sleep 1; log | cmp - $D/state/before && echo still; \
         $S inspect -f '{{{{.State.Health.Status}}}}' red; $S unpause red; until_ps health=healthy; $S rm -f red"
    ));
    assert_eq!(out, "red\nstill\nunhealthy\nred\nred\n");
    site.assert_clean();
}

#[test]
fn what_an_image_says() {
    let site = Site::ours();
    let out = site.says(&format!(
        "{UNTIL} $S run --rm stepbox/base true; \
         $S create --name seed stepbox/base true >/dev/null; \
         $S commit -c 'HEALTHCHECK --interval=100ms CMD [\"test\", \"-e\", \"/ok\"]' seed checked >/dev/null; $S rm seed; \
         $S run --rm --name red checked sh -c 'touch /ok; sleep 1000' & until_ps health=healthy; $S stop -t 0 red; wait $!; \
         echo $?; $S run --rm --no-healthcheck --name red --explain checked true 2>/dev/null; echo $?; \
         $S run --rm --explain checked true; echo $?; $S run --rm --dry-run checked true >/dev/null; echo $?; \
         $S run --rm --health-cmd x --step checked true; echo $?; $S rmi checked >/dev/null"
    ));
    assert_eq!(out, "seed\nred\n137\n0\n125\n0\n125\n");
    let said = site.sh("$S run --rm --no-healthcheck --health-retries 3 stepbox/base true");
    assert_eq!((said.code, said.err.lines().next()), (125, Some(CONFLICT)));
    site.assert_clean();
}

const CONFLICT: &str = "stepbox: --no-healthcheck conflicts with --health-* options";

/// Whoever was between the monitor and the check dies with it, and the check, too.
#[test]
fn a_monitor_that_was_killed() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "$S run -d --name red --health-cmd 'echo here; exec sleep 900' --health-interval 50ms stepbox/base sleep 1000 \
                >/dev/null; monitor=$(owner); \
             until [ $(pgrep -P $monitor | wc -l) = 2 ]; do sleep 0.02; done; kids=$(pgrep -P $monitor); kill -9 $monitor; \
             for kid in $kids; do while kill -0 $kid 2>/dev/null; do sleep 0.02; done; done; \
             $S inspect -f '{{.State.Health.Status}} {{.State.ExitCode}}' red; $S rm red",
        );
        assert_eq!(out, "unhealthy 137\nred\n");
        site.assert_clean();
    }
}
