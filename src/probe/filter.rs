//! The packet filter: the rules of our tables, asked over netlink inside the namespace and written as nft(8) does.
//!
//! ```text
//!   stepbox-web ports        tcp dport 8080 dnat to 10.10.0.2:80
//!   table       chain        meta, cmp, payload, cmp, immediate, immediate, nat
//! ```
//!
//! IPv4 only, and only tables whose names begin with `stepbox-`: what else this machine filters is not shown.

use std::net::Ipv4Addr;

use netlink_packet_netfilter::nftables::{
    Bitwise, Cmp, DataAttribute, ExpressionAttribute, Expressions, Immediate, ListAttribute, Meta, MetaKey,
    NfTablesMessage, Operator, Payload, RuleAttribute, RuleMessage, VerdictAttribute,
};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};

use super::{Who, ask, fact};
use crate::trace::Fact;

const OURS: &str = "stepbox-";

pub(super) fn look(who: &Who, box_pid: Option<i32>) -> Option<Vec<Fact>> {
    ask::inside(who, box_pid, rules)
}

fn rules() -> Vec<Fact> {
    let header = NetfilterHeader::new(NetfilterProtoFamily::IPv4, 0, 0);
    let question = NfTablesMessage::GetRule(RuleMessage { attributes: Vec::new() });
    let answers = ask::everything(libc::NETLINK_NETFILTER, NetfilterMessage::new(header, question));
    let mut facts: Vec<Fact> = Vec::new();
    for answer in answers.unwrap_or_default() {
        let NetfilterMessageInner::NfTables(NfTablesMessage::NewRule(rule)) = answer.inner else { continue };
        let Some((place, text)) = told(&rule) else { continue };
        let before = facts.iter().filter(|fact| fact.key.split(" #").next() == Some(&place)).count();
        let place = if before == 0 { place } else { format!("{place} #{}", before + 1) };
        facts.push(fact(place, text));
    }
    facts
}

/// Its table and chain, and what it says.
fn told(rule: &RuleMessage) -> Option<(String, String)> {
    let (mut table, mut chain, mut text) = (None, None, Text::default());
    for attribute in &rule.attributes {
        match attribute {
            RuleAttribute::Table(name) => table = Some(name),
            RuleAttribute::Chain(name) => chain = Some(name),
            RuleAttribute::Expressions(list) => list.iter().for_each(|element| text.element(element)),
            _ => {}
        }
    }
    let table = table.filter(|name| name.starts_with(OURS))?;
    Some((format!("{table} {}", chain?), text.words.join(" ")))
}

/// A rule as far as it is written, and what its registers hold.
#[derive(Default)]
struct Text {
    words: Vec<String>,
    /// what was looked at last, and is compared next
    subject: &'static str,
    protocol: &'static str,
    prefix: Option<u32>,
    loaded: Vec<Vec<u8>>,
}

impl Text {
    fn element(&mut self, element: &ListAttribute<ExpressionAttribute>) {
        let ListAttribute::Element(attributes) = element else { return };
        for attribute in attributes {
            if let ExpressionAttribute::Data(expression) = attribute {
                self.expression(expression);
            }
        }
    }

    fn expression(&mut self, expression: &Expressions) {
        match expression {
            Expressions::Meta(attributes) => {
                self.subject = attributes.iter().find_map(looked_at).unwrap_or("meta");
            }
            Expressions::Payload(attributes) => self.subject = field(attributes),
            Expressions::Bitwise(attributes) => {
                self.prefix = attributes.iter().find_map(|attribute| match attribute {
                    Bitwise::Mask(DataAttribute::Value(mask)) => {
                        Some(mask.iter().map(|byte| byte.count_ones()).sum())
                    }
                    _ => None,
                });
            }
            Expressions::Cmp(attributes) => self.compared(attributes),
            Expressions::Immediate(attributes) => {
                attributes.iter().for_each(|attribute| self.load(attribute))
            }
            Expressions::Other { expression_type, .. } => self.other(expression_type),
            _ => {}
        }
    }

    fn compared(&mut self, attributes: &[Cmp]) {
        let differs = attributes.contains(&Cmp::Op(Operator::NotEqual));
        let value = attributes.iter().find_map(|attribute| match attribute {
            Cmp::Data(DataAttribute::Value(value)) => Some(value.as_slice()),
            _ => None,
        });
        let value = match (self.subject, value.unwrap_or_default()) {
            ("l4proto", [number]) => {
                // the protocol stands before the port
                self.protocol = if i32::from(*number) == libc::IPPROTO_TCP { "tcp " } else { "udp " };
                return;
            }
            ("fib daddr type", _) => "local".into(),
            ("dport", [a, b]) => u16::from_be_bytes([*a, *b]).to_string(),
            ("iifname" | "oifname", name) => String::from_utf8_lossy(name).trim_end_matches('\0').to_string(),
            (_, [a, b, c, d]) => {
                let prefix = self.prefix.take().map(|prefix| format!("/{prefix}")).unwrap_or_default();
                format!("{}{prefix}", Ipv4Addr::new(*a, *b, *c, *d))
            }
            (_, other) => format!("{other:?}"),
        };
        let protocol = if self.subject == "dport" { self.protocol } else { "" };
        let not = if differs { "!= " } else { "" };
        self.words.push(format!("{protocol}{} {not}{value}", self.subject));
    }

    fn load(&mut self, attribute: &Immediate) {
        match attribute {
            Immediate::Data(DataAttribute::Value(value)) => self.loaded.push(value.clone()),
            Immediate::Data(DataAttribute::Verdict(verdict)) => {
                self.words.extend(verdict.iter().find_map(|part| match part {
                    VerdictAttribute::Chain(chain) => Some(format!("jump {chain}")),
                    _ => None,
                }));
            }
            _ => {}
        }
    }

    fn other(&mut self, name: &str) {
        match (name, self.loaded.as_slice()) {
            ("fib", _) => self.subject = "fib daddr type",
            ("masq", _) => self.words.push("masquerade".into()),
            ("nat", [address, port]) => {
                let address = <[u8; 4]>::try_from(address.as_slice()).map(Ipv4Addr::from);
                let port = <[u8; 2]>::try_from(port.as_slice()).map(u16::from_be_bytes);
                if let (Ok(address), Ok(port)) = (address, port) {
                    self.words.push(format!("dnat to {address}:{port}"));
                }
            }
            (other, _) => self.words.push(other.into()),
        }
    }
}

fn looked_at(attribute: &Meta) -> Option<&'static str> {
    match attribute {
        Meta::Key(MetaKey::Iifname) => Some("iifname"),
        Meta::Key(MetaKey::Oifname) => Some("oifname"),
        Meta::Key(MetaKey::L4Proto) => Some("l4proto"),
        _ => None,
    }
}

/// A field of a header, by where it lies.
fn field(attributes: &[Payload]) -> &'static str {
    let at = |offset| attributes.contains(&Payload::Offset(offset));
    match attributes.contains(&Payload::Base(libc::NFT_PAYLOAD_NETWORK_HEADER.cast_unsigned())) {
        true if at(12) => "ip saddr",
        true if at(16) => "ip daddr",
        false if at(2) => "dport",
        _ => "payload",
    }
}
