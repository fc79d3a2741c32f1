//! What is offered: manifests, blobs and their ranges, lists, and names that collide.

use std::fs;
use std::os::unix::fs::symlink;

use stepbox::engine::config::NAME;
use stepbox::layers::Digest;

use support::served::{Served, directory, manifest, store_with};

#[test]
fn what_is_in_the_store_is_offered_without_its_host() {
    let root = directory();
    let id = store_with(root.path(), "busybox:1", "a");
    store_with(root.path(), "localhost:5000/x/y:v2", "b");
    let served = Served::start(root.path(), &[]);
    assert_eq!(served.get("/v2/").json(), serde_json::json!({}));
    assert_eq!(served.get("/v2/").header("docker-distribution-api-version"), "registry/2.0");
    let list = served.get("/v2/_catalog").json();
    assert_eq!(list, serde_json::json!({ "repositories": ["library/busybox", "x/y"] }));
    let tags = served.get("/v2/x/y/tags/list").json();
    assert_eq!(tags, serde_json::json!({ "name": "x/y", "tags": ["v2"] }));

    let by_tag = served.get("/v2/library/busybox/manifests/1");
    assert_eq!(by_tag.status, 200);
    let digest = Digest::of(&by_tag.body).to_string();
    assert_eq!(by_tag.header("docker-content-digest"), digest);
    assert_eq!(by_tag.header("content-type"), "application/vnd.oci.image.manifest.v1+json");
    let by_digest = served.get(&format!("/v2/library/busybox/manifests/{digest}"));
    assert_eq!(by_digest.body, by_tag.body);
    let head = served.ask("HEAD", "/v2/library/busybox/manifests/1", &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, by_tag.body.len().to_string().as_str()));
    let known = served.ask(
        "GET",
        "/v2/library/busybox/manifests/1",
        &[("If-None-Match", by_tag.header("etag"))],
        b"",
    );
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(by_tag.json()["config"]["digest"], id.to_string());

    for (path, refusal) in [
        ("/v2/library/busybox/manifests/2", "404 MANIFEST_UNKNOWN"),
        ("/v2/library/busybox/manifests/.INVALID", "404 MANIFEST_UNKNOWN"),
        ("/v2/x/y/manifests/1", "404 MANIFEST_UNKNOWN"),
        (&format!("/v2/x/y/manifests/{digest}"), "404 MANIFEST_UNKNOWN"),
        ("/v2/nope/manifests/1", "404 NAME_UNKNOWN"),
        ("/v2/nope/tags/list", "404 NAME_UNKNOWN"),
        ("/v2/NOPE/tags/list", "400 NAME_INVALID"),
        ("/v2/a/manifests/sha256:12", "400 DIGEST_INVALID"),
        (&format!("/v2/a/blobs/{}", Digest::of(b"nothing")), "404 BLOB_UNKNOWN"),
        ("/v2/_catalog?n=x", "400 PAGINATION_NUMBER_INVALID"),
        ("/nothing", "404 UNSUPPORTED"),
    ] {
        assert_eq!(served.get(path).refusal(), refusal, "{path}");
    }
    let wrong = served.ask("POST", "/v2/_catalog", &[], b"");
    assert_eq!((wrong.refusal().as_str(), wrong.header("allow")), ("405 UNSUPPORTED", "GET, HEAD"));
    let log = served.log_with("POST /v2/_catalog 405");
    assert!(
        log.contains(&format!("GET /v2/library/busybox/manifests/1 200 {} ", by_tag.body.len())),
        "{log}"
    );
}

#[test]
fn a_blob_is_had_whole_or_in_part() {
    let root = directory();
    let served = Served::start(root.path(), &[]);
    let blob: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
    let digest = served.push("a", &blob);
    // blobs are one set for all repositories
    let path = format!("/v2/other/blobs/{digest}");
    let whole = served.get(&path);
    assert!(whole.body == blob && whole.header("docker-content-digest") == digest.to_string());
    let head = served.ask("HEAD", &path, &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, "2800000"));
    let part = |range: &str| served.ask("GET", &path, &[("Range", range)], b"");
    for (range, first, last) in
        [("bytes=0-0", 0, 0), ("bytes=1000-700000", 1000, 700_000), ("bytes=2799990-", 2_799_990, 2_799_999)]
    {
        let part = part(range);
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/2800000"));
        assert!(part.body == blob[first..=last], "{range}");
    }
    assert!(part("bytes=-7").body == blob[blob.len() - 7..]);
    let beyond = part("bytes=2800000-");
    assert_eq!(
        (beyond.refusal().as_str(), beyond.header("content-range")),
        ("416 RANGE_INVALID", "bytes */2800000")
    );
    assert_eq!(part("bytes=9-1").status, 416);
    assert_eq!(part("bytes=x").status, 200);
    // several requests on one connection
    let mut wire = served.connect();
    for range in ["bytes=5-9", "bytes=0-3"] {
        wire.send(&served.request("GET", &path, &[("Range", range)], b""));
        assert_eq!(wire.answer(false).status, 206);
    }
}

