//! Ports: what a container offers, by its image's `EXPOSE` and `--expose`, what of it is published, and how lists show it.
//!
//! ```text
//!   80/tcp 8000/tcp 8001/tcp 53/udp   ->   80/tcp, 53/udp, 8000-8001/tcp
//!   --publish 8080:80                 ->   0.0.0.0:8080->80/tcp, [::]:8080->80/tcp
//! ```
//!
//! Whoever shares the bridge reaches all that it offers; the world beyond reaches what is published: [`asked`] says what is
//! wanted, [`given`] which ports of the host that comes to, the recipe takes them, and `super::proxy` carries what the
//! packet filter does not see. Ports of sctp can be offered, but not published. See the Docker Engine API (ContainerList).

pub mod asked;
pub mod given;
pub mod sought;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::config::Json;
use super::containers::Record;
use super::containers::life::Status;
use super::state::State;
pub use crate::ports::Protocol;

/// A range that cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// it says where the port is to be seen, too
    #[error(
        "invalid port format for --expose: {0}: a port of the container stands alone, as 80 or 8000-8010/udp"
    )]
    Published(String),
    /// no number, or none that a port has, or the last before the first
    #[error("invalid range format for --expose: {0}: expected PORT[-PORT][/tcp|udp|sctp], of 0 to 65535")]
    Range(String),
}

/// The ports of `--expose`, as image configurations name them: `80`, `53/udp`, `8000-8010/tcp`.
///
/// # Errors
/// [`PortError`], with the text.
pub fn parse(text: &str) -> Result<Vec<String>, PortError> {
    if text.contains(':') {
        return Err(PortError::Published(text.to_owned()));
    }
    range(text).map_err(|_| PortError::Range(text.to_owned()))
}

/// What of a range cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    /// its numbers
    Numbers,
    /// its protocol, in small letters
    Protocol(String),
}

/// Each port of `80`, `80/udp`, `8000-8002/tcp`, with its protocol.
///
/// # Errors
/// [`Wrong`].
pub fn range(text: &str) -> Result<Vec<String>, Wrong> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(Wrong::Protocol(protocol));
    }
    let number = |text: &str| text.parse::<u16>().map_err(|_| Wrong::Numbers);
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(Wrong::Numbers);
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

/// What a container offers, whether it runs or not: its image's ports and those of its request.
pub fn exposed(record: &Record) -> Option<BTreeMap<String, Json>> {
    let of_image =
        record.config.exposed_ports.iter().flatten().map(|(port, more)| (port.clone(), more.clone()));
    let asked = record.request.expose.iter().map(|port| (port.clone(), Json::new()));
    Some(of_image.chain(asked).collect()).filter(|ports: &BTreeMap<_, _>| !ports.is_empty())
}

/// A port of a container that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// its number
    pub port: u16,
    /// `tcp`, `udp` or `sctp`
    pub protocol: String,
    /// where it is on the host, if it is published
    pub host: Option<SocketAddr>,
}

impl Mapping {
    /// As image configurations name it: `80/tcp`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.port, self.protocol)
    }

    /// In Docker's order: by the port, then by the host's address as a text, then by its port.
    fn place(&self) -> (u16, String, u16, &str) {
        let host = self.host.map(|host| (host.ip().to_string(), host.port()));
        let (address, port) = host.unwrap_or_default();
        (self.port, address, port, &self.protocol)
    }
}

/// What of a container can be reached now: on its bridge what it offers, on the host what is published. Nothing while it
/// does not run. In the order in which it was given, what is not published at the end.
pub fn reachable(state: &State, record: &Record) -> Vec<Mapping> {
    if !matches!(record.life.status, Status::Running | Status::Paused) {
        return Vec::new();
    }
    let publishes = record.request.publish_all || !record.request.publish.is_empty();
    let given = if publishes { given::of(state, &record.id) } else { Vec::new() };
    let mut ports: Vec<Mapping> = given
        .into_iter()
        .map(|given| Mapping {
            port: given.inside.port(),
            protocol: given.protocol.to_string(),
            host: Some(given.host),
        })
        .collect();
    if record.request.peers.network_name() == Some("bridge") {
        let offered = exposed(record).unwrap_or_default().into_keys().filter_map(|name| one(&name));
        for (port, protocol) in offered {
            if !ports.iter().any(|other| (other.port, &other.protocol) == (port, &protocol)) {
                ports.push(Mapping { port, protocol, host: None });
            }
        }
    }
    ports
}

