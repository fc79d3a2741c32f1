//! Deaths, ends and garbage collectors in the middle of a push: the store is whole after each.

use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stepbox::engine::shelf::{Allowed, Shelf, ShelfError};
use stepbox::engine::store::Store;
use stepbox::layers::Digest;

use support::served::{OCI, Served, directory, manifest, store_with};

fn entries(root: &std::path::Path, name: &str) -> usize {
    fs::read_dir(root.join(name)).expect("there").count()
}

#[test]
fn a_registry_that_is_killed_leaves_what_clean_sweeps() {
    let root = directory();
    store_with(root.path(), "busybox:1", "a");
    let mut served = Served::start(root.path(), &[]);
    let before = fs::read(root.path().join("index.json")).expect("there");
    let whole = served.push("a", b"a whole blob");
    let place = served.ask("POST", "/v2/a/blobs/uploads/", &[], b"").header("location").to_owned();
    let mut wire = served.connect();
    let head =
        format!("PATCH {place} HTTP/1.1\r\nHost: {}\r\nContent-Length: 9000000\r\n\r\n", served.address);
    wire.send(&[head.as_bytes(), &[1; 5_000_000]].concat());
    // the first batch is on the disk
    let began = Instant::now();
    let id = place.rsplit('/').next().expect("a name");
    let arriving = || {
        let scratch = fs::read_dir(root.path().join("tmp")).expect("there").flatten();
        scratch
            .filter_map(|entry| fs::metadata(entry.path().join("uploads").join(id)).ok())
            .any(|it| it.len() > 0)
    };
    while !arriving() {
        assert!(began.elapsed() < Duration::from_secs(30), "nothing arrives");
        std::thread::sleep(Duration::from_millis(5));
    }
    served.signal(Signal::KILL);
    served.ended();
    assert_eq!(fs::read(root.path().join("index.json")).expect("there"), before);
    assert_eq!(entries(root.path(), "tmp"), 1);
    served.stepbox(&["clean"]);
    assert_eq!(entries(root.path(), "tmp"), 0);
    assert_eq!(entries(root.path(), "blobs/sha256"), 3, "what the image has, and nothing else");
    let served = Served::start(root.path(), &[]);
    assert_eq!(served.get(&place).refusal(), "404 BLOB_UPLOAD_UNKNOWN");
    assert_eq!(served.get(&format!("/v2/a/blobs/{whole}")).refusal(), "404 BLOB_UNKNOWN");
    served.push_image("a", "1", b"layer");
    assert_eq!(served.get("/v2/library/busybox/manifests/1").status, 200);
}

