//! `stepbox export`.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::state;
use crate::engine::{containers, export};

// The options of `export`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Write to a file, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A name, an id, or the beginning of an id
    container: String,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        let record = containers::find(&state, &self.container)?;
        let Some(path) = self.output else {
            let out = std::io::stdout();
            if out.is_terminal() {
                anyhow::bail!("cowardly refusing to save to a terminal. Use the -o flag or redirect");
            }
            export::export(&state, &record, out.as_fd().try_clone_to_owned()?)?;
            return Ok(ExitCode::SUCCESS);
        };
        let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        if !directory.is_dir() {
            anyhow::bail!("invalid output path: directory {directory:?} does not exist");
        }
        let into = || format!("cannot write {}", path.display());
        // a pipe or device is written as it is; of a file nobody sees a half
        if std::fs::metadata(&path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
            let file = std::fs::File::options().write(true).open(&path).with_context(into)?;
            export::export(&state, &record, file.into())?;
            return Ok(ExitCode::SUCCESS);
        }
        let file = tempfile::NamedTempFile::new_in(directory).with_context(into)?;
        export::export(&state, &record, file.as_file().try_clone()?.into())?;
        file.persist(&path).map_err(|error| error.error).with_context(into)?;
        Ok(ExitCode::SUCCESS)
    }
}
