//! Hosts: the names by which clients may call us.
//!
//! ```text
//!   Host: localhost:5000      loopback            ours
//!   Host: 192.168.1.7:5000    where it came in    ours
//!   Host: teacher:5000        this machine        ours, and teacher.local
//!   Host: reg.class:5000      in our certificate  ours
//!   Host: evil.example        none of them        421: a web page that has this name point here gets nothing
//! ```
//!
//! The name also becomes the first part of the names of images that are pushed, so it must not be one that belongs
//! to somebody else: `Host: quay.io` would replace quay.io's images here.
//!
//! See RFC 9110, section 7.4. Lab 16-registry.

use hyper::http::uri::Authority;
use std::net::{IpAddr, SocketAddr};
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::server::ParsedCertificate;

/// The names by which clients may call us.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// beyond those that follow from the machine
    pub(super) extra: Vec<String>,
    /// this machine's name
    pub(super) machine: String,
    /// ours, where there is TLS
    pub(super) certificate: Option<CertificateDer<'static>>,
}

impl Hosts {
    /// The registry that this authority (`host` or `host:port`) names, if it is us, who listen at `local`.
    pub(super) fn ours(&self, authority: &str, local: SocketAddr) -> Option<String> {
        let parsed: Authority = authority.parse().ok()?;
        // http accepts what is no port, and names with a user in them
        let plain =
            !authority.contains('@') && (parsed.port_u16().is_some() || parsed.as_str() == parsed.host());
        let host = parsed.host().to_ascii_lowercase();
        if !plain || !self.is_ours(&host, local.ip().to_canonical()) {
            return None;
        }
        match parsed.port_u16() {
            Some(port) => Some(format!("{host}:{port}")),
            // without a dot and a port it would be read as a name on Docker Hub
            None if !host.contains('.') && host != "localhost" => {
                Some(format!("{host}:{}", if self.certificate.is_some() { 443 } else { 80 }))
            }
            None => Some(host),
        }
    }

    fn is_ours(&self, host: &str, local: IpAddr) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            let address = address.to_canonical();
            return address == local || address.is_loopback() && local.is_loopback() || self.covers(bare);
        }
        let machine = self.machine.to_ascii_lowercase();
        host == "localhost"
            || host.ends_with(".localhost")
            || !machine.is_empty() && (host == machine || host == format!("{machine}.local"))
            || self.extra.iter().any(|extra| extra.eq_ignore_ascii_case(host))
            || self.covers(bare)
    }

    fn covers(&self, host: &str) -> bool {
        let covers = || {
            let parsed = ParsedCertificate::try_from(self.certificate.as_ref()?).ok()?;
            verify_server_name(&parsed, &ServerName::try_from(host).ok()?).ok()
        };
        covers().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_ours() {
        let hosts = Hosts { extra: vec!["reg.class".into()], machine: "Teacher".into(), certificate: None };
        let loopback: SocketAddr = "127.0.0.1:5000".parse().expect("an address");
        let outside: SocketAddr = "192.168.1.7:5000".parse().expect("an address");
        for (authority, local, name) in [
            ("localhost:5000", loopback, Some("localhost:5000")),
            ("LOCALHOST:5000", loopback, Some("localhost:5000")),
            ("localhost", loopback, Some("localhost")),
            ("a.localhost:1", loopback, Some("a.localhost:1")),
            ("127.0.0.1:5000", loopback, Some("127.0.0.1:5000")),
            ("127.8.8.8:5000", loopback, Some("127.8.8.8:5000")),
            ("[::1]:5000", loopback, Some("[::1]:5000")),
            ("192.168.1.7:5000", outside, Some("192.168.1.7:5000")),
            ("192.168.1.7:5000", loopback, None),
            ("192.168.1.8:5000", outside, None),
            ("127.0.0.1:5000", outside, None),
            ("teacher:5000", outside, Some("teacher:5000")),
            ("teacher.local:5000", outside, Some("teacher.local:5000")),
            ("teacher", outside, Some("teacher:80")),
            ("teacher.evil.example:5000", outside, None),
            ("reg.class:5000", outside, Some("reg.class:5000")),
            ("quay.io", loopback, None),
            ("docker.io", loopback, None),
            ("x@localhost:5000", loopback, None),
            ("localhost:port", loopback, None),
            ("localhost:", loopback, None),
            ("localhost:99999", loopback, None),
            ("", loopback, None),
            ("local host", loopback, None),
        ] {
            assert_eq!(hosts.ours(authority, local).as_deref(), name, "{authority} at {local}");
        }
    }
}
