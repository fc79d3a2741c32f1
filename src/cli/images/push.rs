//! `stepbox push`.

use std::process::ExitCode;

use super::pull::{has_tag, whole_name};
use crate::cli::progress::{Output, Progress};
use crate::cli::{connection, store};
use crate::engine::reference::Reference;
use crate::engine::registry::RegistryError;

// The options of `push`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Push every tag of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Print nothing but the image's whole name
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    connection: connection::Connection,
    /// The image: [REGISTRY[:PORT]/]NAME[:TAG]
    name: String,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let reference: Reference = self.name.parse()?;
        let (store, client) = (store()?, self.connection.client()?);
        let output = if self.quiet { Output::Nowhere } else { Output::Stdout };
        let tagged = has_tag(&self.name, &reference);
        let references = match self.all_tags {
            true if tagged => anyhow::bail!("tag can't be used with --all-tags/-a"),
            true => match store.tagged(&reference)? {
                none if none.is_empty() => {
                    return Err(RegistryError::NoSuchTag(reference.familiar_name()).into());
                }
                tags => tags,
            },
            false => vec![reference.clone()],
        };
        if !self.quiet && !self.all_tags && !tagged {
            println!("Using default tag: latest");
        }
        for reference in &references {
            client.push(&store, reference, &Progress::new(output))?;
        }
        if self.quiet {
            println!("{}", if self.all_tags { whole_name(&reference) } else { reference.canonical() });
        }
        Ok(ExitCode::SUCCESS)
    }
}
