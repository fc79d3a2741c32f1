//! `stepbox port`: no container has published ports in this version, so there is nothing to list.

use std::process::ExitCode;

use anyhow::bail;

use crate::cli::state;
use crate::engine::containers::find;

// What is asked for.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Its name, id, or the beginning of its id
    container: String,
    /// A port inside, and perhaps /tcp or /udp
    #[arg(value_name = "PORT[/PROTOCOL]")]
    port: Option<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        find(&state()?, &self.container)?;
        let Some(port) = self.port else { return Ok(ExitCode::SUCCESS) };
        let (number, protocol) = port.split_once('/').unwrap_or((&port, "tcp"));
        bail!("No public port '{number}/{protocol}' published for {}", self.container)
    }
}
