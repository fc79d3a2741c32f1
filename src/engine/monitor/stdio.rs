//! Stdio: what the monitor has at 0, 1 and 2: in the beginning whoever started it, then nothing.
//!
//! ```text
//!   0 <── who is attached before there is a program: kept     1 ──> who waits for the first word: kept     2
//!   0, 1, 2: /dev/null
//! ```
//!
//! See dup2(2).

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::client::Client;
use crate::engine::containers::start::FirstWord;

/// Puts /dev/null at 0, 1 and 2.
fn to_null() -> Result<(), Errno> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)
}

/// Whoever started the monitor, and waits.
#[derive(Debug)]
pub(super) struct Starter {
    /// where our standard output led: our first word goes there
    word: File,
    /// where our standard error led: the container's lock
    lock: OwnedFd,
}

impl Starter {
    /// Says the first word. Whoever started us may have gone; the container stays all the same.
    pub(super) fn told(mut self, what: &FirstWord) {
        // he finds the container unlocked
        drop(self.lock);
        let _ = self.word.write_all(&serde_json::to_vec(what).unwrap_or_default());
    }
}

/// Lets go of what we were given. Who started us comes back, and who was attached before there was a program: whoever is
/// at our standard input, if that is a socket.
pub(super) fn detach() -> Result<(Starter, Option<Client>), Errno> {
    let word = File::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?);
    let lock = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?;
    let stdin = rustix::stdio::stdin();
    let kind = FileType::from_raw_mode(rustix::fs::fstat(stdin)?.st_mode);
    let first = match kind {
        FileType::Socket => {
            let socket = rustix::io::fcntl_dupfd_cloexec(stdin, 3)?;
            rustix::io::ioctl_fionbio(&socket, true)?;
            Some(Client::new(socket))
        }
        _ => None,
    };
    to_null()?;
    Ok((Starter { word, lock }, first))
}
