//! `stepbox volume ls`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::Value;

use crate::cli::format::{Listing, row};
use crate::cli::state;
use crate::cli::template::Labels;
use crate::engine::images::filter::Filter;
use crate::engine::volumes::Known;
use crate::engine::volumes::filter::{LIST, pass};

// The options of `volume ls`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Print names only
    #[arg(short, long)]
    quiet: bool,
    /// Only those that pass: dangling=BOOL, driver=local, label=NAME[=VALUE], name=PART
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<Filter>,
    /// How to print them: table [TEMPLATE], json, raw, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// The heading of each field.
pub(in crate::cli) const HEADINGS: &[(&str, &str)] = &[
    ("Name", "VOLUME NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
];

/// A volume's fields.
pub(in crate::cli) fn fields(volume: &Known, links: &str, size: &str) -> Value {
    let labels = volume.kept.labels.iter().flatten().map(|(name, value)| format!("{name}={value}"));
    row([
        ("Driver", "local".into()),
        ("Labels", labels.collect::<Vec<_>>().join(",")),
        ("Links", links.into()),
        ("Mountpoint", volume.place.data().display().to_string()),
        ("Name", volume.name.clone()),
        ("Scope", "local".into()),
        ("Size", size.into()),
    ])
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let found = pass(&state()?, &self.filter, LIST)?;
        for broken in found.iter().filter(|volume| volume.damaged) {
            complain!("stepbox: volume {}: what is written down of it cannot be read", broken.name);
        }
        let none = BTreeMap::new();
        let labels: Vec<Labels<'_>> =
            found.iter().map(|volume| volume.kept.labels.as_ref().unwrap_or(&none)).collect();
        let rows = found.iter().map(|volume| fields(volume, "N/A", "N/A")).collect();
        let usual = "{{.Driver}}\t{{.Name}}";
        let listing = Listing { usual, headings: HEADINGS, kind: "*formatter.volumeContext", rows };
        let raw = if self.quiet { "name: {{.Name}}" } else { "name: {{.Name}}\ndriver: {{.Driver}}\n" };
        let text = match self.format.as_deref() {
            None | Some("" | "table") if self.quiet => listing.text(Some("{{.Name}}"))?,
            Some("raw") => listing.text(Some(raw))?,
            format => listing.text_with(format, Some(&labels))?,
        };
        print!("{text}");
        Ok(ExitCode::SUCCESS)
    }
}
