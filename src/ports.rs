//! Ports: a port of the host that leads into a box.
//!
//! ```text
//!   internet            host                                          box
//!   203.0.113.1         203.0.113.2                                   10.10.0.2
//!       │                  │ prerouting                                  │
//!       ├── to :8080 ─────>│ destination becomes 10.10.0.2:80 ──────────>│ :80    sees 203.0.113.1
//!       │<─────────────────│ source becomes 203.0.113.2:8080 again <─────┤        conntrack remembers
//!                          │
//!          127.0.0.1:8080 ─┤ a socket that listens: nobody else can have the port, and whoever launched
//!       box to host :8080 ─┘ can carry what the packet filter does not see
//! ```
//!
//! See nft(8), bind(2), listen(2), ip(7). Lab 10-ports, tutorials/10-ports.md.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};

use serde::{Deserialize, Serialize};

use crate::kernel::Op;
use crate::kernel::nft::{Batch, Forward};
use crate::kernel::op::Listen;
pub use crate::kernel::op::Protocol;
use crate::step::Step;

/// A port of the host, and where in a box it leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// an address and a port of the host; `0.0.0.0` and `[::]` stand for every address of their family
    pub host: SocketAddr,
    /// the box's address, and the port on which its program listens
    pub inside: SocketAddrV4,
    /// which protocol's ports these are
    pub protocol: Protocol,
}

// ANCHOR: take
/// Takes the ports, done by the host: one step each, the socket under the number of the port in this list. Whoever
/// launched can take the sockets over: `Running::take_listeners`. What nobody takes is closed with the run.
pub fn take(ports: &[Published]) -> Vec<Step> {
    let listen = |(slot, port): (usize, &Published)| {
        let listen = Listen { address: port.host, protocol: port.protocol, slot };
        Step::new("take the host's port", Op::Listen(listen))
            .why("the kernel gives a port to one socket, so whoever comes second hears of it")
    };
    ports.iter().enumerate().map(listen).collect()
}
// ANCHOR_END: take

// ANCHOR: publish
/// Sends what comes to these ports into the box, done by the host. All of it is one table of this name, so taking the
/// table away takes all of it back. Only IPv4 addresses that others can reach are among it, and there is no step where
/// no such is: IPv6 and 127.0.0.0/8 are for whoever has the sockets, as is what the bridge's own boxes send.
pub fn publish(table: &str, bridge: &str, ports: &[Published]) -> Option<Step> {
    let ports: Vec<Forward> = ports.iter().filter_map(forward).collect();
    if ports.is_empty() {
        return None;
    }
    let batch = Batch::Publish { table: table.into(), bridge: bridge.into(), ports };
    let undo = Batch::DeleteTable { table: table.into() };
    let step = Step::new("send what comes to it into the box", Op::Nft(Box::new(batch)))
        .why("the packet gets another destination before it is routed; its answer gets the old one back as source")
        .undo(Op::Nft(Box::new(undo)));
    Some(step)
}
// ANCHOR_END: publish

fn forward(port: &Published) -> Option<Forward> {
    match port.host.ip() {
        IpAddr::V4(host) if !host.is_loopback() => Some(Forward {
            protocol: port.protocol,
            host: SocketAddrV4::new(host, port.host.port()),
            to: port.inside,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(host: &str, protocol: Protocol) -> Published {
        let inside = SocketAddrV4::new([10, 10, 0, 2].into(), 80);
        Published { host: host.parse().expect("an address"), inside, protocol }
    }

    #[test]
    fn the_plan() {
        let ports = [
            port("0.0.0.0:8080", Protocol::Tcp),
            port("[::]:8080", Protocol::Tcp),
            port("192.0.2.1:53", Protocol::Udp),
            port("127.0.0.1:9000", Protocol::Tcp),
        ];
        let steps: Vec<Step> = take(&ports).into_iter().chain(publish("stepbox-c0", "br0", &ports)).collect();
        let printed: Vec<String> = steps.iter().map(|step| step.op.to_string()).collect();
        insta::assert_snapshot!(printed.join("\n"), @r#"
bind(tcp, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("0.0.0.0")}), listen(tcp)
bind(tcp, {sa_family=AF_INET6, sin6_port=htons(8080), inet_pton(AF_INET6, "::")}), listen(tcp)
bind(udp, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.1")})
bind(tcp, {sa_family=AF_INET, sin_port=htons(9000), sin_addr=inet_addr("127.0.0.1")}), listen(tcp)
sendto(netlink, [NFT_MSG_NEWTABLE ip stepbox-c0, NFT_MSG_NEWCHAIN ports, NFT_MSG_NEWRULE ports "tcp dport 8080 dnat to 10.10.0.2:80", NFT_MSG_NEWRULE ports "ip daddr 192.0.2.1 udp dport 53 dnat to 10.10.0.2:80", NFT_MSG_NEWCHAIN prerouting type=nat hook=prerouting priority=dstnat, NFT_MSG_NEWRULE prerouting "iifname != br0 fib daddr type local jump ports", NFT_MSG_NEWCHAIN output type=nat hook=output priority=dstnat, NFT_MSG_NEWRULE output "ip daddr != 127.0.0.0/8 fib daddr type local jump ports"])
"#);
        let undo = steps.last().and_then(|step| step.undo.as_ref()).map(Op::to_string);
        assert_eq!(undo.as_deref(), Some("sendto(netlink, [NFT_MSG_DELTABLE ip stepbox-c0])"));
        assert_eq!(publish("t", "br0", &ports[1..2]), None);
        assert_eq!(publish("t", "br0", &ports[3..]), None);
        assert_eq!(take(&[]), []);
    }
}
