//! What is refused, and in which words.

use support::site::Site;

use super::place::{TABLES, everybody, place};

pub fn words() {
    let site = Site::ours();
    for (options, words) in [
        ("-p x", "invalid containerPort: x"),
        ("-p 70000:80", "invalid hostPort: 70000"),
        ("-p ''", "no port specified: <empty>"),
        ("-p 8000-8001:80-82", "invalid ranges specified for container and host Ports: 80-82 and 8000-8001"),
        ("-p localhost:80:80", "invalid IP address: localhost"),
        ("-p 80/icmp", "invalid proto: icmp"),
        ("-p 80/sctp", "80/sctp: sctp ports cannot be published"),
        ("-P --expose 80/sctp", "80/sctp: sctp ports cannot be published"),
        ("--network container:x -p 80", "port publishing and the container type network mode"),
        ("--network container:x -P", "port publishing and the container type network mode"),
    ] {
        site.refused(&format!("$S run --rm {options} stepbox/base true"), 125, &[words]);
    }
    site.assert_clean();
}

/// A port is one container's, on every address that it stands for; and one of another program is nobody's here.
pub fn what_others_have() {
    for place in everybody() {
        let said = place.sh(
            "port=$(free) other=$(free); serve red -p $port:80; \
             $D/peer peer hold $other $D/state/held & holder=$!; until [ -e $D/state/held ]; do sleep 0.02; done; \
             try() { $S run --rm --name blue \"$@\" stepbox/base true; echo $?; }; \
             free=$(free); { try -p $port:81; try -p 127.0.0.1:$port:81; try -p \"[::1]:$port:81\"; try -p $port:81/udp; \
             try -p $other:81; try -p 127.0.0.1:$other:81; try -p $port-$port:81; \
             try -p $free:1 -p $free:2; try -p 1.2.3.4:$free:81; \
             $S create --name green -p $port:80 stepbox/base true >/dev/null; $S start green; echo $?; \
             $S ps -a --filter name=green --format '{{.Status}}'; $S inspect -f '{{.State.Error}}' green; \
             $S run -d --name gone --rm -p $port:80 stepbox/base true | wc -l; $S ps -aq --filter name=gone; \
             $S rm -f red; $S start green; $S wait green; $S rm green; kill $holder; \
             } 2>&1 | sed \"s/$port/PORT/g; s/$other/OTHER/g; s/$free/FREE/g\" | grep -v ^hint",
        );
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
        let refused = |name: &str, why: &str| {
            format!("stepbox: driver failed programming external connectivity on endpoint {name}: {why}\n")
        };
        let allocated =
            |name, host: &str| refused(name, &format!("Bind for {host} failed: port is already allocated"));
        // the first address on the bridge is red's
        let inside = if place.site.is_root() { "172.17.0.3" } else { "127.0.0.1" };
        let foreign = |host: &str, why| {
            refused("blue", &format!("failed to bind host port for {host}:{inside}:81/tcp: {why}"))
        };
        let out: String = said.out.lines().map(|line| format!("{line}\n")).collect();
        let words = [
            allocated("blue", "0.0.0.0:PORT") + "125\n",
            allocated("blue", "127.0.0.1:PORT") + "125\n",
            allocated("blue", "[::1]:PORT") + "125\n",
            "0\n".into(),
            foreign("0.0.0.0:OTHER", "address already in use") + "125\n",
            foreign("127.0.0.1:OTHER", "address already in use") + "125\n",
            allocated("blue", "0.0.0.0:PORT") + "125\n",
        ];
        assert!(out.starts_with(&words.concat()), "{out}");
        let rest = &out[words.concat().len()..];
        let lines: Vec<&str> = rest.lines().collect();
        assert!(lines[0].ends_with("failed: port is already allocated") && lines[1] == "125", "{rest}");
        assert!(lines[2].ends_with("cannot assign requested address") && lines[3] == "125", "{rest}");
        assert!(lines[4].contains(allocated("green", "0.0.0.0:PORT").trim_end()), "{rest}");
        let green = "driver failed programming external connectivity on endpoint green: Bind for 0.0.0.0:PORT failed: \
                     port is already allocated";
        let gone = allocated("gone", "0.0.0.0:PORT");
        let end = format!("1\nCreated\n{green}\n{gone}1\nred\ngreen\n0\ngreen\n");
        let at = rest.find("\n1\nCreated").map(|at| at + 1).unwrap_or_default();
        assert_eq!(&rest[at..], end);
        if place.site.is_root() && support::here("refused::what_others_have", &["nft"]) {
            assert_eq!(place.says(TABLES), "0\n");
        }
        place.site.assert_clean();
    }
}

/// Ports below 1024 are root's, where nobody has said otherwise.
pub fn what_only_root_has() {
    let root = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").expect("a number");
    if root.trim() == "0" {
        return support::skip("refused::what_only_root_has", "every port is everybody's here");
    }
    let place = place(Site::nobody());
    place.site.refused(
        "$S run --rm --name red -p 1:80 stepbox/base true",
        125,
        &[
            "endpoint red: failed to bind host port for 0.0.0.0:1:127.0.0.1:80/tcp: permission denied",
            "unprivileged",
        ],
    );
    place.site.assert_clean();
}
