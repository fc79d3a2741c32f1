//! Manifests and configs from a registry: fetched whole, checked, and known for what they are.
//!
//! ```text
//!   by tag     Content-Type, and `mediaType` in the document: one and the same, or refused
//!   by digest  and its bytes hash to it
//!   a list and an image at once (CVE-2021-41190), more than 4 MiB, without end: refused
//! ```
//!
//! See the OCI image specification, manifest.md and image-index.md. Lab 16-registry.

use super::error::RegistryError;
use super::refusal::{Refusal, printable};
use super::retry::Patience;
use super::session::{Errand, Place, Session};
use super::transport::{Answer, Payload, Unread};
use crate::engine::config::{self, Descriptor, Index, Manifest};
use crate::layers::Digest;
use serde_json::Value;
use ureq::http::Method;
use ureq::http::header::ACCEPT;

/// The longest manifest, in bytes, as in other clients.
const MANIFEST: u64 = 4 << 20;
/// The longest config: what the store reads.
const CONFIG: u64 = 8 << 20;

/// Media types of configs of images; Docker takes the last two for one as well.
const CONFIGS: &[&str] =
    &[config::CONFIG, config::DOCKER_CONFIG, "application/octet-stream", "application/json"];
/// Media types of layers, as Docker and the OCI call them.
const LAYERS: &[&str] = &[
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
];

/// A document that a registry has given.
#[derive(Debug)]
pub(super) struct Given {
    /// the image's name, for messages
    pub(super) what: String,
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) bytes: Vec<u8>,
}

impl Given {
    /// For the index of the store.
    pub(super) fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.digest, self.bytes.len() as u64)
    }
}

/// What a document is.
pub(super) enum Kind {
    /// one image for several machines
    List(Index),
    /// one image
    Image(Box<Manifest>),
}

impl Session<'_> {
    /// The manifest that a tag or a digest names.
    pub(super) fn manifest(
        &self,
        repository: &str,
        by: &str,
        scopes: &[String],
    ) -> Result<(Given, Kind), RegistryError> {
        let path = format!("{repository}/manifests/{by}");
        let joint = if by.contains(':') { '@' } else { ':' };
        let what = format!("{}/{repository}{joint}{by}", self.registry);
        let accept =
            [config::MANIFEST, config::INDEX, config::DOCKER_MANIFEST, config::DOCKER_LIST].join(", ");
        let errand = Errand {
            method: Method::GET,
            place: Place::Path(&path),
            headers: vec![(ACCEPT, accept)],
            payload: Payload::Nothing,
            scopes,
        };
        let (head, bytes) = self.document(&errand, MANIFEST, &what)?;
        let found = Digest::of(&bytes);
        let promised = by.parse::<Digest>().ok().or(head.content_digest);
        if let Some(expected) = promised
            && found != expected
        {
            return Err(RegistryError::Digest { what, expected, found });
        }
        let (media_type, kind) = known(&what, head.content_type.as_deref(), &bytes)?;
        Ok((Given { what, media_type, digest: found, bytes }, kind))
    }

    /// The image that a list's entry names.
    pub(super) fn listed(
        &self,
        repository: &str,
        entry: &Descriptor,
        scopes: &[String],
    ) -> Result<(Given, Kind), RegistryError> {
        let (given, kind) = self.manifest(repository, &entry.digest.to_string(), scopes)?;
        let found = given.bytes.len() as u64;
        if found != entry.size {
            return Err(RegistryError::Size { what: given.what, expected: entry.size, found });
        }
        if given.media_type != entry.media_type {
            let reason =
                format!("it is {:?}, its list calls it {:?}", given.media_type, printable(&entry.media_type));
            return Err(RegistryError::Confused { what: given.what, reason });
        }
        Ok((given, kind))
    }

    /// The config of an image.
    pub(super) fn config(
        &self,
        repository: &str,
        descriptor: &Descriptor,
        scopes: &[String],
    ) -> Result<Vec<u8>, RegistryError> {
        let what = format!("the config {}", descriptor.digest);
        if descriptor.size > CONFIG {
            return Err(RegistryError::TooLong { what, limit: CONFIG });
        }
        let path = format!("{repository}/blobs/{}", descriptor.digest);
        let (place, payload) = (Place::Path(path.as_str()), Payload::Nothing);
        let errand = Errand { method: Method::GET, place, headers: Vec::new(), payload, scopes };
        let (_, bytes) = self.document(&errand, CONFIG, &what)?;
        let (found, expected) = (bytes.len() as u64, descriptor.size);
        if found != expected {
            return Err(RegistryError::Size { what, expected, found });
        }
        let (found, expected) = (Digest::of(&bytes), descriptor.digest);
        if found != expected {
            return Err(RegistryError::Digest { what, expected, found });
        }
        Ok(bytes)
    }

    /// Fetches a document whole, from its beginning as often as it takes.
    pub(super) fn document(
        &self,
        errand: &Errand<'_>,
        limit: u64,
        what: &str,
    ) -> Result<(Head, Vec<u8>), RegistryError> {
        let mut patience = Patience::default();
        loop {
            let answer = self.ask(errand)?;
            if !answer.status.is_success() {
                return Err(RegistryError::Refused { what: what.to_owned(), refusal: Refusal::of(answer) });
            }
            let (head, url) = (Head::of(&answer), answer.url.clone());
            match answer.whole(limit) {
                Ok(bytes) => return Ok((head, bytes)),
                Err(Unread::Broken(_)) if patience.wait(None) => {}
                Err(unread) => return Err(unread.of(what, &url, limit)),
            }
        }
    }
}

