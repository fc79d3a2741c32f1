//! The options of `run` that say how the container reaches others.

use std::net::IpAddr;

use super::isolation;
use crate::engine::peers::Mode;
use crate::engine::ports::asked::{Asked, AskedError};
use crate::engine::ports::{self, asked};
use crate::engine::request::{HostAddress, Lookup};
use crate::kernel::netlink::Mac;

/// The ports of one `--expose`.
#[derive(Debug, Clone)]
struct Ports(Vec<String>);

/// The ports of one `--publish`.
#[derive(Debug, Clone)]
struct Published(Vec<Asked>);

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Network")]
#[group(skip)]
pub(super) struct Args {
    /// bridge, none, host, container:NAME (default: bridge or none)
    #[arg(long, alias = "net", value_name = "MODE", value_parser = network)]
    network: Option<Mode>,
    /// A port that it offers, besides its image's, as 80 or 8000-8010/udp
    #[arg(long, value_name = "PORT", value_parser = exposed)]
    expose: Vec<Ports>,
    /// A port of the host that leads to one of its own, as 8080:80
    #[arg(short, long, value_name = "[[IP:]PORT:]PORT[/PROTO]", allow_hyphen_values = true, value_parser = published)]
    publish: Vec<Published>,
    /// A free port of the host for each one that it offers
    #[arg(short = 'P', long)]
    pub(super) publish_all: bool,
    /// Its address on the wire, as 92:d0:c6:0a:29:33
    #[arg(long, value_name = "MAC", value_parser = mac)]
    mac_address: Option<Mac>,
    /// A name for an address, or for the host (NAME:host-gateway)
    #[arg(long, value_name = "NAME:IP", value_parser = extra_host)]
    add_host: Vec<(String, HostAddress)>,
    /// Whom it asks for other names
    #[arg(long, value_name = "IP", value_parser = server)]
    dns: Vec<IpAddr>,
    /// A domain in which a short name is looked for (.: none)
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    dns_search: Vec<String>,
    /// An option of resolv.conf, as ndots:2
    #[arg(long, alias = "dns-opt", value_name = "OPTION", value_parser = option)]
    dns_option: Vec<String>,
}

impl Args {
    /// # Errors
    /// Whoever has another's network has its names, too.
    pub(super) fn check(&self, named: bool) -> anyhow::Result<()> {
        if !self.is_anothers() {
            return Ok(());
        }
        let conflicts = [
            (named, "hostname"),
            (!self.add_host.is_empty(), "custom host-to-IP mapping"),
            (!(self.dns.is_empty() && self.dns_search.is_empty() && self.dns_option.is_empty()), "dns"),
            (self.mac_address.is_some(), "mac-address"),
        ];
        if !self.publish.is_empty() || self.publish_all {
            anyhow::bail!("conflicting options: port publishing and the container type network mode");
        }
        if !self.expose.is_empty() {
            anyhow::bail!("conflicting options: port exposing and the container type network mode");
        }
        match conflicts.iter().find(|(asked, _)| *asked) {
            Some((_, what)) => anyhow::bail!("conflicting options: {what} and the network mode"),
            None => Ok(()),
        }
    }

    fn is_anothers(&self) -> bool {
        matches!(self.network, Some(Mode::Container(_)))
    }

    pub(super) fn mode(&self) -> Option<Mode> {
        self.network.clone()
    }

    /// As Docker: what is published is offered, too.
    pub(super) fn expose(&self) -> Vec<String> {
        let mut ports: Vec<String> = self.expose.iter().flat_map(|Ports(ports)| ports.clone()).collect();
        ports.extend(self.publish().iter().map(Asked::name));
        ports
    }

    pub(super) fn publish(&self) -> Vec<Asked> {
        self.publish.iter().flat_map(|Published(ports)| ports.clone()).collect()
    }

    /// What comes of it that nobody expects.
    pub(super) fn warn(&self) {
        if self.network == Some(Mode::Host) && !self.publish.is_empty() {
            complain!("WARNING: Published ports are discarded when using host network mode");
        }
    }

    pub(super) fn mac(&self) -> Option<Mac> {
        self.mac_address
    }

    pub(super) fn lookup(&self) -> Lookup {
        Lookup {
            hosts: self.add_host.clone(),
            servers: self.dns.clone(),
            search: self.dns_search.clone(),
            options: self.dns_option.clone(),
        }
    }
}

fn network(text: &str) -> Result<Mode, String> {
    isolation::mode(text, &["bridge", "none", "host", "container:NAME"])
}

fn exposed(text: &str) -> Result<Ports, ports::PortError> {
    ports::parse(text).map(Ports)
}

fn published(text: &str) -> Result<Published, AskedError> {
    asked::parse(text).map(Published)
}

fn mac(text: &str) -> Result<Mac, String> {
    text.parse().map_err(|_| format!("{text} is not a valid mac address"))
}

fn extra_host(text: &str) -> Result<(String, HostAddress), String> {
    let wrong = || format!("bad format for add-host: {text:?}");
    let (name, address) = text.split_once([':', '=']).ok_or_else(wrong)?;
    let blank = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '#';
    if name.is_empty() || name.contains(blank) {
        return Err(wrong());
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    match (address, bare.parse()) {
        ("host-gateway", _) => Ok((name.into(), HostAddress::Gateway)),
        (_, Ok(ip)) => Ok((name.into(), HostAddress::Ip(ip))),
        _ => Err(format!("invalid IP address in add-host: {address:?}")),
    }
}

fn server(text: &str) -> Result<IpAddr, String> {
    text.trim().parse().map_err(|_| format!("{text} is not an ip address"))
}

fn domain(text: &str) -> Result<String, String> {
    let text = text.trim();
    let good = |label: &str| {
        let inner = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        !label.is_empty() && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let bare = text.strip_suffix('.').unwrap_or(text);
    let letters = text.chars().any(|letter| letter.is_ascii_alphabetic());
    match text == "." || letters && text.len() < 255 && bare.split('.').all(good) {
        true => Ok(text.into()),
        false => Err(format!("{text} is not a valid domain")),
    }
}

/// Anything but a blank: a new line would be an entry of its own.
fn option(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        true => Err("expected one option of resolv.conf(5), as ndots:2".into()),
        false => Ok(text.into()),
    }
}
