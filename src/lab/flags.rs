//! Flags: those that every lab has, and how they are read.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};

use super::Lab;

/// Which host a lab plays on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Host {
    /// namespaces of its own that play the host: no root needed, nothing of the machine touched
    Toy,
    /// this very machine; needs root
    Real,
}

/// The flags that every lab has.
#[derive(Debug, Clone, Parser)]
#[command(disable_version_flag = true)]
pub struct Flags {
    /// Pause before each step (Enter next, b back, i inspect, s shell, c continue, q quit and undo)
    #[arg(long)]
    pub step: bool,
    /// Go on by itself after so many seconds (0: at once)
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub auto: Option<Duration>,
    /// Do not pause before step N
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub from: usize,
    /// Stop after step N, and undo
    #[arg(long, value_name = "N")]
    pub until: Option<usize>,
    /// Print the plan; do nothing
    #[arg(long, conflicts_with_all = ["step", "auto", "json", "html"])]
    pub dry_run: bool,
    /// Write the trace to FILE as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the trace to FILE as one page that steps back and forth
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Where to play: a toy host, or the real machine (needs root)
    #[arg(long, value_enum, default_value = "toy")]
    pub host: Host,
    /// Print without colour (also: NO_COLOR)
    #[arg(long = "no-color", action = ArgAction::SetTrue)]
    pub no_color: bool,
}

/// A time in seconds, fractions allowed.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| format!("{text} is not a number of seconds"))?;
    Duration::try_from_secs_f64(number).map_err(|_| format!("{text} is not a time that can be waited"))
}

/// Reads them; what is wrong ends the process, as in every program.
pub(super) fn parse(lab: &'static Lab) -> Flags {
    use clap::{CommandFactory, FromArgMatches};
    let after = "Everything a lab makes is undone at its end; after a kill -9, by: stepbox clean";
    let command = Flags::command().name(lab.name).about(lab.question).after_help(after);
    Flags::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// The arguments less --json and --html, which are handed over as open files.
pub(super) fn without_outputs(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let (mut kept, mut skip) = (Vec::new(), false);
    for argument in arguments {
        let text = argument.to_string_lossy();
        if std::mem::take(&mut skip) || text.starts_with("--json=") || text.starts_with("--html=") {
            continue;
        }
        if text == "--json" || text == "--html" {
            skip = true;
            continue;
        }
        kept.push(argument);
    }
    kept
}
