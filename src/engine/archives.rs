//! Archives: images as one file, to be carried from machine to machine.
//!
//! ```text
//!   what save writes         who reads it                what load reads beside it
//!   oci-layout               OCI tools                   HEX.json, ID/layer.tar -> ../ID/layer.tar   old docker save
//!   index.json      names    OCI tools                   HEX.json, HEX.tar                           skopeo, podman
//!   blobs/sha256/…           all                         a file that is gzip or zstd as a whole
//!   manifest.json   names    docker load, skopeo
//!   repositories             docker before 1.10
//! ```
//!
//! Nothing of an archive is unpacked but layers, into the store: a member is a place in a file, found by its name, and a
//! name that leads out of the archive is refused. What is called by its digest must be that; each layer must be
//! what the image's config says. An image has its name only when all of it is there.
//!
//! See docker-save(1), docker-load(1) and the OCI image specification, image-layout.md. Lab 14-commit,
//! tutorials/14-commit.md.

mod contents;
mod docker;
mod error;
mod load;
mod oci;
mod save;
mod zstd_as_plain;

pub use error::{ArchiveError, Unfit};
pub use load::{Loaded, Watch, load, load_within};
pub use save::{Format, save};

use serde::Deserialize;

/// The list of images in an archive of Docker's.
const MANIFEST: &str = "manifest.json";
/// The list of images in an OCI layout.
const INDEX: &str = "index.json";
/// What says that it is an OCI layout.
const LAYOUT: &str = "oci-layout";
/// Docker's oldest list: name, tag, and the top layer.
const REPOSITORIES: &str = "repositories";
/// Where blobs are, by the digits of their digest.
const BLOBS: &str = "blobs/sha256";
/// The annotation in which containerd keeps an image's name.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// One image of manifest.json.
#[derive(Debug, Clone, PartialEq, Deserialize, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    /// the member that is its config
    config: String,
    /// its names
    repo_tags: Option<Vec<String>>,
    /// the members that are its layers, bottom first
    layers: Option<Vec<String>>,
}
