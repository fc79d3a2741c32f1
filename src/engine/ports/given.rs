//! Ports of the host that containers have: a note for each container, written while the lock of all leases is held.
//!
//! ```text
//!   asked: 80, 8080:80, 8000-8009:81      lock      who has what?  run/ports/ID of the others
//!                                                   is it free?    a real bind(2), and away again
//!   run/ports/ID  {"owner":…,"ports":[…]} unlock    from here on they are its own; its plan takes them
//! ```
//!
//! A note whose writer has died counts for nothing; whoever looks next ends the proxy of that container, which may have
//! the ports still, and takes the note away.
//!
//! See bind(2), ip_local_port_range in ip(7).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::asked::Asked;
use super::{Protocol, one};
use crate::engine::config::ImageConfig;
use crate::engine::containers::life::{self, Owner};
use crate::engine::names::random;
use crate::engine::network::lock;
use crate::engine::request::Request;
use crate::engine::state::State;
use crate::journal;
use crate::kernel::{Errno, hint, listeners};
use crate::ports::Published;

/// Why a port cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PortsTaken {
    /// another container has it
    #[error("Bind for {0} failed: port is already allocated")]
    Allocated(SocketAddr),
    /// other containers and programs have all of them
    #[error("Bind for {address}:{first}-{last} failed: all ports are allocated")]
    AllAllocated {
        /// the host's address
        address: IpAddr,
        /// the first of the range
        first: u16,
        /// the last
        last: u16,
    },
    /// the kernel does not give it
    #[error("failed to bind host port for {}:{}/{}: {}", .0.host, .0.inside, .0.protocol, reason(*.1))]
    Refused(Published, Errno),
    /// `--publish-all` of what cannot be
    #[error(
        "{0}: sctp ports cannot be published, only those of tcp and udp\nhint: leave out --publish-all, and publish the others one by one"
    )]
    Sctp(String),
    /// the notes
    #[error("cannot keep what ports it has: {0}")]
    Note(#[from] io::Error),
}

fn reason(errno: Errno) -> String {
    let text = io::Error::from(errno).to_string().to_ascii_lowercase();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

impl PortsTaken {
    /// What can be done about it.
    pub fn hint(&self) -> Option<&'static str> {
        use crate::kernel::Op;
        use crate::kernel::op::Listen;
        let PortsTaken::Refused(port, errno) = self else { return None };
        let op = Op::Listen(Listen { address: port.host, protocol: port.protocol, slot: 0 });
        hint::hint(&op, *errno)
    }
}

/// What is noted of one container that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// whose they are: the process that attends to the container
    pub owner: Owner,
    /// who carries what the packet filter does not see
    pub proxy: Option<Owner>,
    /// the ports
    pub ports: Vec<Published>,
}

impl Note {
    fn file(state: &State, id: &str) -> PathBuf {
        state.ports().join(id)
    }

    fn at(path: &Path) -> Option<Note> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    fn save(&self, path: &Path) -> io::Result<()> {
        life::replace(path, &serde_json::to_vec(self)?)
    }
}

/// The ports that a container has now.
pub fn of(state: &State, id: &str) -> Vec<Published> {
    Note::at(&Note::file(state, id)).map(|note| note.ports).unwrap_or_default()
}

/// What is wanted of the host for a container with a network of its own.
///
/// # Errors
/// [`PortsTaken::Sctp`].
pub fn wanted(request: &Request, image: &ImageConfig) -> Result<Vec<Asked>, PortsTaken> {
    let mut wanted = request.publish.clone();
    if request.publish_all {
        let of_image = image.exposed_ports.iter().flatten().map(|(name, _)| name);
        for (port, protocol) in of_image.chain(&request.expose).filter_map(|name| one(name)) {
            let protocol = match protocol.as_str() {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                _ => return Err(PortsTaken::Sctp(format!("{port}/{protocol}"))),
            };
            let asked = Asked::anywhere(port, protocol);
            if !wanted.iter().any(|other| (other.port, other.protocol) == (asked.port, asked.protocol)) {
                wanted.push(asked);
            }
        }
    }
    Ok(wanted)
}

/// Gives a container, which can be reached at this address, what it asks for. What is fixed is given first, then what is
/// one of a range, then what is free; what is fixed is not tried, its plan will.
///
/// # Errors
/// [`PortsTaken`]; then nothing is given.
pub fn give(
    state: &State,
    id: &str,
    asked: &[Asked],
    inside: Ipv4Addr,
) -> Result<Vec<Published>, PortsTaken> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    std::fs::create_dir_all(state.ports())?;
    let _lock = lock(state)?;
    let mut taken = taken(state)?;
    let every: Vec<IpAddr> = match listeners::open((Ipv6Addr::UNSPECIFIED, 0).into(), Protocol::Udp) {
        Ok(_) => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        Err(_) => vec![Ipv4Addr::UNSPECIFIED.into()],
    };
    let mut order: Vec<usize> = (0..asked.len()).collect();
    order.sort_by_key(|at| match asked[*at].host {
        Some((first, last)) => u8::from(first != last),
        None => 2,
    });
    let mut given: Vec<(usize, Published)> = Vec::new();
    for at in order {
        let asked = &asked[at];
        let hosts = asked.address.map_or_else(|| every.clone(), |address| vec![address]);
        let ports = choose(asked, &hosts, inside, &taken)?;
        taken.extend(&ports);
        given.extend(ports.into_iter().map(|port| (at, port)));
    }
    given.sort_by_key(|(at, _)| *at);
    let ports: Vec<Published> = given.into_iter().map(|(_, port)| port).collect();
    Note { owner: Owner::me(), proxy: None, ports: ports.clone() }.save(&Note::file(state, id))?;
    Ok(ports)
}

