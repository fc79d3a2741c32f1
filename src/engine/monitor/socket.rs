//! Socket: where a container's monitor is called.
//!
//! A path may be longer than a socket's name, so that the name goes through the directory, held open. See unix(7).

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// The name of a container's socket, which holds as long as the directory that comes with it is open.
///
/// # Errors
/// What the kernel answers.
pub fn socket_name(directory: &Path) -> io::Result<(OwnedFd, SocketAddrUnix)> {
    let held =
        rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let name = PathBuf::from(format!("/proc/self/fd/{}/attach.sock", held.as_raw_fd()));
    let name = SocketAddrUnix::new(name.as_os_str().as_bytes())?;
    Ok((held, name))
}

/// The socket at which the monitor is called; one of a monitor before us goes.
pub(in crate::engine) fn listen(directory: &Path) -> io::Result<OwnedFd> {
    match std::fs::remove_file(directory.join("attach.sock")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let (_held, name) = socket_name(directory)?;
    rustix::net::bind(socket.as_fd(), &name)?;
    rustix::net::listen(&socket, 16)?;
    Ok(socket)
}