#[test]
fn lists_come_in_pages() {
    let root = directory();
    let served = Served::start(root.path(), &[]);
    for (repository, tag) in [("b", "1"), ("a/x", "1"), ("c", "2"), ("c", "1"), ("c", "10")] {
        served.push_image(repository, tag, b"layer");
    }
    let page = |path: &str, list: &str| {
        let answer = served.get(path);
        (answer.json()[list].to_string(), answer.header("link").to_owned())
    };
    let next = |path: &str| format!("<{path}>; rel=\"next\"");
    assert_eq!(
        page("/v2/_catalog?n=2", "repositories"),
        (r#"["a/x","b"]"#.into(), next("/v2/_catalog?last=b&n=2"))
    );
    assert_eq!(page("/v2/_catalog?last=b&n=2", "repositories"), (r#"["c"]"#.into(), String::new()));
    assert_eq!(page("/v2/_catalog?n=0", "repositories").0, "[]");
    assert_eq!(page("/v2/c/tags/list", "tags"), (r#"["1","10","2"]"#.into(), String::new()));
    assert_eq!(page("/v2/c/tags/list?n=1", "tags"), (r#"["1"]"#.into(), next("/v2/c/tags/list?last=1&n=1")));
    assert_eq!(page("/v2/c/tags/list?last=10", "tags").0, r#"["2"]"#);
    assert_eq!(page("/v2/c/tags/list?last=zzz", "tags").0, "[]");
}

/// Two registries' images of one name: the first of the index, which is the last that was pushed.
#[test]
fn the_first_of_two_names_wins_and_the_log_says_so() {
    let root = directory();
    let first = store_with(root.path(), "quay.io/class/app:1", "first");
    store_with(root.path(), "docker.io/class/app:1", "second");
    let served = Served::start(root.path(), &[]);
    let config = || served.get("/v2/class/app/manifests/1").json()["config"]["digest"].clone();
    assert_eq!(config(), first.to_string());
    assert_eq!(config(), first.to_string());
    let line = "docker.io/class/app:1 is hidden behind quay.io/class/app:1";
    let log = served.log_with(line);
    assert_eq!(log.matches(line).count(), 1, "said once: {log}");
    let pushed = served.push_image("class/app", "1", b"pushed");
    assert_eq!(served.get("/v2/class/app/manifests/1").body, pushed, "what one pushes one pulls");
    served.log_with("quay.io/class/app:1 is hidden behind 127.0.0.1");
}

#[test]
fn a_layout_of_another_tool_is_served_too() {
    let root = directory();
    let layout = root.path().join("My Images");
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("made");
    let mut entries = Vec::new();
    for (name, layer) in [(Some("v2"), "one"), (Some("quay.io/team/app:3"), "two"), (None, "three")] {
        let keep = |blob: &[u8]| fs::write(blobs.join(Digest::of(blob).hex()), blob).expect("written");
        let manifest = manifest(&[layer.as_bytes()], keep);
        keep(&manifest);
        let annotations =
            name.map(|name| (NAME, name)).into_iter().collect::<std::collections::BTreeMap<_, _>>();
        entries.push(serde_json::json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": Digest::of(&manifest), "size": manifest.len(), "annotations": annotations }));
    }
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": entries });
    fs::write(layout.join("index.json"), index.to_string()).expect("written");
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("written");
    // whoever made it may have wanted a file of this machine
    let secret = Digest::of(b"secret");
    fs::write(root.path().join("secret"), b"secret").expect("written");
    symlink(root.path().join("secret"), blobs.join(secret.hex())).expect("linked");

    let path = layout.to_str().expect("text").to_owned();
    let served = Served::start(root.path(), &["--dir", &path, "--read-only"]);
    let list = served.get("/v2/_catalog").json();
    assert_eq!(list, serde_json::json!({ "repositories": ["my-images", "team/app"] }));
    assert_eq!(served.get("/v2/my-images/tags/list").json()["tags"], serde_json::json!(["v2"]));
    assert_eq!(served.get("/v2/my-images/manifests/v2").status, 200);
    let nameless = entries[2]["digest"].as_str().expect("a digest");
    assert_eq!(served.get(&format!("/v2/my-images/manifests/{nameless}")).status, 200);
    assert_eq!(served.get(&format!("/v2/a/blobs/{secret}")).refusal(), "404 BLOB_UNKNOWN");
    drop(served);
    let names = |path: &std::path::Path| {
        let entries = fs::read_dir(path).expect("readable").flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().expect("text")).collect();
        names.sort();
        names
    };
    assert_eq!(names(&layout), ["blobs", "index.json", "oci-layout"], "reading leaves nothing");

    let served = Served::start(root.path(), &["--dir", &path]);
    let pushed = served.push_image("new", "1", b"new");
    assert_eq!(served.get("/v2/new/manifests/1").body, pushed);
    let index = fs::read_to_string(layout.join("index.json")).expect("readable");
    assert!(index.contains(&format!("{}/new:1", served.address)), "{index}");
}
