//! skopeo as a client: both ways, many at once, with a password, over TLS.

use std::path::{Path, PathBuf};
use std::process::Command;

use stepbox::layers::Digest;

use support::here;
use support::player::{Said, said};
use support::served::{Served, directory, manifest, store_with};

/// A password file in which ada's password is `secret`, as `htpasswd -nbB` wrote it.
const ADA: &str = "ada:$2y$05$nm2Q8VS9dP/49ACgLxRhcOl8vsdW/KzliSTfS8Zh4ELhWqvpM5bzC\n";

/// skopeo, with everything that it keeps in this directory.
fn skopeo(home: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "--tmpdir"]).arg(home).args(arguments);
    command.env("HOME", home).env("XDG_RUNTIME_DIR", home).env_remove("REGISTRY_AUTH_FILE");
    said(&mut command)
}

fn copied(home: &Path, arguments: &[&str]) {
    let said = skopeo(home, &[&["copy"], arguments].concat());
    assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.out, said.err);
}

/// An image layout of so many images `0`, `1`, …, each with a layer of its own above two that all share.
fn layout(directory: &Path, images: u32) -> PathBuf {
    let layout = directory.join("layout");
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("made");
    let keep = |blob: &[u8]| std::fs::write(blobs.join(Digest::of(blob).hex()), blob).expect("written");
    let mut entries = Vec::new();
    let layer =
        |name: String, size: usize| support::archive::Raw::default().file(&name, &name.repeat(size)).end();
    let shared = [layer("base".into(), 300_000), layer("libs".into(), 200_000)];
    for number in 0..images {
        let own = layer(format!("app{number}"), 20_000);
        let manifest = manifest(&[&shared[0], &shared[1], &own], keep);
        keep(&manifest);
        entries.push(serde_json::json!({ "mediaType": support::served::OCI, "digest": Digest::of(&manifest),
            "size": manifest.len(), "annotations": { "org.opencontainers.image.ref.name": number.to_string() } }));
    }
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": entries }).to_string();
    std::fs::write(layout.join("index.json"), index).expect("written");
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("written");
    layout
}

#[test]
fn skopeo_copies_both_ways() {
    if !here("skopeo_copies_both_ways", &["skopeo"]) {
        return;
    }
    let root = directory();
    let home = root.path();
    let id = store_with(home, "busybox:1", "a");
    let served = Served::start(home, &[]);
    let remote = |name: &str| format!("docker://{}", served.named(name));
    let oci = format!("oci:{}", home.join("copy").display());
    copied(home, &["--src-tls-verify=false", &remote("library/busybox:1"), &format!("{oci}:x")]);
    for (format, name) in [("oci", "class/oci:v1"), ("v2s2", "class/docker:v1")] {
        copied(home, &["--dest-tls-verify=false", "--format", format, &format!("{oci}:x"), &remote(name)]);
        let said = skopeo(home, &["inspect", "--raw", "--tls-verify=false", &remote(name)]);
        let manifest: serde_json::Value = serde_json::from_str(&said.out).expect("a manifest");
        assert_eq!(manifest["config"]["digest"], id.to_string());
    }
    // from one repository of ours to another, and back as Docker's archive
    let both = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    copied(home, &[both[0], both[1], &remote("class/docker:v1"), &remote("class/again:v2")]);
    let archive = format!("docker-archive:{}:x:y", home.join("archive.tar").display());
    copied(home, &["--src-tls-verify=false", &remote("class/again:v2"), &archive]);
    let images = served.stepbox(&["images"]);
    for name in ["class/oci", "class/docker", "class/again"] {
        assert!(images.contains(&format!("{} ", served.named(name))), "{images}");
    }
    // all of an image for several machines
    let index = home.join("copy/index.json");
    let text = std::fs::read_to_string(&index).expect("there");
    let one: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut inner = one["manifests"][0].clone();
    inner["annotations"] = serde_json::json!({});
    inner["platform"] =
        serde_json::json!({ "architecture": stepbox::engine::config::architecture(), "os": "linux" });
    let list =
        serde_json::json!({ "schemaVersion": 2, "mediaType": support::served::INDEX, "manifests": [inner] })
            .to_string();
    let digest = Digest::of(list.as_bytes());
    std::fs::write(home.join("copy/blobs/sha256").join(digest.hex()), &list).expect("written");
    let outer = serde_json::json!({ "schemaVersion": 2, "manifests": [{ "mediaType": support::served::INDEX, "digest": digest,
        "size": list.len(), "annotations": { "org.opencontainers.image.ref.name": "all" } }] });
    std::fs::write(&index, outer.to_string()).expect("written");
    copied(
        home,
        &[
            "--all",
            "--preserve-digests",
            "--dest-tls-verify=false",
            &format!("{oci}:all"),
            &remote("class/multi:1"),
        ],
    );
    assert_eq!(served.get("/v2/class/multi/manifests/1").body, list.as_bytes());
    let back = format!("oci:{}:all", home.join("back").display());
    copied(home, &["--all", "--src-tls-verify=false", &remote("class/multi:1"), &back]);
    let said = skopeo(home, &["list-tags", "--tls-verify=false", &remote("class/multi")]);
    assert!(said.out.contains("\"1\""), "{}{}", said.out, said.err);
    let deleted = skopeo(home, &["delete", "--tls-verify=false", &remote("class/multi:1")]);
    assert!(deleted.code != 0 && deleted.err.to_lowercase().contains("delet"), "{}", deleted.err);
}

