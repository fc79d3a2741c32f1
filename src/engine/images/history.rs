//! History: how each layer of an image came to be, the newest first.
//!
//! See docker-history(1) and the OCI image specification, config.md (history). Lab 13-union-image,
//! tutorials/13-union-image.md.

use super::catalog::{Catalog, ImageError, Known};
use crate::engine::store::Store;
use crate::layers::Digest;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// the image that it made, if that is here: the first is the image itself, the others are those it was made of
    pub id: Option<Digest>,
    /// when, RFC 3339
    pub created: Option<String>,
    /// by which instruction
    pub created_by: String,
    /// why
    pub comment: String,
    /// bytes of the layer's files; 0 where only the config changed
    pub size: u64,
}

/// The steps of an image.
///
/// # Errors
/// Those of measuring its layers.
pub fn history(store: &Store, catalog: &Catalog, image: &Known) -> Result<Vec<Step>, ImageError> {
    let sizes = image.sizes(store)?;
    let mut sizes = sizes.into_iter();
    let mut steps: Vec<Step> = Vec::new();
    for entry in &image.document.history {
        let layer = !entry.empty_layer.unwrap_or(false);
        steps.push(Step {
            id: None,
            created: entry.created.clone(),
            created_by: entry.created_by.clone().unwrap_or_default(),
            comment: entry.comment.clone().unwrap_or_default(),
            size: if layer { sizes.next().unwrap_or(0) } else { 0 },
        });
    }
    // not every tool tells the history of what it makes
    steps.extend(sizes.map(|size| Step {
        id: None,
        created: None,
        created_by: String::new(),
        comment: String::new(),
        size,
    }));
    steps.reverse();
    let mut made = Some(image);
    for step in &mut steps {
        let Some(image) = made else { break };
        step.id = Some(image.id);
        made = image.parent().and_then(|parent| catalog.images.iter().find(|other| other.id == parent));
    }
    Ok(steps)
}
