//! The options of `run` that say who watches.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Watching")]
#[group(skip)]
pub(super) struct Args {
    /// Pause before each kernel operation
    #[arg(long)]
    pub(super) step: bool,
    /// Say what happens, and why, without pausing
    #[arg(long)]
    pub(super) explain: bool,
    /// Print the plan; do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Write the trace to FILE as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json_trace: Option<PathBuf>,
    /// Write the trace to FILE as one page that steps back and forth
    #[arg(long, value_name = "FILE")]
    pub(super) html_trace: Option<PathBuf>,
    /// Print this
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

impl Args {
    pub(super) fn anybody(&self) -> bool {
        self.step || self.explain || self.json_trace.is_some() || self.html_trace.is_some()
    }
}