#[test]
fn twenty_push_at_once_what_they_share() {
    if !here("twenty_push_at_once_what_they_share", &["skopeo"]) {
        return;
    }
    let root = directory();
    let home = root.path();
    let served = Served::start(home, &[]);
    let layout = layout(home, 10);
    let remote =
        |number: u32| format!("docker://{}", served.named(&format!("class/app{}:v{number}", number % 4)));
    std::thread::scope(|scope| {
        for number in 0..20 {
            let from = format!("oci:{}:{}", layout.display(), number % 10);
            let to = remote(number);
            scope.spawn(move || copied(home, &["--dest-tls-verify=false", &from, &to]));
        }
    });
    for number in 0..20 {
        let said = skopeo(home, &["inspect", "--tls-verify=false", &remote(number)]);
        assert_eq!(said.code, 0, "{number}: {}", said.err);
        let shown: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
        assert_eq!(shown["Layers"].as_array().map(Vec::len), Some(3));
    }
    let store = served.store();
    drop(served);
    assert_eq!(store.list().expect("a list").into_iter().filter(Result::is_ok).count(), 20);
    assert_eq!(store.collect(&Default::default()).expect("collected"), 0);
    // ten images share two layers: 2 + 10 layers, 10 configs, 10 manifests
    assert_eq!(std::fs::read_dir(home.join("blobs/sha256")).expect("there").count(), 32);
    // and they can be run: the layers are what they say
    assert_eq!(
        store
            .resolve(&store.list().expect("a list")[0].as_ref().expect("one").id.hex())
            .expect("unpacked")
            .layers
            .len(),
        3
    );
}

