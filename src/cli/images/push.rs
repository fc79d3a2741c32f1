//! `stepbox push`.

use std::process::ExitCode;

use super::pull::{has_tag, whole_name};
use crate::cli::progress::{Output, Progress};
use crate::cli::{connection, store};
use crate::engine::reference::Reference;
use crate::engine::registry::RegistryError;
use crate::engine::store::Store;

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
            true => tags(&store, &reference)?,
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

/// The tags of this repository that are here.
fn tags(store: &Store, reference: &Reference) -> anyhow::Result<Vec<Reference>> {
    let mut found = Vec::new();
    for stored in store.list()? {
        found.extend(stored?.reference.filter(|name| {
            whole_name(name) == whole_name(reference) && name.tag().is_some() && name.digest().is_none()
        }));
    }
    if found.is_empty() {
        return Err(RegistryError::NoSuchTag(reference.familiar_name()).into());
    }
    Ok(found)
}
