//! `stepbox ps`.

use std::process::ExitCode;

use anyhow::bail;

use super::row;
use crate::cli::format::Listing;
use crate::cli::template::Labels;
use crate::cli::{human, state, store};
use crate::engine::containers::life::Status;
use crate::engine::containers::{self, Record, directory};
use crate::engine::health;
use crate::engine::images::catalog::Catalog;
use crate::engine::images::filter::Filter;
use crate::engine::machine::Machine;
use crate::engine::store::size_of_files;

/// The columns where none are asked for.
const USUAL: &str = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

/// What `--filter` can ask for.
const FILTERS: [&str; 9] =
    ["id", "name", "label", "status", "exited", "ancestor", "before", "since", "health"];

// The options of `ps`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Also those that have ended
    #[arg(short, long)]
    all: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// The N that were made last, whatever they are doing
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true)]
    last: Option<i64>,
    /// The one that was made last, whatever it is doing
    #[arg(short, long)]
    latest: bool,
    /// Shorten nothing
    #[arg(long)]
    no_trunc: bool,
    /// Only those that are so: id=, name=, label=, status=, exited=, ancestor=, before=, since=, health=
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<Filter>,
    /// How to print them: table [TEMPLATE], json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Also how much they have written
    #[arg(short, long)]
    size: bool,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        let last = if self.latest { Some(1) } else { self.last.filter(|last| *last > 0) };
        let records = containers::list(&state);
        let mut shown = self.filtered(&records, last.is_some())?;
        shown.truncate(last.map_or(usize::MAX, |last| usize::try_from(last).unwrap_or(usize::MAX)));
        let format = self.format.as_deref();
        let sizes = self.size || !self.quiet && format.is_some_and(|format| format.contains(".Size"));
        let known =
            sizes.then(|| store().and_then(|store| Ok((Catalog::read(&store)?, store)))).transpose()?;
        let size = |record: &Record| {
            let Some((catalog, store)) = &known else { return human::size(0, 3) };
            let written = size_of_files(&directory(&state, record).join("upper")).unwrap_or(0);
            let image = catalog.images.iter().find(|image| Some(image.id) == record.image_id);
            match image.and_then(|image| image.sizes(store).ok()) {
                Some(below) => {
                    let all = written + below.iter().sum::<u64>();
                    format!("{} (virtual {})", human::size(written, 3), human::size(all, 3))
                }
                None => human::size(written, 3),
            }
        };
        let root = Machine::look().root();
        let rows = shown.iter().map(|record| row::of(record, root, self.no_trunc, size(record))).collect();
        let usual = match self.size {
            true => format!("{USUAL}\t{{{{.Size}}}}"),
            false => USUAL.into(),
        };
        let listing = Listing { usual: &usual, headings: row::HEADINGS, kind: row::KIND, rows };
        let labels: Vec<Labels<'_>> = shown.iter().map(|record| &record.request.labels).collect();
        let text = match format {
            None | Some("" | "table") if self.quiet => listing.quiet(format)?,
            format => listing.text_with(format, Some(&labels))?,
        };
        print!("{text}");
        Ok(ExitCode::SUCCESS)
    }

    /// Those that are asked for. As Docker: several values of one filter are alternatives, several filters all hold.
    fn filtered<'a>(&self, records: &'a [Record], all: bool) -> anyhow::Result<Vec<&'a Record>> {
        let mut filters: Vec<(&str, Vec<&str>)> = Vec::new();
        for Filter { name, value } in &self.filter {
            let (name, value) = (name.as_str(), value.as_str());
            check(name, value)?;
            match filters.iter_mut().find(|(other, _)| *other == name) {
                Some((_, values)) => values.push(value),
                None => filters.push((name, vec![value])),
            }
        }
        let by_state = filters.iter().any(|(name, _)| ["status", "exited"].contains(name));
        let all = all || self.all || by_state;
        let mut kept: Vec<&Record> = records.iter().filter(|record| all || record.running()).collect();
        for (name, values) in filters {
            let keeps = |record: &Record| -> anyhow::Result<bool> {
                for value in &values {
                    if holds(records, record, name, value)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            };
            let mut wanted = Vec::new();
            for record in kept {
                if keeps(record)? {
                    wanted.push(record);
                }
            }
            kept = wanted;
        }
        Ok(kept)
    }
}

/// # Errors
/// A filter that nobody knows, and a value that it cannot have, in Docker's words.
fn check(name: &str, value: &str) -> anyhow::Result<()> {
    const HEALTH: [&str; 4] = ["starting", "healthy", "unhealthy", health::NONE];
    const STATES: [&str; 7] = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];
    match name {
        "status" if !STATES.contains(&value) => bail!("Invalid filter 'status={value}'"),
        "health" if !HEALTH.contains(&value) => bail!("Unrecognised filter value for health: {value}"),
        "exited" if value.parse::<i32>().is_err() => bail!("Invalid filter 'exited={value}'"),
        _ if !FILTERS.contains(&name) => bail!("Invalid filter '{name}'"),
        _ => Ok(()),
    }
}

/// Whether a filter lets a container through.
fn holds(all: &[Record], record: &Record, filter: &str, value: &str) -> anyhow::Result<bool> {
    let other = || match all.iter().find(|other| other.name == value || other.id.starts_with(value)) {
        Some(other) => Ok(other),
        None => bail!("No such container: {value}"),
    };
    Ok(match filter {
        "id" => record.id.starts_with(value),
        "name" => record.name.contains(value.trim_start_matches(['/', '^']).trim_end_matches('$')),
        "label" => match value.split_once('=') {
            Some((name, value)) => record.request.labels.get(name).is_some_and(|other| other == value),
            None => record.request.labels.contains_key(value),
        },
        "status" => record.life.status.word() == value,
        "exited" => record.life.status == Status::Exited && value.parse() == Ok(record.life.exit_code),
        "ancestor" => {
            let bare = value.strip_prefix("sha256:").unwrap_or(value);
            let id = record.image_id.map(|id| id.hex().to_string()).unwrap_or_default();
            record.image == value || record.image == format!("{value}:latest") || id.starts_with(bare)
        }
        "health" => record.life.health.as_ref().map_or(health::NONE, |health| health.status.word()) == value,
        "before" => record.created < other()?.created,
        "since" => record.created > other()?.created,
        _ => false,
    })
}
