//! `stepbox system prune`.

use std::process::ExitCode;

use crate::cli::confirm::confirm;
use crate::cli::containers::prune as containers;
use crate::cli::images::prune as images;
use crate::cli::volumes::prune as volumes;
use crate::cli::{human, state, store};
use crate::engine::images::filter::Filter;

// The options of `system prune`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Every image that no container uses, not only those without a name
    #[arg(short, long)]
    all: bool,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Only what passes: until=TIME, label=NAME[=VALUE], label!=NAME[=VALUE]
    #[arg(long, value_name = "FILTER")]
    filter: Vec<Filter>,
    /// Also volumes that no container has
    #[arg(long)]
    volumes: bool,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let until = self.filter.iter().any(|filter| filter.name == "until");
        anyhow::ensure!(!(self.volumes && until), "The \"until\" filter is not supported with \"--volumes\"");
        let (state, store) = (state()?, store()?);
        if !self.force && !confirm(&self.warning())? {
            return Ok(ExitCode::SUCCESS);
        }
        let mut freed = containers::remove(&state, &containers::ended(&state, &store, &self.filter)?)?;
        if self.volumes {
            freed += volumes::remove(&state, &self.filter)?;
        }
        freed += images::remove(&state, &store, self.all, &self.filter)?;
        println!("Total reclaimed space: {}", human::size(freed, 4));
        Ok(ExitCode::SUCCESS)
    }

    fn warning(&self) -> String {
        let images = match self.all {
            true => "all images without at least one container associated to them",
            false => "all dangling images",
        };
        let volumes = if self.volumes { "  - all volumes not used by at least one container\n" } else { "" };
        let mut warning = format!("This will remove:\n  - all stopped containers\n{volumes}  - {images}\n");
        if !self.filter.is_empty() {
            warning += "\n  Items to be pruned will be filtered with:\n";
            warning
                .extend(self.filter.iter().map(|filter| format!("  - {}={}\n", filter.name, filter.value)));
        }
        warning
    }
}
