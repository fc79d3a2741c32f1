//! Rules: what a packet is asked and what is done to it, as expressions; each leaves its answer in a register.
//!
//! ```text
//!   tcp dport 8080 dnat to 10.10.0.2:80
//!
//!   meta l4proto => reg1    cmp reg1 == 6    payload transport+2, 2 bytes => reg1    cmp reg1 == 8080
//!   immediate 10.10.0.2 => reg1    immediate 80 => reg2    nat dnat reg1 reg2
//! ```
//!
//! The first comparison that is not true ends the rule. See nft(8) and the kernel's nf_tables.h.

use std::net::{Ipv4Addr, SocketAddrV4};

use netlink_packet_core::DefaultNla;
use netlink_packet_netfilter::nftables::{
    Bitwise, Cmp, DataAttribute, Expressions, Immediate, Meta, MetaKey, Operator, Payload, Register, Verdict,
    VerdictAttribute,
};

use crate::kernel::op::Protocol;

/// The kernel takes interface names as 16 bytes, zeros at the end (IFNAMSIZ).
const NAME: usize = 16;
/// Where a payload's offset counts from: NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER.
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;

/// `ip saddr subnet/prefix`
pub(super) fn source_in(subnet: Ipv4Addr, prefix: u8) -> Vec<Expressions> {
    address_in(12, Operator::Equal, subnet, prefix)
}

/// `ip daddr address`
pub(super) fn destination_is(address: Ipv4Addr) -> Vec<Expressions> {
    address_in(16, Operator::Equal, address, 32)
}

/// `ip daddr != 127.0.0.0/8`
pub(super) fn destination_is_not_loopback() -> Vec<Expressions> {
    address_in(16, Operator::NotEqual, Ipv4Addr::LOCALHOST, 8)
}

/// Four bytes of the network header, under the mask, against the subnet.
fn address_in(offset: u32, operator: Operator, subnet: Ipv4Addr, prefix: u8) -> Vec<Expressions> {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    let value = |number: u32| DataAttribute::Value(number.to_be_bytes().to_vec());
    let under_mask = Expressions::Bitwise(vec![
        Bitwise::SourceRegister(Register::Reg1),
        Bitwise::DestinationRegister(Register::Reg1),
        Bitwise::Length(4),
        Bitwise::Mask(value(mask)),
        Bitwise::Xor(value(0)),
    ]);
    let mut expressions = vec![bytes(NETWORK_HEADER, offset, 4)];
    expressions.extend((mask != u32::MAX).then_some(under_mask));
    expressions.push(compare(operator, (u32::from(subnet) & mask).to_be_bytes().to_vec()));
    expressions
}

/// `iifname != name`, `oifname != name`
pub(super) fn link_is_not(key: MetaKey, name: &str) -> [Expressions; 2] {
    let mut name = name.as_bytes().to_vec();
    name.resize(NAME, 0);
    [meta(key), compare(Operator::NotEqual, name)]
}

/// `fib daddr type local`: the routing table says that the destination is an address of this machine.
pub(super) fn destination_is_local() -> [Expressions; 2] {
    // nf_tables.h: enum nft_fib_attributes, nft_fib_result, nft_fib_flags
    const DESTINATION: u16 = 1;
    const RESULT: u16 = 2;
    const FLAGS: u16 = 3;
    const ADDRTYPE: u32 = 3;
    const OF_DESTINATION: u32 = 1 << 1;
    let fib = [(DESTINATION, Register::Reg1.into()), (RESULT, ADDRTYPE), (FLAGS, OF_DESTINATION)];
    [other("fib", &fib), compare(Operator::Equal, u32::from(libc::RTN_LOCAL).to_ne_bytes().to_vec())]
}

/// `tcp dport port`
pub(super) fn port_is(protocol: Protocol, port: u16) -> [Expressions; 4] {
    let number = match protocol {
        Protocol::Tcp => libc::IPPROTO_TCP,
        Protocol::Udp => libc::IPPROTO_UDP,
    };
    [
        meta(MetaKey::L4Proto),
        compare(Operator::Equal, vec![number as u8]),
        bytes(TRANSPORT_HEADER, 2, 2),
        compare(Operator::Equal, port.to_be_bytes().to_vec()),
    ]
}

/// `dnat to address:port`
pub(super) fn send_to(to: SocketAddrV4) -> [Expressions; 3] {
    // nf_tables.h: enum nft_nat_attributes
    const TYPE: u16 = 1;
    const FAMILY: u16 = 2;
    const ADDRESS: u16 = 3;
    const PORT: u16 = 5;
    let dnat = [
        (TYPE, libc::NFT_NAT_DNAT.cast_unsigned()),
        (FAMILY, libc::NFPROTO_IPV4.cast_unsigned()),
        (ADDRESS, Register::Reg1.into()),
        (PORT, Register::Reg2.into()),
    ];
    [
        load(Register::Reg1, DataAttribute::Value(to.ip().octets().to_vec())),
        load(Register::Reg2, DataAttribute::Value(to.port().to_be_bytes().to_vec())),
        other("nat", &dnat),
    ]
}

/// `masquerade`
pub(super) fn masquerade() -> Expressions {
    other("masq", &[])
}

/// `jump chain`
pub(super) fn jump(chain: &str) -> Expressions {
    let verdict = vec![VerdictAttribute::Code(Verdict::Jump), VerdictAttribute::Chain(chain.into())];
    load(Register::Verdict, DataAttribute::Verdict(verdict))
}

fn meta(key: MetaKey) -> Expressions {
    Expressions::Meta(vec![Meta::DestinationRegister(Register::Reg1), Meta::Key(key)])
}

fn bytes(base: u32, offset: u32, length: u32) -> Expressions {
    Expressions::Payload(vec![
        Payload::DestinationRegister(Register::Reg1),
        Payload::Base(base),
        Payload::Offset(offset),
        Payload::Len(length),
    ])
}

fn load(register: Register, data: DataAttribute) -> Expressions {
    Expressions::Immediate(vec![Immediate::DestinationRegister(register), Immediate::Data(data)])
}

fn compare(operator: Operator, value: Vec<u8>) -> Expressions {
    Expressions::Cmp(vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(operator),
        Cmp::Data(DataAttribute::Value(value)),
    ])
}

/// An expression whose attributes are all numbers.
fn other(name: &str, attributes: &[(u16, u32)]) -> Expressions {
    let attribute = |(kind, value): &(u16, u32)| DefaultNla::new(*kind, value.to_be_bytes().to_vec());
    Expressions::Other {
        expression_type: name.into(),
        attributes: attributes.iter().map(attribute).collect(),
    }
}
