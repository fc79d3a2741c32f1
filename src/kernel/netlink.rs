//! Route netlink: links, addresses and routes, each change one message.
//!
//! ```text
//!   Request ── encode (before the clone) ──> Message: bytes + the link whose index must be filled in
//!   send: socket(AF_NETLINK), SIOCGIFINDEX, sendto, recvfrom (the kernel's ack), close
//! ```
//!
//! See rtnetlink(7). A netlink socket belongs to the network namespace in which it was opened.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags,
    LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use serde::{Deserialize, Serialize};

use super::CText;

/// One change to links, addresses or routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are those of ip-link(8), ip-address(8) and ip-route(8)
pub enum Request {
    AddBridge {
        name: String,
        mac: Mac,
    },
    AddVeth {
        name: String,
        peer: Box<Peer>,
    },
    SetMaster {
        link: String,
        bridge: String,
    },
    SetUp {
        link: String,
    },
    /// the kernel makes this link no IPv6 address by itself
    NoIpv6Address {
        link: String,
    },
    AddAddress {
        link: String,
        address: Ipv4Addr,
        prefix: u8,
    },
    AddDefaultRoute {
        gateway: Ipv4Addr,
    },
    DeleteLink {
        name: String,
    },
}

/// The address of a link on its wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The one that stands for an IPv4 address, as Docker long made them: 02:42, then the address. The bit of 02
    /// says "given locally, not by a manufacturer".
    pub fn of(address: Ipv4Addr) -> Mac {
        let [a, b, c, d] = address.octets();
        Mac([0x02, 0x42, a, b, c, d])
    }
}

/// Text that is no address which one link can have: six octets, the first of them even, as 92:d0:c6:0a:29:33.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected six octets, the first of them even, as 92:d0:c6:0a:29:33")]
pub struct MacError;

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> std::result::Result<Mac, MacError> {
        let octet = |text: &str| match text.len() {
            2 => u8::from_str_radix(text, 16).map_err(|_| MacError),
            _ => Err(MacError),
        };
        let octets: Vec<u8> = text.split([':', '-']).map(octet).collect::<std::result::Result<_, _>>()?;
        let octets = <[u8; 6]>::try_from(octets).map_err(|_| MacError)?;
        // an odd one is a group's, and the kernel takes none of zeros either
        if octets[0] % 2 == 1 || octets == [0; 6] { Err(MacError) } else { Ok(Mac(octets)) }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The far end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// its name, where it is born
    pub name: String,
    /// where that is
    pub netns: Netns,
    /// its address on the wire; `None`: the kernel's choice, a random one
    pub mac: Option<Mac>,
}

/// Where the far end of a veth pair is born.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Netns {
    /// the caller's own namespace
    Own,
    /// the box's
    Box,
    /// the one that this file names, as /run/netns/blue
    Path(CText),
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sendto(netlink, ")?;
        match self {
            Request::AddBridge { name, mac } => write!(f, "RTM_NEWLINK {name} kind=bridge address={mac}")?,
            Request::AddVeth { name, peer } => {
                write!(f, "RTM_NEWLINK {name} kind=veth peer={}", peer.name)?;
                if let Some(mac) = peer.mac {
                    write!(f, " peer address={mac}")?;
                }
                match &peer.netns {
                    Netns::Own => {}
                    Netns::Box => f.write_str(" peer netns=[BOX]")?,
                    Netns::Path(path) => write!(f, " peer netns={path}")?,
                }
            }
            Request::SetMaster { link, bridge } => write!(f, "RTM_SETLINK {link} master={bridge}")?,
            Request::SetUp { link } => write!(f, "RTM_SETLINK {link} IFF_UP")?,
            Request::NoIpv6Address { link } => write!(f, "RTM_SETLINK {link} addrgenmode=none")?,
            Request::AddAddress { link, address, prefix } => {
                write!(f, "RTM_NEWADDR {address}/{prefix} dev={link}")?
            }
            Request::AddDefaultRoute { gateway } => write!(f, "RTM_NEWROUTE default via={gateway}")?,
            Request::DeleteLink { name } => write!(f, "RTM_DELLINK {name}")?,
        }
        f.write_str(")")
    }
}

