//! `stepbox import`.

use std::fs::File;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::connection::Connection;
use crate::cli::moment::epoch;
use crate::cli::store;
use crate::engine::images::{self, Change};
use crate::engine::instruction;
use crate::engine::reference::Reference;
use crate::engine::store::Store;

// The options of `import`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The archive: a file, an address (http://…, https://…), or - for standard input
    file: PathBuf,
    /// The image's name; without one it is known by its id
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
    /// Change the image's config by a Dockerfile's instruction, such as 'CMD ["sh"]'
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Why it was made
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let reference = self.name.as_ref().map(|name| name.parse::<Reference>()).transpose()?;
        anyhow::ensure!(
            reference.as_ref().is_none_or(|name| name.digest().is_none()),
            "cannot import digest reference"
        );
        let created = epoch()?.map(|time| time.to_string());
        let mut change = Change { message: self.message.clone(), created, ..Change::default() };
        instruction::change(&mut change.config, &self.change)?;
        let id = self.import(&store()?, reference.as_ref(), change)?;
        println!("{id}");
        Ok(ExitCode::SUCCESS)
    }

    fn import(
        &self,
        store: &Store,
        name: Option<&Reference>,
        change: Change,
    ) -> anyhow::Result<crate::layers::Digest> {
        let shown = self.file.display();
        if self.file.as_os_str() == "-" {
            let stdin = std::io::stdin();
            anyhow::ensure!(!stdin.is_terminal(), "standard input is a terminal: pipe an archive in");
            return Ok(images::import(store, stdin.lock(), name, change)?);
        }
        let address =
            self.file.to_str().filter(|text| text.starts_with("http://") || text.starts_with("https://"));
        if let Some(address) = address {
            let archive = Connection::default().client()?.archive(address)?;
            println!("Downloading from {address}");
            let message = change.message.clone().unwrap_or_else(|| format!("Imported from {address}"));
            let change = Change { message: Some(message), ..change };
            return Ok(images::import(store, archive, name, change)?);
        }
        let archive = File::open(&self.file).with_context(|| format!("cannot read {shown}"))?;
        anyhow::ensure!(
            !archive.metadata()?.is_dir(),
            "{shown} is a directory: pack it first, tar -C {shown} -c . | stepbox import - NAME"
        );
        Ok(images::import(store, archive, name, change)?)
    }
}
