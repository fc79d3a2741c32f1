//! `stepbox container inspect`.

use std::process::ExitCode;

use crate::cli::inspect::{Kind, inspect};

// The options of `container inspect`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// How to print them: json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Also how much they have written
    #[arg(short, long)]
    size: bool,
    /// Names, ids, or beginnings of ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        inspect(&self.containers, Some(Kind::Container), self.format.as_deref(), self.size)
    }
}