/// Images of others may name a port without its protocol.
fn one(name: &str) -> Option<(u16, String)> {
    let (number, protocol) = name.split_once('/').unwrap_or((name, "tcp"));
    Some((number.parse().ok()?, protocol.to_ascii_lowercase()))
}

/// As Docker lists them: those that follow one another as a range, where they are published under their own numbers or
/// not at all, and the last range of each kind behind the others; then those that have another number on the host.
pub fn listed(ports: &[Mapping]) -> String {
    let mut ports: Vec<&Mapping> = ports.iter().collect();
    ports.sort_by_key(|port| port.place());
    let (mut done, mut renumbered) = (Vec::new(), Vec::new());
    let mut open: Vec<(Kind<'_>, u16, u16)> = Vec::new();
    for Mapping { port, protocol, host } in ports {
        if let Some(host) = host.filter(|host| host.port() != *port) {
            renumbered.push(format!("{host}->{port}/{protocol}"));
            continue;
        }
        let kind = (host.map(|host| host.ip()), protocol.as_str());
        match open.iter_mut().find(|(other, ..)| *other == kind) {
            None => open.push((kind, *port, *port)),
            Some((_, _, last)) if last.checked_add(1) == Some(*port) => *last = *port,
            Some(range) => {
                done.push(shown(*range));
                *range = (kind, *port, *port);
            }
        }
    }
    done.extend(open.into_iter().map(shown));
    done.extend(renumbered);
    done.join(", ")
}

/// What makes one range of ports: on which address of the host they are, if on any, and their protocol.
type Kind<'p> = (Option<IpAddr>, &'p str);

fn shown(((address, protocol), first, last): (Kind<'_>, u16, u16)) -> String {
    let range = if first == last { first.to_string() } else { format!("{first}-{last}") };
    match address {
        None => format!("{range}/{protocol}"),
        Some(IpAddr::V4(address)) => format!("{address}:{range}->{range}/{protocol}"),
        Some(IpAddr::V6(address)) => format!("[{address}]:{range}->{range}/{protocol}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let words = |words: &[&str]| Ok(words.iter().map(ToString::to_string).collect());
        assert_eq!(parse("80"), words(&["80/tcp"]));
        assert_eq!(parse("53/UDP"), words(&["53/udp"]));
        assert_eq!(parse("8000-8002/sctp"), words(&["8000/sctp", "8001/sctp", "8002/sctp"]));
        assert_eq!(parse("8080:80"), Err(PortError::Published("8080:80".into())));
        for wrong in ["", "x", "80/", "80/icmp", "90-80", "65536", "-1", "80-"] {
            assert_eq!(parse(wrong), Err(PortError::Range(wrong.into())));
        }
    }

    #[test]
    fn ranges_are_shown_as_docker_shows_them() {
        // each as PORT, or as HOST=PORT
        let mapping = |text: &str| {
            let (host, name) = text.split_once('=').map_or((None, text), |(host, name)| (Some(host), name));
            let (port, protocol) = one(name).expect("a port");
            Mapping { port, protocol, host: host.map(|host| host.parse().expect("an address")) }
        };
        let ports = |text: &str| listed(&text.split(' ').map(mapping).collect::<Vec<_>>());
        assert_eq!(ports("80/tcp"), "80/tcp");
        assert_eq!(ports("8000/tcp 8001/tcp 8002/tcp"), "8000-8002/tcp");
        assert_eq!(ports("53/udp 80/tcp 443/tcp"), "80/tcp, 53/udp, 443/tcp");
        assert_eq!(ports("65535/tcp 65534"), "65534-65535/tcp");
        assert_eq!(listed(&[]), "");
        // as a Docker was seen to
        assert_eq!(
            ports("0.0.0.0:8080=80 [::]:8080=80 7000"),
            "7000/tcp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"
        );
        assert_eq!(
            ports("0.0.0.0:9100=80 [::]:9100=80 0.0.0.0:9000=80 [::]:9000=80 127.0.0.1:9011=91"),
            "0.0.0.0:9000->80/tcp, 0.0.0.0:9100->80/tcp, [::]:9000->80/tcp, [::]:9100->80/tcp, \
             127.0.0.1:9011->91/tcp"
        );
        assert_eq!(
            ports("0.0.0.0:81=81 0.0.0.0:80=80 [::]:80=80 [::]:81=81 0.0.0.0:90=90/udp 0.0.0.0:83=83"),
            "0.0.0.0:80-81->80-81/tcp, 0.0.0.0:83->83/tcp, [::]:80-81->80-81/tcp, 0.0.0.0:90->90/udp"
        );
    }
}
