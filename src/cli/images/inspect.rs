//! `stepbox image inspect`.

use std::process::ExitCode;

use crate::cli::inspect::{Kind, inspect};

// The options of `image inspect`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// How to print them: json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names, ids, or beginnings of ids
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        inspect(&self.images, Some(Kind::Image), self.format.as_deref(), false)
    }
}
