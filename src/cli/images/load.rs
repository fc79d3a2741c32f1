//! `stepbox load`.

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::bars::Bars;
use crate::cli::store;
use crate::engine::archives::{self, Loaded};

// The options of `load`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Read from this file instead of standard input
    #[arg(short, long)]
    input: Option<PathBuf>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let archive = match &self.input {
            Some(path) => File::open(path).with_context(|| format!("open {}", path.display()))?,
            None if std::io::stdin().is_terminal() => {
                anyhow::bail!("requested load from stdin, but stdin is empty")
            }
            None => File::from(std::io::stdin().as_fd().try_clone_to_owned()?),
        };
        let store = store()?;
        let loaded = match !self.quiet && std::io::stdout().is_terminal() {
            true => archives::load(&store, archive, &Bars::new())?,
            false => archives::load(&store, archive, &())?,
        };
        print!("{}", text(&loaded));
        Ok(ExitCode::SUCCESS)
    }
}

/// What Docker says: names, or ids where the archive has no name at all.
fn text(loaded: &[Loaded]) -> String {
    let mut lines = String::new();
    for image in loaded {
        for (name, id) in &image.taken {
            lines += &format!(
                "The image {name} already exists, renaming the old one with ID {id} to empty string\n"
            );
        }
        lines.extend(image.names.iter().map(|name| format!("Loaded image: {name}\n")));
    }
    if loaded.iter().all(|image| image.names.is_empty()) {
        lines.extend(loaded.iter().map(|image| format!("Loaded image ID: {}\n", image.id)));
    }
    lines
}
