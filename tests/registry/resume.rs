//! Connections that break: what has come stays, and the rest is asked for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use stepbox::engine::registry::Silent;
use stepbox::layers::Digest;

use crate::hostile::{Honest, registry};
use crate::peer::{Answer, Asked, Peer};
use crate::place::{Place, assert_untouched, image, pull, reference};

const FILLER: usize = 300_000;

/// A registry that cuts each answer with the layer after so many bytes, and heeds `Range` or not.
fn cutting(after: usize, heeds: bool) -> (Peer, Digest) {
    let Honest { layer, config, manifest } = Honest::new(FILLER);
    let (digest, blob) = (Digest::of(&layer), layer.clone());
    let tries = AtomicUsize::new(0);
    let peer = registry(manifest.to_string().into(), vec![layer, config], move |asked, answer| {
        if !asked.path.ends_with(&digest.to_string()) {
            return answer;
        }
        let from: usize = match asked.header("range").and_then(|range| range.strip_prefix("bytes=")) {
            Some(range) if heeds => range.trim_end_matches('-').parse().expect("a number"),
            _ => 0,
        };
        // the one that heeds no range is at last let through
        let until = match heeds || tries.fetch_add(1, Ordering::Relaxed) < 2 {
            true => (from + after).min(blob.len()),
            false => blob.len(),
        };
        let part = Answer::status(if from > 0 { "206 Partial Content" } else { "200 OK" });
        let range = format!("bytes {from}-{}/{}", blob.len() - 1, blob.len());
        let part = if from > 0 { part.header("Content-Range", range) } else { part };
        part.bytes(&blob[from..until]).claiming(blob.len() - from)
    });
    (peer, digest)
}

fn of_layer(peer: &Peer, layer: Digest) -> Vec<Asked> {
    peer.asked().into_iter().filter(|asked| asked.path.ends_with(&layer.to_string())).collect()
}

#[test]
fn a_download_goes_on_where_it_was_cut() {
    let (peer, layer) = cutting(100_000, true);
    let place = Place::new();
    pull(&place.client(), &place.store("store"), &format!("{}/x/y", peer.host)).expect("pulled");
    let asked = of_layer(&peer, layer);
    let ranges: Vec<Option<&str>> = asked.iter().map(|asked| asked.header("range")).collect();
    assert_eq!(ranges[..3], [None, Some("bytes=100000-"), Some("bytes=200000-")], "{ranges:?}");
}

#[test]
fn a_download_goes_on_without_ranges() {
    let (peer, layer) = cutting(100_000, false);
    let place = Place::new();
    pull(&place.client(), &place.store("store"), &format!("{}/x/y", peer.host)).expect("pulled");
    assert_eq!(of_layer(&peer, layer).len(), 3);
}

#[test]
fn a_connection_that_always_breaks_is_given_up() {
    let (peer, layer) = cutting(0, true);
    let place = Place::new();
    let store = place.store("store");
    let error =
        pull(&place.client(), &store, &format!("{}/x/y", peer.host)).expect_err("given up").to_string();
    assert!(error.contains("broke off after 0 of"), "{error}");
    assert_eq!(of_layer(&peer, layer).len(), 6, "the first and five more");
    assert_untouched(&store);
}

#[test]
fn a_registry_that_is_busy_is_asked_again() {
    let Honest { layer, config, manifest } = Honest::new(10);
    let refusals = AtomicUsize::new(0);
    let peer = registry(manifest.to_string().into(), vec![layer, config], move |asked, answer| {
        match asked.path.as_str() {
            "/v2/" => answer,
            _ => match refusals.fetch_add(1, Ordering::Relaxed) {
                0 => Answer::status("503 Service Unavailable"),
                1 => Answer::status("429 Too Many Requests").header("Retry-After", "0"),
                _ => answer,
            },
        }
    });
    let place = Place::new();
    pull(&place.client(), &place.store("store"), &format!("{}/x/y", peer.host)).expect("pulled");
    assert_eq!(peer.asked().iter().filter(|asked| asked.path.ends_with("/latest")).count(), 3);
}