#[test]
fn only_whom_the_file_names_comes_in() {
    let root = directory();
    let home = root.path();
    store_with(home, "busybox:1", "a");
    let file = home.join("passwords");
    std::fs::write(&file, ADA).expect("written");
    let served = Served::start(home, &["--htpasswd", file.to_str().expect("text")]);
    let said = |name: &str| [("Authorization", name.to_owned())];
    let ask = |path: &str, value: &str| {
        let [(name, value)] = said(value);
        served.ask("GET", path, &[(name, value.as_str())], b"")
    };
    let out = served.get("/v2/");
    assert_eq!(out.refusal(), "401 UNAUTHORIZED");
    assert_eq!(out.header("www-authenticate"), "Basic realm=\"stepbox registry\", charset=\"UTF-8\"");
    // ada:secret, ada:Secret, eve:secret
    assert_eq!(ask("/v2/_catalog", "Basic YWRhOnNlY3JldA==").status, 200);
    assert_eq!(ask("/v2/_catalog", "Basic YWRhOlNlY3JldA==").status, 401);
    assert_eq!(ask("/v2/_catalog", "Basic ZXZlOnNlY3JldA==").status, 401);
    assert_eq!(ask("/v2/_catalog", "Bearer YWRhOnNlY3JldA==").status, 401);
    for path in ["/v2/library/busybox/manifests/1", "/v2/x/blobs/sha256:0", "/nothing", "/v2/NAME/tags/list"]
    {
        assert_eq!(served.get(path).status, 401, "nothing is said before: {path}");
    }
    assert_eq!(served.ask("POST", "/v2/a/blobs/uploads/", &[], &[0; 100_000]).status, 401);
    let log = served.log_with("POST /v2/a/blobs/uploads/ 401");
    assert!(!log.contains("secret") && !log.contains("YWRh"), "{log}");
    if !here("only_whom_the_file_names_comes_in", &["skopeo"]) {
        return;
    }
    let remote = format!("docker://{}", served.named("library/busybox:1"));
    let inspect =
        |credentials: &str| skopeo(home, &["inspect", "--tls-verify=false", "--creds", credentials, &remote]);
    assert_eq!(inspect("ada:secret").code, 0);
    assert!(inspect("ada:wrong").code != 0);
    let oci = format!("oci:{}:x", home.join("copy").display());
    copied(home, &["--src-tls-verify=false", "--src-creds", "ada:secret", &remote, &oci]);
    let to = format!("docker://{}", served.named("new:1"));
    copied(home, &["--dest-tls-verify=false", "--dest-creds", "ada:secret", &oci, &to]);
}

#[test]
fn tls_is_what_the_certificate_says() {
    const TEST: &str = "tls_is_what_the_certificate_says";
    if !here(TEST, &["openssl", "skopeo"]) {
        return;
    }
    let root = directory();
    let home = root.path();
    store_with(home, "busybox:1", "a");
    std::fs::create_dir(home.join("trust")).expect("made");
    let (certificate, key) = (home.join("trust/ca.crt"), home.join("key.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]);
    openssl.args([
        "-subj",
        "/CN=reg",
        "-addext",
        "subjectAltName=DNS:localhost,DNS:reg.class,IP:127.0.0.1",
        "-keyout",
    ]);
    let made = said(openssl.arg(&key).arg("-out").arg(&certificate));
    assert_eq!(made.code, 0, "{}", made.err);
    let files = [certificate.to_str().expect("text"), key.to_str().expect("text")];
    // with TLS it may listen to everybody
    let served = Served::start(
        home,
        &["--tls-cert", files[0], "--tls-key", files[1], "--listen", "0.0.0.0:0", "--timeout", "5"],
    );
    let remote = format!("docker://{}", served.named("library/busybox:1"));
    let trust = home.join("trust");
    let trusted = skopeo(home, &["inspect", "--cert-dir", trust.to_str().expect("text"), &remote]);
    assert_eq!(trusted.code, 0, "{}", trusted.err);
    assert!(skopeo(home, &["inspect", &remote]).code != 0, "nobody has signed it");
    let oci = format!("oci:{}:x", home.join("copy").display());
    let certificates = trust.to_str().expect("text");
    copied(home, &["--src-cert-dir", certificates, &remote, &oci]);
    let to = format!("docker://{}", served.named("new/app:1"));
    copied(home, &["--dest-cert-dir", certificates, &oci, &to]);
    assert!(served.stepbox(&["images"]).contains(&served.named("new/app")));
    // a client without TLS, and one that never speaks
    let mut plain = served.connect();
    plain.send(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(plain.closes_within(std::time::Duration::from_secs(30)));
    assert!(served.connect().closes_within(std::time::Duration::from_secs(30)));
    // which names are ours says the certificate
    let host = |name: &str| {
        let script = format!(
            "printf 'GET /v2/ HTTP/1.1\\r\\nHost: {name}\\r\\nConnection: close\\r\\n\\r\\n' | openssl s_client -quiet -connect {} 2>/dev/null",
            served.address
        );
        let said = said(Command::new("sh").args(["-c", &script]));
        said.out.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!((host("reg.class").as_str(), host("quay.io").as_str()), ("200", "421"));
}
