//! The options that say who watches, of `run` and of `exec`.

use std::io::IsTerminal;
use std::path::PathBuf;

use crate::engine::run::RunError;
use crate::kernel::process::Exit;
use crate::launch::LaunchError;
use crate::observe::{Watcher, Watching};
use crate::step::Plan;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Watching")]
#[group(skip)]
pub(in crate::cli) struct Args {
    /// Pause before each kernel operation
    #[arg(long)]
    pub(in crate::cli) step: bool,
    /// Say what happens, and why, without pausing
    #[arg(long)]
    pub(in crate::cli) explain: bool,
    /// Print the plan; do nothing
    #[arg(long, conflicts_with_all = ["step", "json_trace", "html_trace"])]
    pub(in crate::cli) dry_run: bool,
    /// Write the trace to FILE as JSON
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) json_trace: Option<PathBuf>,
    /// Write the trace to FILE as one page that steps back and forth
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) html_trace: Option<PathBuf>,
    /// Print this
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

impl Args {
    pub(in crate::cli) fn anybody(&self) -> bool {
        self.step || self.explain || self.json_trace.is_some() || self.html_trace.is_some()
    }

    /// Does this with a watcher. `None` when the reader stopped it or only wanted the plan, or nobody waits for its end.
    pub(in crate::cli) fn watched(
        &self,
        (title, question): (&str, &str),
        plan: &Plan,
        act: impl FnOnce(&mut Watcher) -> Result<Option<Exit>, RunError>,
    ) -> anyhow::Result<Option<i32>> {
        let watching = Watching {
            step: self.step,
            from: 1,
            narrate: self.step || self.explain || self.dry_run,
            to_stderr: !self.dry_run,
            colour: std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            json: self.json_trace.clone(),
            html: self.html_trace.clone(),
            ..Watching::default()
        };
        let mut watcher = Watcher::new(watching, title, question, "real");
        if self.dry_run {
            watcher.list(plan)?;
            return Ok(None);
        }
        let result = act(&mut watcher);
        let (outcome, code) = match &result {
            Ok(Some(exit)) => (format!("{exit}; what it needed is undone"), Some(exit.code())),
            Ok(None) => ("it runs on".into(), None),
            Err(RunError::Launch(LaunchError::Quit)) => {
                ("stopped by the reader; everything is undone".into(), None)
            }
            Err(error) => (format!("failed: {error}"), None),
        };
        watcher.finish(&outcome, code)?;
        match result {
            Ok(exit) => Ok(exit.map(Exit::code)),
            Err(RunError::Launch(LaunchError::Quit)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
