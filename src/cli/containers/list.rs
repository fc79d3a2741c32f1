//! `stepbox ps`.

use std::process::ExitCode;

use super::row;
use crate::cli::format::Listing;
use crate::cli::template::Labels;
use crate::cli::{human, state, store};
use crate::engine::containers::filter::Filters;
use crate::engine::containers::{self, Record, directory};
use crate::engine::images::catalog::Catalog;
use crate::engine::images::filter::Filter;
use crate::engine::store::{Store, size_of_files};

/// The columns where none are asked for.
const USUAL: &str = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

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
    /// Only those that are so: id=, name=, label=, status=, exited=, ancestor=, before=, since=, health=, volume=,
    /// network=, publish=, expose=
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
        let filters =
            Filters::of(&self.filter, &state, &records, || Catalog::read(&Store::open(&state.root)?))?;
        let all = self.all || last.is_some() || filters.want_all();
        let mut shown: Vec<&Record> =
            records.iter().filter(|record| (all || record.running()) && filters.pass(record)).collect();
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
        let rows = shown.iter().map(|record| row::of(&state, record, self.no_trunc, size(record))).collect();
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
}
