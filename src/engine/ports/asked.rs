//! What `--publish` asks for, in Docker's words.
//!
//! ```text
//!   80                      a port of the container; whichever is free on the host
//!   8080:80                 on every address of the host
//!   127.0.0.1:8080:80/udp   on this one
//!   [::1]::80
//!   8000-8009:80            the first that is free of these
//!   8000-8009:80-89         each by its own
//!   published=8080,target=80,protocol=udp
//! ```
//!
//! See docker-run(1).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Protocol;

/// One port of a container, and where on the host it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// the host's address; none for every one
    pub address: Option<IpAddr>,
    /// the host's ports, the first and the last, of which one is wanted; none for whichever is free
    pub host: Option<(u16, u16)>,
    /// the container's
    pub port: u16,
    /// what is spoken there
    pub protocol: Protocol,
}

impl Asked {
    /// Whichever port of the host is free, on every address.
    pub fn anywhere(port: u16, protocol: Protocol) -> Asked {
        Asked { address: None, host: None, port, protocol }
    }

    /// The container's port as image configurations name it: `80/tcp`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.port, self.protocol)
    }

    /// The host's ports as they were asked for: empty, `8080` or `8000-8009`.
    pub fn host_text(&self) -> String {
        match self.host {
            None => String::new(),
            Some((first, last)) if first == last => first.to_string(),
            Some((first, last)) => format!("{first}-{last}"),
        }
    }
}

/// What cannot be understood, in the words of Docker's command line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskedError {
    /// no port of the container
    #[error("no port specified: {0}<empty>")]
    NoPort(String),
    /// none that there can be
    #[error("invalid containerPort: {0}")]
    Port(String),
    /// none that there can be
    #[error("invalid hostPort: {0}")]
    HostPort(String),
    /// more of the one than of the other
    #[error("invalid ranges specified for container and host Ports: {inside} and {outside}")]
    Ranges {
        /// the container's
        inside: String,
        /// the host's
        outside: String,
    },
    /// no address
    #[error("invalid IP address: {0}")]
    Address(String),
    /// an address that begins with a bracket, and does not end with one
    #[error("invalid IP address {0}: address {0}: missing ']' in address")]
    Bracket(String),
    /// nobody speaks that
    #[error("invalid proto: {0}")]
    Protocol(String),
    /// Docker publishes it, and we do not
    #[error("{0}: sctp ports cannot be published, only those of tcp and udp")]
    Sctp(String),
    /// a field that stands alone
    #[error("invalid field syntax: {0}: expected NAME=VALUE")]
    Field(String),
}

/// What one `--publish` asks for: a port, or each one of a range.
///
/// # Errors
/// [`AskedError`], with the text.
pub fn parse(text: &str) -> Result<Vec<Asked>, AskedError> {
    match text.contains('=') {
        true => parse_short(&in_short(text)?),
        false => parse_short(text),
    }
}

/// Fields as the short form. As Docker: those that it does not name are for others to read.
fn in_short(text: &str) -> Result<String, AskedError> {
    let (mut published, mut target, mut protocol) = ("", "", "");
    for field in text.split(',') {
        let (name, value) = field.split_once('=').ok_or_else(|| AskedError::Field(field.into()))?;
        match name.to_ascii_lowercase().as_str() {
            "published" => published = value,
            "target" => target = value,
            "protocol" => protocol = value,
            _ => {}
        }
    }
    let slash = if protocol.is_empty() { "" } else { "/" };
    Ok(format!("{published}:{target}{slash}{protocol}"))
}

fn parse_short(text: &str) -> Result<Vec<Asked>, AskedError> {
    let (rest, inside) = text.rsplit_once(':').unwrap_or(("", text));
    let (address, outside) = rest.rsplit_once(':').unwrap_or(("", rest));
    let (inside, protocol) = inside.split_once('/').unwrap_or((inside, ""));
    let address = self::address(address)?;
    if inside.is_empty() {
        return Err(AskedError::NoPort(text.into()));
    }
    let ports = range(inside).ok_or_else(|| AskedError::Port(inside.into()))?;
    let hosts = match outside {
        "" => None,
        text => Some(range(text).ok_or_else(|| AskedError::HostPort(text.into()))?),
    };
    let protocol = self::protocol(protocol.split('/').next().unwrap_or_default(), text)?;
    let count = ports.1 - ports.0;
    let pairwise = match hosts {
        Some((first, last)) if last - first == count => true,
        Some(_) if count > 0 => {
            return Err(AskedError::Ranges { inside: inside.into(), outside: outside.into() });
        }
        _ => false,
    };
    let host = |at: u16| match hosts {
        Some((first, _)) if pairwise => Some((first + at, first + at)),
        hosts => hosts,
    };
    // port 0 of the host is whichever is free
    let host = |at| host(at).filter(|range| *range != (0, 0));
    Ok((0..=count).map(|at| Asked { address, host: host(at), port: ports.0 + at, protocol }).collect())
}

