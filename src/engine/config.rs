//! The documents of an image: index, manifest and config, as JSON.
//!
//! ```text
//!   index.json ─ descriptor ─> manifest ─ descriptor ─> config: what to run, and the diff ids
//!     ref.name = "docker.io/…"    └────── descriptors ─> layer blobs, bottom first
//! ```
//!
//! Fields that this engine does not know are kept where a document is read and written again (`rest`), so that a
//! store shared with another tool loses nothing. See the OCI image specification, image-index.md, manifest.md and
//! config.md. Lab 13-union-image, tutorials/13-union-image.md.

use crate::layers::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Media type of an OCI index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of an OCI manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an OCI config.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of Docker's manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Media type of Docker's index.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Media type of Docker's config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// The annotation in which the index keeps an image's name.
pub const NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation in which the index keeps which image of a list was pulled, by the digest of its manifest.
pub const CHOSEN: &str = "dev.stepbox.image.manifest";

/// An object of JSON, in the order in which it was written.
pub type Json = serde_json::Map<String, serde_json::Value>;

/// What an image says about the program to run in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageConfig {
    /// user or uid, with an optional group: `www-data:www-data`, `1000`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// ports that the program listens on, `80/tcp`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Json>>,
    /// `NAME=value`
    #[serde(deserialize_with = "or_default")]
    pub env: Vec<String>,
    /// program and first arguments
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// further arguments, or the program where there is no entrypoint
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// directories that get an anonymous volume
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, Json>>,
    /// the directory that the program starts in
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// names and values for people and tools
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// the signal that asks the program to stop
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// what runs the shell form of an instruction
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// how to find out whether the program is well; as Docker writes it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<serde_json::Value>,
    /// instructions for images that are built on this one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_build: Option<Vec<String>>,
    /// the rest
    #[serde(flatten)]
    pub rest: Json,
}

/// An image's config document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// when it was made, RFC 3339
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// who made it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// processor, in Go's names: `amd64`, `arm64`
    pub architecture: String,
    /// operating system
    pub os: String,
    /// what to run
    #[serde(default, deserialize_with = "or_default")]
    pub config: ImageConfig,
    /// the layers
    pub rootfs: RootFs,
    /// how each layer came to be
    #[serde(default, deserialize_with = "or_default")]
    pub history: Vec<History>,
    /// the rest
    #[serde(flatten)]
    pub rest: Json,
}

/// The layers of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RootFs {
    /// always `layers`
    #[serde(rename = "type")]
    pub kind: String,
    /// bottom first
    #[serde(deserialize_with = "or_default")]
    pub diff_ids: Vec<Digest>,
}

/// How a layer, or a change of the config, came to be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// when, RFC 3339
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// by which instruction
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// by whom
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// why
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// it changed the config alone
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_layer: Option<bool>,
}

/// A pointer to a blob.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// what the blob is
    pub media_type: String,
    /// its name
    pub digest: Digest,
    /// its length in bytes
    pub size: u64,
    /// what else is said of it
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
    /// the machine that it is for
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// the rest
    #[serde(flatten)]
    pub rest: Json,
}

impl Descriptor {
    /// A descriptor without annotations.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            annotations: BTreeMap::new(),
            platform: None,
            rest: Json::new(),
        }
    }
}

/// The machine that an image is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Platform {
    /// processor, in Go's names
    pub architecture: String,
    /// operating system
    pub os: String,
    /// the rest
    #[serde(flatten)]
    pub rest: Json,
}

/// A list of images: `index.json`, or one image for several machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// always 2
    pub schema_version: u32,
    /// [`INDEX`]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// the images
    #[serde(deserialize_with = "or_default")]
    pub manifests: Vec<Descriptor>,
    /// the rest
    #[serde(flatten)]
    pub rest: Json,
}

/// One image: its config and its layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// always 2
    pub schema_version: u32,
    /// [`MANIFEST`]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// the config document
    pub config: Descriptor,
    /// the layer blobs, bottom first
    #[serde(deserialize_with = "or_default")]
    pub layers: Vec<Descriptor>,
    /// the rest
    #[serde(flatten)]
    pub rest: Json,
}

/// This machine's processor, in the names that images use.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

/// Go writes an empty list as `null`.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
