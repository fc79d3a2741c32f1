//! Netlink sockets: one message out, the kernel's answer back.
//!
//! ```text
//!   Message ── link names become numbers, here and now ──> sendto ── recvfrom ──> 0, or an errno
//! ```
//!
//! Runs in the box too, so nothing here allocates. See netlink(7), netdevice(7).

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_send_buffer_size, set_socket_send_buffer_size_force};

use super::CText;
use super::linux::check;
use super::netlink::{Message, Tail};

type Result<T> = rustix::io::Result<T>;

/// The index of a link in this process's network namespace.
fn link_index(name: &CText) -> Result<u32> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    let bytes = name.as_c_str().to_bytes_with_nul();
    // SAFETY: ifreq is plain data, for which zero is a value.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    if bytes.len() > request.ifr_name.len() {
        return Err(Errno::NODEV);
    }
    for (slot, byte) in request.ifr_name.iter_mut().zip(bytes) {
        *slot = *byte as c_char;
    }
    // SAFETY: the request is an ifreq with a NUL-terminated name, which SIOCGIFINDEX reads and fills.
    check(unsafe { libc::syscall(libc::SYS_ioctl, socket.as_raw_fd(), libc::SIOCGIFINDEX, &mut request) })?;
    // SAFETY: SIOCGIFINDEX has written the index into the union.
    Ok(unsafe { request.ifr_ifru.ifru_ifindex }.cast_unsigned())
}

/// Sends one message and waits for the kernel's answer.
pub(super) fn send(message: &Message) -> Result<i64> {
    let socket = open_netlink(message.protocol)?;
    if !message.unless.is_empty() && known(&socket, &message.unless)? {
        return Err(Errno::EXIST);
    }
    if message.is_complete() {
        return exchange(&socket, &message.bytes);
    }
    let mut bytes = [0u8; 2048];
    let length = message.bytes.len();
    bytes.get_mut(..length).ok_or(Errno::MSGSIZE)?.copy_from_slice(&message.bytes);
    if let Some(link) = &message.link {
        bytes[20..24].copy_from_slice(&link_index(link)?.to_ne_bytes());
    }
    let _open = match &message.tail {
        Tail::Complete => None,
        Tail::Index(link) => {
            bytes[length - 4..length].copy_from_slice(&link_index(link)?.to_ne_bytes());
            None
        }
        Tail::Netns(path) => {
            let file = fs::open(path.as_c_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            bytes[length - 4..length].copy_from_slice(&file.as_raw_fd().to_ne_bytes());
            Some(file)
        }
    };
    exchange(&socket, &bytes[..length])
}

/// As much as a netlink socket takes at once where nobody asks for more: net.core.wmem_default.
const USUAL: usize = 128 << 10;

fn exchange(socket: &OwnedFd, bytes: &[u8]) -> Result<i64> {
    if bytes.len() > USUAL {
        // the kernel counts twice what is asked for. Beyond net.core.wmem_max only root of the machine gets
        let _ = set_socket_send_buffer_size_force(socket, bytes.len())
            .or_else(|_| set_socket_send_buffer_size(socket, bytes.len()));
    }
    rustix::net::send(socket, bytes, rustix::net::SendFlags::empty())?;
    let mut answer = [0u8; 1024];
    let (count, _) = rustix::net::recv(socket, &mut answer[..], rustix::net::RecvFlags::empty())?;
    // of a batch, the first answer decides: the kernel answers in order, and a batch is taken whole or not at all
    // nlmsgerr: a header of 16 bytes, then the negated errno; 0 is the acknowledgement
    let error = answer.get(16..20).filter(|_| count >= 20).ok_or(Errno::PROTO)?;
    match i32::from_ne_bytes([error[0], error[1], error[2], error[3]]) {
        0 => Ok(0),
        error => Err(Errno::from_raw_os_error(-error)),
    }
}

/// Whether the kernel knows what this question asks for: it answers with the thing, or with an error.
fn known(socket: &OwnedFd, question: &[u8]) -> Result<bool> {
    rustix::net::send(socket, question, rustix::net::SendFlags::empty())?;
    let mut answer = [0u8; 1024];
    let (count, _) = rustix::net::recv(socket, &mut answer[..], rustix::net::RecvFlags::empty())?;
    let kind = answer.get(4..6).filter(|_| count >= 6).ok_or(Errno::PROTO)?;
    Ok(i32::from(u16::from_ne_bytes([kind[0], kind[1]])) != libc::NLMSG_ERROR)
}

/// A netlink socket of this protocol, in this process's network namespace.
pub fn open_netlink(protocol: i32) -> Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: takes numbers; a new descriptor comes back, which nothing else owns.
    let fd = check(unsafe { libc::syscall(libc::SYS_socket, libc::AF_NETLINK, kind, protocol) })?;
    // SAFETY: just opened, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}
