//! When a container is started again by itself.

use support::site::Site;

#[test]
fn on_failure_as_often_as_it_may() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "$S run -d --name red --restart on-failure:2 stepbox/base sh -c 'echo go; exit 4' >/dev/null; \
             until $S ps -aq --filter exited=4 | grep -q .; do sleep 0.02; done; $S logs -f red; \
             $S rm red; \
             $S run -d --name blue --restart on-failure stepbox/base echo once >/dev/null; \
             $S wait blue; sleep 0.5; $S logs blue; $S rm blue",
        );
        assert_eq!(out, "go\ngo\ngo\nred\n0\nonce\nblue\n");
        site.assert_clean();
    }
}

#[test]
fn stop_ends_it_also_between_two_runs() {
    let site = Site::ours();
    let out = site.says(
        "for policy in always unless-stopped; do \
           $S run -d --name red --restart $policy stepbox/base false >/dev/null; \
           until $S ps --filter status=restarting | grep -q 'Restarting (1)'; do sleep 0.01; done; \
           sleep 0.7; $S stop red; $S ps -q; $S ps -aq --filter status=exited | wc -l; $S rm red; \
         done",
    );
    assert_eq!(out, "red\n1\nred\nred\n1\nred\n");
    let out = site.says(
        "$S run -d --name red --restart always stepbox/base sleep 1000 >/dev/null; $S kill red; \
         $S ps -q; $S start red; $S ps -q | wc -l; $S rm -f red",
    );
    assert_eq!(out, "red\nred\n1\nred\n");
    site.assert_clean();
}

#[test]
fn rm_force_ends_one_that_always_comes_back() {
    let site = Site::ours();
    let out = site.says(
        "for i in 1 2 3 4 5; do $S run -d --name red --restart always stepbox/base false >/dev/null; sleep 0.1$i; \
         $S rm -f red 2>&1; done; $S ps -aq",
    );
    assert_eq!(out, "red\n".repeat(5));
    site.assert_clean();
}

/// Its monitor has looked whether it is to go on, and waits for a volume: nobody is there yet to hear that he is to die, and
/// whoever is started then takes no notice of SIGTERM.
#[test]
fn one_that_is_started_just_then_ends_all_the_same() {
    const PROGRAM: &str =
        "[ -e /x/again ] && exec sleep 1000; touch /x/again; until [ -e /x/go ]; do sleep 0.02; done; exit 1";
    for site in [Site::ours(), Site::nobody()] {
        for ending in ["stop -t 0", "rm -f"] {
            let out = site.says(&format!(
                "$S run -d --name red --restart always --network none -v data:/x stepbox/base sh -c '{PROGRAM}' >/dev/null; \
                 flock $D/state/volumes/data sleep 1000 & holder=$!; \
                 until ! flock -n $D/state/volumes/data true; do sleep 0.02; done; \
                 monitor=$(owner); touch $D/state/volumes/data/_data/go; \
                 until ls -l /proc/$monitor/fd | grep -q volumes/data; do sleep 0.02; done; \
                 $S {ending} red & ending=$!; until [ -e $D/state/containers/*/stopped ]; do sleep 0.02; done; sleep 0.3; \
                 pkill -P $holder; wait $ending; echo $?; $S rm -f red >/dev/null 2>&1; $S volume rm data"
            ));
            assert_eq!(out, "red\n0\ndata\n", "{ending}");
            site.assert_clean();
        }
    }
}
