//! What goes over the wire: seen by the engine's client, or said by hand.
//!
//! ```text
//!   PATCH blobs/uploads/[UPLOAD1]   70656 bytes ─> 202      one request: what it carries, and the answer
//! ```

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stepbox::engine::registry::{Exchange, Wire};
use stepbox::trace::Fact;

use super::server::ADDRESS;

/// Everything that was asked, in order.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Record>);

#[derive(Debug, Default)]
struct Record {
    /// since somebody looked last, as it is shown
    fresh: Vec<Fact>,
    /// from the beginning: method, path and status, as the registry's log has them
    all: Vec<String>,
    /// the names of uploads, which are another in each run
    uploads: Vec<String>,
}

impl Wire for Seen {
    fn exchange(&self, exchange: &Exchange<'_>) {
        let path = exchange.url().path_and_query().map_or("/", |path| path.as_str());
        let mut record = self.record();
        let request = format!("{} {}", exchange.method(), record.shown(path));
        let Some(status) = exchange.status() else {
            record.fresh.push(Fact::new(request, "with TLS: not understood; once more without"));
            return;
        };
        record.all.push(format!("{} {path} {status}", exchange.method()));
        let mut answer = status.to_string();
        for (name, title) in HEADERS {
            if let Some(value) = exchange.header(name).filter(|_| tells(exchange, name)) {
                answer += &format!(", {}", title.replace("{}", &record.shown(value)));
            }
        }
        // a password goes with each request; it is said once
        let password = exchange.authorization().filter(|kind| path == "/v2/" || *kind != "Basic");
        let what = match (exchange.sent(), password) {
            (0, None) => answer,
            (0, Some(kind)) => format!("Authorization: {kind} \u{2026} \u{2500}> {answer}"),
            (sent, _) => format!("{sent} bytes \u{2500}> {answer}"),
        };
        record.fresh.push(Fact::new(request, what));
    }
}

/// What of an answer is shown.
const HEADERS: [(&str, &str); 4] = [
    ("www-authenticate", "WWW-Authenticate: {}"),
    ("location", "Location: {}"),
    ("content-length", "{} bytes"),
    ("docker-content-digest", "Docker-Content-Digest: {}"),
];

/// Of an answer that begins an upload, its place; of one with a document, its name; of one with a body, its length.
fn tells(exchange: &Exchange<'_>, header: &str) -> bool {
    let (method, path, status) = (exchange.method(), exchange.url().path(), exchange.status());
    match header {
        "location" => status == Some(202) && method == "POST",
        "docker-content-digest" => path.contains("/manifests/"),
        "content-length" => method == "GET" && status == Some(200) && path != "/v2/",
        _ => true,
    }
}

impl Seen {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was asked since the last time.
    pub fn take(&self) -> Vec<Fact> {
        std::mem::take(&mut self.record().fresh)
    }

    /// Everything, from the beginning.
    pub fn all(&self) -> Vec<String> {
        self.record().all.clone()
    }

    // ANCHOR: by-hand
    /// Says a request as it is written here, and shows both sides of the conversation.
    pub fn by_hand(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> io::Result<Vec<Fact>> {
        let mut wire = TcpStream::connect(ADDRESS)?;
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: {ADDRESS}\r\n{headers}Connection: close\r\n\r\n");
        wire.write_all(head.as_bytes())?;
        wire.write_all(body)?;
        let mut answer = String::new();
        wire.read_to_string(&mut answer)?;
        // ANCHOR_END: by-hand
        let (answer_head, content) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = answer.split(' ').nth(1).unwrap_or_default();
        let mut record = self.record();
        record.all.push(format!("{method} {path} {status}"));
        let mut said: Vec<Fact> = head
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| Fact::new(format!("> {}", record.shown(line)), ""))
            .collect();
        // the date is another in each run
        let lines = answer_head.lines().filter(|line| !line.starts_with("date:"));
        said.extend(lines.map(|line| Fact::new(format!("< {}", record.shown(line)), "")));
        match content.len() {
            0 => {}
            length if length > 400 => said.push(Fact::new(format!("< ({length} bytes)"), "")),
            _ => said.push(Fact::new(format!("< {}", record.shown(content)), "")),
        }
        Ok(said)
    }
}

impl Record {
    /// A text without what is long or another one in each run: digests by their first digits, uploads by number.
    fn shown(&mut self, text: &str) -> String {
        let mut shown = text.replace("sha256%3A", "sha256:");
        if let Some((_, rest)) = text.split_once("/uploads/") {
            let id: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
            if !id.is_empty() {
                let at = self.uploads.iter().position(|known| *known == id).unwrap_or_else(|| {
                    self.uploads.push(id.clone());
                    self.uploads.len() - 1
                });
                shown = shown.replace(&id, &format!("[UPLOAD{}]", at + 1));
            }
        }
        digests(&shown)
    }
}

/// Each `sha256:` with 64 digits, by the first twelve.
pub fn digests(text: &str) -> String {
    let mut shown = String::new();
    let mut parts = text.split("sha256:");
    shown.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.chars().take_while(char::is_ascii_hexdigit).count();
        match digits {
            64 => shown += &format!("sha256:{}\u{2026}{}", &part[..12], &part[64..]),
            _ => shown += &format!("sha256:{part}"),
        }
    }
    shown
}
