//! A real registry: Debian's `docker-registry`, as a child that ends with its test.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::place::Place;

/// How a registry is set up.
#[derive(Default)]
pub struct Setup {
    /// a file with names and passwords
    pub htpasswd: Option<std::path::PathBuf>,
    /// certificate and key
    pub tls: Option<(std::path::PathBuf, std::path::PathBuf)>,
    /// a token service, and whose signature its tokens bear
    pub realm: Option<(String, std::path::PathBuf)>,
}

/// A registry that runs.
pub struct Server {
    child: Child,
    /// `127.0.0.1:PORT`
    pub host: String,
}

impl Server {
    /// Starts one; none, with the reason said, where there is no such program.
    pub fn start(test: &str, place: &Place, setup: &Setup) -> Option<Server> {
        let there = Command::new("docker-registry").arg("--version").output();
        if there.is_err() {
            support::skip(test, "needs docker-registry (Debian: docker-registry)");
            return None;
        }
        let data = place.path().join("registry").display().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{level: info, formatter: text}}\nstorage:\n  filesystem: {{rootdirectory: {data:?}}}\n  delete: {{enabled: true}}\n\
             http:\n  addr: 127.0.0.1:0\n  secret: none\n"
        );
        if let Some((certificate, key)) = &setup.tls {
            let _ = writeln!(config, "  tls: {{certificate: {certificate:?}, key: {key:?}}}");
        }
        if let Some(file) = &setup.htpasswd {
            let _ = writeln!(config, "auth:\n  htpasswd: {{realm: test, path: {file:?}}}");
        }
        if let Some((realm, bundle)) = &setup.realm {
            let token = format!("realm: {realm:?}, service: test, issuer: test, rootcertbundle: {bundle:?}");
            let _ = writeln!(config, "auth:\n  token: {{{token}}}");
        }
        let path = place.path().join("registry.yml");
        std::fs::write(&path, config).expect("written");
        let mut command = place.command("docker-registry", "unused");
        command.arg("serve").arg(&path).env("OTEL_TRACES_EXPORTER", "none");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let (sender, receiver) = channel();
        // it goes on reading, so that the registry never waits for us
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("listening on ") {
                    let address = rest.split(['"', ',', ' ']).next().unwrap_or_default().to_owned();
                    let _ = sender.send(address);
                }
            }
        });
        let host = receiver.recv_timeout(Duration::from_secs(30));
        let server = Server { child, host: host.clone().unwrap_or_default() };
        host.expect("the registry says where it listens");
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
