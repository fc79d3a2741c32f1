//! `stepbox history`.

use std::process::ExitCode;

use crate::cli::format::{Listing, row};
use crate::cli::{human, store};
use crate::engine::images::catalog::Catalog;
use crate::engine::images::history::history;

// The options of `history`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Print sizes and times for people; -H=false for exact ones
    #[arg(short = 'H', long, num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", action = clap::ArgAction::Set, value_name = "BOOL")]
    human: bool,
    /// Print whole ids and instructions
    #[arg(long)]
    no_trunc: bool,
    /// How to print it: table [TEMPLATE], json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The image, by name or id
    image: String,
}

const HEADINGS: &[(&str, &str)] = &[
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let store = store()?;
        let catalog = Catalog::read(&store)?;
        let steps = history(&store, &catalog, catalog.find(&self.image)?)?;
        let rows = steps.into_iter().map(|step| {
            let created = step.created.as_deref().and_then(|at| at.parse::<jiff::Timestamp>().ok());
            let second = created.map(jiff::Timestamp::as_second);
            let id = step.id.map(|id| if self.no_trunc { id.to_string() } else { id.hex()[..12].into() });
            let by = shown(&step.created_by.replace('\t', " "));
            let at = created.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            row([
                ("Comment", shown(&step.comment)),
                ("CreatedAt", at.unwrap_or_default()),
                ("CreatedBy", if self.no_trunc { by } else { shortened(&by, 45) }),
                ("CreatedSince", human::ago(second)),
                ("ID", id.unwrap_or_else(|| "<missing>".into())),
                ("Size", if self.human { human::size(step.size, 3) } else { step.size.to_string() }),
            ])
        });
        let usual = match self.human {
            true => "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
            false => "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
        };
        let listing =
            Listing { usual, headings: HEADINGS, kind: "*formatter.historyContext", rows: rows.collect() };
        let format = self.format.as_deref();
        print!("{}", if self.quiet { listing.quiet(format)? } else { listing.text(format)? });
        Ok(ExitCode::SUCCESS)
    }
}

/// What others wrote must not drive the terminal. Docker lets it; a line break and a tab are left to it.
fn shown(text: &str) -> String {
    let shown = |letter: char| match letter.is_control() && !matches!(letter, '\n' | '\t') {
        true => letter.escape_default().to_string(),
        false => letter.into(),
    };
    text.chars().map(shown).collect()
}

/// A text of at most so many letters; the last one says that there were more.
fn shortened(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.into(),
    }
}
