//! Filters: which volumes a list shows and a prune removes, in Docker's words: `dangling=true`, `label=x=y`.
//!
//! See docker-volume-ls(1), docker-volume-prune(1).

use std::collections::BTreeSet;

use super::error::VolumeError;
use super::{Known, Volumes};
use crate::engine::containers;
use crate::engine::events::{Kind, of};
use crate::engine::expression::Expression;
use crate::engine::images::filter::Filter;
use crate::engine::state::State;
use crate::engine::store::size_of_files;

/// The filters of a list.
pub const LIST: &[&str] = &["dangling", "driver", "label", "name"];
/// The filters of a prune.
pub const PRUNE: &[&str] = &["label", "label!"];

/// Whether a label is asked for that it has.
fn has(known: &Known, wanted: &str) -> bool {
    let (name, value) = wanted.split_once('=').map_or((wanted, None), |(name, value)| (name, Some(value)));
    let found = known.kept.labels.as_ref().and_then(|labels| labels.get(name));
    found.is_some_and(|found| value.is_none_or(|value| value == found))
}

/// The volumes that pass; `allowed` are the filters that this command has.
///
/// # Errors
/// [`VolumeError::Filter`].
pub fn pass(state: &State, filters: &[Filter], allowed: &[&str]) -> Result<Vec<Known>, VolumeError> {
    let mut dangling = None;
    for Filter { name, value } in filters {
        if !allowed.contains(&name.as_str()) {
            return Err(VolumeError::Filter(name.clone()));
        }
        if name == "dangling" {
            dangling = Some(match value.as_str() {
                "true" | "1" => true,
                "false" | "0" => false,
                other => return Err(VolumeError::Filter(format!("dangling=[{other}]"))),
            });
        }
    }
    let used = used(state);
    let of = |name: &'static str| {
        filters.iter().filter(move |filter| filter.name == name).map(|filter| &filter.value)
    };
    let names: Vec<Expression> = of("name").map(|name| Expression::of(name)).collect();
    let passes = |known: &Known| {
        dangling.is_none_or(|dangling| dangling != used.contains(&known.name))
            && (of("driver").next().is_none() || of("driver").any(|driver| driver == "local"))
            && (names.is_empty() || names.iter().any(|name| name.fits(&known.name)))
            && of("label").all(|label| has(known, label))
            && !of("label!").any(|label| has(known, label))
    };
    Ok(Volumes::of(state).list().into_iter().filter(passes).collect())
}

/// The names of those that containers have.
pub fn used(state: &State) -> BTreeSet<String> {
    let records = containers::as_written(state);
    records.iter().flat_map(|record| record.volumes()).map(|volume| volume.name.clone()).collect()
}

/// What a prune removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// the volumes' names
    pub gone: Vec<String>,
    /// bytes of their files
    pub freed: u64,
}

/// Removes the volumes that no container has and that pass.
///
/// # Errors
/// A filter that is none, and what the kernel answers. What somebody takes meanwhile stays.
pub fn prune(state: &State, filters: &[Filter]) -> Result<Pruned, VolumeError> {
    let (volumes, used) = (Volumes::of(state), used(state));
    let mut pruned = Pruned::default();
    for known in pass(state, filters, PRUNE)?.iter().filter(|known| !used.contains(&known.name)) {
        let size = size_of_files(&known.place.data()).unwrap_or(0);
        match volumes.remove(&known.name) {
            Ok(()) => {
                pruned.freed += size;
                pruned.gone.push(known.name.clone());
            }
            Err(VolumeError::InUse { .. } | VolumeError::NoSuch(_)) => {}
            Err(error) => return Err(error),
        }
    }
    state.events().tell(&[of::pruned(Kind::Volume, pruned.freed)]);
    Ok(pruned)
}
