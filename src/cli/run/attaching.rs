//! The options of `run` and `create` that say how this terminal is attached to the container.

use anyhow::bail;

use crate::cli::containers::attach::{code, keys};
use crate::engine::attach::keys::Wanted;
use crate::engine::attach::{AttachError, Attachment, End, Wishes, start_new};
use crate::engine::containers::create::Created;
use crate::engine::monitor::here::Part;
use crate::engine::request::Stdio;
use crate::engine::state::State;

// those of `run` and `create`
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Container")]
#[group(skip)]
pub(super) struct Streams {
    /// Attach to this alone: stdin, stdout, stderr
    #[arg(short, long, value_name = "STREAM", value_parser = stream)]
    attach: Vec<Stdio>,
}

// those of `run` alone
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Container")]
#[group(skip)]
pub(super) struct Args {
    /// The keys that leave its terminal, as ctrl-a,d (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    detach_keys: Wanted,
    /// Pass signals on, where it has no terminal (default: true)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", hide_default_value = true, hide_possible_values = true,
          action = clap::ArgAction::Set)]
    sig_proxy: bool,
}

impl Streams {
    /// Which of them are attached. As Docker: what is typed with `-i` always; what is printed, unless something is named.
    pub(super) fn part(&self, interactive: bool) -> Part {
        let named = |stream| self.attach.contains(&stream);
        let all = self.attach.is_empty();
        Part {
            stdin: interactive || named(Stdio::Stdin),
            stdout: all || named(Stdio::Stdout),
            stderr: all || named(Stdio::Stderr),
        }
    }

    /// # Errors
    /// Nobody is attached to what runs in the background.
    pub(super) fn check_detached(&self) -> anyhow::Result<()> {
        if self.attach.is_empty() { Ok(()) } else { bail!("Conflicting options: -a and -d") }
    }
}

impl Args {
    /// What only a monitor can do, by its option: the container goes on without this command.
    pub(super) fn of_monitor(&self, part: Part) -> Option<&'static str> {
        let said =
            [("--sig-proxy=false", !self.sig_proxy), ("--attach stdin, and nothing else", part.only_types())];
        said.into_iter().find(|(_, said)| *said).map(|(name, _)| name)
    }

    /// # Errors
    /// What only a monitor can do, where each step is watched.
    pub(super) fn check_in_this_process(&self, part: Part) -> anyhow::Result<()> {
        let keys = self.detach_keys.0.as_ref().map(|_| "--detach-keys");
        match self.of_monitor(part).or(keys) {
            Some(name) => bail!("{name}: a container whose steps are watched cannot be left; leave it out"),
            None => Ok(()),
        }
    }

    /// Runs a container that was made, in the foreground of this command.
    pub(super) fn run(&self, state: &State, created: Created, part: Part) -> anyhow::Result<u8> {
        let request = &created.record.request;
        let part = Part { stdin: part.stdin && request.stdin, ..part };
        let wishes = Wishes {
            part,
            terminal: request.terminal,
            proxy: self.sig_proxy,
            keys: keys(&self.detach_keys)?,
        };
        if part.only_types() {
            println!("{}", created.record.id);
        }
        match start_new(state, created, Attachment::new(wishes)?) {
            // as Docker: who sees nothing of it does not wait for its end
            Ok(End::Exit(_)) if part.only_types() => Ok(0),
            Ok(end) => Ok(code(end)),
            // its exit code is Docker's
            Err(AttachError::Start(error)) => Err(error.into()),
            Err(error) => Err(error.into()),
        }
    }
}

fn stream(text: &str) -> Result<Stdio, String> {
    match text.to_ascii_lowercase().as_str() {
        "stdin" => Ok(Stdio::Stdin),
        "stdout" => Ok(Stdio::Stdout),
        "stderr" => Ok(Stdio::Stderr),
        _ => Err("valid streams are STDIN, STDOUT and STDERR".into()),
    }
}
