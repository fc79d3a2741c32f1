//! What a registry brings besides plain images: lists for several machines, images for others, what is no image at all.

use serde_json::{Value, json};
use stepbox::engine::config::ImageConfig;
use stepbox::engine::store::Store;
use stepbox::layers::Digest;

use crate::talk::{make, store};
use support::site::Site;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Stores a document; what names it.
fn put(store: &Store, kind: &str, document: &Value) -> Value {
    let text = document.to_string();
    let digest = Digest::of(text.as_bytes());
    std::fs::write(store.blob_path(digest), &text).expect("written");
    json!({"mediaType": kind, "digest": digest, "size": text.len()})
}

/// Names what a registry has brought; `chosen` is which image of a list was wanted.
fn name(site: &Site, entry: &Value, name: &str, chosen: Option<&Value>) {
    let path = site.root_directory().join("index.json");
    let mut index: Value = serde_json::from_slice(&std::fs::read(&path).expect("readable")).expect("JSON");
    let mut entry = entry.clone();
    entry["annotations"] =
        json!({"org.opencontainers.image.ref.name": format!("docker.io/library/{name}:latest")});
    if let Some(chosen) = chosen {
        entry["annotations"]["dev.stepbox.image.manifest"] = chosen["digest"].clone();
    }
    index["manifests"].as_array_mut().expect("a list").push(entry);
    std::fs::write(&path, index.to_string()).expect("written");
}

/// An image like this one, for another machine.
fn for_machine(store: &Store, like: &str, machine: &str) -> Value {
    let found = store.find(like).expect("found");
    let mut config: Value = store.document(found.id).expect("readable");
    config["architecture"] = machine.into();
    let config = put(store, "application/vnd.oci.image.config.v1+json", &config);
    let mut manifest: Value = store.document(found.digest).expect("readable");
    manifest["config"] = config;
    let mut entry = put(store, MANIFEST, &manifest);
    entry["platform"] = json!({"os": "linux", "architecture": machine});
    entry
}

#[test]
fn what_cannot_run_here_is_kept_and_not_listed() {
    let site = Site::ours();
    make(&site, "box", 1, 5, ImageConfig::default());
    let store = store(&site);
    let foreign = for_machine(&store, "box", "s390x");
    name(&site, &put(&store, INDEX, &json!({"schemaVersion": 2, "manifests": [foreign]})), "foreign", None);
    let chart = put(&store, "application/vnd.example.chart+json", &json!({"chart": 1}));
    let chart = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": chart, "layers": []});
    name(&site, &put(&store, MANIFEST, &chart), "chart", None);
    let before = site.says("ls $D/state/blobs/sha256");
    assert_eq!(site.says("$S images --format '{{.Repository}}'"), "box\n");
    let checked = site.says("$S system check --repair");
    assert!(checked.starts_with("3 images") && checked.ends_with("nothing wrong\n"), "{checked}");
    site.says("$S image prune -f; $S image prune -af --filter until=1999-01-01");
    assert_eq!(site.says("ls $D/state/blobs/sha256"), before, "all is kept");
    for (name, words) in [("chart", "vnd.example.chart"), ("foreign", "no variant for")] {
        let said = site.sh(&format!("$S history {name}"));
        assert_eq!((said.code, said.err.contains(words)), (1, true), "{name}: {}", said.err);
    }
    assert_eq!(site.says("$S rmi chart foreign box | grep -c Untagged"), "3\n");
    assert_eq!(
        site.says("ls $D/state/blobs/sha256 $D/state/layers"),
        site.says("echo $D/state/blobs/sha256:; echo; echo $D/state/layers:")
    );
}

#[test]
fn two_images_of_one_list_are_two_images() {
    let site = Site::ours();
    make(&site, "box", 1, 5, ImageConfig::default());
    let store = store(&site);
    let machines = ["s390x", "riscv64"].map(|machine| for_machine(&store, "box", machine));
    let list = put(&store, INDEX, &json!({"schemaVersion": 2, "manifests": machines}));
    for (word, machine) in ["one", "two"].iter().zip(&machines) {
        name(&site, &list, word, Some(machine));
    }
    let shown =
        |name: &str| site.says(&format!("$S inspect -f '{{{{.Architecture}}}} {{{{.RepoDigests}}}}' {name}"));
    let digest = list["digest"].as_str().expect("text");
    assert_eq!(shown("one"), format!("s390x [one@{digest}]\n"));
    assert_eq!(shown("two"), format!("riscv64 [two@{digest}]\n"));
    let manifest = machines[1]["digest"].as_str().expect("text");
    assert_eq!(shown(manifest), shown("two"), "by the digest of what was chosen");
    site.says("$S rmi box; $S rmi one");
    assert_eq!(site.says("$S images --format '{{.Repository}}'"), "two\n");
    assert!(site.says("$S system check").ends_with("nothing wrong\n"));
    site.says("$S rmi two");
    assert!(site.says("$S images -aq").is_empty());
}

#[test]
fn layers_that_are_no_archives_count_as_what_they_are() {
    let site = Site::ours();
    make(&site, "box", 1, 5, ImageConfig::default());
    let store = store(&site);
    let text = json!("no archive, but somebody has pushed it as a layer");
    let layer = put(&store, "application/vnd.oci.image.layer.v1.tar", &text);
    let gone = json!({"mediaType": layer["mediaType"], "digest": Digest::of(b"gone"), "size": 1_000_000});
    let found = store.find("box").expect("found");
    for (word, odd, size) in [("odd", &layer, "51B"), ("half", &gone, "1MB")] {
        let mut config: Value = store.document(found.id).expect("readable");
        config["rootfs"]["diff_ids"] = json!([odd["digest"]]);
        let config = put(&store, "application/vnd.oci.image.config.v1+json", &config);
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [odd]});
        name(&site, &put(&store, MANIFEST, &manifest), word, None);
        assert_eq!(site.says(&format!("$S images --format '{{{{.Size}}}}' {word}")), format!("{size}\n"));
        let bytes = odd["size"].to_string() + "\n";
        assert_eq!(site.says(&format!("$S inspect -f '{{{{.Size}}}}' {word}")), bytes);
        assert_eq!(
            site.says(&format!("$S history --format '{{{{.Size}}}}' {word} | tail -1")),
            format!("{size}\n")
        );
    }
    let usage = "$S system df -v --format '{{range .Images}}{{.Repository}} {{.Size}};{{end}}'";
    assert!(site.says(usage).contains("box 11B;"), "{}", site.says(usage));
    assert!(site.says("$S system df --format '{{.Type}} {{.TotalCount}}'").starts_with("Images 3\n"));
    site.refused("$S run --rm --network none --pull never odd true", 125, &["the archive is broken"]);
    assert_eq!(site.says("$S rmi odd half | grep -c Untagged"), "2\n");
}

#[test]
fn an_empty_list_is_another_thing_than_none() {
    let site = Site::ours();
    make(&site, "box", 1, 5, ImageConfig::default());
    let store = store(&site);
    let found = store.find("box").expect("found");
    for (word, env) in [("none", Value::Null), ("empty", json!([])), ("one", json!(["A=b"]))] {
        let mut config: Value = store.document(found.id).expect("readable");
        config["config"]["Env"] = env.clone();
        let mut manifest: Value = store.document(found.digest).expect("readable");
        manifest["config"] = put(&store, "application/vnd.oci.image.config.v1+json", &config);
        name(&site, &put(&store, MANIFEST, &manifest), word, None);
        let shown = site.says(&format!("$S inspect -f '{{{{json .Config.Env}}}}' {word}"));
        assert_eq!(shown, format!("{env}\n"));
    }
}
