//! Terminals: made from the box's own devpts, carried by the engine or by somebody else, the box's own from then on.
//!
//! ```text
//!   box   open("/dev/pts/ptmx") ─┬─ SCM_RIGHTS ──>  the engine (loan), or whoever listens at the console socket
//!                                └─ TIOCGPTPEER ─>  0, 1, 2 and the controlling terminal
//! ```
//!
//! In a container that runs already, whoever is root in it has a say in what lies at that path: it is a link, a file, another
//! device. So it is looked at once it is open, and the other end is asked for by the descriptor. See pty(7), pts(4),
//! ioctl_tty(2), unix(7); CVE-2025-52565.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType,
};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::Winsize;

use super::CText;
use super::linux::{Context, dup2};
use super::op::Op;

type Result<T> = rustix::io::Result<T>;

pub(super) fn call(op: &Op, context: &mut Context) -> Result<i64> {
    match op {
        Op::OpenPty => context.ptmx = Some(open()?),
        Op::SendPty => {
            let (ptmx, loan) = (context.ptmx.take(), context.loan.as_ref());
            send(loan.ok_or(Errno::BADF)?.as_fd(), b"t", ptmx.ok_or(Errno::BADF)?.as_fd())?;
        }
        Op::AttachPty => {
            let how = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            let terminal = ioctl_tiocgptpeer(context.ptmx.as_ref().ok_or(Errno::BADF)?, how)?;
            for fd in 0..3 {
                dup2(terminal.as_fd(), fd)?;
            }
            rustix::process::ioctl_tiocsctty(&terminal)?;
        }
        Op::ConnectConsole { path } => context.console = Some(connect(path)?),
        Op::SendConsole => {
            let (console, ptmx) = (context.console.take(), context.ptmx.take());
            // the text is what runc sends, and names nothing
            send(console.ok_or(Errno::BADF)?.as_fd(), b"/dev/ptmx", ptmx.ok_or(Errno::BADF)?.as_fd())?;
        }
        Op::WindowSize { rows, columns } => {
            let size = Winsize { ws_row: *rows, ws_col: *columns, ws_xpixel: 0, ws_ypixel: 0 };
            rustix::termios::tcsetwinsize(context.ptmx.as_ref().ok_or(Errno::BADF)?, size)?;
        }
        _ => return Err(Errno::NOSYS),
    }
    Ok(0)
}

fn open() -> Result<OwnedFd> {
    const DEVPTS: u64 = 0x1cd1;
    let how = OFlags::RDWR | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let ptmx = rustix::fs::open(c"/dev/pts/ptmx", how, Mode::empty())?;
    let file = rustix::fs::fstat(&ptmx)?;
    let is_ptmx = FileType::from_raw_mode(file.st_mode) == FileType::CharacterDevice
        && file.st_rdev == rustix::fs::makedev(5, 2)
        && rustix::fs::fstatfs(&ptmx)?.f_type as u64 == DEVPTS;
    if !is_ptmx {
        return Err(Errno::NOTTY);
    }
    unlockpt(&ptmx)?;
    Ok(ptmx)
}

/// The name of a socket has at most 107 bytes; a longer path is named by its descriptor. On the host only.
pub(super) fn connect(path: &CText) -> Result<OwnedFd> {
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    match SocketAddrUnix::new(path.as_c_str()) {
        Ok(name) => rustix::net::connect(&socket, &name)?,
        Err(Errno::NAMETOOLONG) => {
            let file = rustix::fs::open(path.as_c_str(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            let name = SocketAddrUnix::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
            rustix::net::connect(&socket, &name)?;
        }
        Err(errno) => return Err(errno),
    }
    Ok(socket)
}

/// Sends one descriptor, with a text to carry it.
pub(super) fn send(socket: BorrowedFd<'_>, text: &[u8], fd: BorrowedFd<'_>) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    rustix::net::sendmsg(socket, &[IoSlice::new(text)], &mut control, SendFlags::NOSIGNAL).map(|_| ())
}
