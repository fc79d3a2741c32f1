//! Archives in the forms that the world knows, made member by member.

use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use stepbox::engine::archives::{ArchiveError, Loaded, load};
use stepbox::engine::store::Store;
use stepbox::layers::Digest;
use support::archive::{Raw, gzip};

pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A store in a temporary directory.
pub fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path().join("store")).expect("a store can be made");
    (directory, store)
}

/// Loads an archive from a file.
pub fn load_bytes(store: &Store, bytes: &[u8]) -> Result<Vec<Loaded>, ArchiveError> {
    load(store, file(bytes), &())
}

/// A file of these bytes, from its beginning.
pub fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("written");
    File::open(file.path()).expect("readable")
}

/// An image that an archive is made of.
#[derive(Clone)]
pub struct Image {
    /// the tars of its layers
    pub tars: Vec<Vec<u8>>,
    /// its config document
    pub config: Value,
}

impl Image {
    /// Two layers; the text makes it another image.
    pub fn new(text: &str) -> Image {
        let below = Raw::default().directory("etc/", 0o755).file("etc/name", text).end();
        let above = Raw::default().file("etc/more", text).file(".wh.gone", "").end();
        Image::of(vec![below, above])
    }

    pub fn of(tars: Vec<Vec<u8>>) -> Image {
        let diff_ids: Vec<Digest> = tars.iter().map(|tar| Digest::of(tar)).collect();
        let config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
            "created": "2026-01-01T00:00:00Z", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        Image { tars, config }
    }

    pub fn config_bytes(&self) -> Vec<u8> {
        self.config.to_string().into_bytes()
    }

    pub fn id(&self) -> Digest {
        Digest::of(&self.config_bytes())
    }

    /// As docker save wrote it until Docker 25, manifest.json last, a repeated layer as a link.
    pub fn old_docker(&self, raw: Raw, tags: &[&str]) -> Raw {
        let mut raw = raw;
        let mut paths: Vec<String> = Vec::new();
        for (number, tar) in self.tars.iter().enumerate() {
            let own = &self.id().hex()[..8];
            let directory = format!("{own}{number}");
            raw = raw.directory(&format!("{directory}/"), 0o755).file(&format!("{directory}/VERSION"), "1.0");
            raw = match self.tars[..number].iter().position(|other| other == tar) {
                Some(same) => {
                    raw.symlink(&format!("{directory}/layer.tar"), &format!("../{own}{same}/layer.tar"))
                }
                None => raw.entry(format!("{directory}/layer.tar").as_bytes(), b'0', b"", tar),
            };
            paths.push(format!("{directory}/layer.tar"));
        }
        let config = format!("{}.json", self.id().hex());
        let item = json!({"Config": config, "RepoTags": tags, "Layers": paths});
        raw.entry(config.as_bytes(), b'0', b"", &self.config_bytes())
            .file("manifest.json", &json!([item]).to_string())
    }

    /// As skopeo writes it: each tar by its diff id, and a link to it for old Dockers.
    pub fn skopeo(&self, compressed: bool, tags: Option<&[&str]>) -> Raw {
        let config = format!("{}.json", self.id().hex());
        let mut paths = Vec::new();
        let mut raw = Raw::default();
        for tar in &self.tars {
            let path = format!("{}.tar{}", Digest::of(tar).hex(), if compressed { ".gz" } else { "" });
            let data = if compressed { gzip(tar) } else { tar.clone() };
            let link = format!("{}/layer.tar", Digest::of(path.as_bytes()).hex());
            raw = raw.entry(path.as_bytes(), b'0', b"", &data).symlink(&link, &format!("../{path}"));
            paths.push(path);
        }
        let item = json!({"Config": config, "RepoTags": tags, "Layers": paths});
        // the list first, as no writer has it
        let head = Raw::default().file("./manifest.json", &json!([item]).to_string()).entry(
            config.as_bytes(),
            b'0',
            b"",
            &self.config_bytes(),
        );
        Raw([head.0, raw.0].concat())
    }

    /// The blobs of an OCI layout, and a descriptor of the manifest.
    pub fn oci_blobs(&self, raw: Raw, pack: impl Fn(&[u8]) -> (Vec<u8>, &'static str)) -> (Raw, Value) {
        let mut raw = raw;
        let mut layers = Vec::new();
        for tar in &self.tars {
            let (data, suffix) = pack(tar);
            let media_type = format!("{LAYER}{suffix}");
            layers.push(descriptor(&media_type, &data));
            raw = raw.entry(blob(&data).as_bytes(), b'0', b"", &data);
        }
        let config = self.config_bytes();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers,
            "config": descriptor(CONFIG, &config)});
        let manifest = manifest.to_string().into_bytes();
        let raw = raw.entry(blob(&config).as_bytes(), b'0', b"", &config);
        (raw.entry(blob(&manifest).as_bytes(), b'0', b"", &manifest), descriptor(MANIFEST, &manifest))
    }

    /// An OCI archive with gzip layers and this name.
    pub fn oci(&self, name: &str) -> Raw {
        let (raw, mut entry) = self.oci_blobs(Raw::default(), |tar| (gzip(tar), "+gzip"));
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        layout(raw, &[entry])
    }
}

/// Adds what makes blobs an OCI layout.
pub fn layout(raw: Raw, entries: &[Value]) -> Raw {
    raw.file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
        .file("index.json", &json!({"schemaVersion": 2, "manifests": entries}).to_string())
}

pub fn descriptor(media_type: &str, data: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(data), "size": data.len()})
}

/// The member that a blob is.
pub fn blob(data: &[u8]) -> String {
    format!("blobs/sha256/{}", Digest::of(data).hex())
}
