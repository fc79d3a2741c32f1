//! Images to and from the real registry, and to and from other tools by it.

use std::io::{Read, Write};
use std::process::Command;

use serde_json::{Value, json};
use stepbox::engine::config::{DOCKER_LIST, INDEX, MANIFEST};
use stepbox::layers::Digest;

use crate::place::{Place, image, reference};
use crate::server::{Server, Setup};

/// Whether skopeo is here; said, if not.
pub fn has_skopeo(test: &str) -> bool {
    let there = Command::new("skopeo").arg("--version").output().is_ok();
    if !there {
        support::skip(test, "needs skopeo");
    }
    there
}

fn plain(test: &str, place: &Place) -> Option<Server> {
    Server::start(test, place, &Setup::default())
}

#[test]
fn what_is_pushed_is_pulled_the_same() {
    let place = Place::new();
    let Some(server) = plain("what_is_pushed_is_pulled_the_same", &place) else { return };
    let name = format!("{}/me/image:v1", server.host);
    image(&place.store("one"), &name, "hello", 3_000_000);
    let pushed = place.says("one", &["push", &name]);
    let sent = place.store("one").find(&name).expect("here");
    let size = place.store("one").blob(sent.digest).expect("here").len();
    let diff_id = place.store("one").config(&sent).expect("here").rootfs.diff_ids[0].short();
    let repository = name.trim_end_matches(":v1");
    assert_eq!(
        pushed,
        format!(
            "The push refers to repository [{repository}]\n{diff_id}: Preparing\n{diff_id}: Pushed\n\
             v1: digest: {} size: {size}\n",
            sent.digest
        )
    );
    let again = place.says("one", &["image", "push", &name]);
    assert!(again.contains(&format!("{diff_id}: Layer already exists\n")), "{again}");
    let pulled = place.says("two", &["pull", &name]);
    let layer = sent.manifest.layers[0].digest.short();
    let digest = sent.digest;
    assert_eq!(
        pulled,
        format!(
            "v1: Pulling from me/image\n{layer}: Pulling fs layer\n{layer}: Pull complete\nDigest: {digest}\n\
             Status: Downloaded newer image for {name}\n{name}\n"
        )
    );
    assert_eq!(place.store("two").find(&name).expect("here"), sent);
    let again = place.says("two", &["image", "pull", &name]);
    assert!(again.ends_with(&format!("Status: Image is up to date for {name}\n{name}\n")), "{again}");
    assert!(!again.contains(&layer), "{again}");
    // another name for the same: its layer is here
    let by_digest = format!("{repository}@{digest}");
    let pulled = place.says("two", &["pull", &by_digest]);
    assert!(pulled.starts_with(&format!("{by_digest}: Pulling from me/image\n")), "{pulled}");
    assert!(pulled.contains(&format!("{layer}: Already exists\n")), "{pulled}");
    assert_eq!(place.says("two", &["pull", "-q", &name]), format!("{name}\n"));
    place.refused("two", &["pull", &format!("{repository}:v2")], "not found: manifest unknown");
    place.refused("two", &["push", &format!("{repository}:v2")], "does not exist locally with the tag");
}

#[test]
fn a_layer_of_another_repository_is_mounted() {
    let place = Place::new();
    let Some(server) = plain("a_layer_of_another_repository_is_mounted", &place) else { return };
    let (one, two) = (format!("{}/a/one", server.host), format!("{}/b/two", server.host));
    image(&place.store("store"), &one, "hello", 10);
    place.says("store", &["push", &one]);
    place.store("store").tag(&one, &reference(&two)).expect("tagged");
    let said = place.says("store", &["push", &two]);
    assert!(said.starts_with("Using default tag: latest\nThe push refers"), "{said}");
    assert!(said.contains(": Mounted from a/one\n"), "{said}");
    let found = place.says("store", &["search", &format!("{}/t", server.host)]);
    let rows: Vec<&str> =
        found.lines().map(|line| line.split_whitespace().next().unwrap_or_default()).collect();
    assert_eq!(rows, ["NAME", two.as_str()], "{found}");
    let fields = "{{.Name}} {{.StarCount}} {{.IsOfficial}}{{.IsAutomated}}.";
    let said =
        |format: &str| place.says("store", &["search", "--format", format, &format!("{}/t", server.host)]);
    assert_eq!(said(fields), format!("{two} 0 .\n"));
    assert_eq!(said("table {{.Name}}"), format!("NAME\n{two}\n"));
    let official = r#""IsAutomated":"false","IsOfficial":"false""#;
    assert!(said("json").contains(official), "{}", said("json"));
    let limited =
        place.says("store", &["search", "--limit", "1", "--filter", "stars=0", &format!("{}/", server.host)]);
    assert_eq!(limited.lines().count(), 2, "{limited}");
}

