//! `stepbox search`.

use std::process::ExitCode;
use std::str::FromStr;

use serde_json::Value;

use super::connection;
use super::format::{Listing, row};
use crate::engine::registry::{Found, HUB};

/// The columns where none are asked for.
const USUAL: &str = "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}\t{{.IsAutomated}}";
/// The heading of each field.
const HEADINGS: [(&str, &str); 5] = [
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("StarCount", "STARS"),
    ("IsOfficial", "OFFICIAL"),
    ("IsAutomated", "AUTOMATED"),
];

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
    /// How to print them: table [TEMPLATE], json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
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
        let found = found.iter().filter(|found| self.filter.iter().all(|filter| filter.takes(found)));
        let rows = found.map(|found| self.row(found)).collect();
        let listing = Listing { usual: USUAL, headings: &HEADINGS, kind: "*formatter.searchContext", rows };
        print!("{}", listing.text(self.format.as_deref())?);
        Ok(ExitCode::SUCCESS)
    }

    /// As Docker: what is so is a mark in a list, and a word in JSON.
    fn row(&self, found: &Found) -> Value {
        let json = self.format.as_deref().is_some_and(|format| format.contains("json"));
        let truth = |is: bool| match (json, is) {
            (true, _) => is.to_string(),
            (false, true) => "[OK]".to_owned(),
            (false, false) => String::new(),
        };
        let description = match found.description.chars().count() {
            length if length > SHORT && !self.no_trunc => {
                found.description.chars().take(SHORT - 1).chain(['…']).collect()
            }
            _ => found.description.clone(),
        };
        row([
            ("Name", found.name.clone()),
            ("Description", description),
            ("StarCount", found.stars.to_string()),
            ("IsOfficial", truth(found.official)),
            ("IsAutomated", truth(found.automated)),
        ])
    }
}
