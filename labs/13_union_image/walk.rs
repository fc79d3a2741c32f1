//! The walk: from the one file whose name is known, from name to name, to every byte of an image.
//!
//! ```text
//!   index.json ─ digest ─> manifest ─ digest ─> config: what to run, and the diff ids
//!                             └────── digests ─> layer blobs ─ inflate ─> diff ids ─> chain ids
//! ```

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use stepbox::engine::config::{self, Descriptor, Document, History, ImageConfig, Manifest, RootFs};
use stepbox::engine::reference::Reference;
use stepbox::engine::store::{NewLayer, Store};
use stepbox::lab::{LabError, Stage};
use stepbox::layers::{Digest, Inflate, chain_ids};
use stepbox::trace::{Change, Fact};

/// Both acts: the image is written, then read.
pub fn image(stage: &mut Stage) -> Result<(), LabError> {
    let (root, tars) = (stage.dir.join("image"), ["base.tar", "app.tar"].map(|name| stage.dir.join(name)));
    stage.act(
        "an image is three documents",
        "Two layers lie there. Who says which one is below, and what to run?",
    );
    let why = "index.json names the manifest, the manifest names config and layers: all by digest";
    stage.scope("write the image app:v1", why, &[], || {
        let [base, app] = tars.map(fs::read);
        write(&root, [base?, wrapped(&app?)?]).map_err(io::Error::other)?;
        Ok::<_, io::Error>(vec![Change::found("content", "image/", files(&root)?)])
    })?;
    let mut walk = Walk { root, at: Value::Null, config: Value::Null };
    walk.index(stage)?;
    walk.manifest(stage)?;
    walk.config(stage)?;
    walk.layers(stage)?;
    walk.lie(stage)
}

/// The tar in gzip, but not squeezed: what a compressor makes of it differs from version to version, and these digests
/// have to be the same for every reader.
fn wrapped(tar: &[u8]) -> io::Result<Vec<u8>> {
    let level = flate2::Compression::none();
    let mut gzip = flate2::GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), level);
    gzip.write_all(tar)?;
    gzip.finish()
}

// ANCHOR: write
/// Layers, config, manifest, and at last the name: so the engine's store does it for each image.
fn write(root: &Path, layers: [Vec<u8>; 2]) -> Result<(), Box<dyn Error + Send + Sync>> {
    let store = Store::open(root)?;
    let mut draft = store.draft(&[])?;
    let layers = [draft.layer(&layers[0][..])?, draft.layer(&layers[1][..])?];
    let config = serde_json::to_vec(&document(&layers))?;
    let manifest = serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: Some(config::MANIFEST.to_owned()),
        config: Descriptor::new(config::CONFIG, draft.blob(&config)?, config.len() as u64),
        layers: layers.map(|layer| layer.descriptor).into(),
        rest: serde_json::Map::new(),
    })?;
    let digest = draft.blob(&manifest)?;
    let name: Reference = "app:v1".parse()?;
    draft.publish(Descriptor::new(config::MANIFEST, digest, manifest.len() as u64), &name)?;
    Ok(())
}
// ANCHOR_END: write

fn document(layers: &[NewLayer; 2]) -> Document {
    let history = ["the base", "a container wrote this"];
    let history = history.map(|line| History { created_by: Some(line.into()), ..History::default() });
    Document {
        created: Some("1970-01-01T00:00:00Z".into()),
        author: None,
        architecture: "amd64".into(),
        os: "linux".into(),
        config: ImageConfig { cmd: Some(vec!["/app".into()]), ..ImageConfig::default() },
        rootfs: RootFs {
            kind: "layers".into(),
            diff_ids: layers.iter().map(|it| it.applied.diff_id).collect(),
        },
        history: history.into(),
        rest: serde_json::Map::new(),
    }
}