/// A sweep and a collection while a push is between its blobs and its manifest.
#[test]
fn a_collection_takes_nothing_from_a_push() {
    let root = directory();
    store_with(root.path(), "busybox:1", "a");
    let served = Served::start(root.path(), &[]);
    let store = served.store();
    let shared = served.get("/v2/library/busybox/manifests/1").json()["layers"][0].clone();
    let path = format!("/v2/a/blobs/{}", shared["digest"].as_str().expect("text"));
    assert_eq!(served.ask("HEAD", &path, &[], b"").status, 200, "it need not be sent");
    let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let pushed = served.push("a", config);

    store.untag(&"busybox:1".parse().expect("a name")).expect("untagged");
    store.revise(Vec::clear).expect("no image is left");
    assert!(store.collect(&BTreeSet::new()).expect("collected") > 0);
    store.sweep().expect("swept");
    assert_eq!(entries(root.path(), "blobs/sha256"), 0, "the store has let go");

    let manifest = serde_json::json!({ "schemaVersion": 2, "mediaType": OCI, "layers": [shared],
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": pushed, "size": config.len() } });
    assert_eq!(served.put("a", "1", OCI, manifest.to_string().as_bytes()).status, 201);
    assert_eq!(served.get(&path).status, 200);
    drop(served);
    let store = Store::open(root.path()).expect("opens");
    assert_eq!(store.collect(&BTreeSet::new()).expect("collected"), 0, "the image has all of them");
    assert_eq!(entries(root.path(), "blobs/sha256"), 3);
}

#[test]
fn an_end_waits_for_running_requests() {
    let root = directory();
    let mut served = Served::start(root.path(), &[]);
    let place = served.ask("POST", "/v2/a/blobs/uploads/", &[], b"").header("location").to_owned();
    let mut wire = served.connect();
    wire.send(
        format!("PATCH {place} HTTP/1.1\r\nHost: {}\r\nContent-Length: 6\r\n\r\nabc", served.address)
            .as_bytes(),
    );
    let mut idle = served.connect();
    idle.send(&served.request("GET", "/v2/", &[], b""));
    assert_eq!(idle.answer(false).status, 200);
    served.signal(Signal::TERM);
    assert!(idle.closes_within(Duration::from_secs(30)), "nobody waits for idle connections");
    assert!(std::net::TcpStream::connect(served.address).is_err(), "no new ones");
    assert!(served.child.try_wait().expect("ours").is_none(), "it is still at work");
    wire.send(b"def");
    assert_eq!(wire.answer(false).header("range"), "0-5");
    assert!(served.ended().success());
    assert_eq!(entries(root.path(), "tmp"), 0, "nothing is left");

    // a second signal does not wait
    let mut served = Served::start(root.path(), &[]);
    let place = served.ask("POST", "/v2/a/blobs/uploads/", &[], b"").header("location").to_owned();
    let mut wire = served.connect();
    wire.send(
        format!("PATCH {place} HTTP/1.1\r\nHost: {}\r\nContent-Length: 6\r\n\r\nabc", served.address)
            .as_bytes(),
    );
    let began = Instant::now();
    while std::net::TcpStream::connect(served.address).is_ok() {
        served.signal(Signal::INT);
        assert!(began.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(50));
    }
    served.signal(Signal::INT);
    assert!(served.ended().success());
    assert_eq!(entries(root.path(), "tmp"), 0, "nothing is left");
}

#[test]
fn what_nobody_asks_for_expires() {
    let root = directory();
    let store = Store::open(root.path()).expect("a store");
    let shelf = Shelf::new(store, None, Allowed { push: true, delete: false }).expect("a shelf");
    let shelf = Arc::new(shelf);
    let repository = "a".parse().expect("a name");
    let send = |blob: &[u8]| {
        let id = shelf.begin(&repository).expect("begun");
        let mut arrival = shelf.resume(&repository, &id).expect("ours");
        arrival.append(blob).expect("written");
        arrival.finish(Digest::of(blob)).expect("it is what it is");
    };
    let text = manifest(&[b"layer"], send);
    let (idle, busy) = (shelf.begin(&repository).expect("begun"), shelf.begin(&repository).expect("begun"));
    let arrival = shelf.resume(&repository, &busy).expect("ours");
    assert!(matches!(shelf.resume(&repository, &busy), Err(ShelfError::UploadBusy(_))));
    shelf.expire(Duration::from_secs(60));
    assert!(shelf.blob(Digest::of(b"layer")).is_ok() && shelf.arrived(&repository, &idle).is_ok());
    shelf.expire(Duration::ZERO);
    assert!(shelf.blob(Digest::of(b"layer")).is_err() && shelf.arrived(&repository, &idle).is_err());
    assert!(shelf.arrived(&repository, &busy).is_ok(), "somebody is writing");
    drop(arrival);
    let put = || shelf.receive("localhost", &repository, &"1".parse().expect("a tag"), OCI, &text);
    assert!(matches!(put(), Err(ShelfError::Absent(_))));
    manifest(&[b"layer"], send);
    put().expect("all is here again");
    shelf.expire(Duration::ZERO);
    assert!(shelf.blob(Digest::of(b"layer")).is_ok(), "an image has it");
    // names that are others': what Docker Hub's images are called here is nobody's to say
    for registry in ["docker.io", "index.docker.io", "not a host", "UPPER/x"] {
        let refused = shelf.receive(registry, &repository, &"1".parse().expect("a tag"), OCI, &text);
        assert!(matches!(refused, Err(ShelfError::Unnameable(_))), "{registry}: {refused:?}");
    }
    let full = (0..2000).find_map(|_| shelf.begin(&repository).err());
    assert!(matches!(full, Some(ShelfError::UploadsFull(1000))), "{full:?}");
}
