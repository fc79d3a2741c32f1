//! One ICMP echo, as ping(8) sends it, and a line about it that is the same on every run.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};

use crate::kernel::hint;

/// How long a reply may take: less than ARP needs to give up, which would be another answer.
const PATIENCE: Duration = Duration::from_secs(2);
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

/// Sends one, waits, says what came back. The exit code is ping's: 0 answered, 1 not answered, 2 not even sent.
pub(super) fn ping(address: &str) -> ExitCode {
    let Ok(address) = address.parse::<Ipv4Addr>() else {
        println!("ping: {address} is not an IPv4 address");
        return ExitCode::from(2);
    };
    match echo(address) {
        Ok(true) => {
            println!("1 packet sent, 1 received from {address}");
            ExitCode::SUCCESS
        }
        Ok(false) => {
            println!("1 packet sent, 0 received");
            ExitCode::from(1)
        }
        Err((call, errno)) => {
            println!("ping: {call}: {}", hint::errno_text(errno));
            ExitCode::from(2)
        }
    }
}

/// A raw socket sees every ICMP packet that arrives, so the reply must be told from the rest.
fn echo(address: Ipv4Addr) -> Result<bool, (&'static str, Errno)> {
    let during = |call: &'static str| move |errno: Errno| (call, errno);
    let family = AddressFamily::INET;
    let socket = rustix::net::socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(ipproto::ICMP))
        .map_err(during("socket"))?;
    let id = (std::process::id() as u16).to_be_bytes();
    let mut request = [ECHO_REQUEST, 0, 0, 0, id[0], id[1], 0, 1];
    let sum = checksum(&request).to_be_bytes();
    request[2..4].copy_from_slice(&sum);
    let to = SocketAddr::V4(SocketAddrV4::new(address, 0));
    rustix::net::sendto(&socket, &request, SendFlags::empty(), &to).map_err(during("sendto"))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        set_socket_timeout(&socket, Timeout::Recv, Some(left)).map_err(during("setsockopt"))?;
        let mut packet = [0u8; 256];
        match rustix::net::recv(&socket, &mut packet[..], RecvFlags::empty()) {
            Ok((count, _)) if answers(&packet[..count], id, address) => return Ok(true),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) if io::Error::from(errno).kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(errno) => return Err(("recvfrom", errno)),
        }
    }
}

/// Whether this packet, IP header included, is the echo of ours.
fn answers(packet: &[u8], id: [u8; 2], address: Ipv4Addr) -> bool {
    let header = packet.first().map_or(0, |first| usize::from(first & 15) * 4);
    let (source, icmp) = (packet.get(12..16), packet.get(header..));
    source == Some(&address.octets())
        && icmp.is_some_and(|icmp| icmp.first() == Some(&ECHO_REPLY) && icmp.get(4..6) == Some(&id))
}

/// The internet checksum (RFC 1071): the complement of the sum of all 16-bit words, carries added back.
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    !((sum & 0xffff) + (sum >> 16)) as u16
}
