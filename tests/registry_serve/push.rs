//! What is received: blobs in every way that there is, manifests, and what is refused; deleting.

use stepbox::layers::Digest;

use support::served::{Answer, INDEX, OCI, Served, directory, manifest, store_with};

fn begin(served: &Served) -> String {
    let answer = served.ask("POST", "/v2/a/blobs/uploads/", &[], b"");
    assert_eq!((answer.status, answer.header("range")), (202, "0-0"), "{answer:?}");
    answer.header("location").to_owned()
}

/// `202 0-4`: the status, and how far the upload is.
fn brief(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.header("range"))
}

#[test]
fn a_blob_arrives_in_pieces() {
    let root = directory();
    let served = Served::start(root.path(), &[]);
    let place = begin(&served);
    let piece = |range: &str, body: &[u8]| served.ask("PATCH", &place, &[("Content-Range", range)], body);
    assert_eq!(brief(&piece("0-4", b"01234")), "202 0-4");
    let early = piece("6-8", b"678");
    assert_eq!((early.refusal().as_str(), early.header("range")), ("416 BLOB_UPLOAD_INVALID", "0-4"));
    assert_eq!(early.header("location"), place);
    assert_eq!(piece("0-4", b"01234").status, 416, "the same again");
    assert_eq!(piece("5-9", b"567").refusal(), "400 SIZE_INVALID");
    assert_eq!(piece("9-5", b"567").refusal(), "400 BLOB_UPLOAD_INVALID");
    let status = served.get(&place);
    assert_eq!((brief(&status).as_str(), status.header("location")), ("204 0-4", place.as_str()));
    assert_eq!(brief(&piece("bytes 5-6/*", b"56")), "202 0-6");
    assert_eq!(brief(&served.ask("PATCH", &place, &[], b"78")), "202 0-8", "without a range: at the end");
    // in chunks of HTTP: the length is known at the end, and must be what was said
    let chunked = |range: &str, body: &[u8]| {
        let mut wire = served.connect();
        let head = format!(
            "PATCH {place} HTTP/1.1\r\nHost: {}\r\nContent-Range: {range}\r\nTransfer-Encoding: chunked\r\n\r\n",
            served.address
        );
        wire.send(&[head.as_bytes(), body].concat());
        wire.answer(false)
    };
    assert_eq!(chunked("9-20", b"3\r\n9ab\r\n0\r\n\r\n").refusal(), "400 SIZE_INVALID");
    assert_eq!(chunked("9-10", b"3\r\n9ab\r\n0\r\n\r\n").refusal(), "400 SIZE_INVALID");
    assert_eq!(
        brief(&chunked("9-10", b"1\r\n9\r\n1\r\na\r\n0\r\n\r\n")),
        "202 0-10",
        "what was wrong was taken back"
    );
    let digest = Digest::of(b"0123456789abc");
    let done = served.ask("PUT", &format!("{place}?digest={digest}"), &[("Content-Range", "11-12")], b"bc");
    assert_eq!((done.status, done.header("location")), (201, format!("/v2/a/blobs/{digest}").as_str()));
    assert_eq!(done.header("docker-content-digest"), digest.to_string());
    assert_eq!(served.get(&format!("/v2/a/blobs/{digest}")).body, b"0123456789abc");
    assert_eq!(served.get(&place).refusal(), "404 BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn a_digest_is_what_the_content_is_or_nothing_is_kept() {
    let root = directory();
    let served = Served::start(root.path(), &[]);
    let (right, wrong) = (Digest::of(b"right"), Digest::of(b"wrong"));
    let monolithic = served.ask("POST", &format!("/v2/a/blobs/uploads/?digest={wrong}"), &[], b"right");
    assert_eq!(monolithic.refusal(), "400 DIGEST_INVALID");
    assert_eq!(monolithic.json()["errors"][0]["detail"]["found"], right.to_string());
    let place = begin(&served);
    for said in ["", "?digest=", "?digest=sha256:../../index.json", "?digest=sha512:00", "?digest=md5:00"] {
        let refusal = served.ask("PUT", &format!("{place}{said}"), &[], b"right").refusal();
        assert_eq!(refusal, "400 DIGEST_INVALID", "{said}");
    }
    assert_eq!(
        served.ask("PUT", &format!("{place}?digest={wrong}"), &[], b"right").refusal(),
        "400 DIGEST_INVALID"
    );
    assert_eq!(served.get(&place).refusal(), "404 BLOB_UPLOAD_UNKNOWN", "it cannot become right");
    for digest in [right, wrong] {
        assert_eq!(served.ask("HEAD", &format!("/v2/a/blobs/{digest}"), &[], b"").status, 404);
    }
    let place = begin(&served);
    let elsewhere = place.replace("/v2/a/", "/v2/b/");
    assert_eq!(served.ask("PATCH", &elsewhere, &[], b"x").refusal(), "404 BLOB_UPLOAD_UNKNOWN");
    assert_eq!(served.ask("DELETE", &place, &[], b"").status, 204);
    assert_eq!(served.ask("PATCH", &place, &[], b"x").refusal(), "404 BLOB_UPLOAD_UNKNOWN");
    assert_eq!(served.get("/v2/a/blobs/uploads/../../../x").refusal(), "404 UNSUPPORTED");
}

#[test]
fn an_image_is_there_when_its_manifest_is() {
    let root = directory();
    let served = Served::start(root.path(), &[]);
    let mut blobs = Vec::new();
    let manifest = manifest(&[b"one", b"two"], |blob| blobs.push(blob.to_vec()));
    let early = served.put("class/app", "v1", OCI, &manifest);
    assert_eq!(early.refusal(), "404 MANIFEST_BLOB_UNKNOWN");
    assert_eq!(early.json()["errors"][0]["detail"]["digests"].as_array().map(Vec::len), Some(3));
    for blob in &blobs {
        served.push("class/app", blob);
    }
    assert_eq!(served.get("/v2/class/app/tags/list").refusal(), "404 NAME_UNKNOWN");
    let text = String::from_utf8(manifest.clone()).expect("JSON");
    let put = |tag: &str, kind: &str, body: &str| {
        let answer = served.put("class/app", tag, kind, body.as_bytes());
        if answer.status == 201 { "201".to_owned() } else { answer.refusal() }
    };
    for (tag, kind, body, answer) in [
        ("v1", "application/json", text.as_str(), "400 MANIFEST_INVALID"),
        ("v1", "application/vnd.docker.distribution.manifest.v1+prettyjws", &text, "400 MANIFEST_INVALID"),
        ("v1", INDEX, &text, "400 MANIFEST_INVALID"),
        ("v1", OCI, "{", "400 MANIFEST_INVALID"),
        ("v1", OCI, "[]", "400 MANIFEST_INVALID"),
        ("v1", OCI, &"[".repeat(100_000), "400 MANIFEST_INVALID"),
        ("v1", OCI, &text.replace("\"schemaVersion\":2", "\"schemaVersion\":1"), "400 MANIFEST_INVALID"),
        ("v1", OCI, &text.replace("\"size\":3", "\"size\":4"), "400 SIZE_INVALID"),
        ("v1", OCI, &text.replacen("sha256:", "sha256:../../", 1), "400 MANIFEST_INVALID"),
        (".v1", OCI, &text, "400 TAG_INVALID"),
        (&Digest::of(b"other").to_string(), OCI, &text, "400 DIGEST_INVALID"),
        ("v1", OCI, &" ".repeat((4 << 20) + 1), "413 SIZE_INVALID"),
        ("v1", &format!("{OCI}; charset=utf-8"), &text, "201"),
        ("v1", OCI, &text, "201"),
    ] {
        assert_eq!(put(tag, kind, body), answer, "{tag} {kind} {:.80}", body);
    }
    let untyped = served.ask("PUT", "/v2/class/app/manifests/v1", &[], &manifest);
    assert_eq!(untyped.refusal(), "400 MANIFEST_INVALID");
    let images = served.stepbox(&["images"]);
    let name = format!("{}/class/app", served.address);
    assert_eq!(images.lines().filter(|line| line.starts_with(&name)).count(), 1, "{images}");
    // the index names what is there; and what is in the store needs no registry
    let digest = Digest::of(&manifest);
    assert_eq!(served.store().blob(digest).expect("in the store"), manifest);
    assert_eq!(served.store().find(&format!("{name}:v1")).expect("named").digest, digest);
}

#[test]
fn an_index_takes_its_manifests_in() {
    let root = directory();
    let served = Served::start(root.path(), &[]);
    let mut entries = Vec::new();
    for (processor, layer) in [("amd64", "one"), ("arm64", "two"), ("riscv64", "three")] {
        let manifest = manifest(&[layer.as_bytes()], |blob| {
            served.push("multi", blob);
        });
        let digest = Digest::of(&manifest);
        let platform = serde_json::json!({ "architecture": processor, "os": "linux" });
        entries.push(serde_json::json!({ "mediaType": OCI, "digest": digest, "size": manifest.len(), "platform": platform }));
        let index =
            serde_json::json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries }).to_string();
        assert_eq!(
            served.put("multi", "all", INDEX, index.as_bytes()).refusal(),
            "404 MANIFEST_BLOB_UNKNOWN"
        );
        assert_eq!(served.put("multi", &digest.to_string(), OCI, &manifest).status, 201);
        assert_eq!(served.get(&format!("/v2/multi/manifests/{digest}")).body, manifest);
    }
    assert_eq!(served.get("/v2/multi/tags/list").json()["tags"], serde_json::json!([]));
    let index =
        serde_json::json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries }).to_string();
    assert_eq!(served.put("multi", "all", INDEX, index.as_bytes()).status, 201);
    assert_eq!(served.get("/v2/multi/manifests/all").header("content-type"), INDEX);
    assert_eq!(served.store().entries().expect("readable").len(), 1, "the index stands for all");
    served.store().collect(&Default::default()).expect("collected");
    for entry in &entries {
        let path = format!("/v2/multi/manifests/{}", entry["digest"].as_str().expect("text"));
        let manifest = served.get(&path);
        assert_eq!((manifest.status, manifest.header("content-type")), (200, OCI));
        let layer = manifest.json()["layers"][0]["digest"].as_str().expect("text").to_owned();
        assert_eq!(
            served.get(&format!("/v2/multi/blobs/{layer}")).status,
            200,
            "also other machines' layers"
        );
    }
}

