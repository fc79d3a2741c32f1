//! `stepbox tag`.

use std::process::ExitCode;

use crate::cli::store;
use crate::engine::images::catalog::ImageError;
use crate::engine::images::tag;
use crate::engine::reference::{Reference, ReferenceError};
use crate::engine::store::StoreError;

// The options of `tag`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The image, by name or id
    #[arg(value_name = "SOURCE_IMAGE[:TAG]")]
    source: String,
    /// Its new name
    #[arg(value_name = "TARGET_IMAGE[:TAG]")]
    target: String,
}

/// Docker's words for what is not the name of an image.
fn wrong(name: &str, error: &ReferenceError) -> anyhow::Error {
    anyhow::anyhow!("Error parsing reference: {name:?} is not a valid repository/tag: {error}")
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        if self.target.contains('@') {
            anyhow::bail!("refusing to create a tag with a digest reference");
        }
        let target: Reference = self.target.parse().map_err(|error| wrong(&self.target, &error))?;
        tag(&store()?, &self.source, &target).map_err(|error| match error {
            StoreError::Missing(name) => ImageError::NoSuch(name).into(),
            StoreError::Reference(error) => wrong(&self.source, &error),
            other => anyhow::Error::from(other),
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
