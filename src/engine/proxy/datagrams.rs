//! Datagrams that go through us: nobody says when he has said his last, so a client is known for a while.
//!
//! ```text
//!   client A ──> listener ── A's socket ──> box      what the box answers there goes to A, from the listener
//!   client B ──>          ── B's socket ──>
//! ```
//!
//! See udp(7).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::kernel::datagram;

/// How long a client is known after his last datagram, or the box's: as Docker has it.
const KNOWN: Duration = Duration::from_secs(90);
/// How many clients of one port are known at once.
const MOST: usize = 1024;
/// How many answers to one client are carried before others have their turn.
const TURN: usize = 16;

/// A port, and who has called it.
#[derive(Debug)]
pub(super) struct Datagrams {
    listener: UdpSocket,
    inside: SocketAddrV4,
    clients: HashMap<SocketAddr, Client>,
}

#[derive(Debug)]
struct Client {
    socket: UdpSocket,
    /// the address of the host that he has called: the answer is to come from there
    called: Option<IpAddr>,
    last: Instant,
}

impl Datagrams {
    /// # Errors
    /// What the kernel answers.
    pub(super) fn new(listener: UdpSocket, inside: SocketAddrV4) -> io::Result<Datagrams> {
        datagram::say_where(listener.as_fd(), listener.local_addr()?.is_ipv6())?;
        Ok(Datagrams { listener, inside, clients: HashMap::new() })
    }

    pub(super) fn listener(&self) -> &UdpSocket {
        &self.listener
    }

    /// Everybody who is known, and where the box answers him.
    pub(super) fn clients(&self) -> impl Iterator<Item = (SocketAddr, &UdpSocket)> {
        self.clients.iter().map(|(address, client)| (*address, &client.socket))
    }

    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Takes a datagram in. Where no descriptor is left, somebody else is forgotten for it.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where none is there, and what else the kernel answers.
    pub(super) fn take(&mut self, room: &mut [u8], full: bool) -> io::Result<()> {
        let (count, from, called) = datagram::receive(self.listener.as_fd(), room)?;
        if !self.clients.contains_key(&from) {
            if full || self.clients.len() >= MOST {
                self.forget_one();
            }
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.set_nonblocking(true)?;
            socket.connect(self.inside)?;
            self.clients.insert(from, Client { socket, called, last: Instant::now() });
        }
        if let Some(client) = self.clients.get_mut(&from) {
            (client.called, client.last) = (called, Instant::now());
            // what does not go through is lost, as datagrams are; but the answer to one of before is none to this one
            match client.socket.send(&room[..count]) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    let _ = client.socket.send(&room[..count]);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Carries what the box answers to a client.
    pub(super) fn answer(&mut self, address: SocketAddr, room: &mut [u8]) {
        let Some(client) = self.clients.get_mut(&address) else { return };
        for _ in 0..TURN {
            match client.socket.recv(room) {
                Ok(count) => {
                    client.last = Instant::now();
                    let _ = datagram::send(self.listener.as_fd(), &room[..count], address, client.called);
                }
                // one that is about a datagram of before
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(_) => break,
            }
        }
    }

    /// Forgets those who have been silent for long.
    pub(super) fn forget(&mut self, now: Instant) {
        self.clients.retain(|_, client| now.saturating_duration_since(client.last) < KNOWN);
    }

    fn forget_one(&mut self) {
        let oldest = self.clients.iter().min_by_key(|(_, client)| client.last).map(|(address, _)| *address);
        oldest.map(|address| self.clients.remove(&address));
    }
}
