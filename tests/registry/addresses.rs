//! `import` of what lies at an address.

use support::archive::{Raw, gzip};

use crate::peer::{Answer, Peer};
use crate::place::Place;

/// A server with an archive, another that leads to it, and one that breaks off.
fn server() -> Peer {
    let archive = gzip(&Raw::default().directory("etc/", 0o755).file("etc/name", "text").end());
    Peer::start(move |asked, _| match asked.path.as_str() {
        "/root.tar.gz" => Answer::ok(archive.clone()),
        "/moved" => Answer::status("302 Found").header("Location", "/root.tar.gz"),
        "/cut" => Answer::ok(&archive[..archive.len() / 2]).claiming(archive.len()),
        "/round" => Answer::status("302 Found").header("Location", "/round"),
        _ => Answer::status("404 Not Found"),
    })
}

#[test]
fn an_archive_at_an_address_becomes_an_image() {
    let (place, server) = (Place::new(), server());
    for path in ["root.tar.gz", "moved"] {
        let address = format!("http://{}/{path}", server.host);
        let said = place.says("store", &["import", &address, "me/there"]);
        assert!(said.starts_with(&format!("Downloading from {address}\nsha256:")), "{said}");
        let history = place.says("store", &["history", "--format", "{{.Comment}}", "me/there"]);
        assert_eq!(history, format!("Imported from {address}\n"));
    }
    place.says("store", &["import", "-m", "why", &format!("http://{}/moved", server.host), "me/there"]);
    assert_eq!(place.says("store", &["history", "--format", "{{.Comment}}", "me/there"]), "why\n");
    assert!(server.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

#[test]
fn what_cannot_be_had_leaves_nothing() {
    let (place, server) = (Place::new(), server());
    for (path, words) in [("none", "404"), ("cut", ""), ("round", "redirect")] {
        let address = format!("http://{}/{path}", server.host);
        let said = place.refused("store", &["import", &address, "me/there"], words);
        assert!(!said.contains("panicked"), "{said}");
    }
    place.refused("store", &["import", "http://127.0.0.1:1/x", "me/there"], "127.0.0.1:1");
    assert_eq!(place.says("store", &["images", "-q"]), "");
}
