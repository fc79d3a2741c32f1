//! Datagrams, and at which of this machine's addresses they came.
//!
//! ```text
//!   a client ── to 10.0.0.1:53 ──> socket of 0.0.0.0:53      without more, what goes back has the address that its
//!   a client <─ from 10.0.0.1 ───  says which one it was     route has, and a client who has called another drops it
//! ```
//!
//! See IP_PKTINFO in ip(7), IPV6_RECVPKTINFO in ipv6(7), cmsg(3).

use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::linux::check;

type Result<T> = rustix::io::Result<T>;

/// Room for one message of control: the larger of the two, which is in6_pktinfo.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// From now on the socket says where datagrams come.
///
/// # Errors
/// What the kernel answers.
pub fn say_where(socket: BorrowedFd<'_>, ipv6: bool) -> Result<()> {
    let (level, option) = match ipv6 {
        true => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        false => (libc::IPPROTO_IP, libc::IP_PKTINFO),
    };
    let (on, size) = (1i32, size_of::<i32>() as libc::socklen_t);
    // SAFETY: an open descriptor, and a number of the size given that outlives the call.
    let answer = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), size) };
    check(answer.into()).map(|_| ())
}

/// A datagram: how many bytes it has, whose it is, and which address of ours it came to.
///
/// # Errors
/// What the kernel answers.
pub fn receive(socket: BorrowedFd<'_>, room: &mut [u8]) -> Result<(usize, SocketAddr, Option<IpAddr>)> {
    // SAFETY: plain data, for which zero is a value.
    let mut from: libc::sockaddr_storage = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut control = Control([0; 64]);
    let mut piece = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    // SAFETY: as above.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_name = (&raw mut from).cast();
    message.msg_namelen = size_of_val(&from) as libc::socklen_t;
    (message.msg_iov, message.msg_iovlen) = (&raw mut piece, 1);
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: all that the message points to can be written, has the size given and outlives the call.
    let count = check(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) } as i64)?;
    Ok((count as usize, whose(&from).ok_or(Errno::AFNOSUPPORT)?, came_to(&message)))
}

fn whose(from: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let from = std::ptr::from_ref(from);
    // SAFETY: sockaddr_storage is as large and as aligned as every address; the family says which one it is.
    unsafe {
        match i32::from((*from).ss_family) {
            libc::AF_INET => {
                let from = &*from.cast::<libc::sockaddr_in>();
                let address = Ipv4Addr::from(u32::from_be(from.sin_addr.s_addr));
                Some(SocketAddrV4::new(address, u16::from_be(from.sin_port)).into())
            }
            libc::AF_INET6 => {
                let from = &*from.cast::<libc::sockaddr_in6>();
                let (port, scope) = (u16::from_be(from.sin6_port), from.sin6_scope_id);
                Some(SocketAddrV6::new(Ipv6Addr::from(from.sin6_addr.s6_addr), port, 0, scope).into())
            }
            _ => None,
        }
    }
}

fn came_to(message: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the kernel has written the control messages and their length; one of this kind holds this structure, which
    // may stand anywhere.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(message).as_ref()?;
        let data = libc::CMSG_DATA(first);
        match (first.cmsg_level, first.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                Some(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)).into())
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

/// Sends a datagram, from this address of ours.
///
/// # Errors
/// What the kernel answers.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], to: SocketAddr, from: Option<IpAddr>) -> Result<()> {
    // SAFETY: plain data, for which zero is a value.
    let mut name: libc::sockaddr_storage = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut control = Control([0; 64]);
    let mut piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: as above.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = put(&mut name, to);
    (message.msg_iov, message.msg_iovlen) = (&raw mut piece, 1);
    if let Some(from) = from {
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len() as _;
        message.msg_controllen = put_source(&message, from) as _;
    }
    // SAFETY: all that the message points to can be read, has the size given and outlives the call.
    check(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) } as i64)
        .map(|_| ())
}

/// Writes an address; how long it is.
fn put(name: &mut libc::sockaddr_storage, to: SocketAddr) -> libc::socklen_t {
    let name = std::ptr::from_mut(name);
    // SAFETY: sockaddr_storage has room for every address, and is as aligned.
    unsafe {
        match to {
            SocketAddr::V4(to) => {
                let name = &mut *name.cast::<libc::sockaddr_in>();
                name.sin_family = libc::AF_INET as libc::sa_family_t;
                (name.sin_port, name.sin_addr.s_addr) = (to.port().to_be(), u32::from(*to.ip()).to_be());
                size_of::<libc::sockaddr_in>() as libc::socklen_t
            }
            SocketAddr::V6(to) => {
                let name = &mut *name.cast::<libc::sockaddr_in6>();
                name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                (name.sin6_port, name.sin6_scope_id) = (to.port().to_be(), to.scope_id());
                name.sin6_addr.s6_addr = to.ip().octets();
                size_of::<libc::sockaddr_in6>() as libc::socklen_t
            }
        }
    }
}

/// Writes the control message that says from where; how long it is with what the next one would need before it.
fn put_source(message: &libc::msghdr, from: IpAddr) -> u32 {
    // SAFETY: the control buffer is zeroed, aligned for a header, and has room for one with either structure.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        let data = libc::CMSG_DATA(header);
        let (level, kind, size) = match from {
            IpAddr::V4(from) => {
                let mut info: libc::in_pktinfo = MaybeUninit::zeroed().assume_init();
                info.ipi_spec_dst.s_addr = u32::from(from).to_be();
                data.cast::<libc::in_pktinfo>().write_unaligned(info);
                (libc::IPPROTO_IP, libc::IP_PKTINFO, size_of::<libc::in_pktinfo>() as u32)
            }
            IpAddr::V6(from) => {
                let mut info: libc::in6_pktinfo = MaybeUninit::zeroed().assume_init();
                info.ipi6_addr.s6_addr = from.octets();
                data.cast::<libc::in6_pktinfo>().write_unaligned(info);
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, size_of::<libc::in6_pktinfo>() as u32)
            }
        };
        ((*header).cmsg_level, (*header).cmsg_type) = (level, kind);
        (*header).cmsg_len = libc::CMSG_LEN(size) as _;
        libc::CMSG_SPACE(size)
    }
}