/// What an answer says of its document.
#[derive(Debug, Default)]
pub(super) struct Head {
    content_type: Option<String>,
    content_digest: Option<Digest>,
    /// where the next page is
    pub(super) link: Option<String>,
}

impl Head {
    fn of(answer: &Answer) -> Head {
        let content_type = answer
            .header("content-type")
            .map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        let content_digest = answer.header("docker-content-digest").and_then(|text| text.trim().parse().ok());
        Head { content_type, content_digest, link: answer.header("link").map(str::to_owned) }
    }
}

/// What a document is: by its header, by what it says of itself, and by what is in it, which must agree.
fn known(what: &str, header: Option<&str>, bytes: &[u8]) -> Result<(String, Kind), RegistryError> {
    let json = |error| RegistryError::Json { what: what.to_owned(), error };
    let confused = |reason: String| RegistryError::Confused { what: what.to_owned(), reason };
    let content: Value = serde_json::from_slice(bytes).map_err(json)?;
    if content.get("schemaVersion").and_then(Value::as_u64) == Some(1) {
        return Err(RegistryError::Schema1 { what: what.to_owned() });
    }
    let says = content.get("mediaType").and_then(Value::as_str).filter(|text| !text.is_empty());
    let has = |name| content.get(name).is_some();
    // a general type says nothing: the document must say it
    let header = header.filter(|text| text.starts_with("application/vnd."));
    if let (Some(header), Some(says)) = (header, says)
        && header != says
    {
        return Err(confused(format!(
            "it comes as {:?} and calls itself {:?}",
            printable(header),
            printable(says)
        )));
    }
    let implied = if has("manifests") { config::INDEX } else { config::MANIFEST };
    let media_type = header.or(says).unwrap_or(implied);
    match media_type {
        config::MANIFEST | config::DOCKER_MANIFEST => {
            if has("manifests") {
                return Err(confused("an image that is also a list".into()));
            }
            let manifest: Manifest = serde_json::from_slice(bytes).map_err(json)?;
            parts(what, &manifest)?;
            Ok((media_type.to_owned(), Kind::Image(Box::new(manifest))))
        }
        config::INDEX | config::DOCKER_LIST => {
            if has("config") || has("layers") {
                return Err(confused("a list that is also an image".into()));
            }
            Ok((media_type.to_owned(), Kind::List(serde_json::from_slice(bytes).map_err(json)?)))
        }
        other => Err(RegistryError::MediaType { what: what.to_owned(), found: printable(other) }),
    }
}

/// Whether an image is made of what we can take.
fn parts(what: &str, manifest: &Manifest) -> Result<(), RegistryError> {
    let kind = &manifest.config.media_type;
    if !CONFIGS.contains(&kind.as_str()) {
        return Err(RegistryError::MediaType { what: what.to_owned(), found: printable(kind) });
    }
    for layer in &manifest.layers {
        let (what, found) = (what.to_owned(), printable(&layer.media_type));
        if found.contains(".foreign.") || found.contains(".nondistributable.") {
            return Err(RegistryError::Foreign { what, found });
        }
        if !LAYERS.contains(&layer.media_type.as_str()) {
            return Err(RegistryError::MediaType { what, found });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_one_thing() {
        let digest = Digest::of(b"");
        let part = |kind: &str| format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":1}}"#);
        let image = |own: &str, layer: &str, more: &str| {
            format!(
                r#"{{"schemaVersion":2,{own}"config":{},"layers":[{}]{more}}}"#,
                part(config::CONFIG),
                part(layer)
            )
        };
        let (tar, manifest) = (LAYERS[3], config::MANIFEST);
        let own = format!(r#""mediaType":"{manifest}","#);
        let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        for (header, text, words) in [
            (Some(manifest), image(&own, tar, ""), ""),
            (None, image("", tar, ""), ""),
            (Some("application/json"), image(&own, tar, ""), ""),
            (Some(config::INDEX), image(&own, tar, ""), "comes as"),
            (Some(config::INDEX), image("", tar, ""), "a list that is also an image"),
            (Some(manifest), image(&own, tar, r#","manifests":[]"#), "an image that is also a list"),
            (Some(manifest), image(&own, foreign, ""), "outside the registry"),
            (Some(manifest), image(&own, "text/plain", ""), "which is no image"),
            (Some("application/vnd.x"), image("", tar, ""), "which is no image"),
            (None, r#"{"schemaVersion":1,"fsLayers":[]}"#.into(), "schema version 1"),
            (None, r#"{"schemaVersion":2}"#.into(), "missing field"),
            (None, image("", tar, "").replace("sha256:", "sha256:../"), "is not a digest"),
            (None, "[]".into(), "cannot be read"),
            (None, "".into(), "cannot be read"),
        ] {
            match known("x", header, text.as_bytes()) {
                Ok(_) => assert_eq!(words, "", "{header:?} {text}"),
                Err(error) => {
                    assert!(!words.is_empty() && error.to_string().contains(words), "{text}: {error}");
                }
            }
        }
    }
}