#[test]
fn all_tags_go_together() {
    let place = Place::new();
    let Some(server) = plain("all_tags_go_together", &place) else { return };
    let name = format!("{}/x", server.host);
    for tag in ["1", "2", "3"] {
        image(&place.store("one"), &format!("{name}:{tag}"), tag, 10);
    }
    // what cannot be read elsewhere in the store is nothing to this repository
    let one = place.store("one");
    image(&one, "another", "another", 10);
    let another = one.find("another").expect("found").digest;
    std::fs::write(one.blob_path(another), "{").expect("written");
    place.says("one", &["push", "-a", "-q", &name]);
    let said = place.says("two", &["pull", "-a", &name]);
    assert!(said.ends_with(&format!("Status: Downloaded newer image for {name}\n{name}\n")), "{said}");
    assert_eq!(place.store("two").list().expect("a list").len(), 3);
    place.refused("two", &["pull", "-a", &format!("{name}:1")], "tag can't be used with --all-tags/-a");
}

#[test]
fn skopeo_and_we_understand_each_other() {
    let test = "skopeo_and_we_understand_each_other";
    let place = Place::new();
    let Some(server) = plain(test, &place) else { return };
    if !has_skopeo(test) {
        return;
    }
    let name = format!("{}/x/y:1", server.host);
    image(&place.store("one"), &name, "hello", 1000);
    place.says("one", &["push", &name]);
    let digest = place.store("one").find(&name).expect("here").digest;
    let at = |name: &str| format!("docker://{name}");
    let seen = place.runs("skopeo", &["inspect", "--tls-verify=false", &at(&name)]);
    let seen: Value = serde_json::from_str(&seen).expect("JSON");
    assert_eq!(seen["Digest"], digest.to_string());
    // to Docker's own media types, compressed anew by another hand
    let other = format!("{}/x/z:2", server.host);
    let copy = ["copy", "--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false"];
    let anew = ["--format", "v2s2", "--dest-compress-level", "1", "--dest-force-compress-format"];
    let copied = support::player::said(
        place.command("skopeo", "unused").args(copy).args(anew).args([at(&name), at(&other)]),
    );
    if copied.code != 0 {
        // older skopeo cannot be forced to compress anew
        place.runs("skopeo", &[&copy[..], &["--format", "v2s2", &at(&name), &at(&other)]].concat());
    }
    let raw = place.runs("skopeo", &["inspect", "--raw", "--tls-verify=false", &at(&other)]);
    let said = place.says("two", &["pull", &other]);
    assert!(said.contains(&format!("Digest: {}\n", Digest::of(raw.as_bytes()))), "{said}");
    let image = place.store("two").resolve(&other).expect("here");
    assert_eq!(std::fs::read_to_string(image.layers[0].join("etc/text")).expect("unpacked"), "hello");
    // our store is a layout that they read as it lies, where the image is the OCI's
    place.says("two", &["pull", &name]);
    let image = format!("{}:{name}", place.path().join("two").display());
    let there = place.runs("skopeo", &["inspect", &format!("oci:{image}")]);
    assert!(there.contains(&digest.to_string()), "{there}");
    if Command::new("umoci").arg("--version").output().is_err() {
        return support::skip(test, "the last part needs umoci");
    }
    let bundle = place.path().join("bundle");
    place.runs("umoci", &["unpack", "--rootless", "--image", &image, bundle.to_str().expect("text")]);
    assert_eq!(std::fs::read_to_string(bundle.join("rootfs/etc/text")).expect("unpacked"), "hello");
}