#[test]
fn a_blob_of_another_repository_is_mounted() {
    let root = directory();
    store_with(root.path(), "busybox:1", "a");
    let served = Served::start(root.path(), &[]);
    let layer = served.get("/v2/library/busybox/manifests/1").json()["layers"][0]["digest"].clone();
    let layer = layer.as_str().expect("text");
    let mount = |digest: &str| {
        served.ask("POST", &format!("/v2/a/blobs/uploads/?mount={digest}&from=library%2Fbusybox"), &[], b"")
    };
    let mounted = mount(layer);
    assert_eq!((mounted.status, mounted.header("location")), (201, format!("/v2/a/blobs/{layer}").as_str()));
    let sent = mount(&Digest::of(b"not here").to_string());
    assert_eq!(sent.status, 202, "what cannot be mounted is sent");
    assert!(sent.header("location").starts_with("/v2/a/blobs/uploads/"));
    assert_eq!(mount("sha256:x").refusal(), "400 DIGEST_INVALID");
}

#[test]
fn what_refers_to_a_manifest_is_listed() {
    let root = directory();
    let served = Served::start(root.path(), &[]);
    let image = served.push_image("a", "1", b"layer");
    let subject = serde_json::json!({ "mediaType": OCI, "digest": Digest::of(&image), "size": image.len() });
    let empty = served.push("a", b"{}");
    let descriptor =
        serde_json::json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2 });
    for kind in ["application/x-signature", "application/x-list"] {
        let artifact = serde_json::json!({ "schemaVersion": 2, "mediaType": OCI, "artifactType": kind, "config": descriptor,
            "layers": [descriptor], "subject": subject, "annotations": { "kind": kind } });
        let artifact = artifact.to_string().into_bytes();
        let put = served.put("a", &Digest::of(&artifact).to_string(), OCI, &artifact);
        assert_eq!(
            (put.status, put.header("oci-subject")),
            (201, subject["digest"].as_str().unwrap_or_default())
        );
    }
    let path = format!("/v2/a/referrers/{}", subject["digest"].as_str().expect("text"));
    let all = served.get(&path);
    assert_eq!((all.status, all.header("content-type")), (200, INDEX));
    assert_eq!(all.json()["manifests"].as_array().map(Vec::len), Some(2));
    let some = served.get(&format!("{path}?artifactType=application/x-list"));
    assert_eq!(some.header("oci-filters-applied"), "artifactType");
    let found = some.json()["manifests"].clone();
    assert_eq!(found.as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&found[0]["artifactType"], &found[0]["annotations"]["kind"]),
        (&"application/x-list".into(), &"application/x-list".into())
    );
    let none = served.get(&format!("/v2/nope/referrers/{}", Digest::of(b"")));
    assert_eq!(none.json()["manifests"], serde_json::json!([]));
    assert_eq!(served.get("/v2/a/referrers/x").refusal(), "400 DIGEST_INVALID");
    // also where an index has taken them in
    let inner = all.json()["manifests"].clone();
    let index = serde_json::json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": inner }).to_string();
    assert_eq!(served.put("a", "list", INDEX, index.as_bytes()).status, 201);
    assert_eq!(served.store().entries().expect("readable").len(), 2);
    assert_eq!(served.get(&path).json()["manifests"].as_array().map(Vec::len), Some(2));
    // what is no image is in nobody's way
    served.stepbox(&["images"]);
    served.store().collect(&Default::default()).expect("collected");
    assert_eq!(served.get(&path).json()["manifests"].as_array().map(Vec::len), Some(2));
}

