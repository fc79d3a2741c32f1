//! `stepbox container prune`.

use std::process::ExitCode;

use crate::cli::confirm::{prune, say_deleted};
use crate::cli::{state, store};
use crate::engine::containers::{self, Record};
use crate::engine::events::{Kind, of};
use crate::engine::images::catalog::{Catalog, ImageError};
use crate::engine::images::filter::{Filter, Filters};
use crate::engine::state::State;
use crate::engine::store::{Store, size_of_files};

// The options of `container prune`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Only those that pass: until=TIME, label=NAME[=VALUE], label!=NAME[=VALUE]
    #[arg(long, value_name = "FILTER")]
    filter: Vec<Filter>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        prune(self.force, "This will remove all stopped containers.", || {
            let state = state()?;
            remove(&state, &ended(&state, &store()?, &self.filter)?)
        })
    }
}

/// The containers that do not run and pass the filters.
pub(in crate::cli) fn ended(
    state: &State,
    store: &Store,
    filter: &[Filter],
) -> Result<Vec<Record>, ImageError> {
    let filters = Filters::of(filter, &["label", "label!", "until"], &Catalog::read(store)?)?;
    let ended = containers::list(state).into_iter().filter(|record| !record.running());
    let passes = |record: &Record| {
        let created = record.created.parse::<jiff::Timestamp>().map_or(i64::MIN, jiff::Timestamp::as_second);
        filters.pass_of_age(created, Some(&record.request.labels))
    };
    Ok(ended.filter(passes).collect())
}

/// Removes them, says their ids, and how many bytes they had written. One that somebody starts or removes meanwhile is
/// left to him.
pub(in crate::cli) fn remove(state: &State, ended: &[Record]) -> anyhow::Result<u64> {
    let (mut freed, mut gone) = (0, Vec::new());
    for record in ended {
        let written = size_of_files(&state.containers().join(&record.id).join("upper")).unwrap_or(0);
        match containers::remove::remove(state, &record.id, false, false) {
            Ok(_) => {
                freed += written;
                gone.push(record.id.as_str());
            }
            Err(containers::ContainerError::Running { .. } | containers::ContainerError::NoSuch(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    state.events().tell(&[of::pruned(Kind::Container, freed)]);
    say_deleted("Containers", gone);
    Ok(freed)
}
