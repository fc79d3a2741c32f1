//! `stepbox diff`.

use std::io::Write;
use std::process::ExitCode;

use crate::cli::state;
use crate::engine::{changes, containers};

// The options of `diff`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A name, an id, or the beginning of an id
    container: String,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        let record = containers::find(&state, &self.container)?;
        let mut out = std::io::stdout().lock();
        for change in changes::changes(&state, &record)?.list {
            out.write_all(&[change.what.letter() as u8, b' '])?;
            out.write_all(&crate::cli::table::shown(&change.path))?;
            out.write_all(b"\n")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
