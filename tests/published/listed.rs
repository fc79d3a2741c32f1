//! What is listed of published ports, and when.

use support::site::Site;

use super::place::{everybody, place};

/// Replaces the numbers that were free by their names.
const NAMED: &str = "named() { sed \"s/$a/A/g; s/$b/B/g; s/$c/C/g\"; }; a=$(free) b=$(free) c=$(free udp)";

pub fn columns() {
    let Some(site) = Site::root("listed::columns") else { return };
    let place = place(site);
    let out = place.says(&format!(
        "{NAMED}; $S run -d --name red -p $a:80 -p 127.0.0.1:$b:80 -p $c:53/udp -p $a:$a/udp --expose 99 \
         stepbox/base sleep 1000 >/dev/null; {{ \
         $S ps --format '{{{{.Ports}}}}' | tr ',' '\\n' | tr -d ' '; \
         $S port red 80; $S port red 53/udp; $S port red 53; echo $?; $S port red 99; echo $?; $S port red x; echo $?; \
         $S port nosuch; echo $?; $S port red '' | grep -c -- '->'; \
         $S inspect -f '{{{{with .HostConfig}}}}{{{{json (index .PortBindings \"80/tcp\")}}}} {{{{.PublishAllPorts}}}}{{{{end}}}} \
         {{{{json (index .NetworkSettings.Ports \"80/tcp\")}}}} {{{{json (index .NetworkSettings.Ports \"99/tcp\")}}}} \
         {{{{len .Config.ExposedPorts}}}}' red; \
         names() {{ $S ps -a --format '{{{{.Names}}}}' \"$@\"; echo .; }}; names -f publish=$a; names -f publish=$a/udp; \
         names -f publish=$b/udp; names -f publish=80; names -f expose=80; names -f expose=90-99; names -f publish=1 -f expose=99; \
         names -f expose=99/udp; $S pause red >/dev/null; names -f publish=$a; $S unpause red >/dev/null; \
         $S stop -t 0 red; $S port red; names -f expose=80; $S inspect -f '{{{{json .NetworkSettings.Ports}}}}' red; $S rm red; \
         }} 2>&1 | named >$D/state/said; head -n 8 $D/state/said | LC_ALL=C sort; tail -n +9 $D/state/said"
    ));
    assert_eq!(
        out,
        "0.0.0.0:A->80/tcp\n0.0.0.0:A->A/udp\n0.0.0.0:C->53/udp\n127.0.0.1:B->80/tcp\n99/tcp\n[::]:A->80/tcp\n\
         [::]:A->A/udp\n[::]:C->53/udp\n\
         0.0.0.0:A\n127.0.0.1:B\n[::]:A\n0.0.0.0:C\n[::]:C\n\
         stepbox: No public port '53' published for red\n1\nstepbox: No public port '99' published for red\n1\n\
         stepbox: invalid port (x): strconv.ParseUint: parsing \"x\": invalid syntax\n1\n\
         stepbox: No such container: nosuch\n1\n7\n\
         [{\"HostIp\":\"\",\"HostPort\":\"A\"},{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"B\"}] false \
         [{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"A\"},{\"HostIp\":\"::\",\"HostPort\":\"A\"},\
         {\"HostIp\":\"127.0.0.1\",\"HostPort\":\"B\"}] null 4\n\
         red\n.\nred\n.\n.\n.\nred\n.\nred\n.\nred\n.\n.\nred\n.\nred\n.\n{}\nred\n"
    );
    place.site.assert_clean();
}

