//! `stepbox port`.

use std::process::ExitCode;

use anyhow::bail;

use crate::cli::state;
use crate::engine::containers::find;
use crate::engine::ports::{Mapping, reachable, sought};

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
        let state = state()?;
        let record = find(&state, &self.container)?;
        let mut published = reachable(&state, &record);
        published.retain(|port| port.host.is_some());
        // as Docker, which sorts the lines with numbers by their value
        published.sort_by_key(|port| (port.port, port.protocol.clone(), port.host));
        let asked = self.port.filter(|port| !port.is_empty());
        let Some(asked) = asked else {
            published.iter().for_each(|port| println!("{} -> {}", port.name(), host(port)));
            return Ok(ExitCode::SUCCESS);
        };
        let (number, protocol) = asked.split_once('/').unwrap_or((&asked, "tcp"));
        if let Err(error) = sought::number(number) {
            bail!("invalid port ({number}): {error}");
        }
        published.retain(|port| port.name() == format!("{number}/{protocol}"));
        if published.is_empty() {
            bail!("No public port '{asked}' published for {}", self.container);
        }
        published.iter().for_each(|port| println!("{}", host(port)));
        Ok(ExitCode::SUCCESS)
    }
}

fn host(port: &Mapping) -> String {
    port.host.map(|host| host.to_string()).unwrap_or_default()
}
