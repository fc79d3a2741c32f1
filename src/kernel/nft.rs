//! Nftables: changes to the packet filter, sent as one batch that is taken whole or not at all.
//!
//! ```text
//!   GETTABLE                                                     is it there already? EEXIST, and nothing is sent
//!   BATCH_BEGIN   NEWTABLE   NEWCHAIN   NEWRULE   BATCH_END      one sendto(2)
//!                                          └ the only one that asks for an answer
//! ```
//!
//! See nft(8) and the kernel's nf_tables.h. As with routes, the rules are those of the network namespace in which
//! the socket was opened.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use netlink_packet_core::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage};
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, Expressions, Hook, InetHookNumber, MetaKey, NfTablesMessage, RuleAttribute,
    RuleMessage, TableAttribute, TableMessage,
};
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};
use serde::{Deserialize, Serialize};

use super::netlink::Message;
use super::op::Protocol;

mod rules;

/// The chain of a table that publishes ports in which each port has a rule.
const PORTS: &str = "ports";
const BATCH_BEGIN: u16 = libc::NFNL_MSG_BATCH_BEGIN as u16;
const BATCH_END: u16 = libc::NFNL_MSG_BATCH_END as u16;

/// One change to a table of the family `ip`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Batch {
    /// A new table: what comes from the subnet and leaves by another link than the bridge gets the address of that
    /// link. EEXIST where there is a table of this name. That is asked for first, because a batch costs an RCU grace
    /// period even when it is refused, milliseconds under load.
    Masquerade {
        /// the table's name
        table: String,
        /// the subnet's first address
        subnet: Ipv4Addr,
        /// how many bits of it count
        prefix: u8,
        /// the link that is not "out"
        bridge: String,
    },
    /// A new table: what is for one of these ports of this machine goes on to somewhere else, unless it comes by the
    /// bridge or goes to 127.0.0.0/8. EEXIST where there is a table of this name.
    Publish {
        /// the table's name
        table: String,
        /// the link behind which the destinations are
        bridge: String,
        /// the ports
        ports: Vec<Forward>,
    },
    /// The table goes, with everything in it.
    DeleteTable {
        /// its name
        table: String,
    },
}

/// A port of this machine, and where what comes to it goes on to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// which protocol's ports these are
    pub protocol: Protocol,
    /// an address of this machine, or 0.0.0.0 for every one, and the port
    pub host: SocketAddrV4,
    /// the new destination
    pub to: SocketAddrV4,
}

/// One change of a batch, and the flags of its message.
type Change = (NfTablesMessage, u16);

/// The rule, as nft(8) writes it.
impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.host.ip().is_unspecified() {
            write!(f, "ip daddr {} ", self.host.ip())?;
        }
        write!(f, "{} dport {} dnat to {}", self.protocol, self.host.port(), self.to)
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Batch::Masquerade { table, subnet, prefix, bridge } => write!(
                f,
                "sendto(netlink, [NFT_MSG_NEWTABLE ip {table}, NFT_MSG_NEWCHAIN postrouting type=nat \
                 hook=postrouting priority=srcnat, NFT_MSG_NEWRULE postrouting \
                 \"ip saddr {subnet}/{prefix} oifname != {bridge} masquerade\"])"
            ),
            Batch::Publish { table, bridge, ports } => {
                write!(f, "sendto(netlink, [NFT_MSG_NEWTABLE ip {table}, NFT_MSG_NEWCHAIN {PORTS}, ")?;
                for port in ports {
                    write!(f, "NFT_MSG_NEWRULE {PORTS} \"{port}\", ")?;
                }
                write!(
                    f,
                    "NFT_MSG_NEWCHAIN prerouting type=nat hook=prerouting priority=dstnat, NFT_MSG_NEWRULE \
                     prerouting \"iifname != {bridge} fib daddr type local jump {PORTS}\", NFT_MSG_NEWCHAIN output \
                     type=nat hook=output priority=dstnat, NFT_MSG_NEWRULE output \"ip daddr != 127.0.0.0/8 fib daddr \
                     type local jump {PORTS}\"])"
                )
            }
            Batch::DeleteTable { table } => write!(f, "sendto(netlink, [NFT_MSG_DELTABLE ip {table}])"),
        }
    }
}

