//! Commands: what `stepbox create`, `start`, `ps` and `rm` do, each as a process of its own; and the monitor, which a start
//! leaves behind. The engine starts this very program once more for it, as `LAB monitor ID`.

use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, Stdio};

use stepbox::engine::containers::start::{MONITOR, start};
use stepbox::engine::containers::{create, find, list, remove};
use stepbox::engine::peers::{Mode, Peers};
use stepbox::engine::request::{Request, Restart};
use stepbox::engine::state::State;
use stepbox::engine::{base, monitor, store::Store};

use super::Result;

/// The word by which this program is told to be one of them.
const COMMAND: &str = "command";

/// A command that is to be run.
pub struct Command(std::process::Command);

/// One that runs.
pub struct Running(Child);

impl Command {
    /// On the engine of this directory.
    pub fn new(root: &Path, words: &[&str]) -> Command {
        let mut command = std::process::Command::new("/proc/self/exe");
        command.arg(COMMAND).args(words).env("STEPBOX_ROOT", root).stdin(Stdio::null());
        Command(command)
    }

    /// Runs it to its end; its number.
    pub fn run(mut self) -> Result<u32> {
        let child = self.0.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let pid = child.id();
        let output = child.wait_with_output()?;
        match output.status.success() {
            true => Ok(pid),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().into()),
        }
    }

    /// Runs it.
    pub fn spawn(mut self) -> Result<Running> {
        Ok(Running(self.0.spawn()?))
    }
}

impl Running {
    /// Until it has ended.
    pub fn wait(mut self) -> Result<()> {
        self.0.wait()?;
        Ok(())
    }
}

/// Does what a command does, or a monitor, where these are their words.
pub fn main(words: &[String]) -> Option<ExitCode> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [COMMAND, words @ ..] => command(words),
        [MONITOR, id] => stay(id),
        _ => return None,
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

fn state() -> Result<State> {
    Ok(State::open(|name| std::env::var_os(name).map(PathBuf::from))?)
}

fn stay(id: &str) -> Result<()> {
    stepbox::kernel::process::close_inherited()?;
    let state = state()?;
    Ok(monitor::main(&state, &Store::open(&state.root)?, id)?)
}

fn command(words: &[&str]) -> Result<()> {
    let state = state()?;
    match words {
        ["create", name, policy, program] => make(&state, name, policy, program),
        ["start", name] => {
            start(&state, &find(&state, name)?, None)?;
            Ok(())
        }
        ["rm", names @ ..] => {
            names.iter().try_for_each(|name| remove::remove(&state, name, false, true).map(drop))?;
            Ok(())
        }
        ["ps"] => {
            list(&state);
            Ok(())
        }
        other => Err(format!("no such command: {}", other.join(" ")).into()),
    }
}

fn make(state: &State, name: &str, policy: &str, program: &str) -> Result<()> {
    let store = Store::open(&state.root)?;
    let image = base::ensure(&store)?;
    let request = Request {
        title: "lab 18".into(),
        command: ["sh", "-c", program].map(String::from).into(),
        stdin: true,
        restart: if policy == "no" { Restart::No } else { Restart::OnFailure(2) },
        // also on a real host: the lab is about no network
        peers: Peers { network: Some(Mode::None), ..Peers::default() },
        ..Request::default()
    };
    create::create(state, ("stepbox/base", &image), store.driver(), Some(name), request)?;
    Ok(())
}
