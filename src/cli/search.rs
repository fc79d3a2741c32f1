//! `stepbox search`.

use std::process::ExitCode;
use std::str::FromStr;

use super::connection;
use super::table::table;
use crate::engine::registry::{Found, HUB};

/// How much of a description is shown.
const SHORT: usize = 45;

// The options of `search`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many to show at most
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
    /// Show only what matches: stars=N, is-official=true|false, is-automated=true|false
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<Filter>,
    /// Show descriptions whole
    #[arg(long)]
    no_trunc: bool,
    #[command(flatten)]
    connection: connection::Connection,
    /// Words for Docker Hub, or REGISTRY/PART of a name for another registry's catalog
    term: String,
}

/// A condition.
#[derive(Debug, Clone)]
enum Filter {
    Stars(u64),
    Official(bool),
    Automated(bool),
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Filter, String> {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
        let truth = || match value {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(format!("Invalid filter '{name}={value}'")),
        };
        match name {
            "stars" => {
                value.parse().map(Filter::Stars).map_err(|_| format!("Invalid filter 'stars={value}'"))
            }
            "is-official" => truth().map(Filter::Official),
            "is-automated" => truth().map(Filter::Automated),
            _ => Err(format!("Invalid filter '{name}'")),
        }
    }
}

impl Filter {
    fn takes(&self, found: &Found) -> bool {
        match self {
            Filter::Stars(least) => found.stars >= *least,
            Filter::Official(wanted) => found.official == *wanted,
            Filter::Automated(wanted) => found.automated == *wanted,
        }
    }
}

impl Args {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        let found = self.connection.client()?.search(&self.term, usize::from(self.limit), HUB)?;
        let mut rows = vec![["NAME", "DESCRIPTION", "STARS", "OFFICIAL", "AUTOMATED"].map(String::from)];
        for found in found.iter().filter(|found| self.filter.iter().all(|filter| filter.takes(found))) {
            let ok = |is: bool| if is { "[OK]".to_owned() } else { String::new() };
            let description = match found.description.chars().count() {
                length if length > SHORT && !self.no_trunc => {
                    found.description.chars().take(SHORT - 1).chain(['…']).collect()
                }
                _ => found.description.clone(),
            };
            let (stars, official, automated) =
                (found.stars.to_string(), ok(found.official), ok(found.automated));
            rows.push([found.name.clone(), description, stars, official, automated]);
        }
        print!("{}", table(&rows));
        Ok(ExitCode::SUCCESS)
    }
}
