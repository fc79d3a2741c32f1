//! Whoever is killed with SIGKILL: the next command that looks notices, and cleans up.

use support::site::Site;

#[test]
fn a_monitor_that_was_killed() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "$S run -d --name red stepbox/base sh -c 'echo kept >/f; sync; echo said; exec sleep 1000' >/dev/null; \
             until $S logs red | grep -q said; do sleep 0.02; done; \
             kill -9 $(owner); \
             until $S ps -aq --filter exited=137 | grep -q .; do sleep 0.02; done; \
             ls $D/state/run/journal $D/state/run/leases 2>/dev/null | grep -v : | grep . | wc -l; \
             $S logs red; cat $D/state/containers/*/upper/f; $S start red; $S ps -q | wc -l; \
             $S rm -f red",
        );
        assert_eq!(out, "0\nsaid\nkept\nred\n1\nred\n");
        site.assert_clean();
    }
}

/// The command that starts a container is killed while the monitor is at work: nobody else starts it, too.
#[test]
fn a_start_that_was_killed_is_not_begun_twice() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "id=$($S create --name red -v data:/x stepbox/base sleep 1000); \
             flock $D/state/volumes/data sleep 1000 & holder=$!; \
             until ! flock -n $D/state/volumes/data true; do sleep 0.02; done; \
             $S start red & starter=$!; until pgrep -P $starter >/dev/null; do sleep 0.02; done; \
             kill -9 $starter; wait $starter 2>/dev/null; timeout 1 $S start red; echo $?; \
             pgrep -fc \"monitor $id\"; pkill -P $holder; \
             until $S ps -q | grep -q .; do sleep 0.02; done; $S start red; pgrep -fc \"monitor $id\"; \
             $S rm -f red; $S volume rm data",
        );
        assert_eq!(out, "124\n1\nred\n1\nred\ndata\n");
        site.assert_clean();
    }
}

#[test]
fn after_the_machine_was_started_anew() {
    let site = Site::ours();
    let out = site.says(
        "$S run -d --name red stepbox/base sleep 1000 >/dev/null; \
         monitor=$(owner); kill -9 $monitor; dead $monitor; \
         sed -i -E 's/\"boot\":\"[^\"]*\"/\"boot\":\"another\"/' $D/state/containers/*/state.json; \
         $S ps -a | grep -c 'Exited (255)'; $S rm red",
    );
    assert_eq!(out, "1\nred\n");
    site.assert_clean();
}

/// One killed in the moment in which its program starts, as the first thing that it writes shows.
#[test]
fn a_foreground_run_that_was_killed_keeps_its_files() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "$S run --name red stepbox/base sh -c 'echo kept >/f; exec sleep 1000' & engine=$!; \
             until [ -s $D/state/containers/*/upper/f ]; do sleep 0.02; done; kill -9 $engine; \
             wait $engine 2>/dev/null; $S ps -aq --filter exited=137 | wc -l; cat $D/state/containers/*/upper/f; \
             $S rm red; $S run --rm --name blue stepbox/base sleep 1000 & engine=$!; \
             until $S ps -q | grep -q .; do sleep 0.02; done; kill -9 $engine; wait $engine 2>/dev/null; \
             $S ps -aq; $S clean >/dev/null",
        );
        assert_eq!(out, "1\nkept\nred\n");
        site.assert_clean();
    }
}
