//! Questions in a terminal, and a password that is not shown while it is typed.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::bail;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::kernel::signals::{self, Signals};

/// What ends a program that is asked nothing else: a signal of another kind finds a question still open.
const ENDS: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// Asks for a name; what is known stands for an empty answer.
pub(super) fn user(known: &str) -> anyhow::Result<String> {
    somebody_is_there()?;
    ask(&if known.is_empty() { "Username: ".to_owned() } else { format!("Username ({known}): ") })?;
    let answer = line()?;
    Ok(if answer.is_empty() { known.to_owned() } else { answer })
}

/// Asks for a password.
pub(super) fn password() -> anyhow::Result<String> {
    somebody_is_there()?;
    // before the question is seen: who answers at once must not be shown, nor lost
    let silence = Silence::begin()?;
    ask("Password: ")?;
    let answer = silence.line();
    drop(silence);
    println!();
    answer
}

fn somebody_is_there() -> anyhow::Result<()> {
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "Cannot perform an interactive login from a non TTY device: use --username and --password-stdin"
    );
    Ok(())
}

fn ask(question: &str) -> anyhow::Result<()> {
    print!("{question}");
    Ok(std::io::stdout().flush()?)
}

fn line() -> anyhow::Result<String> {
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim_end_matches(['\n', '\r']).to_owned())
}

/// A terminal that shows nothing of what is typed, until it is dropped. Signals wait until then: whoever presses Ctrl-C
/// must not be left with a terminal that stays silent.
struct Silence {
    before: Termios,
    signals: Signals,
}

impl Silence {
    fn begin() -> anyhow::Result<Silence> {
        let before = tcgetattr(std::io::stdin())?;
        let silence = Silence { signals: Signals::block_all()?, before };
        let mut silent = silence.before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(silence)
    }

    fn line(&self) -> anyhow::Result<String> {
        let stdin = std::io::stdin();
        loop {
            let mut wait = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&self.signals, PollFlags::IN)];
            poll(&mut wait, None)?;
            let typed = !wait[0].revents().is_empty();
            while let Some(signal) = self.signals.next() {
                if ENDS.contains(&signal) {
                    bail!("interrupted");
                }
            }
            if typed {
                return line();
            }
        }
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // a terminal that is gone needs nothing put back
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.before);
        // what has no effect only leaves signals blocked, in a program that is about to end
        let _ = signals::unblock_all();
    }
}