#[test]
fn an_upload_goes_on_where_it_was_cut() {
    const CUT: usize = 70_000;
    let received = Mutex::new(0);
    let peer = Peer::start_cutting(CUT, move |asked, host| {
        let place = format!("http://{host}/v2/x/y/blobs/uploads/1?state=a%3Db");
        let mut received = received.lock().expect("no panic");
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/v2/") => Answer::ok("{}"),
            ("HEAD", _) => Answer::status("404 Not Found"),
            ("POST", _) => {
                *received = 0;
                Answer::status("202 Accepted").header("Location", place)
            }
            // what came before the cut, which this function was not told of
            ("GET", _) => {
                *received = CUT;
                Answer::status("204 No Content")
                    .header("Range", format!("0-{}", CUT - 1))
                    .header("Location", place)
            }
            ("PATCH", _) => {
                *received += asked.body.len();
                Answer::status("202 Accepted").header("Location", place)
            }
            _ => Answer::status("201 Created"),
        }
    });
    let place = Place::new();
    let store = place.store("store");
    let name = format!("{}/x/y", peer.host);
    image(&store, &name, "text", FILLER);
    place.client().push(&store, &reference(&name), &Silent).expect("pushed");
    let asked = peer.asked();
    let parts: Vec<&Asked> = asked.iter().filter(|asked| asked.method == "PATCH").collect();
    let stored = &store.list().expect("a list")[0];
    let layer = &stored.as_ref().expect("readable").manifest.layers[0];
    let sent = [parts[0].body.clone(), parts[1].body.clone()].concat();
    assert_eq!(Digest::of(&sent), layer.digest, "the two parts are the layer");
    let range = format!("{CUT}-{}", layer.size - 1);
    assert_eq!(parts[1].header("content-range"), Some(range.as_str()));
    let finished =
        asked.iter().find(|asked| asked.method == "PUT" && asked.path.contains("uploads")).expect("a PUT");
    let digest = layer.digest.to_string().replace(':', "%3A");
    assert!(finished.path.ends_with(&format!("?state=a%3Db&digest={digest}")), "{}", finished.path);
}

/// Each of its answers looks like progress, and together they are none.
#[test]
fn an_upload_that_goes_to_and_fro_is_given_up() {
    let (looked, sent) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let peer = Peer::start(move |asked, host| {
        let place = format!("http://{host}/v2/x/y/blobs/uploads/1");
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/v2/") => Answer::ok("{}"),
            ("HEAD", _) => Answer::status("404 Not Found"),
            ("GET", _) => {
                let last = [4999, 2999][looked.fetch_add(1, Ordering::Relaxed) % 2];
                let answer = Answer::status("204 No Content").header("Range", format!("0-{last}"));
                answer.header("Location", place)
            }
            ("PATCH", _) if sent.fetch_add(1, Ordering::Relaxed) < 50 => {
                Answer::status("503 Service Unavailable").header("Retry-After", "0")
            }
            ("PATCH", _) => Answer::status("403 Forbidden"),
            _ => Answer::status("202 Accepted").header("Location", place),
        }
    });
    let place = Place::new();
    let (store, name) = (place.store("store"), format!("{}/x/y", peer.host));
    image(&store, &name, "text", FILLER);
    let error = place.client().push(&store, &reference(&name), &Silent).expect_err("given up").to_string();
    assert!(error.contains("service unavailable"), "{error}");
    assert!(peer.asked().iter().filter(|asked| asked.method == "PATCH").count() < 10);
}

#[test]
fn who_is_killed_leaves_nothing_that_is_not_swept() {
    let Honest { layer, config, manifest } = Honest::new(FILLER);
    let (digest, half) = (Digest::of(&layer).to_string(), layer[..layer.len() / 2].to_vec());
    let length = layer.len();
    let killed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let over = killed.clone();
    let peer = registry(manifest.to_string().into(), vec![layer, config], move |asked, answer| {
        match asked.path.ends_with(&digest) && !over.load(Ordering::Relaxed) {
            true => Answer::ok(half.clone()).claiming(length).stalling(),
            false => answer,
        }
    });
    let (place, name) = (Place::new(), format!("{}/x/y", peer.host));
    let store = place.store("store");
    let mut pull = place.command(support::player::built("stepbox"), "store");
    let pull = pull.args(["pull", &name]).stdout(std::process::Stdio::null());
    let mut child = pull.spawn().expect("it starts");
    let began = std::time::Instant::now();
    while of_layers(&peer) == 0 {
        assert!(began.elapsed().as_secs() < 20, "it never asks for the layer");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().expect("ours");
    child.wait().expect("it ends");
    killed.store(true, Ordering::Relaxed);
    assert!(store.list().expect("a list").is_empty());
    store.sweep().expect("swept");
    assert_untouched(&store);
    crate::place::pull(&place.client(), &store, &name).expect("the next one gets it");
}

fn of_layers(peer: &Peer) -> usize {
    // the config is the first blob, the layer the second
    peer.asked().iter().filter(|asked| asked.path.contains("/blobs/")).count().saturating_sub(1)
}
