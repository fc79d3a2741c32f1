//! Images to push: layers of a few names, and a store that keeps them.

use std::error::Error;

use stepbox::engine::config::{self, Descriptor, Document, ImageConfig, Manifest, RootFs};
use stepbox::engine::reference::Reference;
use stepbox::engine::store::Store;
use stepbox::layers::{Compression, Digest, Entry, Kind, Pack, Tape};

const BIG: &[u8] = &[b'x'; 65536];
/// What every image here stands on. A name that ends in / is a directory.
pub const BASE: &[(&str, &[u8])] =
    &[("data/", b""), ("data/big", BIG), ("etc/", b""), ("etc/motd", b"Hello")];
pub const APP: &[(&str, &[u8])] = &[("app", b"v1")];
pub const WEB: &[(&str, &[u8])] = &[("web", b"v1")];

/// A layer: the same bytes in every year and for everybody, as in lab 13.
pub fn layer(contents: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tape = Tape::new(Pack::new(Vec::new(), Compression::None));
    for (name, text) in contents {
        let (kind, mode) = if name.ends_with('/') { (Kind::Directory, 0o755) } else { (Kind::File, 0o644) };
        tape.append(&Entry::new(*name, kind, mode).sized(text.len() as u64), *text)
            .expect("memory takes every write");
    }
    tape.finish().and_then(Pack::finish).expect("memory takes every write").1
}

/// Puts an image of these layers into a store, under this name; returns its manifest.
pub fn put(
    store: &Store,
    name: &Reference,
    layers: &[&[(&str, &[u8])]],
) -> Result<(Digest, Vec<u8>), Box<dyn Error + Send + Sync>> {
    let mut draft = store.draft(&[])?;
    let layers =
        layers.iter().map(|contents| draft.layer(&layer(contents)[..])).collect::<Result<Vec<_>, _>>()?;
    let config = serde_json::to_vec(&Document {
        created: Some("1970-01-01T00:00:00Z".into()),
        author: None,
        architecture: "amd64".into(),
        os: "linux".into(),
        config: ImageConfig::default(),
        rootfs: RootFs {
            kind: "layers".into(),
            diff_ids: layers.iter().map(|it| it.applied.diff_id).collect(),
        },
        history: Vec::new(),
        rest: serde_json::Map::new(),
    })?;
    let manifest = serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: Some(config::MANIFEST.to_owned()),
        config: Descriptor::new(config::CONFIG, draft.blob(&config)?, config.len() as u64),
        layers: layers.into_iter().map(|layer| layer.descriptor).collect(),
        rest: serde_json::Map::new(),
    })?;
    let digest = draft.blob(&manifest)?;
    draft.publish(Descriptor::new(config::MANIFEST, digest, manifest.len() as u64), name)?;
    Ok((digest, manifest))
}
