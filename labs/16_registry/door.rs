//! The door: what large registries put before theirs. It wants to see a token, and says who gives it.
//!
//! ```text
//!   GET /v2/…                           ──> 401, WWW-Authenticate: Bearer realm="…/token"
//!   GET /token?scope=repository:x:pull  ──> 200, {"token": "…"}        it asks nobody for a password
//!   GET /v2/…   Authorization: Bearer … ──> the registry behind it
//! ```
//!
//! A door that means it would sign its tokens; this one only knows what they look like.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use super::PASSWORD;
use super::server::ADDRESS;

/// Where it is.
pub fn address() -> SocketAddr {
    SocketAddr::new(ADDRESS.ip(), ADDRESS.port() + 1)
}

const TOKEN: &str = "may-pull-for-five-minutes";

/// Lets people in, one after the other, for as long as the process lives.
pub fn keep(listener: &TcpListener) {
    for visitor in listener.incoming().flatten() {
        // who goes away in the middle is no concern of the others
        let _ = receive(visitor);
    }
}

fn receive(mut visitor: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        visitor.read_exact(&mut byte)?;
        head.extend(byte);
        // it begins with a letter, or it is no HTTP: TLS begins with 22
        if !head[0].is_ascii_alphabetic() || head.len() > 8192 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let (request, headers) = head.split_once("\r\n").unwrap_or_default();
    let is_password = |line: &&str| line.to_ascii_lowercase().starts_with("authorization:");
    if request.starts_with("GET /token?") {
        let body = format!("{{\"token\":\"{TOKEN}\",\"expires_in\":300}}");
        return answer(visitor, request, "200 OK", "Content-Type: application/json\r\n", &body);
    }
    if !headers.lines().any(|line| is_password(&line) && line.ends_with(&format!("Bearer {TOKEN}"))) {
        let challenge = format!(
            "WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"lab\"\r\nDocker-Distribution-API-Version: registry/2.0\r\n",
            address()
        );
        return answer(visitor, request, "401 Unauthorized", &challenge, "");
    }
    // the registry behind it trusts the door alone
    let mut registry = TcpStream::connect(ADDRESS)?;
    let kept: String = headers
        .lines()
        .filter(|line| !is_password(line) && !line.is_empty())
        .map(|line| format!("{line}\r\n"))
        .collect();
    registry.write_all(format!("{request}\r\n{kept}{PASSWORD}Connection: close\r\n\r\n").as_bytes())?;
    io::copy(&mut registry, &mut visitor)?;
    visitor.shutdown(Shutdown::Both)
}

fn answer(mut visitor: TcpStream, request: &str, status: &str, headers: &str, body: &str) -> io::Result<()> {
    // as a line of the registry's log
    let (asked, code) = (request.trim_end_matches(" HTTP/1.1"), status.split(' ').next().unwrap_or_default());
    eprintln!("{asked} {code} {}", body.len());
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    visitor.write_all(format!("{head}{body}").as_bytes())
}
