//! Who gets through, from where, and whom the container sees.

use support::site::Site;

use super::place::{TABLES, everybody, place};

/// A neighbour of the host: a network of his own at the other end of a cable.
const NEIGHBOUR: &str = "ip link set lo up; unshare --net sleep 1000 & neighbour=$!; \
    until [ \"$(readlink /proc/$neighbour/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do sleep 0.01; done; \
    ip link add wire type veth peer name eth0 netns $neighbour; ip addr add 10.99.0.1/24 dev wire; ip link set wire up; \
    there() { nsenter --net=/proc/$neighbour/ns/net \"$@\"; }; \
    there ip link set lo up; there ip addr add 10.99.0.2/24 dev eth0; there ip link set eth0 up; \
    there ip route add default via 10.99.0.1";

/// The packet filter leaves a neighbour's address as it is; whoever is carried comes from the bridge.
pub fn from_everywhere() {
    let Some(site) = Site::root("carried::from_everywhere") else { return };
    if !support::here("carried::from_everywhere", &["ip", "nsenter", "nft"]) {
        return;
    }
    let place = place(site);
    let out = place.says(&format!(
        "{NEIGHBOUR}; tcp=$(free) udp=$(free udp); serve red -p $tcp:80 -p $udp:80/udp; \
         for to in 127.0.0.1 10.99.0.1 172.17.0.1 '[::1]'; do ask $to:$tcp who; ask $to:$udp udp hello; done; \
         there $D/peer peer ask 10.99.0.1:$tcp who; there $D/peer peer ask 10.99.0.1:$udp udp hello; \
         for to in 10.99.0.1 172.17.0.1; do $S exec red /peer peer ask $to:$tcp who; \
         $S exec red /peer peer ask $to:$udp udp hello; done; \
         $S run --rm $LIBRARIES stepbox/base /peer peer ask 10.99.0.1:$tcp who; \
         $S rm -f red >/dev/null; there $D/peer peer ask 10.99.0.1:$tcp who; ask 127.0.0.1:$tcp who; \
         serve blue -p 10.99.0.1:$tcp:80; there $D/peer peer ask 10.99.0.1:$tcp who; ask 127.0.0.1:$tcp who; \
         $S rm -f blue >/dev/null; serve green -p 127.0.0.1:$tcp:80; there $D/peer peer ask 10.99.0.1:$tcp who; \
         ask 127.0.0.1:$tcp who; $S rm -f green >/dev/null; kill $neighbour; {TABLES}"
    ));
    let carried = "172.17.0.1\n172.17.0.1 said hello\n";
    assert_eq!(
        out,
        [
            carried, // 127.0.0.1
            "10.99.0.1\n10.99.0.1 said hello\n",
            carried, // 172.17.0.1, which is the bridge's own
            carried, // [::1]
            "10.99.0.2\n10.99.0.2 said hello\n",
            carried, // itself, by the host
            carried,
            "172.17.0.1\n", // another container, by the host
            "ConnectionRefused\nConnectionRefused\n",
            "10.99.0.2\nConnectionRefused\n",
            "ConnectionRefused\n172.17.0.1\n",
            "0\n",
        ]
        .concat()
    );
    place.site.assert_clean();
}

/// What is said in each way comes through, whoever carries it.
pub fn with_every_way_of_speaking() {
    for place in everybody() {
        let out = place.says(
            "port=$(free); serve red -p 127.0.0.1:$port:80; to=127.0.0.1:$port; ask $to count 30000000; \
             ask $to count 0; ask $to flood 30000000; ask $to flood 0; ask $to crowd 300; ask $to reset; \
             ask $to crowd 300; $S rm -f red",
        );
        assert_eq!(out, "30000000\n0\n30000000\n0\n300\nConnectionReset\n300\nred\n");
        place.site.assert_clean();
    }
}

/// No capability, no new one, no user of note, no signal of a terminal's; and it has nothing open but its sockets.
pub fn by_one_who_can_do_nothing_else() {
    let Some(site) = Site::root("carried::by_one_who_can_do_nothing_else") else { return };
    let place = place(site);
    let out = place.says(
        "port=$(free); serve red -p $port:80; p=$(proxy); \
         grep -E '^(Name|Uid|Gid|Groups|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs):' /proc/$p/status | tr -s '\\t ' ' '; \
         head -c 13 /proc/$p/cmdline; echo; readlink /proc/$p/cwd; \
         ls -l /proc/$p/fd | sed -nE 's/.* -> (socket|[^[]*[a-z]).*/\\1/p' | sort | uniq -c | tr -s ' '; \
         [ $(ps -o sid= $p) = $p ] && echo alone; awk '/^Private/ {n += $2} END {print n <= 1024}' /proc/$p/smaps_rollup; \
         for signal in HUP INT QUIT TERM TSTP; do kill -$signal $p; done; ask 127.0.0.1:$port who; $S rm -f red",
    );
    assert_eq!(
        out,
        "Name: stepbox-proxy\nUid: 65534 65534 65534 65534\nGid: 65534 65534 65534 65534\nGroups: \n\
         CapPrm: 0000000000000000\nCapEff: 0000000000000000\nCapBnd: 0000000000000000\nCapAmb: 0000000000000000\n\
         NoNewPrivs: 1\nstepbox-proxy\n/\n 3 /dev/null\n 1 anon_inode\n 4 socket\nalone\n1\n172.17.0.1\nred\n"
    );
    place.site.assert_clean();
}

/// Nobody can look into init, and so nobody joins it.
pub fn with_an_init() {
    for place in everybody() {
        let out = place.says(
            "port=$(free); serve red --init -p 127.0.0.1:$port:80; ask 127.0.0.1:$port flood 1000; $S rm -f red",
        );
        assert_eq!(out, "1000\nred\n");
        place.site.assert_clean();
    }
}

/// Those for whom there is no room wait, and the proxy does not burn the processor meanwhile.
pub fn when_there_are_no_descriptors() {
    for place in everybody() {
        let out = place.says(
            "ulimit -Hn 120; port=$(free); serve red --ulimit nofile=1024:1024 -p 127.0.0.1:$port:80; p=$(proxy); \
             ulimit -Sn 110; ask 127.0.0.1:$port crowd 80; \
             used() { awk '{print $14 + $15}' /proc/$p/stat; }; before=$(used); sleep 1; \
             [ $(($(used) - before)) -lt 20 ] && echo calm; ask 127.0.0.1:$port flood 100; $S rm -f red",
        );
        assert_eq!(out, "80\ncalm\n100\nred\n");
        place.site.assert_clean();
    }
}
