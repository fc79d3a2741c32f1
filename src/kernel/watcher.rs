//! Watcher: somebody else who gets a pidfd of the box, over a Unix socket, before its program runs.
//!
//! ```text
//!   --pidfd-socket   <── connect ─────────────────  host, by the host's name, before the clone
//!                    <── "standard" + SCM_RIGHTS ── host, when the box is all but done
//! ```
//!
//! By a number they would have to find the process in time, before it ends and the number is another's. See
//! pidfd_open(2), unix(7).

use std::os::fd::AsFd;

use rustix::io::Errno;

use super::linux::Context;
use super::op::Watcher;
use super::terminal::{connect, send};

pub(super) fn call(op: &Watcher, context: &mut Context) -> rustix::io::Result<i64> {
    match op {
        Watcher::Call { path } => context.watcher = Some(connect(path)?),
        Watcher::Tell { text } => {
            let (watcher, pidfd) = (context.watcher.take(), context.pidfd.as_ref());
            let text = text.as_c_str().to_bytes();
            send(watcher.ok_or(Errno::BADF)?.as_fd(), text, pidfd.ok_or(Errno::SRCH)?.as_fd())?;
        }
    }
    Ok(0)
}