/// A random port, one of a range, all that it offers.
pub fn whichever_is_free() {
    for place in everybody() {
        let out = place.says(
            "$S create --name seed stepbox/base true >/dev/null; $S commit -c 'EXPOSE 80 81/udp' seed offers >/dev/null; \
             set -- $(cat /proc/sys/net/ipv4/ip_local_port_range); \
             $S run -d --name red -P -p 127.0.0.1::82 --expose 83 offers sleep 1000 >/dev/null; $S port red | sed 's/:[0-9]*$//'; \
             $S port red | sed 's/.*://' | sort -u | while read port; do [ $port -ge $1 -a $port -le $2 ] || echo $port; done; \
             $S inspect -f '{{.HostConfig.PublishAllPorts}} {{json .HostConfig.PortBindings}}' red; \
             serve blue -p 127.0.0.1::80; ask $($S port blue 80) flood 10; \
             for name in one two three four; do $S run -d --name $name -p 127.0.0.1::80 stepbox/base sleep 1000 >/dev/null & done; \
             wait; for name in one two three four; do $S port $name; done | sort -u | wc -l; \
             from=$(free); until [ $from -lt 65000 ]; do from=$(free); done; \
             $S run -d --name five -p 127.0.0.1:$from-$((from + 200)):80 stepbox/base sleep 1000 >/dev/null; \
             $S run -d --name six -p 127.0.0.1:$from-$((from + 200)):80 -p 127.0.0.1:$from-$((from + 200)):81 \
             stepbox/base sleep 1000 >/dev/null; for name in five six; do $S port $name; done | sed 's/.*://' | sort -u | wc -l; \
             $S port five | sed 's/.*://' | while read port; do [ $port -ge $from -a $port -le $((from + 200)) ] && echo in; done; \
             $S rm -f seed red blue one two three four five six >/dev/null; $S rmi offers >/dev/null",
        );
        assert_eq!(
            out,
            "80/tcp -> 0.0.0.0\n80/tcp -> [::]\n81/udp -> 0.0.0.0\n81/udp -> [::]\n82/tcp -> 127.0.0.1\n\
             83/tcp -> 0.0.0.0\n83/tcp -> [::]\n\
             true {\"82/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"\"}]}\n10\n4\n3\nin\n"
        );
        place.site.assert_clean();
    }
}

/// They are taken with each start, and given back with each end.
pub fn from_start_to_end() {
    for place in everybody() {
        let out = place.says(
            "port=$(free); $S create --name red $LIBRARIES -p 127.0.0.1:$port:80 stepbox/base /peer peer serve 80 >/dev/null; \
             $S port red; ask 127.0.0.1:$port who; $S start red; $S restart -t 0 red; $S stop -t 0 red; ask 127.0.0.1:$port who; \
             $S port red; serve blue -p 127.0.0.1:$port:80; $S rm -f blue; $S start red; \
             until ask 127.0.0.1:$port flood 10 2>/dev/null | grep -qx 10; do sleep 0.02; done; $S rm -f red; \
             $S run -d --name again --restart always $LIBRARIES -p 127.0.0.1:$port:80 stepbox/base /peer peer serve 80 >/dev/null; \
             until [ $($S logs again | grep -c listening) = 1 ]; do sleep 0.02; done; ask 127.0.0.1:$port quit; \
             until [ $($S logs again | grep -c listening) = 2 ]; do sleep 0.02; done; ask 127.0.0.1:$port flood 10; $S rm -f again; \
             $S run --rm $LIBRARIES -p 127.0.0.1:$port:80 stepbox/base true; echo $?; ls $D/state/run/ports | wc -l",
        );
        assert_eq!(
            out,
            "ConnectionRefused\nred\nred\nred\nConnectionRefused\nblue\nred\nred\n\n10\nagain\n0\n0\n"
        );
        place.site.assert_clean();
    }
}

/// As Docker: with the host's network a word of warning, without any network not even that.
pub fn where_there_is_no_network() {
    for place in everybody() {
        let out = place.says(
            "exec 2>&1; port=$(free); $S run -d --name red --network host -p $port:80 stepbox/base sleep 1000 | sed 's/^[0-9a-f]*$/ID/'; \
             $S run --rm --network host -P stepbox/base true; \
             $S run -d --name blue --network none -p $port:80 -P stepbox/base sleep 1000 | sed 's/^[0-9a-f]*$/ID/'; \
             $S ps --format '{{.Ports}}.'; $S port red; $S port blue; \
             $S inspect -f '{{json .NetworkSettings.Ports}}{{len .HostConfig.PortBindings}}' red blue; $S rm -f red blue",
        );
        let warning = "WARNING: Published ports are discarded when using host network mode";
        assert_eq!(out, format!("{warning}\nID\nID\n.\n.\n{{}}1\n{{}}1\nred\nblue\n"));
        place.site.assert_clean();
    }
}

/// Each port is a step, and so is the table; nothing is taken where the plan is only looked at.
pub fn in_a_plan() {
    for place in everybody() {
        let out = place.says(
            "port=$(free); $S run --rm --dry-run -p $port:80 -p 127.0.0.1::81 stepbox/base true >$D/state/plan; \
             grep -c \"take the host's port\" $D/state/plan; grep -c \"htons($port)\" $D/state/plan; \
             grep -c 'send what comes to it into the box' $D/state/plan; ls $D/state/run/ports | wc -l; \
             $S run --rm --explain -p $port:80 stepbox/base true 2>&1 | grep -c \"take the host's port\"",
        );
        let table = u8::from(place.site.is_root());
        assert_eq!(out, format!("3\n2\n{table}\n0\n2\n"));
        place.site.assert_clean();
    }
}
