//! Veth and bridge: a cable into each box, and a switch on the host that the cables end in.
//!
//! ```text
//!    box red                      host                       box blue
//!   ┌─────────────┐   veth  ┌──────────────┐  veth   ┌─────────────┐
//!   │ eth0 ═══════╪═════════╪═ port  port ═╪═════════╪══════ eth0  │
//!   │ 10.9.0.2/24 │         │     br0      │         │ 10.9.0.3/24 │
//!   └─────────────┘         │ 10.9.0.1/24  │         └─────────────┘
//!                           └──────┬───────┘
//!                             eth0 ╧ masquerade: leaves with the host's address
//! ```
//!
//! See veth(4), network_namespaces(7), rtnetlink(7). Lab 09-veth-bridge, tutorials/09-veth-bridge.md.

use std::net::Ipv4Addr;

use crate::kernel::netlink::{Mac, Netns, Peer, Request};
use crate::kernel::nft::Batch;
use crate::kernel::{Errno, Op};
use crate::step::Step;

/// A bridge and the subnet behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// the bridge's name, at most 15 bytes
    pub bridge: String,
    /// the bridge's own address: where the boxes send what is not for their subnet
    pub gateway: Ipv4Addr,
    /// how many bits of the gateway's address name the subnet
    pub prefix: u8,
    /// many runs share the bridge, as they share Docker's: it may be there already, and nothing of it is undone.
    /// Otherwise it must be new, and goes at the end
    pub shared: bool,
}

/// One box's place on a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// the host's end of the cable, at most 15 bytes
    pub name: String,
    /// the bridge that it is plugged into
    pub bridge: String,
    /// the box's end
    pub inside: String,
    /// the box's address
    pub address: Ipv4Addr,
    /// how many bits of it name the subnet
    pub prefix: u8,
    /// where the box sends what is not for its subnet; `None` where there is no way out
    pub gateway: Option<Ipv4Addr>,
    /// the box's address on the wire
    pub mac: Mac,
}

impl Network {
    /// A port for a box with this address: inside it is `eth0`, with a MAC that follows from the address.
    pub fn port(&self, name: impl Into<String>, address: Ipv4Addr) -> Port {
        Port {
            name: name.into(),
            bridge: self.bridge.clone(),
            inside: "eth0".into(),
            address,
            prefix: self.prefix,
            gateway: Some(self.gateway),
            mac: Mac::of(address),
        }
    }

    /// The name of the nftables table that [`masquerade`] makes.
    pub fn table(&self) -> String {
        format!("stepbox-{}", self.bridge)
    }

    /// How a step that makes a part of the network ends: what is shared is left as it is found, and left behind.
    fn made(&self, step: Step, undo: Op) -> Step {
        if self.shared { step.or_else(Errno::EXIST) } else { step.undo(undo) }
    }
}

/// The bridge, done by the host.
pub fn bridge(network: &Network) -> [Step; 3] {
    let name = &network.bridge;
    let add = Request::AddBridge { name: name.clone(), mac: Mac::of(network.gateway) };
    let address =
        Request::AddAddress { link: name.clone(), address: network.gateway, prefix: network.prefix };
    let add = Step::new("make the bridge", Op::Netlink(add)).why(
        "a switch in the kernel; with a MAC of its own, or it takes its lowest port's and changes with them",
    );
    let address = Step::new("give the bridge an address", Op::Netlink(address))
        .why("the host is a neighbour of its boxes too: their gateway");
    let remove = Op::Netlink(Request::DeleteLink { name: name.clone() });
    [
        network.made(add, remove),
        if network.shared { address.or_else(Errno::EXIST) } else { address },
        Step::new("switch the bridge on", Op::Netlink(Request::SetUp { link: name.clone() }))
            .why("a link is born down, and carries nothing until it is up"),
    ]
}

// ANCHOR: host
/// The cable, done by the host once the box is born and before the box goes on.
pub fn host(port: &Port) -> [Step; 3] {
    let name = &port.name;
    let peer = Peer { name: port.inside.clone(), netns: Netns::Box, mac: Some(port.mac) };
    let cable = Request::AddVeth { name: name.clone(), peer: Box::new(peer) };
    let plug = Request::SetMaster { link: name.clone(), bridge: port.bridge.clone() };
    [
        Step::new("lay a cable into the box", Op::Netlink(cable))
            .why("what goes into one end comes out of the other; the far end is born in the box, already named")
            .undo(Op::Netlink(Request::DeleteLink { name: name.clone() })),
        Step::new("plug it into the bridge", Op::Netlink(plug))
            .why("from now on the bridge gets every frame that comes out of this end"),
        Step::new("switch the port on", Op::Netlink(Request::SetUp { link: name.clone() }))
            .why("a cable carries nothing until both its ends are up"),
    ]
}
// ANCHOR_END: host

// ANCHOR: inside
/// The box's end, done by the box.
pub fn inside(port: &Port) -> Vec<Step> {
    let link = || port.inside.clone();
    let address = Request::AddAddress { link: link(), address: port.address, prefix: port.prefix };
    let mut steps = Vec::from(loopback());
    steps.extend([
        Step::new("keep IPv6 quiet", Op::Netlink(Request::NoIpv6Address { link: link() }))
            .why("the network is IPv4: else the kernel makes up an address by itself and calls out with it")
            .or_else(Errno::AFNOSUPPORT),
        Step::new("give the box its address", Op::Netlink(address))
            .why("the prefix makes the subnet's route: who is in it is asked for by ARP, without a gateway"),
        Step::new("switch its end on", Op::Netlink(Request::SetUp { link: link() }))
            .why("now both ends are up, and frames pass"),
    ]);
    steps.extend(port.gateway.map(route));
    steps
}
// ANCHOR_END: inside

/// The way out of the subnet.
pub fn route(gateway: Ipv4Addr) -> Step {
    Step::new("send everything else to the bridge", Op::Netlink(Request::AddDefaultRoute { gateway }))
        .why("the default route: the gateway must be a neighbour already, so it comes last")
}

/// For every box with a network namespace of its own, done by the box; for one without a network it is all.
pub fn loopback() -> [Step; 1] {
    [Step::new("switch loopback on", Op::Netlink(Request::SetUp { link: "lo".into() }))
        .why("a network namespace is born with lo down: not even 127.0.0.1 answers")]
}

/// The way out of the host, done by the host. Forwarding is left on: others may rely on it by then.
pub fn masquerade(network: &Network) -> [Step; 2] {
    let table = network.table();
    let subnet =
        u32::from(network.gateway) & u32::MAX.checked_shl(32 - u32::from(network.prefix)).unwrap_or(0);
    let rule = Batch::Masquerade {
        table: table.clone(),
        subnet: subnet.into(),
        prefix: network.prefix,
        bridge: network.bridge.clone(),
    };
    let rule = Step::new("masquerade the subnet", Op::Nft(Box::new(rule))).why(
        "nobody outside has a route back to it, so what leaves takes the address of the link it leaves by",
    );
    [
        Step::new("forward packets", Op::write("/proc/sys/net/ipv4/ip_forward", "1"))
            .why("a machine drops what is not for itself, unless it is told to be a router"),
        network.made(rule, Op::Nft(Box::new(Batch::DeleteTable { table }))),
    ]
}