impl Batch {
    /// The bytes of the batch.
    pub fn encode(&self) -> Message {
        let changes = match self {
            Batch::Masquerade { table, subnet, prefix, bridge } => {
                masquerade(table, rules::source_in(*subnet, *prefix), bridge)
            }
            Batch::Publish { table, bridge, ports } => publish(table, bridge, ports),
            Batch::DeleteTable { table } => vec![(NfTablesMessage::DeleteTable(named(table)), 0)],
        };
        let mut bytes = edge(BATCH_BEGIN);
        let last = changes.len() - 1;
        for (index, (change, flags)) in changes.into_iter().enumerate() {
            bytes.extend(message(change, flags | if index == last { NLM_F_ACK } else { 0 }));
        }
        bytes.extend(edge(BATCH_END));
        let unless = match self {
            Batch::Masquerade { table, .. } => message(NfTablesMessage::GetTable(named(table)), 0),
            Batch::Publish { .. } | Batch::DeleteTable { .. } => Vec::new(),
        };
        Message { protocol: libc::NETLINK_NETFILTER, bytes, unless, ..Message::default() }
    }
}

/// One message to nf_tables, about the family `ip`.
fn message(change: NfTablesMessage, flags: u16) -> Vec<u8> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::IPv4, 0, 0);
    let mut message = NetlinkMessage::from(NetfilterMessage::new(header, change));
    message.header.flags = NLM_F_REQUEST | flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// The message that begins or ends a batch for nf_tables: a header, then nfgenmsg with the subsystem's number in
/// network order.
fn edge(kind: u16) -> Vec<u8> {
    let mut bytes = vec![0u8; 20];
    bytes[0..4].copy_from_slice(&20u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
    bytes[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    bytes[18..20].copy_from_slice(&(libc::NFNL_SUBSYS_NFTABLES as u16).to_be_bytes());
    bytes
}

fn named(table: &str) -> TableMessage {
    TableMessage { attributes: vec![TableAttribute::Name(table.into())] }
}

/// What leaves takes the address of the link by which it leaves.
fn masquerade(table: &str, source: Vec<Expressions>, bridge: &str) -> Vec<Change> {
    let mut out = source;
    out.extend(rules::link_is_not(MetaKey::Oifname, bridge));
    out.push(rules::masquerade());
    vec![
        new_table(table),
        new_hook(table, "postrouting", InetHookNumber::PostRouting, libc::NF_IP_PRI_NAT_SRC),
        new_rule(table, "postrouting", out),
    ]
}

/// What goes to this machine is looked for among the ports, whether it comes in or begins here.
fn publish(table: &str, bridge: &str, ports: &[Forward]) -> Vec<Change> {
    let mut comes_in = Vec::from(rules::link_is_not(MetaKey::Iifname, bridge));
    let mut begins_here = rules::destination_is_not_loopback();
    for rule in [&mut comes_in, &mut begins_here] {
        rule.extend(rules::destination_is_local());
        rule.push(rules::jump(PORTS));
    }
    let mut changes = vec![new_table(table), new_chain(table, PORTS, None)];
    changes.extend(ports.iter().map(|port| new_rule(table, PORTS, forward(port))));
    changes.extend([
        new_hook(table, "prerouting", InetHookNumber::PreRouting, libc::NF_IP_PRI_NAT_DST),
        new_rule(table, "prerouting", comes_in),
        new_hook(table, "output", InetHookNumber::LocalOut, libc::NF_IP_PRI_NAT_DST),
        new_rule(table, "output", begins_here),
    ]);
    changes
}

fn forward(port: &Forward) -> Vec<Expressions> {
    let mut rule = match port.host.ip().is_unspecified() {
        true => Vec::new(),
        false => rules::destination_is(*port.host.ip()),
    };
    rule.extend(rules::port_is(port.protocol, port.host.port()));
    rule.extend(rules::send_to(port.to));
    rule
}

fn new_table(name: &str) -> Change {
    (NfTablesMessage::NewTable(named(name)), NLM_F_CREATE | NLM_F_EXCL)
}

/// A chain through which every packet goes at this place.
fn new_hook(table: &str, name: &str, place: InetHookNumber, priority: i32) -> Change {
    let hook = vec![Hook::Number(place.into()), Hook::Priority(priority.cast_unsigned())];
    new_chain(table, name, Some(hook))
}

fn new_chain(table: &str, name: &str, hook: Option<Vec<Hook>>) -> Change {
    let mut attributes = vec![ChainAttribute::Table(table.into()), ChainAttribute::Name(name.into())];
    if let Some(hook) = hook {
        attributes.extend([ChainAttribute::Hook(hook), ChainAttribute::Type("nat".into())]);
    }
    (NfTablesMessage::NewChain(ChainMessage { attributes }), NLM_F_CREATE)
}

fn new_rule(table: &str, chain: &str, rule: Vec<Expressions>) -> Change {
    let rule = rule.into_iter().map(Into::into).collect();
    let attributes = vec![
        RuleAttribute::Table(table.into()),
        RuleAttribute::Chain(chain.into()),
        RuleAttribute::Expressions(rule),
    ];
    (NfTablesMessage::NewRule(RuleMessage { attributes }), NLM_F_CREATE | NLM_F_APPEND)
}
