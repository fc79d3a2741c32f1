//! `stepbox top`.

use std::process::ExitCode;

use crate::cli::state;
use crate::engine::containers::{find, top::top};

// The options of `top`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Its name, id, or the beginning of its id
    container: String,
    /// Options for ps(1), instead of -ef
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PS OPTION")]
    options: Vec<String>,
}

/// How wide each column is at least, and the blanks behind what is wider.
const WIDTH: usize = 20;
const GAP: usize = 3;

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        let rows = top(&state, &find(&state, &self.container)?, &self.options)?;
        let longest = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> =
            (0..rows[0].len()).map(|column| (longest(column).unwrap_or(0) + GAP).max(WIDTH)).collect();
        for row in &rows {
            let Some((last, cells)) = row.split_last() else { continue };
            let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            println!("{}{last}", cells.collect::<String>());
        }
        Ok(ExitCode::SUCCESS)
    }
}
