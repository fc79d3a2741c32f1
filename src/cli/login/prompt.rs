//! Questions in a terminal, and a password that is not shown while it is typed.

use std::io::{BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Asks for a name; what is known stands for an empty answer.
pub(super) fn user(known: &str) -> anyhow::Result<String> {
    ask(&if known.is_empty() { "Username: ".to_owned() } else { format!("Username ({known}): ") })?;
    let answer = line()?;
    Ok(if answer.is_empty() { known.to_owned() } else { answer })
}

/// Asks for a password.
pub(super) fn password() -> anyhow::Result<String> {
    ask("Password: ")?;
    let silence = Silence::begin()?;
    let answer = line();
    drop(silence);
    println!();
    answer
}

fn ask(question: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "Cannot perform an interactive login from a non TTY device: use --username and --password-stdin"
    );
    print!("{question}");
    Ok(std::io::stdout().flush()?)
}

fn line() -> anyhow::Result<String> {
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim_end_matches(['\n', '\r']).to_owned())
}

/// A terminal that shows nothing of what is typed, until it is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> anyhow::Result<Silence> {
        let before = tcgetattr(std::io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Silence(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // a terminal that is gone needs nothing put back
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}
