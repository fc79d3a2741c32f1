//! Links, addresses, routes and what bridges have learnt, asked over netlink inside the namespace.
//!
//! ```text
//!   eth0                            veth up 10.9.0.2/24 02:42:0a:09:00:02 peer elsewhere
//!   route default                   via 10.9.0.1 dev eth0
//!   br0 learnt 02:42:0a:09:00:02    behind red0
//! ```
//!
//! IPv4 only: the kernel makes IPv6 addresses in its own time, so they would not read the same twice. A MAC is named
//! only where it was given for an address (02:42, see [`Mac::of`]); a random one says nothing. See rtnetlink(7).

use std::collections::BTreeMap;
use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;

use super::{Who, ask, fact};
use crate::kernel::netlink::Mac;
use crate::trace::Fact;

pub(super) fn look(who: &Who, box_pid: Option<i32>) -> Option<Vec<Fact>> {
    ask::inside(who, box_pid, || facts().unwrap_or_default())
}

fn facts() -> Result<Vec<Fact>, Errno> {
    let (mut links, mut addresses, mut routes, mut learnt) = (vec![], vec![], vec![], vec![]);
    let mut neighbours = NeighbourMessage::default();
    neighbours.header.family = AddressFamily::Bridge;
    let mut route = RouteMessage::default();
    route.header.address_family = AddressFamily::Inet;
    let mut address = AddressMessage::default();
    address.header.family = AddressFamily::Inet;
    for question in [
        RouteNetlinkMessage::GetLink(LinkMessage::default()),
        RouteNetlinkMessage::GetAddress(address),
        RouteNetlinkMessage::GetRoute(route),
        RouteNetlinkMessage::GetNeighbour(neighbours),
    ] {
        for answer in ask::everything(libc::NETLINK_ROUTE, question)? {
            match answer {
                RouteNetlinkMessage::NewLink(link) => links.push(link),
                RouteNetlinkMessage::NewAddress(address) => addresses.push(address),
                RouteNetlinkMessage::NewRoute(route) => routes.push(route),
                RouteNetlinkMessage::NewNeighbour(entry) => learnt.push(entry),
                _ => {}
            }
        }
    }
    let names: BTreeMap<u32, String> =
        links.iter().filter_map(|link| Some((link.header.index, name(link)?))).collect();
    let mut facts: Vec<Fact> = links.iter().filter_map(|link| describe(link, &addresses, &names)).collect();
    let mut rest: Vec<Fact> = routes.iter().filter_map(|route| describe_route(route, &names)).collect();
    rest.extend(learnt.iter().filter_map(|entry| describe_learnt(entry, &names)));
    rest.sort_by(|a, b| (!a.key.starts_with("route"), &a.key).cmp(&(!b.key.starts_with("route"), &b.key)));
    rest.dedup();
    facts.extend(rest);
    Ok(facts)
}

fn name(link: &LinkMessage) -> Option<String> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })
}

fn describe(link: &LinkMessage, addresses: &[AddressMessage], names: &BTreeMap<u32, String>) -> Option<Fact> {
    let up = if link.header.flags.contains(LinkFlags::Up) { "up" } else { "down" };
    let mut words = vec![kind(link), up.to_string()];
    words.extend(
        addresses.iter().filter(|address| address.header.index == link.header.index).filter_map(own_address),
    );
    let (mut master, mut peer, mut elsewhere) = (None, None, false);
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::Address(mac) => words.extend(given(mac)),
            LinkAttribute::Controller(index) => master = names.get(index),
            LinkAttribute::Link(index) => peer = Some(index),
            LinkAttribute::LinkNetNsId(_) => elsewhere = true,
            _ => {}
        }
    }
    words.extend(master.map(|name| format!("master {name}")));
    match peer.and_then(|index| names.get(index)) {
        _ if elsewhere => words.push("peer elsewhere".into()),
        Some(peer) => words.push(format!("peer {peer}")),
        None => {}
    }
    Some(fact(name(link)?, words.join(" ")))
}

fn kind(link: &LinkMessage) -> String {
    if link.header.link_layer_type == LinkLayerType::Loopback {
        return "loopback".into();
    }
    let infos = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => Some(infos),
        _ => None,
    });
    let kind = infos.and_then(|infos| {
        infos.iter().find_map(|info| match info {
            LinkInfo::Kind(InfoKind::Other(kind)) => Some(kind.clone()),
            LinkInfo::Kind(kind) => Some(kind.to_string()),
            _ => None,
        })
    });
    kind.unwrap_or_else(|| "ethernet".into())
}

fn own_address(address: &AddressMessage) -> Option<String> {
    let own = address.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(IpAddr::V4(own)) => Some(own),
        _ => None,
    })?;
    Some(format!("{own}/{}", address.header.prefix_len))
}

/// The MAC, where it was given for an address.
fn given(mac: &[u8]) -> Option<String> {
    let mac: [u8; 6] = mac.try_into().ok()?;
    mac.starts_with(&[0x02, 0x42]).then(|| Mac(mac).to_string())
}

/// A route of the main table. What the kernel keeps for itself (table local) is left out.
fn describe_route(route: &RouteMessage, names: &BTreeMap<u32, String>) -> Option<Fact> {
    let header = &route.header;
    if header.table != RouteHeader::RT_TABLE_MAIN || header.kind != RouteType::Unicast {
        return None;
    }
    let (mut key, mut via, mut dev) = (String::from("route default"), String::new(), String::new());
    let mut metric = String::new();
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(to)) => {
                key = format!("route {to}/{}", header.destination_prefix_length);
            }
            RouteAttribute::Gateway(RouteAddress::Inet(gateway)) => via = format!("via {gateway} "),
            RouteAttribute::Oif(index) => dev = format!("dev {}", names.get(index)?),
            RouteAttribute::Priority(number) => metric = format!(" metric {number}"),
            _ => {}
        }
    }
    Some(fact(format!("{key}{metric}"), format!("{via}{dev}")))
}

/// An entry of a bridge's forwarding table that it has learnt from traffic. Its ports' own MACs are permanent
/// entries, which nobody had to learn.
fn describe_learnt(entry: &NeighbourMessage, names: &BTreeMap<u32, String>) -> Option<Fact> {
    if matches!(entry.header.state, NeighbourState::Permanent | NeighbourState::Noarp) {
        return None;
    }
    let (mut bridge, mut mac) = (None, None);
    for attribute in &entry.attributes {
        match attribute {
            NeighbourAttribute::Controller(index) => bridge = names.get(index),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = Some(given(bytes)),
            _ => {}
        }
    }
    let mac = mac?.unwrap_or_else(|| "a random MAC".into());
    Some(fact(format!("{} learnt {mac}", bridge?), format!("behind {}", names.get(&entry.header.ifindex)?)))
}
