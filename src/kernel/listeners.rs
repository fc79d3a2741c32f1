//! Listeners: sockets that have ports of the host, until somebody takes them over.
//!
//! ```text
//!   tcp   socket ── SO_REUSEADDR ── bind ── listen      connections wait in the kernel until somebody accepts them
//!   udp   socket ────────────────── bind                datagrams wait until somebody receives them
//! ```
//!
//! See socket(7), ip(7), ipv6(7), listen(2).

use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use super::linux::Context;
use super::op::{Listen, Protocol};

type Result<T> = rustix::io::Result<T>;

/// How many connections may wait; the kernel lowers it to net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// The sockets of a run, each under its operation's slot.
#[derive(Debug, Default)]
pub struct Listeners(Vec<Option<OwnedFd>>);

impl Listeners {
    /// All of them, by slot; they are kept no longer.
    pub fn take(&mut self) -> Vec<Option<OwnedFd>> {
        std::mem::take(&mut self.0)
    }

    /// For the box, which has copies and must not keep ports alive. It frees no memory: see `crate::launch`.
    pub(crate) fn close(self) {
        let mut sockets = ManuallyDrop::new(self.0);
        sockets.iter_mut().for_each(|socket| drop(socket.take()));
    }
}

/// Takes the port. The list grows, so a box cannot.
pub(super) fn call(op: &Listen, context: &mut Context) -> Result<i64> {
    if context.in_box {
        return Err(Errno::OPNOTSUPP);
    }
    let socket = open(op.address, op.protocol)?;
    let sockets = &mut context.listeners.0;
    if sockets.len() <= op.slot {
        sockets.resize_with(op.slot + 1, || None);
    }
    sockets[op.slot] = Some(socket);
    Ok(0)
}

/// A socket that has this port, closed by execve(2) and never waited for.
///
/// # Errors
/// EADDRINUSE where another has it, and what else the kernel answers.
pub fn open(address: SocketAddr, protocol: Protocol) -> Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let kind = match protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if address.is_ipv6() {
        // else [::] has the port of every IPv4 address, too
        set_ipv6_v6only(&socket, true)?;
    }
    match protocol {
        Protocol::Tcp => {
            // connections of the last run stay in TIME_WAIT for a minute; two that listen are refused all the same.
            // Of udp, two could then have one port
            set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &address)?;
            listen(&socket, BACKLOG)?;
        }
        Protocol::Udp => bind(&socket, &address)?,
    }
    Ok(socket)
}
