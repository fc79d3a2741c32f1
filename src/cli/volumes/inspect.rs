//! `stepbox volume inspect`.

use std::process::ExitCode;

use crate::cli::inspect::{Kind, inspect};

// The options of `volume inspect`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// How to print them: json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        inspect(&self.volumes, Some(Kind::Volume), self.format.as_deref(), false)
    }
}
