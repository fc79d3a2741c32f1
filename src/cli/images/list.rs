//! `stepbox images`.

use std::process::ExitCode;

use crate::cli::format::{Listing, row};
use crate::cli::{human, store};
use crate::engine::images::catalog::{Catalog, Known};
use crate::engine::images::filter::{Filter, Filters};
use crate::engine::reference::Reference;
use crate::layers::Digest;

// The options of `images`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Also those that others were made of and that have no name
    #[arg(short, long)]
    all: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Print whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Print what a registry calls them
    #[arg(long)]
    digests: bool,
    /// Only those that pass: dangling=BOOL, label=NAME[=VALUE], before=IMAGE, since=IMAGE, reference=PATTERN
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<Filter>,
    /// How to print them: table [TEMPLATE], json, raw, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Only those with this name; * and ? fit all but a slash
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

const FILTERS: &[&str] = &["dangling", "label", "before", "since", "reference"];
const NONE: &str = "<none>";
/// The heading of each field.
pub(in crate::cli) const HEADINGS: &[(&str, &str)] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("VirtualSize", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("Containers", "CONTAINERS"),
];

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let store = store()?;
        let catalog = Catalog::read(&store)?;
        let filters = Filters::of(&self.filter, FILTERS, &catalog)?;
        let filters = match &self.name {
            Some(name) => filters.and_reference(name)?,
            None => filters,
        };
        let mut code = ExitCode::SUCCESS;
        for broken in &catalog.broken {
            let name = broken.names.first().map_or_else(|| broken.digest.to_string(), ToString::to_string);
            complain!("stepbox: image {name} cannot be read: {}", broken.error);
            code = ExitCode::FAILURE;
        }
        let children = catalog.children();
        let mut rows = Vec::new();
        for image in &catalog.images {
            if !filters.pass(image) {
                continue;
            }
            let names = filters.names(image);
            if image.names.is_empty() {
                let between = children.contains_key(&image.id);
                let asked = self.all && filters.dangling.is_none() || !between;
                if !asked || filters.dangling == Some(false) || filters.wants_names() {
                    continue;
                }
            } else if filters.dangling == Some(true) || names.is_empty() {
                continue;
            }
            let size = match image.sizes(&store) {
                Ok(sizes) => Some(sizes.iter().sum()),
                Err(error) => {
                    // the list is whole without its size
                    complain!("stepbox: image {}: its size is not known: {error}", image.short());
                    None
                }
            };
            rows.extend(self.rows(image, &names, size));
        }
        let usual = match self.digests {
            true => "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
            false => "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
        };
        let listing = Listing { usual, headings: HEADINGS, kind: "*formatter.imageContext", rows };
        let format = match self.format.as_deref() {
            Some("raw") if self.quiet => Some("image_id: {{.ID}}"),
            Some("raw") => Some(RAW),
            other => other,
        };
        print!("{}", if self.quiet { listing.quiet(format)? } else { listing.text(format)? });
        Ok(code)
    }

    fn rows(&self, image: &Known, names: &[&Reference], size: Option<u64>) -> Vec<serde_json::Value> {
        let size = |digits| size.map_or("N/A".into(), |size| human::size(size, digits));
        let one = |repository: String, tag: &str, digest: Option<Digest>| {
            row([
                ("Containers", "N/A".into()),
                ("CreatedAt", human::moment(image.created())),
                ("CreatedSince", human::ago(image.created())),
                ("Digest", digest.map_or(NONE.into(), |digest| digest.to_string())),
                ("ID", if self.no_trunc { image.id.to_string() } else { image.short() }),
                ("Repository", repository),
                ("SharedSize", "N/A".into()),
                ("Size", size(3)),
                ("Tag", tag.into()),
                ("UniqueSize", "N/A".into()),
                ("VirtualSize", size(4)),
            ])
        };
        if names.is_empty() {
            return vec![one(NONE.into(), NONE, image.digests.first().copied())];
        }
        let digest = |name: &Reference| name.digest().or(image.digests.first().copied());
        names.iter().map(|name| one(name.familiar_name(), name.tag().unwrap_or(NONE), digest(name))).collect()
    }
}

const RAW: &str = "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\n\
                   virtual_size: {{.Size}}\n";