/// One port of the host, on each of these addresses.
fn choose(
    asked: &Asked,
    hosts: &[IpAddr],
    inside: Ipv4Addr,
    taken: &[Published],
) -> Result<Vec<Published>, PortsTaken> {
    let inside = SocketAddrV4::new(inside, asked.port);
    let on = |port: u16| {
        let published =
            |host: &IpAddr| Published { host: (*host, port).into(), inside, protocol: asked.protocol };
        hosts.iter().map(published).collect::<Vec<_>>()
    };
    let held = |ports: &[Published]| {
        ports.iter().find(|port| taken.iter().any(|other| overlap(port, other))).map(|port| port.host)
    };
    let ((first, last), start) = match asked.host {
        Some((first, last)) if first == last => {
            let ports = on(first);
            return held(&ports).map_or(Ok(ports), |host| Err(PortsTaken::Allocated(host)));
        }
        Some(range) => (range, 0),
        None => (of_the_machine(), u32::from_ne_bytes(random())),
    };
    let count = u32::from(last - first) + 1;
    for step in 0..count {
        let port = first + (start.wrapping_add(step) % count) as u16;
        let ports = on(port);
        if held(&ports).is_some() {
            continue;
        }
        match ports.iter().try_for_each(|port| tried(port).map_err(|errno| (*port, errno))) {
            Ok(()) => return Ok(ports),
            Err((_, Errno::ADDRINUSE)) => {}
            Err((port, errno)) => return Err(PortsTaken::Refused(port, errno)),
        }
    }
    Err(PortsTaken::AllAllocated { address: hosts[0], first, last })
}

fn tried(port: &Published) -> Result<(), Errno> {
    listeners::open(port.host, port.protocol).map(drop)
}

/// Whether the kernel would not give both.
fn overlap(one: &Published, other: &Published) -> bool {
    let (a, b) = (one.host.ip(), other.host.ip());
    let every = a.is_unspecified() || b.is_unspecified();
    let same = a == b || a.is_ipv4() == b.is_ipv4() && every;
    same && (one.protocol, one.host.port()) == (other.protocol, other.host.port())
}

/// The ports that are for whoever does not care.
fn of_the_machine() -> (u16, u16) {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(last)) if first <= last => (first, last),
        // RFC 6335
        _ => (49152, 65535),
    }
}

/// For whoever holds the lock: nobody else is writing one.
fn notes(state: &State) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(state.ports()).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// What the others have.
fn taken(state: &State) -> io::Result<Vec<Published>> {
    let mut taken = Vec::new();
    for path in notes(state) {
        match Note::at(&path) {
            Some(note) if note.owner.lives() => taken.extend(note.ports),
            _ => free(&path)?,
        }
    }
    Ok(taken)
}

/// The notes of those who have died.
///
/// # Errors
/// What the kernel answers to the lock.
pub fn dead(state: &State) -> io::Result<Vec<PathBuf>> {
    let _lock = lock(state)?;
    Ok(notes(state).filter(|path| !Note::at(path).is_some_and(|note| note.owner.lives())).collect())
}

/// Takes such a note away, when nobody has its ports any more.
///
/// # Errors
/// What the kernel answers.
pub fn free(path: &Path) -> io::Result<()> {
    if let Some(proxy) = Note::at(path).and_then(|note| note.proxy).filter(Owner::of_this_boot) {
        journal::end_process(proxy.pid, proxy.start);
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes down who carries for a container.
///
/// # Errors
/// What the kernel answers.
pub fn carried_by(state: &State, id: &str, proxy: Owner) -> io::Result<()> {
    let _lock = lock(state)?;
    let path = Note::file(state, id);
    match Note::at(&path) {
        Some(note) => Note { proxy: Some(proxy), ..note }.save(&path),
        None => Ok(()),
    }
}

/// Gives everything back that this process was given for a container; it does not listen there any more.
///
/// # Errors
/// What the kernel answers.
pub fn give_back(state: &State, id: &str) -> io::Result<()> {
    let path = Note::file(state, id);
    match Note::at(&path) {
        Some(note) if note.owner == Owner::me() => free(&path),
        _ => Ok(()),
    }
}

/// Gives back what a container had whose engine has died.
///
/// # Errors
/// What the kernel answers.
pub fn bury(state: &State, id: &str) -> io::Result<()> {
    let path = Note::file(state, id);
    match Note::at(&path) {
        Some(note) if !note.owner.lives() => free(&path),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_gives_a_port_once() {
        let port = |host: &str, protocol| Published {
            host: host.parse().expect("an address"),
            inside: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80),
            protocol,
        };
        let tcp = |host| port(host, Protocol::Tcp);
        for (one, other, both) in [
            ("0.0.0.0:80", "0.0.0.0:80", false),
            ("0.0.0.0:80", "127.0.0.1:80", false),
            ("127.0.0.1:80", "127.0.0.2:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", true),
            ("[::]:80", "0.0.0.0:80", true),
            ("[::]:80", "[::1]:80", false),
            ("[::1]:80", "127.0.0.1:80", true),
        ] {
            assert_eq!(overlap(&tcp(one), &tcp(other)), !both, "{one} and {other}");
            assert_eq!(overlap(&tcp(other), &tcp(one)), !both, "{other} and {one}");
        }
        assert!(!overlap(&tcp("0.0.0.0:80"), &port("0.0.0.0:80", Protocol::Udp)));
    }
}