/// A PUT by hand, because no tool here makes lists.
fn put_manifest(host: &str, path: &str, media_type: &str, body: &str) {
    let mut stream = std::net::TcpStream::connect(host).expect("it listens");
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[test]
fn of_a_list_only_ones_own_image_comes() {
    let place = Place::new();
    let Some(server) = plain("of_a_list_only_ones_own_image_comes", &place) else { return };
    let ours = stepbox::engine::config::architecture();
    let mut entries = Vec::new();
    // the list says for which machine an image is; so do their configs in earnest
    for (tag, architecture) in [("theirs", "s390x"), ("ours", ours)] {
        let name = format!("{}/x/y:{tag}", server.host);
        image(&place.store("one"), &name, tag, 10);
        place.says("one", &["push", &name]);
        let stored = place.store("one").find(&name).expect("here");
        let size = place.store("one").blob(stored.digest).expect("here").len();
        entries.push(json!({
            "mediaType": MANIFEST, "digest": stored.digest.to_string(), "size": size,
            "platform": {"os": "linux", "architecture": architecture},
        }));
    }
    let lists = [("all", INDEX), ("docker", DOCKER_LIST)].map(|(tag, media_type)| {
        let list = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).to_string();
        put_manifest(&server.host, &format!("/v2/x/y/manifests/{tag}"), media_type, &list);
        list
    });
    let said = place.says("three", &["pull", &format!("{}/x/y:docker", server.host)]);
    assert!(said.contains(&format!("Digest: {}\n", Digest::of(lists[1].as_bytes()))), "{said}");
    let list = &lists[0];
    let (name, store) = (format!("{}/x/y:all", server.host), place.store("two"));
    let digest = Digest::of(list.as_bytes());
    let said = place.says("two", &["pull", &name]);
    assert!(said.contains(&format!("Digest: {digest}\n")), "the list's own: {said}");
    let text = |name: &str| {
        let image = store.resolve(name).expect("here");
        std::fs::read_to_string(image.layers[0].join("etc/text")).expect("unpacked")
    };
    assert_eq!(text(&name), "ours");
    assert_eq!(store.find(&name).expect("here").entry.digest, digest);
    // list, manifest, config, layer: the other machine's are not here, and nothing misses them
    let blobs = || std::fs::read_dir(store.root().join("blobs/sha256")).expect("there").count();
    assert_eq!(blobs(), 4);
    store.collect(&Default::default()).expect("collected");
    assert_eq!(blobs(), 4);
    assert!(place.says("two", &["pull", &name]).contains("Image is up to date"));
    let other = ["pull", "--platform", "linux/s390x", &name];
    assert!(place.says("two", &other).contains("Downloaded newer image"));
    assert_eq!(text(&name), "theirs");
    assert_eq!(store.list().expect("a list").len(), 2, "the earlier one stays, without a name");
    store.collect(&Default::default()).expect("collected");
    assert_eq!(text(&name), "theirs");
    store.tag(&name, &reference("mine")).expect("tagged");
    assert_eq!(text("mine"), "theirs");
    assert_eq!(text(&format!("{}/x/y@{digest}", server.host)), "theirs");
    if has_skopeo("of_a_list_only_ones_own_image_comes") {
        let layout = format!("oci:{}:{name}", store.root().display());
        place.runs("skopeo", &["inspect", "--raw", &layout]);
    }
    let none = place.refused("two", &["pull", "--platform", "linux/mips", &name], "no matching manifest");
    assert!(none.contains("linux/s390x"), "{none}");
    let none = place.stepbox("two", &["pull", "--platform", "x y", &name]);
    assert!(none.code == 125 && none.err.contains("is not a platform"), "{}", none.err);
}

#[test]
fn a_run_pulls_what_is_missing() {
    let place = Place::new();
    let Some(server) = plain("a_run_pulls_what_is_missing", &place) else { return };
    let store = place.store("one");
    stepbox::engine::base::make(&store).expect("made");
    let name = format!("{}/base:1", server.host);
    store.tag("stepbox/base", &reference(&name)).expect("tagged");
    place.says("one", &["push", &name]);
    let run = |more: &[&str]| {
        let options = ["run", "--rm", "--network", "none"];
        place.stepbox("two", &[&options[..], more, &[&name, "echo", "hello"]].concat())
    };
    let never = run(&["--pull", "never"]);
    assert_eq!(never.code, 125);
    assert!(never.err.contains(&format!("Unable to find image '{name}' locally")), "{}", never.err);
    let dry = run(&["--dry-run"]);
    assert_eq!(dry.code, 125, "a dry run fetches nothing");
    let first = run(&[]);
    assert_eq!((first.code, first.out.as_str()), (0, "hello\n"), "{}", first.err);
    let begin = format!("Unable to find image '{name}' locally\n1: Pulling from base\n");
    assert!(first.err.starts_with(&begin), "{}", first.err);
    assert!(first.err.contains(&format!("Status: Downloaded newer image for {name}\n")), "{}", first.err);
    let second = run(&[]);
    assert_eq!((second.code, second.out.as_str(), second.err.as_str()), (0, "hello\n", ""));
    let always = run(&["--pull", "always"]);
    assert_eq!(always.code, 0);
    assert!(always.err.contains("Image is up to date"), "{}", always.err);
    drop(server);
    let gone = run(&["--pull", "always"]);
    assert_eq!(gone.code, 125);
    for words in ["cannot reach", "stepbox/base", "stepbox import"] {
        assert!(gone.err.contains(words), "{}", gone.err);
    }
}
