//! Pruning: removing every image that nothing needs, by Docker's rules.
//!
//! See docker-image-prune(1). Lab 13-union-image, tutorials/13-union-image.md.

use super::catalog::{Catalog, ImageError};
use super::filter::{Filter, Filters};
use super::remove::{Gone, Remover};
use crate::engine::containers::Record;
use crate::engine::events::{Kind, of};
use crate::engine::store::{Store, StoreError};
use crate::layers::Digest;

/// The filters that a prune understands.
pub const FILTERS: &[&str] = &["dangling", "label", "label!", "until"];

/// What a prune removed.
#[derive(Debug)]
pub struct Pruned {
    /// names, images and layers, in order
    pub gone: Vec<Gone>,
    /// bytes of the layers' files; an error where they are on the disk still
    pub freed: Result<u64, StoreError>,
}

/// Removes the images without a name; with `all` every one that no container uses.
///
/// # Errors
/// Those of the filters and of the store, where nothing has gone. What something needs stays, and is no error.
pub fn prune(
    store: &Store,
    containers: Vec<Record>,
    all: bool,
    filters: &[Filter],
) -> Result<Pruned, ImageError> {
    let mut remover = Remover::new(store, containers)?;
    let filters = Filters::of(filters, FILTERS, remover.catalog())?;
    let dangling = filters.dangling.unwrap_or(!all);
    let mut gone = Vec::new();
    for (id, names) in candidates(remover.catalog(), &filters, dangling) {
        let wanted = if names.is_empty() { vec![id.to_string()] } else { names };
        for name in wanted {
            match remover.remove(&name, false, true) {
                Ok(went) => gone.extend(went),
                // needed, or gone together with another
                Err(ImageError::Conflict { .. } | ImageError::Named { .. } | ImageError::NoSuch(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    remover.commit()?;
    let freed = remover.finish();
    if let Ok(freed) = freed {
        store.events().tell(&[of::pruned(Kind::Image, freed)]);
    }
    Ok(Pruned { gone, freed })
}

/// Images that may go, each with the names to take away.
fn candidates(catalog: &Catalog, filters: &Filters, dangling: bool) -> Vec<(Digest, Vec<String>)> {
    let children = catalog.children();
    let images = catalog.images.iter().filter(|image| {
        let between = image.names.is_empty() && children.contains_key(&image.id);
        !between && filters.pass(image) && !(dangling && image.names.iter().any(|name| name.tag().is_some()))
    });
    images.map(|image| (image.id, image.names.iter().map(ToString::to_string).collect())).collect()
}