fn address(text: &str) -> Result<Option<IpAddr>, AskedError> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(|| AskedError::Bracket(text.into()))?,
        None => text,
    };
    match (text, bare.parse()) {
        ("", _) => Ok(None),
        (_, Ok(address)) => Ok(Some(address)),
        (_, Err(_)) => Err(AskedError::Address(bare.into())),
    }
}

fn protocol(word: &str, text: &str) -> Result<Protocol, AskedError> {
    match word.to_ascii_lowercase().as_str() {
        "" | "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Err(AskedError::Sctp(text.into())),
        _ => Err(AskedError::Protocol(word.into())),
    }
}

/// The first and the last of `80` or `80-89`.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| digits(text).then(|| text.parse().ok()).flatten();
    let (first, last): (u16, u16) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ADDRESS|HOST|PORT/PROTOCOL` of each.
    fn shown(text: &str) -> String {
        let one = |asked: Asked| {
            let address = asked.address.map(|address| address.to_string()).unwrap_or_default();
            format!("{address}|{}|{}", asked.host_text(), asked.name())
        };
        match parse(text) {
            Ok(asked) => asked.into_iter().map(one).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_docker_understands() {
        for (text, meant) in [
            ("80", "||80/tcp"),
            (":80", "||80/tcp"),
            ("080", "||80/tcp"),
            ("80/", "||80/tcp"),
            ("0", "||0/tcp"),
            ("0:80", "||80/tcp"),
            ("8080:80", "|8080|80/tcp"),
            (":8080:80", "|8080|80/tcp"),
            ("8080:80/TCP", "|8080|80/tcp"),
            ("8080:80/tcp/udp", "|8080|80/tcp"),
            ("127.0.0.1:8080:80", "127.0.0.1|8080|80/tcp"),
            ("127.0.0.1::80/udp", "127.0.0.1||80/udp"),
            ("[::1]:8080:80", "::1|8080|80/tcp"),
            ("::1:8080:80", "::1|8080|80/tcp"),
            ("[::1]::80", "::1||80/tcp"),
            ("[::]:81:81", "::|81|81/tcp"),
            ("80-81", "||80/tcp ||81/tcp"),
            ("8000-8001:80", "|8000-8001|80/tcp"),
            ("8000-8001:80-81/udp", "|8000|80/udp |8001|81/udp"),
            ("target=80", "||80/tcp"),
            ("target=80,mode=host,x=1", "||80/tcp"),
            ("published=8080,target=80,protocol=udp", "|8080|80/udp"),
            ("published=8000-8001,target=80-81", "|8000|80/tcp |8001|81/tcp"),
            ("65535:65535", "|65535|65535/tcp"),
        ] {
            assert_eq!(shown(text), meant, "{text}");
        }
    }

    #[test]
    fn what_docker_refuses_in_its_words() {
        for (text, words) in [
            ("", "no port specified: <empty>"),
            ("/", "no port specified: /<empty>"),
            ("8080:", "no port specified: 8080:<empty>"),
            ("protocol=tcp", "no port specified: :/tcp<empty>"),
            ("x", "invalid containerPort: x"),
            ("65536", "invalid containerPort: 65536"),
            ("+80", "invalid containerPort: +80"),
            ("80 ", "invalid containerPort: 80 "),
            ("90-80", "invalid containerPort: 90-80"),
            ("80-", "invalid containerPort: 80-"),
            ("-80", "invalid containerPort: -80"),
            ("1.2.3.4:80:x", "invalid containerPort: x"),
            ("70000:80", "invalid hostPort: 70000"),
            ("9-8:80", "invalid hostPort: 9-8"),
            ("1.2.3.4:80", "invalid hostPort: 1.2.3.4"),
            ("8080/tcp:80", "invalid hostPort: 8080/tcp"),
            ("published=x,target=80", "invalid hostPort: x"),
            ("8000-8001:80-82", "invalid ranges specified for container and host Ports: 80-82 and 8000-8001"),
            ("8000:80-81", "invalid ranges specified for container and host Ports: 80-81 and 8000"),
            ("localhost:80:80", "invalid IP address: localhost"),
            ("1.2.3:80:80", "invalid IP address: 1.2.3"),
            ("1:2:3:4", "invalid IP address: 1:2"),
            ("80/icmp", "invalid proto: icmp"),
            ("80/sctp", "80/sctp: sctp ports cannot be published, only those of tcp and udp"),
        ] {
            assert_eq!(shown(text), words, "{text}");
        }
        assert!(shown("[::1]:80").starts_with("invalid IP address [:"), "{}", shown("[::1]:80"));
    }
}
