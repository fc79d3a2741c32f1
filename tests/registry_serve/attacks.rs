//! Clients that mean harm, or are broken: each is refused, and the others are served on.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use support::player::{built, said};
use support::served::{Served, directory, store_with};

/// What comes back for these bytes: statuses, and `end` if the connection was closed.
fn statuses(served: &Served, bytes: &str) -> String {
    let mut wire = served.connect();
    wire.send(bytes.replace("HOST", &served.address.to_string()).as_bytes());
    let mut found = Vec::new();
    while let Some(answer) = wire.try_answer(false) {
        found.push(answer.status.to_string());
        if answer.header("connection") == "close" || answer.status == 400 {
            break;
        }
        if found.len() == 2 {
            return found.join(" ");
        }
    }
    found.push("end".into());
    found.join(" ")
}

#[test]
fn a_request_can_be_read_in_one_way_only() {
    let root = directory();
    let served = Served::start(root.path(), &["--timeout", "1"]);
    let smuggled = "GET /v2/_catalog HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let two_lengths = format!(
        "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nContent-Length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    );
    let both = format!(
        "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    );
    let (length, chunks) = ("Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n");
    let swapped = both.replace(&format!("{length}{chunks}"), &format!("{chunks}{length}"));
    let folded = "GET /v2/ HTTP/1.1\r\nHost: HOST\r\nX: a\r\n b\r\n\r\n";
    let headers = format!("GET /v2/ HTTP/1.1\r\nHost: HOST\r\n{}\r\n", "X: y\r\n".repeat(200));
    let long = format!("GET /v2/ HTTP/1.1\r\nHost: HOST\r\nX: {}\r\n\r\n", "y".repeat(1 << 20));
    for (bytes, answer) in [
        (two_lengths.as_str(), "400 end"),
        // by its chunks, as RFC 9112 says, and then no more is read on this connection
        (&both, "202 end"),
        (&swapped, "202 end"),
        ("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n", "400 end"),
        (
            "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "400 end",
        ),
        ("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip\r\n\r\n", "400 end"),
        ("GET /v2/ HTTP/1.1\r\n\r\n", "400 end"),
        ("GET /v2/ HTTP/1.0\r\n\r\n", "400 end"),
        ("GET /v2/ HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n", "400 end"),
        ("GET /v2/ HTTP/1.1\r\nHost : HOST\r\n\r\n", "400 end"),
        ("GET /v2/\u{1b}[31m HTTP/1.1\r\nHost: HOST\r\n\r\n", "400 end"),
        ("GET /v2/\u{0} HTTP/1.1\r\nHost: HOST\r\n\r\n", "400 end"),
        ("GET /v2/ HTTP/9.9\r\nHost: HOST\r\n\r\n", "400 end"),
        ("\u{16}\u{3}\u{1}", "400 end"),
        ("nonsense\r\n\r\n", "400 end"),
        (folded, "400 end"),
        (&headers, "431 end"),
        (&long, "431 end"),
        // one after the other is allowed
        ("GET /v2/ HTTP/1.1\r\nHost: HOST\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: HOST\r\n\r\n", "200 200"),
    ] {
        assert_eq!(statuses(&served, bytes), answer, "{:.100}", bytes);
        assert_eq!(served.get("/v2/").status, 200, "others are served after {:.100}", bytes);
    }
    assert!(!served.log_with("GET /v2/").contains('\u{1b}'), "nothing drives the terminal");
}

/// A body in chunks that is broken ends its connection, and the upload goes on from what came before.
#[test]
fn bad_chunks_end_their_connection() {
    let root = directory();
    let served = Served::start(root.path(), &["--timeout", "1"]);
    let place = served.ask("POST", "/v2/a/blobs/uploads/", &[], b"").header("location").to_owned();
    for chunk in
        ["x\r\nabc\r\n", "-1\r\nabc\r\n", "ffffffffffffffffff\r\nabc\r\n", "3\r\nabcdef\r\n", "3\nabc\n"]
    {
        let mut wire = served.connect();
        let head = format!(
            "PATCH {place} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
            served.address
        );
        wire.send(format!("{head}{chunk}").as_bytes());
        let answer = wire.try_answer(false);
        assert!(
            answer.as_ref().is_none_or(|answer| [400, 408].contains(&answer.status)),
            "{chunk:?}: {answer:?}"
        );
        assert!(wire.closes_within(Duration::from_secs(30)), "{chunk:?}");
    }
    let size = served.get(&place).header("range").to_owned();
    let last: u64 = size.trim_start_matches("0-").parse().expect("a number");
    assert!(last <= 3 * 2, "only whole pieces came: {size}");
}

/// A page in a browser that reaches us under another name, or sends forms, gets nothing and changes nothing.
#[test]
fn web_pages_and_foreign_names_get_nothing() {
    let root = directory();
    store_with(root.path(), "busybox:1", "a");
    let served = Served::start(root.path(), &["--host", "reg.class"]);
    let port = served.address.port();
    let with_host = |host: &str| {
        let mut wire = served.connect();
        wire.send(format!("GET /v2/_catalog HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        wire.answer(false).status
    };
    for host in [
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("reg.class:{port}"),
        "localhost".into(),
    ] {
        assert_eq!(with_host(&host), 200, "{host}");
    }
    for host in [
        "evil.example",
        "quay.io",
        "docker.io",
        "127.0.0.1.evil.example",
        "8.8.8.8",
        "a@localhost",
        "",
        "local host",
    ] {
        assert_eq!(with_host(host), 421, "{host}");
    }
    let mut wire = served.connect();
    wire.send(format!("GET http://evil.example/v2/ HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n").as_bytes());
    assert_eq!(wire.answer(false).refusal(), "421 DENIED");
    let page = [("Origin", "http://evil.example")];
    assert_eq!(served.ask("POST", "/v2/a/blobs/uploads/", &page, b"").refusal(), "403 DENIED");
    assert_eq!(served.ask("GET", "/v2/_catalog", &page, b"").refusal(), "403 DENIED");
}

#[test]
fn digests_are_no_paths() {
    let root = directory();
    store_with(root.path(), "busybox:1", "a");
    let served = Served::start(root.path(), &["--allow-delete"]);
    for digest in [
        "sha256:..%2F..%2Findex.json",
        "sha256:%2Fetc%2Fpasswd",
        "..%2F..%2Findex.json",
        "sha256:%00",
        &format!("sha256:{}", "A".repeat(64)),
        &format!("sha256:{}", "a".repeat(65)),
    ] {
        for (method, kind) in [("GET", "blobs"), ("HEAD", "blobs"), ("DELETE", "blobs"), ("GET", "referrers")]
        {
            let answer = served.ask(method, &format!("/v2/a/{kind}/{digest}"), &[], b"");
            assert_eq!(answer.status, 400, "{method} {kind} {digest}: {answer:?}");
        }
    }
    for path in [
        "/v2/a/blobs/../../index.json",
        "/v2/../../etc/passwd",
        "//v2/",
        "/v2/a/blobs/sha256:../../index.json",
    ] {
        assert_eq!(served.get(path).refusal(), "404 UNSUPPORTED", "{path}");
    }
    assert!(served.get("/v2/library/busybox/manifests/1").status == 200);
}

/// Heads, bodies and readers that do not move: each ends in its time, though many hold on at once.
#[test]
fn slow_clients_lose_their_connection() {
    let root = directory();
    let served = Served::start(root.path(), &["--timeout", "1"]);
    let big = vec![7_u8; 32 << 20];
    let digest = served.push("a", &big);
    let place = served.ask("POST", "/v2/a/blobs/uploads/", &[], b"").header("location").to_owned();
    let mut heads: Vec<_> = (0..20).map(|_| served.connect()).collect();
    heads.iter_mut().for_each(|wire| wire.send(b"GET /v2/ HTTP/1.1\r\nHost: loc"));
    let mut body = served.connect();
    body.send(
        format!("PATCH {place} HTTP/1.1\r\nHost: {}\r\nContent-Length: 100\r\n\r\nabc", served.address)
            .as_bytes(),
    );
    let mut reader = served.connect();
    reader.send(&served.request("GET", &format!("/v2/a/blobs/{digest}"), &[], b""));
    assert_eq!(served.get("/v2/").status, 200, "others do not wait for them");
    let began = Instant::now();
    assert_eq!(body.answer(false).status, 408);
    for wire in &mut heads {
        assert!(wire.closes_within(Duration::from_secs(30)));
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    // three bytes came, and can be gone on from
    assert_eq!(served.get(&place).header("range"), "0-2");
    let log = served.log_with(&format!("GET /v2/a/blobs/{digest} 200"));
    let sent: u64 = log
        .split(&format!("{digest} 200 "))
        .nth(1)
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .expect("a number");
    assert!(sent < big.len() as u64, "the reader has not read, and lost its connection: {sent}");
}

/// There is an end to how many are served at once; who comes then waits until others have lost their connection.
#[test]
fn more_than_can_be_served_wait() {
    let root = directory();
    let served = Served::start(root.path(), &["--timeout", "5"]);
    let mut idle: Vec<_> = (0..256).map(|_| served.connect()).collect();
    idle.iter_mut().for_each(|wire| wire.send(b"GET /v2/ HTTP/1.1\r\n"));
    let mut late = served.connect();
    late.send(&served.request("GET", "/v2/", &[], b""));
    std::thread::sleep(Duration::from_millis(500));
    assert!(!served.log_with("").contains("GET"), "there is no place");
    assert_eq!(late.answer(false).status, 200);
    for wire in &mut idle {
        assert!(wire.closes_within(Duration::from_secs(30)));
    }
}

/// A body that comes byte by byte is slow too, though something always moves.
#[test]
fn a_trickle_is_slow_too() {
    let root = directory();
    let served = Served::start(root.path(), &["--timeout", "1"]);
    let place = served.ask("POST", "/v2/a/blobs/uploads/", &[], b"").header("location").to_owned();
    let stream = std::net::TcpStream::connect(served.address).expect("it listens");
    let head = format!("PATCH {place} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\n", served.address);
    (&stream).write_all(head.as_bytes()).expect("sent");
    let began = Instant::now();
    while (&stream).write_all(b"x").is_ok() {
        assert!(began.elapsed() < Duration::from_secs(60), "it goes on for ever");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(served.log_with(&format!("PATCH {place} 408")).contains("408"));
}

#[test]
fn nobody_is_served_beyond_this_machine_by_accident() {
    let root = directory();
    let refused = |flags: &[&str], words: &str| {
        let mut command = Command::new(built("stepbox"));
        let said = said(command.args(["registry", "serve"]).args(flags).env("STEPBOX_ROOT", root.path()));
        assert!(said.code != 0 && said.err.contains(words), "{flags:?}: {} {}", said.code, said.err);
    };
    refused(
        &["--listen", "0.0.0.0:0"],
        "nothing would be encrypted: give --tls-cert and --tls-key, or --insecure",
    );
    refused(&["--listen", "[::]:0"], "nothing would be encrypted");
    refused(&["--tls-cert", "x"], "--tls-key");
    refused(&["--tls-cert", "/nowhere", "--tls-key", "/nowhere"], "/nowhere holds no certificate in PEM");
    refused(&["--read-only", "--allow-delete"], "cannot be used with");
    refused(&["--htpasswd", "/nowhere"], "read /nowhere: No such file");
    refused(&["--dir", "/etc"], "/etc is no OCI image layout: it has no index.json");
    refused(&["--timeout", "0"], "0");
    refused(&["--listen", "nonsense"], "nonsense");
    let served = Served::start(root.path(), &["--listen", "0.0.0.0:0", "--insecure"]);
    let taken = format!("127.0.0.1:{}", served.address.port());
    refused(&["--listen", &taken], &format!("listen on {taken}: Address already in use"));
    let mut wire = served.connect();
    wire.send(format!("GET /v2/ HTTP/1.1\r\nHost: {taken}\r\n\r\n").as_bytes());
    assert_eq!(wire.answer(false).status, 200);
}
