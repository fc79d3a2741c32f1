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
use std::net::Ipv4Addr;

use netlink_packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage,
};
use netlink_packet_netfilter::nftables::{
    Bitwise, ChainAttribute, ChainMessage, Cmp, DataAttribute, Expressions, Hook, InetHookNumber, Meta,
    MetaKey, NfTablesMessage, Operator, Payload, Register, RuleAttribute, RuleMessage, TableAttribute,
    TableMessage,
};
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};
use serde::{Deserialize, Serialize};

use super::netlink::Message;

/// The kernel takes interface names as 16 bytes, zeros at the end (IFNAMSIZ).
const NAME: usize = 16;
/// Source NAT comes late on the way out: NF_IP_PRI_NAT_SRC.
const SRCNAT: u32 = 100;
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
    /// The table goes, with everything in it.
    DeleteTable {
        /// its name
        table: String,
    },
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
            Batch::DeleteTable { table } => write!(f, "sendto(netlink, [NFT_MSG_DELTABLE ip {table}])"),
        }
    }
}

impl Batch {
    /// The bytes of the batch.
    pub fn encode(&self) -> Message {
        let changes = match self {
            Batch::Masquerade { table, subnet, prefix, bridge } => {
                masquerade(table, source_in(*subnet, *prefix), bridge)
            }
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
            Batch::DeleteTable { .. } => Vec::new(),
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

fn masquerade(table: &str, source: Vec<Expressions>, bridge: &str) -> Vec<(NfTablesMessage, u16)> {
    let chain = "postrouting";
    let hook = vec![Hook::Number(InetHookNumber::PostRouting.into()), Hook::Priority(SRCNAT)];
    let new_chain = ChainMessage {
        attributes: vec![
            ChainAttribute::Table(table.into()),
            ChainAttribute::Name(chain.into()),
            ChainAttribute::Hook(hook),
            ChainAttribute::Type("nat".into()),
        ],
    };
    let mut expressions = source;
    expressions.extend(leaves_by_another_link(bridge));
    expressions
        .push(Expressions::Other { expression_type: "masq".into(), attributes: Vec::<DefaultNla>::new() });
    let mut rule = vec![RuleAttribute::Table(table.into()), RuleAttribute::Chain(chain.into())];
    rule.push(RuleAttribute::Expressions(expressions.into_iter().map(Into::into).collect()));
    vec![
        (NfTablesMessage::NewTable(named(table)), NLM_F_CREATE | NLM_F_EXCL),
        (NfTablesMessage::NewChain(new_chain), NLM_F_CREATE),
        (NfTablesMessage::NewRule(RuleMessage { attributes: rule }), NLM_F_CREATE | NLM_F_APPEND),
    ]
}

/// `ip saddr subnet/prefix`: bytes 12 to 15 of the network header, under the mask, equal the subnet.
fn source_in(subnet: Ipv4Addr, prefix: u8) -> Vec<Expressions> {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    let value = |number: u32| DataAttribute::Value(number.to_be_bytes().to_vec());
    const NETWORK_HEADER: u32 = 1;
    vec![
        Expressions::Payload(vec![
            Payload::DestinationRegister(Register::Reg1),
            Payload::Base(NETWORK_HEADER),
            Payload::Offset(12),
            Payload::Len(4),
        ]),
        Expressions::Bitwise(vec![
            Bitwise::SourceRegister(Register::Reg1),
            Bitwise::DestinationRegister(Register::Reg1),
            Bitwise::Length(4),
            Bitwise::Mask(value(mask)),
            Bitwise::Xor(value(0)),
        ]),
        compare(Operator::Equal, (u32::from(subnet) & mask).to_be_bytes().to_vec()),
    ]
}

/// `oifname != bridge`.
fn leaves_by_another_link(bridge: &str) -> [Expressions; 2] {
    let mut name = bridge.as_bytes().to_vec();
    name.resize(NAME, 0);
    [
        Expressions::Meta(vec![Meta::DestinationRegister(Register::Reg1), Meta::Key(MetaKey::Oifname)]),
        compare(Operator::NotEqual, name),
    ]
}

fn compare(operator: Operator, value: Vec<u8>) -> Expressions {
    Expressions::Cmp(vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(operator),
        Cmp::Data(DataAttribute::Value(value)),
    ])
}
