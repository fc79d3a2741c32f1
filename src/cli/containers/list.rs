//! `stepbox ps`.

use std::process::ExitCode;

use crate::cli::state;
use crate::cli::table::table;
use crate::engine::containers;

/// The options of `ps`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Also those that have ended
    #[arg(short, long)]
    all: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        let mut rows =
            vec![["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES"].map(String::from)];
        for record in containers::list(&state).into_iter().filter(|record| self.all || record.running()) {
            let command = format!("\"{}\"", record.command.join(" ").escape_debug());
            let command = match command.chars().count() {
                0..=20 => command,
                _ => command.chars().take(19).chain(['…']).collect(),
            };
            let status = record.status();
            rows.push([record.id[..12].into(), record.image, command, record.created, status, record.name]);
        }
        match self.quiet {
            true => rows.iter().skip(1).for_each(|row| println!("{}", row[0])),
            false => print!("{}", table(&rows)),
        }
        Ok(ExitCode::SUCCESS)
    }
}
