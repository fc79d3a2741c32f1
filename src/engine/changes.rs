//! Changes: what a container did to the files of its image.
//!
//! ```text
//!   upper + layers ── layers::changes ──> A /new   C /etc   D /old
//! ```
//!
//! See docker-container-diff(1). Lab 14-commit, tutorials/14-commit.md.

use super::containers::Record;
use super::state::State;
use super::view::{Extent, View, ViewError};
use crate::layers::{self, Changes};

/// What the engine makes in every container where the image has none, for something to be mounted on. Docker keeps the
/// same in a layer of its own, which nobody sees.
pub const PLACES: &[&str] = &["dev", "etc", "etc/hostname", "etc/hosts", "etc/resolv.conf", "proc", "sys"];

/// What a container did to its image's files.
///
/// # Errors
/// [`ViewError`].
pub fn changes(state: &State, record: &Record) -> Result<Changes, ViewError> {
    of(&View::of(state, record)?)
}

/// The same for a view.
pub(super) fn of(view: &View<'_>) -> Result<Changes, ViewError> {
    let (upper, lower) = (view.upper(), view.lower()?);
    let (tree, image) = (view.tree(), lower.first());
    let work = |_| {
        let found = match (&tree, image) {
            (Some(tree), Some(image)) => layers::changes_of_trees(tree, image, PLACES),
            _ => layers::changes(&upper, &lower, PLACES),
        };
        found.map_err(|error| view.files(error))
    };
    view.look(Extent::Layers, &[], work, || ()).map(|(changes, ())| changes)
}
