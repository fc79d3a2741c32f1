//! `stepbox system df`.

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::containers::row as container;
use crate::cli::format::{Listing, row};
use crate::cli::images::list::HEADINGS;
use crate::cli::volumes::list::fields;
use crate::cli::{human, state, store};
use crate::engine::images::catalog::Catalog;
use crate::engine::state::State;
use crate::engine::usage::{OfContainer, OfImage, OfVolume, Usage, usage};

// The options of `system df`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Each image, container and volume
    #[arg(short, long)]
    verbose: bool,
    /// How to print it: table [TEMPLATE], json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let (state, store) = (state()?, store()?);
        let catalog = Catalog::read(&store)?;
        let usage = usage(&state, &store, &catalog)?;
        let format = self.format.as_deref();
        match (self.verbose, format) {
            (false, _) => print!("{}", summary(&usage).text(format)?),
            (true, None) => {
                let (images, containers) = (images(&usage, true), containers(&state, &usage, true));
                print!("Images space usage:\n\n{}", images.text(None)?);
                print!("\nContainers space usage:\n\n{}", containers.text(None)?);
                print!("\nLocal Volumes space usage:\n\n{}", volumes(&usage).text(None)?);
            }
            (true, Some(format)) => {
                let whole = serde_json::json!({
                    "Images": images(&usage, false).rows, "Containers": containers(&state, &usage, false).rows,
                    "Volumes": volumes(&usage).rows,
                });
                let types = crate::cli::template::Types {
                    name: Some("*formatter.diskUsageContext"),
                    maps: &[],
                    lists: &[],
                    marshals: true,
                    headings: false,
                };
                // as in Docker, lines end where the template says so
                let format = if format == "json" { "{{json .}}\n" } else { format };
                print!("{}", crate::cli::template::Template::parse(format)?.run(&whole, types)?);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Images, containers and volumes, a line each.
fn summary(usage: &Usage<'_>) -> Listing<'static> {
    let line = |kind: &str, total: usize, active: usize, size: u64, back: u64| {
        let share = (back * 100).checked_div(size).map(|share| format!(" ({share}%)")).unwrap_or_default();
        row([
            ("Active", active.to_string()),
            ("Reclaimable", human::size(back, 4) + &share),
            ("Size", human::size(size, 4)),
            ("TotalCount", total.to_string()),
            ("Type", kind.into()),
        ])
    };
    let used = usage.images.iter().filter(|it| it.containers > 0).count();
    let running = usage.containers.iter().filter(|it| it.record.running()).count();
    let written = usage.containers.iter().map(|it| it.written).sum();
    let linked = usage.volumes.iter().filter(|it| it.links > 0).count();
    let kept = usage.volumes.iter().map(|it| it.size).sum();
    let rows = vec![
        line("Images", usage.images.len(), used, usage.layers, usage.reclaimable_of_images()),
        line("Containers", usage.containers.len(), running, written, usage.reclaimable_of_containers()),
        line("Local Volumes", usage.volumes.len(), linked, kept, usage.reclaimable_of_volumes()),
    ];
    Listing {
        usual: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
        headings: &[
            ("Type", "TYPE"),
            ("TotalCount", "TOTAL"),
            ("Active", "ACTIVE"),
            ("Size", "SIZE"),
            ("Reclaimable", "RECLAIMABLE"),
        ],
        kind: "*formatter.diskUsageImagesContext",
        rows,
    }
}

fn images(usage: &Usage<'_>, short: bool) -> Listing<'static> {
    let rows = |it: &OfImage<'_>| -> Vec<Value> {
        let image = it.image;
        let one = |repository: String, tag: &str| {
            row([
                ("Containers", it.containers.to_string()),
                ("CreatedAt", human::moment(image.created())),
                ("CreatedSince", human::ago(image.created())),
                ("Digest", image.digests.first().map(ToString::to_string).unwrap_or_default()),
                ("ID", if short { image.short() } else { image.id.to_string() }),
                ("Repository", repository),
                ("SharedSize", human::size(it.shared, 4)),
                ("Size", human::size(it.size, 3)),
                ("Tag", tag.into()),
                ("UniqueSize", human::size(it.size - it.shared, 4)),
                ("VirtualSize", human::size(it.size, 4)),
            ])
        };
        match image.names.as_slice() {
            [] => vec![one("<none>".into(), "<none>")],
            names => {
                names.iter().map(|name| one(name.familiar_name(), name.tag().unwrap_or("<none>"))).collect()
            }
        }
    };
    Listing {
        usual: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.VirtualSize}}\t{{.SharedSize}}\t\
                {{.UniqueSize}}\t{{.Containers}}",
        headings: HEADINGS,
        kind: "*formatter.imageContext",
        rows: usage.images.iter().flat_map(rows).collect(),
    }
}

fn containers(state: &State, usage: &Usage<'_>, short: bool) -> Listing<'static> {
    let one = |OfContainer { record, written }: &OfContainer| {
        container::of(state, record, !short, human::size(*written, 3))
    };
    Listing {
        usual: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t\
                {{.Names}}",
        headings: container::HEADINGS,
        kind: container::KIND,
        rows: usage.containers.iter().map(one).collect(),
    }
}

fn volumes(usage: &Usage<'_>) -> Listing<'static> {
    let one = |it: &OfVolume| fields(&it.volume, &it.links.to_string(), &human::size(it.size, 4));
    Listing {
        usual: "{{.Name}}\t{{.Links}}\t{{.Size}}",
        headings: crate::cli::volumes::list::HEADINGS,
        kind: "*formatter.volumeContext",
        rows: usage.volumes.iter().map(one).collect(),
    }
}
