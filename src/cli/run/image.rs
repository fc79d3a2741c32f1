//! The image of a run: what is here, what is made on first use, and what comes from a registry.
//!
//! ```text
//!   stepbox/base      made of this machine, never fetched
//!   --pull missing    here? yes: that one; no: "Unable to find image", then it is pulled
//!   --pull always     pulled first: the registry says whether it is still the same
//!   --pull never      here, or an error
//! ```

use crate::cli::connection::Connection;
use crate::cli::images::pull;
use crate::cli::progress::Output;
use crate::engine::base;
use crate::engine::platform::Platform;
use crate::engine::reference::Reference;
use crate::engine::registry::{PullOptions, RegistryError};
use crate::engine::store::{Hold, Image, Store, StoreError};
use crate::layers::chain_ids;

// The options of `run` that say where the image comes from.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Image")]
#[group(skip)]
pub(super) struct Args {
    /// Get it from its registry: always, missing (here) or never
    #[arg(long, value_name = "WHEN", default_value = "missing", hide_possible_values = true,
        value_parser = ["always", "missing", "never"])]
    pull: String,
    /// For which machine, where the registry has several
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    #[command(flatten)]
    connection: Connection,
}

impl Args {
    /// Finds the image, and fetches it where that is wanted. A dry run fetches nothing.
    pub(super) fn find(&self, store: &Store, name: &str, dry_run: bool) -> anyhow::Result<Image> {
        let base: Reference = base::NAME.parse()?;
        let reference = name.parse::<Reference>();
        if reference.as_ref().is_ok_and(|reference| *reference == base) {
            return Ok(base::ensure(store)?);
        }
        let here = || -> anyhow::Result<Image> {
            let image = store.resolve(name)?;
            fits(&image, self.platform.as_ref(), name)?;
            Ok(image)
        };
        match (self.pull.as_str(), reference) {
            ("always", Ok(reference)) if !dry_run => self.fetch(store, &reference)?,
            ("missing", Ok(reference)) if !dry_run => {
                let missing = match store.find(name) {
                    Err(StoreError::Missing(_)) => true,
                    // one for another machine is not the one that is asked for
                    Ok(_) => self.platform.is_some() && here().is_err(),
                    Err(_) => false,
                };
                if missing {
                    complain!("Unable to find image '{reference}' locally");
                    self.fetch(store, &reference)?;
                }
            }
            _ => {}
        }
        here()
    }

    /// The same, with its layers held until the record of a container says that it stands on them. A dry run stands
    /// on nothing.
    pub(super) fn held(
        &self,
        store: &Store,
        name: &str,
        dry_run: bool,
    ) -> anyhow::Result<(Image, Option<Hold>)> {
        let image = self.find(store, name, dry_run)?;
        if dry_run {
            return Ok((image, None));
        }
        let hold = Some(store.hold(&chain_ids(&image.diff_ids))?);
        match image.layers.iter().all(|layer| layer.is_dir()) {
            true => Ok((image, hold)),
            // removed just before it was held
            false => Ok((self.find(store, name, dry_run)?, hold)),
        }
    }

    fn fetch(&self, store: &Store, reference: &Reference) -> anyhow::Result<()> {
        let options = PullOptions { platform: self.platform.clone(), ..PullOptions::default() };
        // standard output is the container's
        Ok(pull::pull(store, &self.connection.client()?, reference, &options, Output::Stderr)?)
    }
}

fn fits(image: &Image, wanted: Option<&Platform>, name: &str) -> Result<(), RegistryError> {
    let Some(wanted) = wanted else { return Ok(()) };
    let actual = Platform::new(&image.os, &image.architecture, "");
    // a config seldom names the variant: the list it came from did
    if wanted.without_variant().accepts(&actual) || wanted.accepts(&actual) {
        return Ok(());
    }
    let (wanted, actual) = (Box::new(wanted.clone()), Box::new(actual));
    Err(RegistryError::OtherPlatform { reference: name.to_owned(), wanted, actual })
}