#[test]
fn nothing_changes_that_may_not() {
    let root = directory();
    store_with(root.path(), "a/b:1", "a");
    let changes = |served: &Served| {
        let manifest = served.get("/v2/a/b/manifests/1");
        assert_eq!(manifest.status, 200);
        let digest = Digest::of(&manifest.body);
        let blob = manifest.json()["config"]["digest"].as_str().expect("text").to_owned();
        assert_eq!(served.ask("HEAD", &format!("/v2/a/b/blobs/{blob}"), &[], b"").status, 200);
        [
            served.ask("DELETE", "/v2/a/b/manifests/1", &[], b"").refusal(),
            served.ask("DELETE", &format!("/v2/a/b/manifests/{digest}"), &[], b"").refusal(),
            served.ask("DELETE", &format!("/v2/a/b/blobs/{blob}"), &[], b"").refusal(),
        ]
    };
    let served = Served::start(root.path(), &["--read-only"]);
    assert_eq!(changes(&served), ["405 UNSUPPORTED"; 3]);
    assert_eq!(served.ask("POST", "/v2/a/b/blobs/uploads/", &[], b"").refusal(), "405 UNSUPPORTED");
    let manifest = served.get("/v2/a/b/manifests/1").body;
    assert_eq!(served.put("a/b", "2", OCI, &manifest).refusal(), "405 UNSUPPORTED");
    assert_eq!(std::fs::read_dir(root.path().join("tmp")).expect("there").count(), 0, "no place for uploads");
    drop(served);
    let served = Served::start(root.path(), &[]);
    assert_eq!(changes(&served), ["405 UNSUPPORTED"; 3]);
}