/// The documents, and every blob by the first digits of its name.
fn files(root: &Path) -> io::Result<Vec<Fact>> {
    let mut found = Vec::new();
    for name in ["oci-layout", "index.json"] {
        found.push(Fact::new(name, format!("{} bytes", root.join(name).metadata()?.len())));
    }
    let mut blobs = Vec::new();
    for entry in fs::read_dir(root.join("blobs/sha256"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().chars().take(12).collect::<String>();
        blobs.push((format!("blobs/sha256/{name}\u{2026}"), format!("{} bytes", entry.metadata()?.len())));
    }
    blobs.sort();
    found.extend(blobs.into_iter().map(|(name, size)| Fact::new(name, size)));
    Ok(found)
}

/// Where we are, and how to go on. Nothing here knows the store: these are files and JSON.
struct Walk {
    root: PathBuf,
    at: Value,
    config: Value,
}

impl Walk {
    fn index(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act(
            "the walk",
            "Predict: which two files here have a name that does not follow from what is in them?",
        );
        let why =
            "here every tool begins: this name is known beforehand (digests are shortened from here on)";
        stage.scope("read index.json", why, &[], || {
            self.at = serde_json::from_slice(&fs::read(self.root.join("index.json"))?)?;
            Ok::<_, io::Error>(vec![Change::found("content", "index.json", leaves(&self.at))])
        })
    }

    /// Opens what is named, and computes its name anew.
    fn follow(&self, name: &Value) -> io::Result<(Vec<u8>, Fact)> {
        let digest: Digest = serde_json::from_value(name["digest"].clone())?;
        let bytes = fs::read(self.root.join("blobs/sha256").join(digest.hex()))?;
        let found = Digest::of(&bytes);
        let same = if found == digest { "as its name says" } else { "another than its name says" };
        Ok((bytes, Fact::new("sha256, computed now", format!("{}\u{2026} {same}", found.short()))))
    }

    fn manifest(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        let why = "a digest is an address: it says where the bytes lie, and whether they are the right ones";
        stage.scope("follow the digest to the manifest", why, &[], || {
            let (bytes, checked) = self.follow(&self.at["manifests"][0])?;
            self.at = serde_json::from_slice(&bytes)?;
            let facts = std::iter::once(checked).chain(leaves(&self.at)).collect();
            Ok::<_, io::Error>(vec![Change::found("content", "manifest", facts)])
        })
    }

    fn config(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        let why = "what to run, and what the tree is made of: its digest is the image id";
        stage.scope("follow the digest to the config", why, &[], || {
            let (bytes, checked) = self.follow(&self.at["config"])?;
            self.config = serde_json::from_slice(&bytes)?;
            let facts = std::iter::once(checked).chain(leaves(&self.config)).collect();
            Ok::<_, io::Error>(vec![Change::found("content", "config", facts)])
        })
    }

    fn layers(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        let why = "the manifest names what travels, the config what it unfolds to: both are computed here";
        stage.scope("hash each layer, as it lies there and unfolded", why, &[], || {
            let diff_ids: Vec<Digest> = serde_json::from_value(self.config["rootfs"]["diff_ids"].clone())?;
            let chain = chain_ids(&diff_ids);
            let mut changes = Vec::new();
            for (at, name) in ["base", "app"].into_iter().enumerate() {
                let (bytes, checked) = self.follow(&self.at["layers"][at])?;
                let inflated = Inflate::new(&bytes[..]).map_err(io::Error::other)?;
                let diff_id = Digest::read(inflated)?;
                let same = if diff_id == diff_ids[at] { "as the config says" } else { "not the config's" };
                let unfolded =
                    Fact::new("unfolded: the diff id", format!("{}\u{2026} {same}", diff_id.short()));
                let directory = self.root.join("layers").join(chain[at].hex());
                let there = if directory.is_dir() { "is there" } else { "is missing" };
                let place = Fact::new("chain id", format!("layers/{}\u{2026} {there}", chain[at].short()));
                changes.push(Change::found(
                    "content",
                    &format!("layers[{at}], {name}"),
                    vec![checked, unfolded, place],
                ));
            }
            Ok::<_, io::Error>(changes)
        })
    }

    fn lie(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        let why =
            "another byte, another name: who changes a layer must change the manifest, and then the index";
        stage.scope("add an empty line to the manifest", why, &[], || {
            let index: Value = serde_json::from_slice(&fs::read(self.root.join("index.json"))?)?;
            let (mut bytes, _) = self.follow(&index["manifests"][0])?;
            let before = Digest::of(&bytes);
            // it means the same, and has another name
            bytes.push(b'\n');
            let after = Digest::of(&bytes);
            let there = self.root.join("blobs/sha256").join(after.hex()).exists();
            let found = if there { "is there" } else { "no such file: nobody will ever follow it" };
            let mut change =
                Change::found("content", "manifest", vec![Fact::new("sha256", shortened(&after))]);
            change.before = vec![Fact::new("sha256", shortened(&before))];
            change.after.push(Fact::new(format!("blobs/sha256/{}\u{2026}", after.short()), found));
            Ok::<_, io::Error>(vec![change])
        })
    }
}

fn shortened(digest: &Digest) -> String {
    format!("sha256:{}\u{2026}", digest.short())
}

/// Each value of a document, with the way to it.
fn leaves(document: &Value) -> Vec<Fact> {
    fn walk(path: String, value: &Value, into: &mut Vec<Fact>) {
        match value {
            Value::Object(fields) => {
                let dot = if path.is_empty() { "" } else { "." };
                fields.iter().for_each(|(name, value)| walk(format!("{path}{dot}{name}"), value, into));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| walk(format!("{path}[{at}]"), item, into));
            }
            Value::String(text) => {
                let digest = text.parse::<Digest>();
                into.push(Fact::new(path, digest.map_or(text.clone(), |digest| shortened(&digest))));
            }
            other => into.push(Fact::new(path, other.to_string())),
        }
    }
    let mut found = Vec::new();
    walk(String::new(), document, &mut found);
    found
}
