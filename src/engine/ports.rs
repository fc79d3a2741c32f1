//! Ports: what a container offers, by its image's `EXPOSE` and `--expose`, and how lists show it.
//!
//! ```text
//!   80/tcp 8000/tcp 8001/tcp 53/udp   ->   80/tcp, 53/udp, 8000-8001/tcp
//! ```
//!
//! None is published in this version: whoever shares the bridge reaches all of them, the world beyond none. See the
//! Docker Engine API (ContainerList).

use std::collections::BTreeMap;

use super::config::Json;
use super::containers::Record;
use super::containers::life::Status;

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

/// What can be reached on its bridge now: nothing while it does not run, or has no address of its own.
pub fn reachable(record: &Record) -> Vec<(u16, String)> {
    let bridged = record.request.peers.network_name() == Some("bridge");
    if !bridged || !matches!(record.life.status, Status::Running | Status::Paused) {
        return Vec::new();
    }
    let names = exposed(record).unwrap_or_default().into_keys();
    let mut ports: Vec<(u16, String)> = names.filter_map(|name| one(&name)).collect();
    ports.sort();
    ports
}

/// Images of others may name a port without its protocol.
fn one(name: &str) -> Option<(u16, String)> {
    let (number, protocol) = name.split_once('/').unwrap_or((name, "tcp"));
    Some((number.parse().ok()?, protocol.to_ascii_lowercase()))
}

/// As Docker lists them: those that follow one another as a range, and the last range of each protocol at the end.
pub fn listed(ports: &[(u16, String)]) -> String {
    let mut done: Vec<String> = Vec::new();
    let mut open: Vec<(&str, u16, u16)> = Vec::new();
    for (port, protocol) in ports {
        match open.iter_mut().find(|(other, ..)| other == protocol) {
            None => open.push((protocol, *port, *port)),
            Some((_, _, last)) if last.checked_add(1) == Some(*port) => *last = *port,
            Some(range) => {
                done.push(shown(*range));
                *range = (protocol, *port, *port);
            }
        }
    }
    done.extend(open.into_iter().map(shown));
    done.join(", ")
}

fn shown((protocol, first, last): (&str, u16, u16)) -> String {
    if first == last { format!("{first}/{protocol}") } else { format!("{first}-{last}/{protocol}") }
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
        let ports = |text: &str| {
            let mut ports: Vec<_> = text.split(' ').filter_map(one).collect();
            ports.sort();
            listed(&ports)
        };
        assert_eq!(ports("80/tcp"), "80/tcp");
        assert_eq!(ports("8000/tcp 8001/tcp 8002/tcp"), "8000-8002/tcp");
        assert_eq!(ports("53/udp 80/tcp 443/tcp"), "80/tcp, 53/udp, 443/tcp");
        assert_eq!(ports("65535/tcp 65534"), "65534-65535/tcp");
        assert_eq!(listed(&[]), "");
    }
}
