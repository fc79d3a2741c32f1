//! `stepbox version`.

use std::process::ExitCode;

use crate::engine::info::{VERSION, version};

// The options of `version`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// How to print it: json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let version = version();
        if let Some(format) = self.format.as_deref().filter(|format| !format.is_empty()) {
            return super::formatted(format, "version", "system.versionInfo", &version);
        }
        let arch = version["Client"]["Arch"].as_str().unwrap_or_default();
        println!("Client:\n Version:           {VERSION}\n OS/Arch:           linux/{arch}\n");
        println!("Server:\n Engine:\n  Version:          {VERSION}\n  OS/Arch:          linux/{arch}");
        Ok(ExitCode::SUCCESS)
    }
}