/// A request as bytes. Some numbers are known only when it is sent, in the namespace where it is sent.
#[derive(Debug, Default)]
pub struct Message {
    /// the netlink family's number: `NETLINK_ROUTE` is 0
    pub protocol: i32,
    /// the whole message, header included
    pub bytes: Vec<u8>,
    /// a question that is sent first; when the kernel answers with anything but an error, the thing is there, and
    /// EEXIST is the answer
    pub unless: Vec<u8>,
    /// the link whose index belongs at byte 20, where ifinfomsg and ifaddrmsg keep it
    pub link: Option<CText>,
    /// what belongs into the last four bytes
    pub tail: Tail,
}

impl Message {
    /// Whether nothing is filled in when it is sent.
    pub(super) fn is_complete(&self) -> bool {
        self.link.is_none() && matches!(self.tail, Tail::Complete)
    }
}

/// What a message's last attribute is filled with when it is sent.
#[derive(Debug, Default)]
pub enum Tail {
    /// it is complete
    #[default]
    Complete,
    /// the index of this link
    Index(CText),
    /// a descriptor of this namespace file
    Netns(CText),
}

impl Request {
    /// The bytes of this request. `box_pid` is needed only for a veth whose peer is born in the box.
    pub fn encode(&self, box_pid: Option<i32>) -> rustix::io::Result<Message> {
        let create = NLM_F_CREATE | NLM_F_EXCL;
        let mut link = LinkMessage::default();
        let mut message = Message::default();
        let (payload, flags) = match self {
            Request::AddBridge { name, mac } => {
                link.attributes = vec![
                    LinkAttribute::IfName(name.clone()),
                    LinkAttribute::Address(mac.0.to_vec()),
                    LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
                ];
                (RouteNetlinkMessage::NewLink(link), create)
            }
            Request::AddVeth { name, peer } => {
                let mut far = LinkMessage::default();
                far.attributes.push(LinkAttribute::IfName(peer.name.clone()));
                far.attributes.extend(peer.mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
                match &peer.netns {
                    Netns::Own => {}
                    Netns::Box => {
                        let pid = box_pid.ok_or(rustix::io::Errno::SRCH)?;
                        far.attributes.push(LinkAttribute::NetNsPid(pid.cast_unsigned()));
                    }
                    Netns::Path(path) => {
                        far.attributes.push(LinkAttribute::NetNsFd(0));
                        message.tail = Tail::Netns(path.clone());
                    }
                }
                link.attributes = vec![
                    LinkAttribute::IfName(name.clone()),
                    LinkAttribute::LinkInfo(vec![
                        LinkInfo::Kind(InfoKind::Veth),
                        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(far))),
                    ]),
                ];
                (RouteNetlinkMessage::NewLink(link), create)
            }
            Request::SetMaster { link: port, bridge } => {
                link.attributes.push(LinkAttribute::Controller(0));
                message.tail = Tail::Index(bridge.into());
                message.link = Some(port.into());
                (RouteNetlinkMessage::SetLink(link), 0)
            }
            Request::SetUp { link: name } => {
                link.header.flags = LinkFlags::Up;
                link.header.change_mask = LinkFlags::Up;
                message.link = Some(name.into());
                (RouteNetlinkMessage::SetLink(link), 0)
            }
            Request::NoIpv6Address { link: name } => {
                let quiet = vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)];
                link.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(quiet)]));
                message.link = Some(name.into());
                (RouteNetlinkMessage::SetLink(link), 0)
            }
            Request::AddAddress { link: name, address, prefix } => {
                message.link = Some(name.into());
                (RouteNetlinkMessage::NewAddress(address_message(*address, *prefix)), create)
            }
            Request::AddDefaultRoute { gateway } => {
                (RouteNetlinkMessage::NewRoute(default_route(*gateway)), create)
            }
            Request::DeleteLink { name } => {
                link.attributes.push(LinkAttribute::IfName(name.clone()));
                (RouteNetlinkMessage::DelLink(link), 0)
            }
        };
        let mut netlink = NetlinkMessage::from(payload);
        netlink.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        netlink.finalize();
        message.bytes = vec![0; netlink.buffer_len()];
        netlink.serialize(&mut message.bytes);
        Ok(message)
    }
}

fn address_message(address: Ipv4Addr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = prefix;
    message.attributes =
        vec![AddressAttribute::Local(address.into()), AddressAttribute::Address(address.into())];
    if prefix < 31 {
        let broadcast = u32::from(address) | (u32::MAX >> prefix.min(31));
        message.attributes.push(AddressAttribute::Broadcast(Ipv4Addr::from(broadcast)));
    }
    message
}

fn default_route(gateway: Ipv4Addr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes.push(RouteAttribute::Gateway(RouteAddress::Inet(gateway)));
    message
}
