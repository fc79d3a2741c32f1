//! References: the names of images, by Docker's grammar.
//!
//! ```text
//!   [registry[:port]/] name      [:tag]   [@digest]
//!    docker.io          library/x  latest             what is left out
//!   a first part with a dot, a colon or capitals, or "localhost", is a registry; else it is part of the name
//! ```
//!
//! People see the familiar form (`busybox:latest`), files and registries the whole one
//! (`docker.io/library/busybox:latest`). See the distribution specification and the distribution project's
//! reference grammar. Lab 16-registry, tutorials/16-registry.md.

use crate::layers::Digest;
use std::fmt;
use std::str::FromStr;

const REGISTRY: &str = "docker.io";
const OFFICIAL: &str = "library/";

/// The name of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not the name of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It does not follow the grammar.
    #[error("invalid reference format: {value:?}: {reason}")]
    Format {
        /// the text
        value: String,
        /// which part, and what it should be
        reason: &'static str,
    },
    /// Capital letters in the name.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(
        /// the name
        String,
    ),
    /// 64 hexadecimal digits: that would be mistaken for an image id.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId(
        /// the name
        String,
    ),
}

impl Reference {
    /// The registry's host, with its port if one was given: `docker.io`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name in the registry: `library/busybox`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, `latest` where neither tag nor digest was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest, if one was given.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The name without tag and digest, as people see it: `busybox`, `quay.io/a/b`.
    pub fn familiar_name(&self) -> String {
        if self.registry != REGISTRY {
            return format!("{}/{}", self.registry, self.repository);
        }
        match self.repository.strip_prefix(OFFICIAL) {
            Some(name) if !name.contains('/') => name.to_owned(),
            _ => self.repository.clone(),
        }
    }

    /// The whole form, with nothing left out: `docker.io/library/busybox:latest`.
    pub fn canonical(&self) -> String {
        self.with_suffix(format!("{}/{}", self.registry, self.repository))
    }

    fn with_suffix(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text = text + ":" + tag;
        }
        if let Some(digest) = self.digest {
            text = format!("{text}@{digest}");
        }
        text
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffix(self.familiar_name()))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(value: &str) -> Result<Reference, ReferenceError> {
        let format = |reason| ReferenceError::Format { value: value.to_owned(), reason };
        let (rest, digest) = match value.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest
                    .parse()
                    .map_err(|_| format("the digest must be sha256: and 64 hexadecimal digits"))?;
                (rest, Some(digest))
            }
            None => (value, None),
        };
        // a colon before a slash belongs to a port
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(format(
                "a tag is up to 128 letters, digits, '_', '.' and '-', and begins with none of the last two",
            ));
        }
        if name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ReferenceError::LooksLikeId(name.to_owned()));
        }
        let (registry, repository) = split_registry(name);
        if repository.chars().any(|character| character.is_ascii_uppercase()) {
            return Err(ReferenceError::Uppercase(repository));
        }
        if !is_registry(&registry) {
            return Err(format("the registry must be a host name with an optional port"));
        }
        if !repository.split('/').all(is_component) {
            return Err(format(
                "a name is lower-case letters and digits, with '.', '_', '__' or '-' between them",
            ));
        }
        if registry.len() + 1 + repository.len() > 255 {
            return Err(format("the name is longer than 255 characters"));
        }
        let latest = if digest.is_none() { Some("latest") } else { None };
        let tag = tag.or(latest).map(str::to_owned);
        Ok(Reference { registry, repository, tag, digest })
    }
}

fn split_registry(name: &str) -> (String, String) {
    let is_host = |first: &str| {
        first.contains(['.', ':'])
            || first == "localhost"
            || first.chars().any(|letter| letter.is_ascii_uppercase())
    };
    let (registry, rest) = match name.split_once('/') {
        Some((first, rest)) if is_host(first) => (first, rest),
        _ => (REGISTRY, name),
    };
    let registry = if registry == "index.docker.io" { REGISTRY } else { registry };
    let official = registry == REGISTRY && !rest.contains('/');
    (registry.to_owned(), if official { format!("{OFFICIAL}{rest}") } else { rest.to_owned() })
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = tag.bytes();
    tag.len() <= 128
        && bytes.next().is_some_and(word)
        && bytes.all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_registry(registry: &str) -> bool {
    let (host, port) = match registry.rsplit_once(':') {
        // an IPv6 address stands in brackets
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (registry, None),
    };
    let label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        !label.is_empty() && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    let six = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match six {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(label),
    };
    host && port
        .is_none_or(|port| port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Runs of letters and digits with one separator between two: `.`, `_`, `__`, or any number of `-`.
fn is_component(component: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separator = |run: &str| matches!(run, "." | "_" | "__") || run.bytes().all(|byte| byte == b'-');
    let ends =
        component.bytes().next().is_some_and(letter) && component.bytes().next_back().is_some_and(letter);
    ends && component
        .split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit())
        .filter(|run| !run.is_empty())
        .all(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Reference {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn references_follow_dockers_grammar() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let pinned = format!("busybox@{digest}");
        let both = format!("busybox:1@{digest}");
        for (text, canonical, familiar) in [
            ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("busybox:1.37", "docker.io/library/busybox:1.37", "busybox:1.37"),
            ("stepbox/base", "docker.io/stepbox/base:latest", "stepbox/base:latest"),
            ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("index.docker.io/library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
            ("localhost:5000/a/b:v1", "localhost:5000/a/b:v1", "localhost:5000/a/b:v1"),
            ("quay.io/x/y-z__w.v", "quay.io/x/y-z__w.v:latest", "quay.io/x/y-z__w.v:latest"),
            ("UPPER/a", "UPPER/a:latest", "UPPER/a:latest"),
            ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
            ("a---b", "docker.io/library/a---b:latest", "a---b:latest"),
            (&pinned, &format!("docker.io/library/{pinned}"), &pinned),
            (&both, &format!("docker.io/library/{both}"), &both),
        ] {
            let parsed = read(text);
            assert_eq!(
                (parsed.canonical().as_str(), parsed.to_string().as_str()),
                (canonical, familiar),
                "{text}"
            );
            assert_eq!(read(&parsed.canonical()), parsed, "{text}");
        }
        let long = "a".repeat(240);
        let hex = "a".repeat(64);
        for (text, words) in [
            ("", "a name is lower-case"),
            ("Busybox", "repository name (library/Busybox) must be lowercase"),
            ("a/B", "(a/B) must be lowercase"),
            ("a__", "a name is lower-case"),
            ("a___b", "a name is lower-case"),
            ("a..b", "a name is lower-case"),
            ("a//b", "a name is lower-case"),
            ("-a", "a name is lower-case"),
            ("../a", "registry must be a host name"),
            ("a:", "a tag is"),
            ("a:-b", "a tag is"),
            ("a b", "a name is lower-case"),
            ("a@sha256:12", "the digest must be"),
            ("host:port/a", "registry must be a host name"),
            ("host:99999/a", "registry must be a host name"),
            ("a\n", "a name is lower-case"),
            (&long, "longer than 255"),
            (&hex, "cannot specify 64-byte hexadecimal"),
        ] {
            let name = if text == long { format!("{text}/{text}") } else { text.to_owned() };
            let error = name.parse::<Reference>().expect_err(&name).to_string();
            assert!(error.starts_with("invalid re") && error.contains(words), "{text:?}: {error}");
        }
        assert!(
            "a".parse::<Reference>().is_ok_and(|a| a.tag() == Some("latest") && a.registry() == "docker.io")
        );
    }
}
