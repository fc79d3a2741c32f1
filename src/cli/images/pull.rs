//! `stepbox pull`.

use std::process::ExitCode;

use crate::cli::progress::{Output, Progress};
use crate::cli::{connection, store};
use crate::engine::platform::Platform;
use crate::engine::reference::Reference;
use crate::engine::registry::{Client, PullOptions, Pulled, RegistryError, Report};
use crate::engine::store::Store;

// The options of `pull`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Pull every tag of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Print nothing but the image's whole name
    #[arg(short, long)]
    quiet: bool,
    /// For which machine: linux/amd64, linux/arm64/v8 …; this one where it is left out
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// How many layers come at once
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=64))]
    max_concurrent_downloads: u8,
    #[command(flatten)]
    connection: connection::Connection,
    /// The image: [REGISTRY[:PORT]/]NAME[:TAG|@DIGEST]
    name: String,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let reference: Reference = self.name.parse()?;
        let (store, client) = (store()?, self.connection.client()?);
        let output = if self.quiet { Output::Nowhere } else { Output::Stdout };
        let parallel = usize::from(self.max_concurrent_downloads);
        let options = PullOptions { platform: self.platform, parallel };
        if self.all_tags {
            anyhow::ensure!(!has_tag(&self.name, &reference), "tag can't be used with --all-tags/-a");
            all_tags(&store, &client, &reference, &options, output)?;
            return Ok(ExitCode::SUCCESS);
        }
        if !self.quiet && !has_tag(&self.name, &reference) {
            println!("Using default tag: latest");
        }
        pull(&store, &client, &reference, &options, output)?;
        println!("{}", reference.canonical());
        Ok(ExitCode::SUCCESS)
    }
}

/// Pulls one image, in Docker's words.
pub(in crate::cli) fn pull(
    store: &Store,
    client: &Client,
    reference: &Reference,
    options: &PullOptions,
    output: Output,
) -> Result<(), RegistryError> {
    let progress = Progress::new(output);
    let pulled = client.pull(store, reference, options, &progress)?;
    progress.say(&format!("Digest: {}", pulled.digest));
    progress.say(&format!("Status: {}", status(&pulled, &reference.to_string())));
    Ok(())
}

fn all_tags(
    store: &Store,
    client: &Client,
    reference: &Reference,
    options: &PullOptions,
    output: Output,
) -> anyhow::Result<()> {
    let name = whole_name(reference);
    let mut newer = false;
    let mut last = None;
    for tag in client.tags(reference)? {
        let reference: Reference = format!("{name}:{tag}").parse()?;
        let progress = Progress::new(output);
        let pulled = client.pull(store, &reference, options, &progress)?;
        progress.say(&format!("Digest: {}", pulled.digest));
        newer |= pulled.newer;
        last = Some(Pulled { newer, ..pulled });
    }
    let last = last.ok_or_else(|| anyhow::anyhow!("{name} has no tags"))?;
    Progress::new(output).say(&format!("Status: {}", status(&last, &reference.familiar_name())));
    println!("{name}");
    Ok(())
}

fn status(pulled: &Pulled, name: &str) -> String {
    match pulled.newer {
        true => format!("Downloaded newer image for {name}"),
        false => format!("Image is up to date for {name}"),
    }
}

/// The registry and the repository, without a tag.
pub(super) fn whole_name(reference: &Reference) -> String {
    format!("{}/{}", reference.registry(), reference.repository())
}

/// Whether a tag or a digest was given: a reference always has one.
pub(super) fn has_tag(text: &str, reference: &Reference) -> bool {
    reference.digest().is_some() || reference.tag().is_some_and(|tag| text.ends_with(&format!(":{tag}")))
}
