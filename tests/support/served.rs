//! A registry of a test's own, and the smallest HTTP client: what it sends is what the test wrote.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stepbox::engine::images::{Change, import};
use stepbox::engine::store::Store;
use stepbox::layers::Digest;

use crate::archive::Raw;
use crate::player::{Said, built, said};

/// A directory of the test's own.
pub fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("stepbox-tests-").tempdir().expect("a directory")
}

/// A registry that runs; it is ended with its test.
pub struct Served {
    pub root: PathBuf,
    pub address: SocketAddr,
    pub child: Child,
    log: Arc<Mutex<String>>,
}

impl Served {
    /// Over the store in this directory.
    pub fn start(root: &Path, flags: &[&str]) -> Served {
        let mut command = Command::new(built("stepbox"));
        command.args(["registry", "serve"]).args(flags).env("STEPBOX_ROOT", root);
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("stepbox starts");
        let (log, mut errors) = (Arc::new(Mutex::new(String::new())), child.stderr.take().expect("piped"));
        let filled = log.clone();
        std::thread::spawn(move || {
            let mut line = Vec::new();
            let mut errors = BufReader::new(&mut errors);
            while errors.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                filled.lock().expect("ours").push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut ready).expect("a line");
        let address = ready.split("://").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{ready:?}: {}", log.lock().expect("ours")));
        Served { root: root.to_owned(), address, child, log }
    }

    /// `localhost:PORT/NAME`.
    pub fn named(&self, name: &str) -> String {
        format!("localhost:{}/{name}", self.address.port())
    }

    pub fn store(&self) -> Store {
        Store::open(&self.root).expect("the store opens")
    }

    /// What the registry has said until now; waits until these words are in it.
    pub fn log_with(&self, words: &str) -> String {
        let began = Instant::now();
        loop {
            let log = self.log.lock().expect("ours").clone();
            if log.contains(words) {
                return log;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "no {words:?} in {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn connect(&self) -> Wire {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        Wire { reader: BufReader::new(stream) }
    }

    /// One request on a connection of its own.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut wire = self.connect();
        wire.send(&self.request(method, path, headers, body));
        wire.answer(method == "HEAD")
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || ["POST", "PUT", "PATCH"].contains(&method) {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        [text.as_bytes(), b"\r\n", body].concat()
    }

    /// Pushes a blob in one request.
    pub fn push(&self, repository: &str, blob: &[u8]) -> Digest {
        let digest = Digest::of(blob);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let answer = self.ask("POST", &path, &[], blob);
        assert_eq!(answer.status, 201, "{answer:?}");
        digest
    }

    /// Pushes an image of one layer with this content; returns its manifest.
    pub fn push_image(&self, repository: &str, tag: &str, layer: &[u8]) -> Vec<u8> {
        let manifest = manifest(&[layer], |blob| {
            self.push(repository, blob);
        });
        let answer = self.put(repository, tag, OCI, &manifest);
        assert_eq!(answer.status, 201, "{answer:?}");
        manifest
    }

    pub fn put(&self, repository: &str, tag: &str, kind: &str, manifest: &[u8]) -> Answer {
        self.ask("PUT", &format!("/v2/{repository}/manifests/{tag}"), &[("Content-Type", kind)], manifest)
    }

    /// Another command on the same store, which must succeed.
    pub fn stepbox(&self, arguments: &[&str]) -> String {
        let said: Said = said(Command::new(built("stepbox")).args(arguments).env("STEPBOX_ROOT", &self.root));
        assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.out, said.err);
        said.out
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it is our child");
    }

    /// Waits until it has ended.
    pub fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Media type of a manifest.
pub const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A store with one image, of this name.
pub fn store_with(root: &Path, name: &str, file: &str) -> Digest {
    let store = Store::open(root).expect("a store");
    let archive = Raw::default().file("name", file).end();
    let change = Change { created: Some("2026-01-01T00:00:00Z".into()), ..Change::default() };
    import(
        &store,
        archive.as_slice(),
        &name.parse::<stepbox::engine::reference::Reference>().expect("a name"),
        change,
    )
    .expect("imported")
}

/// A manifest of these layers; config and layers go to `keep`.
pub fn manifest(layers: &[&[u8]], mut keep: impl FnMut(&[u8])) -> Vec<u8> {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let config = serde_json::json!({
        "architecture": stepbox::engine::config::architecture(), "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = config.to_string().into_bytes();
    keep(&config);
    let descriptor = |kind: &str, blob: &[u8]| serde_json::json!({ "mediaType": kind, "digest": Digest::of(blob), "size": blob.len() });
    let tar = "application/vnd.oci.image.layer.v1.tar";
    layers.iter().for_each(|layer| keep(layer));
    let layers: Vec<_> = layers.iter().map(|layer| descriptor(tar, layer)).collect();
    let config = descriptor("application/vnd.oci.image.config.v1+json", &config);
    let manifest =
        serde_json::json!({ "schemaVersion": 2, "mediaType": OCI, "config": config, "layers": layers });
    manifest.to_string().into_bytes()
}

/// A connection.
pub struct Wire {
    reader: BufReader<TcpStream>,
}

impl Wire {
    /// Sends bytes; a registry that has closed the connection is no error here.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.reader.get_mut().write_all(bytes);
    }

    /// Whether the other side closes the connection, without saying more, in this time.
    pub fn closes_within(&mut self, time: Duration) -> bool {
        self.reader.get_mut().set_read_timeout(Some(time)).expect("a socket");
        let began = Instant::now();
        let mut rest = [0; 4096];
        loop {
            match self.reader.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) if began.elapsed() < time => {}
                Ok(_) => return false,
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }

    pub fn answer(&mut self, headless: bool) -> Answer {
        self.try_answer(headless).expect("an answer")
    }

    /// The next answer; none where the connection ends instead.
    pub fn try_answer(&mut self, headless: bool) -> Option<Answer> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; if headless || [204, 304].contains(&status) { 0 } else { length }];
        self.reader.read_exact(&mut body).ok()?;
        Some(Answer { status, headers, body })
    }
}

/// What the registry has answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }

    /// Status and the code of the specification: `404 BLOB_UNKNOWN`. Every refusal has a message.
    pub fn refusal(&self) -> String {
        let error = self.json()["errors"][0].clone();
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        assert!(error["detail"].is_object(), "{error}");
        format!("{} {}", self.status, error["code"].as_str().unwrap_or_default())
    }
}
