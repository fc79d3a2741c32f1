//! Whoever is killed with SIGKILL leaves no port, no table and no process.

use support::site::Site;

use super::place::{TABLES, everybody, place};

pub fn monitors() {
    for place in everybody() {
        let out = place.says(
            "port=$(free); serve red -p 127.0.0.1:$port:80; p=$(proxy); kill -9 $(owner); dead $p; \
             until $S ps -aq --filter exited=137 | grep -q .; do sleep 0.02; done; ls $D/state/run/ports | wc -l; \
             $S port red; $S start red; until [ $($S logs red | grep -c listening) = 2 ]; do sleep 0.02; done; \
             ask 127.0.0.1:$port flood 10; $S rm -f red",
        );
        assert_eq!(out, "0\nred\n10\nred\n");
        place.site.assert_clean();
    }
    let Some(site) = Site::root("killed::monitors") else { return };
    if !support::here("killed::monitors", &["nft"]) {
        return;
    }
    let place = place(site);
    let out = place.says(&format!(
        "port=$(free); serve red -p $port:80; {TABLES}; p=$(proxy); kill -9 $(owner); dead $p; \
         $S system check --repair | grep -c 'took these ports'; $S system check >/dev/null && echo fine; {TABLES}; \
         $S start red; {TABLES}; $S rm -f red; {TABLES}"
    ));
    assert_eq!(out, "1\n1\nfine\n0\nred\n1\nred\n0\n");
    place.site.assert_clean();
}

/// The container goes on, and so does what the packet filter does.
pub fn proxies() {
    for place in everybody() {
        let out = place.says(
            "port=$(free); serve red -p 127.0.0.1:$port:80; p=$(proxy); kill -9 $p; dead $p; ask 127.0.0.1:$port who; \
             $S ps --format '{{.State}}'; $S restart -t 0 red; \
             until [ $($S logs red | grep -c listening) = 2 ]; do sleep 0.02; done; ask 127.0.0.1:$port flood 10; \
             $S rm -f red",
        );
        assert_eq!(out, "ConnectionRefused\nrunning\nred\n10\nred\n");
        place.site.assert_clean();
    }
}

pub fn runs_in_front() {
    for place in everybody() {
        let out = place.says(
            "port=$(free); $S run --name red $LIBRARIES -p 127.0.0.1:$port:80 stepbox/base /peer peer serve 80 >/dev/null & run=$!; \
             until $S logs red 2>/dev/null | grep -q listening; do sleep 0.02; done; ask 127.0.0.1:$port flood 10; \
             p=$(proxy); kill -9 $run; wait $run 2>/dev/null; dead $p; $S clean >/dev/null; ls $D/state/run/ports | wc -l; \
             $S run --rm $LIBRARIES -p 127.0.0.1:$port:80 stepbox/base true; echo $?; $S rm red; \
             $S run --rm --name blue $LIBRARIES -p 127.0.0.1:$port:80 stepbox/base /peer peer serve 80 >/dev/null & \
             until ask 127.0.0.1:$port flood 10 2>/dev/null | grep -qx 10; do sleep 0.02; done; $S kill blue; wait $!; \
             echo $?; ls $D/state/run/ports | wc -l; ask 127.0.0.1:$port who",
        );
        assert_eq!(out, "10\n0\n0\nred\nblue\n137\n0\nConnectionRefused\n");
        place.site.assert_clean();
    }
}
