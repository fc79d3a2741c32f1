//! What a container offers on its bridge, and its address on the wire.

use support::site::Site;

#[test]
fn offered_ports_are_listed_while_it_runs() {
    let Some(site) = Site::root("offered_ports_are_listed_while_it_runs") else { return };
    let out = site.says(
        "$S create --name base stepbox/base true >/dev/null; \
         $S commit -c 'EXPOSE 80 443/tcp 53/udp' base offers >/dev/null; $S rm base >/dev/null; \
         $S run -d --name red offers sleep 1000 >/dev/null; \
         $S run -d --name blue --expose 8000-8002 --expose 81 offers sleep 1000 >/dev/null; \
         $S run -d --name none --network none --expose 99 offers sleep 1000 >/dev/null; \
         $S create --name made offers true >/dev/null; \
         $S ps -a --format '{{.Names}} {{.Ports}}'; \
         $S inspect -f '{{json .Config.ExposedPorts}} {{json .NetworkSettings.Ports}}' red none; \
         $S stop -t 0 red >/dev/null; $S ps -a --format '{{.Ports}}.' -f name=red; \
         $S commit blue more >/dev/null; $S inspect -f '{{len .Config.ExposedPorts}}' more; \
         $S rm -f red blue none made >/dev/null; $S rmi -f more offers >/dev/null",
    );
    assert_eq!(
        out,
        "made \nnone \nblue 80-81/tcp, 443/tcp, 53/udp, 8000-8002/tcp\nred 80/tcp, 53/udp, 443/tcp\n\
         {\"443/tcp\":{},\"53/udp\":{},\"80/tcp\":{}} {\"443/tcp\":null,\"53/udp\":null,\"80/tcp\":null}\n\
         {\"443/tcp\":{},\"53/udp\":{},\"80/tcp\":{},\"99/tcp\":{}} {}\n.\n7\n"
    );
    site.assert_clean();
}

#[test]
fn an_address_on_the_wire_as_asked() {
    let Some(site) = Site::root("an_address_on_the_wire_as_asked") else { return };
    let out = site.says(
        "$S run -d --name red --mac-address 92:D0:c6:0a:29:33 stepbox/base sleep 1000 >/dev/null; \
         $S exec red cat /sys/class/net/eth0/address; \
         $S inspect -f '{{.Config.MacAddress}} {{.NetworkSettings.MacAddress}}' red; $S rm -f red >/dev/null",
    );
    assert_eq!(out, "92:d0:c6:0a:29:33\n92:d0:c6:0a:29:33 92:d0:c6:0a:29:33\n");
    site.assert_clean();
}

#[test]
fn what_cannot_be_is_refused() {
    let site = Site::ours();
    for (options, words) in [
        ("--expose 8080:80", "invalid port format for --expose: 8080:80"),
        ("--expose 90-80", "invalid range format for --expose: 90-80"),
        ("--expose 65536", "invalid range format for --expose: 65536"),
        ("--expose 80/icmp", "invalid range format for --expose: 80/icmp"),
        ("--mac-address 1:2", "1:2 is not a valid mac address"),
        ("--mac-address 01:00:00:00:00:01", "01:00:00:00:00:01 is not a valid mac address"),
        ("--network container:x --expose 80", "port exposing and the container type network mode"),
        ("--network container:x --mac-address 92:d0:c6:0a:29:33", "mac-address and the network mode"),
        ("--network host --mac-address 92:d0:c6:0a:29:33", "mac-address and the network mode"),
        ("--network none --mac-address 92:d0:c6:0a:29:33", "mac-address and the network mode"),
    ] {
        site.refused(&format!("$S run --rm {options} stepbox/base true"), 125, &[words]);
    }
    site.assert_clean();
}