#[test]
fn what_may_be_deleted_is_gone() {
    let root = directory();
    store_with(root.path(), "quay.io/a:1", "hidden");
    let served = Served::start(root.path(), &["--allow-delete"]);
    let manifest = served.push_image("a", "1", b"layer");
    assert_eq!(served.put("a", "2", OCI, &manifest).status, 201);
    let delete = |path: &str| served.ask("DELETE", path, &[], b"");
    assert_eq!(delete("/v2/a/manifests/1").status, 202);
    assert_eq!(served.get("/v2/a/manifests/1").refusal(), "404 MANIFEST_UNKNOWN", "the hidden one went too");
    assert_eq!(served.get("/v2/a/manifests/2").status, 200);
    assert_eq!(delete("/v2/a/manifests/1").refusal(), "404 MANIFEST_UNKNOWN");
    let layer = Digest::of(b"layer");
    assert_eq!(delete(&format!("/v2/a/blobs/{layer}")).refusal(), "405 UNSUPPORTED", "an image has it");
    assert_eq!(delete(&format!("/v2/a/manifests/{}", Digest::of(&manifest))).status, 202);
    assert_eq!(served.get("/v2/a/manifests/2").refusal(), "404 NAME_UNKNOWN");
    assert_eq!(delete(&format!("/v2/a/blobs/{layer}")).status, 202, "no image has it any more");
    assert_eq!(served.get(&format!("/v2/a/blobs/{layer}")).refusal(), "404 BLOB_UNKNOWN");
    // the last tag of a repository leaves its manifest, until that is deleted too
    let other = served.push_image("b", "1", b"other");
    let by_digest = format!("/v2/b/manifests/{}", Digest::of(&other));
    assert_eq!(delete("/v2/b/manifests/1").status, 202);
    assert_eq!(served.get(&by_digest).body, other);
    assert_eq!(delete(&by_digest).status, 202);
    assert_eq!(served.get(&by_digest).refusal(), "404 NAME_UNKNOWN");
    let spare = served.push("a", b"spare");
    assert_eq!(delete(&format!("/v2/a/blobs/{spare}")).status, 202);
    assert_eq!(delete(&format!("/v2/a/blobs/{spare}")).refusal(), "404 BLOB_UNKNOWN");
}
