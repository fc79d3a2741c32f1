//! Endpoints: at which address a registry answers, and how far its connection must be trusted.
//!
//! ```text
//!   registry                      tried in this order
//!   docker.io                     https://registry-1.docker.io
//!   quay.io                       https://quay.io
//!   127.0.0.0/8, ::1, localhost   https, then http where nobody speaks TLS
//!   --insecure-registry HOST      https with any certificate, then http
//! ```
//!
//! What goes over loopback never leaves the machine, so it may be plain. Unlike Docker we accept no untrusted
//! certificate there: who has gone to the length of TLS is taken at his word.
//!
//! See dockerd(8), insecure registries. Lab 16-registry.

use crate::engine::reference::Reference;
use std::net::IpAddr;
use std::str::FromStr;
use ureq::http::Uri;

/// Docker's own registry, as names of images have it.
const DOCKER: &str = "docker.io";
/// Where it answers.
const DOCKER_API: &str = "registry-1.docker.io";
/// What `config.json` calls it.
const DOCKER_KEY: &str = "https://index.docker.io/v1/";

/// A registry that is trusted without proof, as `HOST` or `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insecure(String);

/// A text that is no registry's host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a registry: expected HOST or HOST:PORT, without https:// and without a path")]
pub struct HostError(
    /// the text
    pub String,
);

impl FromStr for Insecure {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Insecure, HostError> {
        host(text).map(|host| Insecure(host.to_owned()))
    }
}

/// The text, if it can be a registry's host.
pub(super) fn host(text: &str) -> Result<&str, HostError> {
    // the grammar of names says what a host is
    match format!("{text}/x").parse::<Reference>() {
        Ok(reference) if reference.registry() == text => Ok(text),
        // a host without a dot is one all the same: it stands alone here
        Ok(reference) if reference.repository() == format!("{text}/x") => Ok(text),
        _ => Err(HostError(text.to_owned())),
    }
}

/// Which hosts need not prove who they are.
#[derive(Debug)]
pub(super) struct Policy(pub(super) Vec<Insecure>);

impl Policy {
    /// Whether any certificate will do.
    pub(super) fn unverified(&self, authority: &str) -> bool {
        self.0.iter().any(|insecure| insecure.0.eq_ignore_ascii_case(authority))
    }

    /// Whether it may be spoken to without TLS.
    pub(super) fn plain(&self, authority: &str) -> bool {
        is_loopback(authority) || self.unverified(authority)
    }
}

/// The origins (`https://host:port`) at which a registry may answer, in the order in which they are tried.
pub(super) fn origins(registry: &str, policy: &Policy) -> Vec<String> {
    let host = if registry == DOCKER { DOCKER_API } else { registry };
    let mut origins = vec![format!("https://{host}")];
    if policy.plain(host) {
        origins.push(format!("http://{host}"));
    }
    origins
}

/// What `config.json` and its helpers call a registry: its host, but for Docker's own.
pub fn credentials_key(registry: &str) -> &str {
    match registry {
        DOCKER | DOCKER_API | "index.docker.io" => DOCKER_KEY,
        other => other,
    }
}

/// Whether a host, perhaps with a port, is this very machine.
pub(super) fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Host and port of an address, without the name of a user: `http://localhost:1@far.example/` leads far away.
pub(super) fn host_and_port(url: &Uri) -> &str {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// The part of an address that credentials belong to: `https://host:port`.
pub(super) fn origin(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    let port = url.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    format!("{scheme}://{}:{port}", url.host().unwrap_or_default().to_ascii_lowercase())
}

/// Where a `Location` leads from here.
pub(super) fn follow(from: &Uri, location: &str) -> Option<Uri> {
    if location.starts_with("https://") || location.starts_with("http://") {
        return location.parse().ok();
    }
    // a relative one keeps the scheme, and perhaps the host
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    match location {
        other if other.starts_with("//") => format!("{scheme}:{location}").parse().ok(),
        other if other.starts_with('/') => format!("{scheme}://{authority}{location}").parse().ok(),
        other => {
            let directory = from.path().rsplit_once('/').map_or("", |(directory, _)| directory);
            format!("{scheme}://{authority}{directory}/{other}").parse().ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_only_on_loopback_or_when_told() {
        let policy = Policy(vec!["my.registry:5000".parse().expect("a host")]);
        for (registry, expected) in [
            ("docker.io", vec!["https://registry-1.docker.io"]),
            ("quay.io", vec!["https://quay.io"]),
            ("localhost:5000", vec!["https://localhost:5000", "http://localhost:5000"]),
            ("127.1.2.3", vec!["https://127.1.2.3", "http://127.1.2.3"]),
            ("[::1]:5000", vec!["https://[::1]:5000", "http://[::1]:5000"]),
            ("my.registry:5000", vec!["https://my.registry:5000", "http://my.registry:5000"]),
            ("my.registry", vec!["https://my.registry"]),
            ("localhost.example.com", vec!["https://localhost.example.com"]),
            ("127.0.0.1.example.com", vec!["https://127.0.0.1.example.com"]),
            ("128.0.0.1", vec!["https://128.0.0.1"]),
        ] {
            assert_eq!(origins(registry, &policy), expected, "{registry}");
        }
        assert!(policy.unverified("MY.registry:5000") && !policy.unverified("localhost:5000"));
    }

    #[test]
    fn an_insecure_registry_is_a_host() {
        for good in ["a.b", "a.b:5000", "registry", "localhost", "[::1]:5000", "10.0.0.1"] {
            assert!(good.parse::<Insecure>().is_ok(), "{good}");
        }
        for bad in ["", "https://a.b", "a.b/c", "10.0.0.0/8", "a b", "a.b:x", "-"] {
            assert!(bad.parse::<Insecure>().is_err(), "{bad}");
        }
    }

    #[test]
    fn locations_are_followed() {
        let from: Uri = "https://a:1/v2/x/blobs/uploads/1?s=1".parse().expect("a URL");
        for (location, expected) in [
            ("https://b/c?d=e", "https://b/c?d=e"),
            ("/c?d", "https://a:1/c?d"),
            ("//b/c", "https://b/c"),
            ("2?x", "https://a:1/v2/x/blobs/uploads/2?x"),
        ] {
            assert_eq!(follow(&from, location).expect("a URL").to_string(), expected, "{location}");
        }
        assert_eq!(origin(&from), "https://a:1");
        assert_eq!(origin(&"https://A/".parse().expect("a URL")), "https://a:443");
        let posing: Uri = "http://localhost:80@far.example:81/".parse().expect("a URL");
        assert_eq!(host_and_port(&posing), "far.example:81");
        assert_eq!(origin(&posing), "http://far.example:81");
    }
}
