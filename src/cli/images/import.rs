//! `stepbox import`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::store;
use crate::engine::images;
use crate::engine::reference::Reference;

/// The options of `import`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The archive
    file: PathBuf,
    /// The image's name
    name: String,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let reference: Reference = self.name.parse()?;
        let (store, change) = (store()?, images::Change::default());
        let digest = match self.file.to_str() {
            Some("-") => images::import(&store, std::io::stdin().lock(), &reference, change)?,
            _ => {
                let archive = std::fs::File::open(&self.file)
                    .with_context(|| format!("cannot read {}", self.file.display()))?;
                images::import(&store, archive, &reference, change)?
            }
        };
        println!("{digest}");
        Ok(ExitCode::SUCCESS)
    }
}
