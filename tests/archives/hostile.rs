//! Hostile archives: each is refused, the member named, and the store is what it was.

use crate::forms::{INDEX, Image, MANIFEST, blob, descriptor, file, layout, load_bytes, store};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use stepbox::engine::archives::load_within;
use stepbox::layers::{Digest, Limits};
use support::archive::{Raw, gzip, listing};

/// An archive that is refused with these words; nothing changes, but for layers that were whole.
fn refused(archive: &[u8], words: &[&str]) {
    let (directory, store) = store();
    load_bytes(&store, &Image::new("kept").oci("kept").end()).expect("loaded");
    let before = listing(directory.path());
    let error = load_bytes(&store, archive).expect_err(words[0]).to_string();
    for word in words {
        assert!(error.contains(word), "{word:?}: {error}");
    }
    let mut after = listing(directory.path());
    after.retain(|path, _| before.contains_key(path) || !is_layer(path));
    let changed: Vec<_> = after.keys().filter(|path| before.get(*path) != after.get(*path)).collect();
    let changed: Vec<_> = changed.into_iter().filter(|path| path.is_file()).collect();
    assert!(changed.is_empty() && before.len() == after.len(), "{error}: {changed:?}");
    assert_eq!(store.list().expect("a list").len(), 1, "{error}");
}

/// A layer that came whole may stay until the next collection.
fn is_layer(path: &std::path::Path) -> bool {
    ["blobs", "layers", "unsynced"]
        .iter()
        .any(|directory| path.components().any(|it| it.as_os_str() == *directory))
}

fn tags() -> &'static [&'static str] {
    &["x"]
}

/// An old docker archive whose list is this.
fn listed(item: Value) -> Vec<u8> {
    Image::new("x").old_docker(Raw::default(), tags()).file("manifest.json", &json!([item]).to_string()).end()
}

/// An OCI archive in which one text took the place of another, in the index only.
fn index_with(from: &str, to: &str) -> Vec<u8> {
    let (raw, entry) = Image::new("x").oci_blobs(Raw::default(), |tar| (tar.to_vec(), ""));
    let entry = entry.to_string().replace(from, to);
    layout(raw, &[serde_json::from_str(&entry).expect("JSON")]).end()
}

/// A few mebibytes that would become terabytes in memory.
#[test]
fn one_document_named_a_thousand_times() {
    let mut big = Image::of(Vec::new());
    big.config["filler"] = "x".repeat(1 << 20).into();
    let item = json!({"Config": "big.json", "RepoTags": null, "Layers": []});
    let raw = Raw::default().entry(b"big.json", b'0', b"", &big.config_bytes());
    refused(
        &raw.file("manifest.json", &json!(vec![item; 1000]).to_string()).end(),
        &["member 'big.json' refused: with it, more than 67108864 bytes of documents"],
    );
}

#[test]
fn names_and_links_that_lead_out() {
    let good = || Image::new("x").old_docker(Raw::default(), tags());
    for (raw, words) in [
        (good().file("../evil", ""), &["member '../evil'", "leads out of the archive"][..]),
        (good().file("a/../../evil", ""), &["member 'a/../../evil'"]),
        (good().file("/etc/evil", ""), &["member '/etc/evil'", "its name is absolute"]),
        (good().symlink("a/b", "../../etc/passwd"), &["member 'a/b'", "link to '../../etc/passwd', out of"]),
        (good().symlink("a", "/etc/passwd"), &["member 'a'", "link to '/etc/passwd'"]),
        (good().hard_link("a", "../evil"), &["member 'a'", "link to '../evil'"]),
        (good().file("bad\x1b[31m", "").file("../\x1b[31m", ""), &["member '../\\u{1b}[31m'"]),
    ] {
        refused(&raw.end(), words);
    }
    let config = format!("{}.json", Image::new("x").id().hex());
    for (item, words) in [
        (json!({"Config": "../../etc/passwd", "Layers": []}), &["member '../../etc/passwd'"][..]),
        (json!({"Config": "/etc/passwd", "Layers": []}), &["member '/etc/passwd'"]),
        (json!({"Config": "nope.json", "Layers": []}), &["member 'nope.json'", "is not in the archive"]),
        (json!({"Config": config, "Layers": ["../a", "b"]}), &["member '../a'"]),
        (json!({"Config": config, "Layers": ["a/layer.tar", "b"]}), &["member 'a/layer.tar'", "is not in"]),
        (
            json!({"Config": config, "Layers": [config, config], "RepoTags": ["A B"]}),
            &["invalid tag \"A B\""],
        ),
        (json!({"Config": config, "RepoTags": [format!("a@{}", Digest::of(b""))]}), &["invalid tag"]),
        (json!({"Layers": []}), &["member 'manifest.json' cannot be read", "Config"]),
        (json!("x"), &["member 'manifest.json' cannot be read"]),
    ] {
        refused(&listed(item), words);
    }
}

#[test]
fn members_that_are_not_what_they_should_be() {
    let image = Image::new("x");
    let config = format!("{}.json", image.id().hex());
    let good = || image.old_docker(Raw::default(), tags());
    let own = &image.id().hex()[..8];
    let layer = format!("{own}1/layer.tar");
    let long = Raw::default().entry(b"manifest.json", b'0', b"", &vec![b' '; (8 << 20) + 1]);
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for (raw, words) in [
        (good().symlink(&config, &config), &[&config[..], "too many links"][..]),
        (
            good().symlink("manifest.json", "b").symlink("b", "manifest.json"),
            &["'manifest.json'", "too many links"],
        ),
        (good().directory(&format!("{config}/"), 0o755), &[&config, "it is no file"]),
        (good().entry(layer.as_bytes(), b'6', b"", b""), &[&layer, "it is no file"]),
        (good().file(&layer, ""), &[&layer, "blob"]),
        (
            good().entry(layer.as_bytes(), b'0', b"", &Raw::default().file("x", "y").end()),
            &[&layer, "sha256:"],
        ),
        (good().file(&config, "{}"), &[&config, "missing field"]),
        (good().file(&config, "["), &[&config, "cannot be read"]),
        (good().file(&config, &deep), &[&config, "recursion limit"]),
        (long, &["member 'manifest.json'", "8388609 bytes"]),
        (good().sized(b"x", b'0', b"", b"", 1 << 40, 0o644), &["the archive is broken", "'x'"]),
        (
            good().pax(&[("GNU.sparse.map", b"0,1"), ("GNU.sparse.size", b"1")]).file(&layer, "x"),
            &[&layer, "-S"],
        ),
    ] {
        refused(&raw.end(), words);
    }
    for (change, words) in [
        (json!({"rootfs": null}), &["missing field `rootfs`", &config[..0]][..]),
        (json!({"rootfs": {"type": "layers", "diff_ids": [Digest::of(b"a")]}}), &["1 diff ids", "2 layers"]),
        (json!({"rootfs": {"type": "layers", "diff_ids": ["sha256:../../x"]}}), &["is not a digest"]),
        (json!({"os": "windows"}), &["an image for windows"]),
    ] {
        let mut image = image.clone();
        for (key, value) in change.as_object().expect("an object") {
            match value {
                Value::Null => drop(image.config.as_object_mut().expect("an object").remove(key)),
                value => image.config[key] = value.clone(),
            }
        }
        let name = format!("{}.json", image.id().hex());
        refused(&image.old_docker(Raw::default(), tags()).end(), &[words, &[&name]].concat());
    }
}

#[test]
fn digests_that_lead_elsewhere() {
    let image = Image::new("x");
    let (raw, entry) = image.oci_blobs(Raw::default(), |tar| (tar.to_vec(), ""));
    let hex = entry["digest"].as_str().expect("a digest")[7..].to_owned();
    refused(&index_with(&hex, "../../../../etc/passwd"), &["'index.json'", "is not a digest"]);
    refused(&index_with("sha256:", "sha512:"), &["'index.json'", "is not a digest"]);
    refused(
        &index_with(&hex, &Digest::of(b"gone").hex()),
        &[&Digest::of(b"gone").hex(), "is not in the archive"],
    );
    refused(&index_with(MANIFEST, "text/plain"), &[&hex, "\"text/plain\", which is no image"]);
    let size = entry["size"].to_string();
    refused(&index_with(&format!("\"size\":{size}"), "\"size\":7"), &[&hex, "the manifest says 7"]);
    // blobs that are called by a digest and are something else
    let config = image.config_bytes();
    let other = |name: String, data: &[u8], length: usize| {
        let mut data = data.to_vec();
        data.resize(length, b' ');
        layout(raw.clone().entry(name.as_bytes(), b'0', b"", &data), std::slice::from_ref(&entry)).end()
    };
    refused(&other(blob(&config), b"{}", config.len()), &[&blob(&config), "its content is sha256:"]);
    refused(&other(blob(&config), &config, config.len() + 1), &[&blob(&config), "bytes, the manifest says"]);
    for tar in &image.tars {
        let another = Raw::default().file("evil", "x").end();
        refused(&other(blob(tar), &another, tar.len()), &[&blob(tar), "its content is sha256:"]);
    }
    // lists in lists, and a list for other machines
    let mut list = entry.clone();
    let mut deep = raw.clone();
    for _ in 0..6 {
        let text = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [list]}).to_string();
        deep = deep.entry(blob(text.as_bytes()).as_bytes(), b'0', b"", text.as_bytes());
        list = descriptor(INDEX, text.as_bytes());
    }
    refused(&layout(deep, &[list]).end(), &["list of lists of lists"]);
    let mut foreign = entry.clone();
    foreign["platform"] = json!({"os": "plan9", "architecture": "amd64"});
    let text = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [foreign]}).to_string();
    let with = raw.clone().entry(blob(text.as_bytes()).as_bytes(), b'0', b"", text.as_bytes());
    refused(&layout(with, &[descriptor(INDEX, text.as_bytes())]).end(), &["no image for linux/"]);
}

#[test]
fn layers_that_are_hostile_themselves() {
    for (tar, words) in [
        (Raw::default().file("../../evil", "").end(), &["entry '../../evil' refused"][..]),
        (Raw::default().file("a", "").end()[..700].to_vec(), &["the archive is broken"]),
        (b"no tar".repeat(200), &["checksum"]),
    ] {
        let image = Image::of(vec![Image::new("x").tars[0].clone(), tar]);
        refused(&image.old_docker(Raw::default(), tags()).end(), words);
        refused(&image.oci("x").end(), words);
    }
    // a layer of zstd that claims a window of terabytes, and one that is cut
    let bomb = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0, 0];
    let whole = ruzstd::encoding::compress_to_vec(
        Image::new("x").tars[0].as_slice(),
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    for (data, words) in
        [(bomb.to_vec(), &["window"][..]), (whole[..40].to_vec(), &["the archive is broken"])]
    {
        let image = Image::of(vec![Image::new("x").tars[0].clone()]);
        let (raw, entry) = image.oci_blobs(Raw::default(), |_| (data.clone(), "+zstd"));
        refused(&layout(raw, &[entry]).end(), words);
    }
}

/// What is compressed as a whole, or comes through a pipe, is written to the store before anything is known of it: no
/// more than the limits say, and nothing of it stays.
#[test]
fn an_archive_that_would_fill_the_disk() {
    let zeros = "\0".repeat(1 << 20);
    let plain = Image::new("x").old_docker(Raw::default(), tags()).file("zeros", &zeros).end();
    let zstd =
        ruzstd::encoding::compress_to_vec(plain.as_slice(), ruzstd::encoding::CompressionLevel::Fastest);
    let few = Limits { total: 100_000, ..Limits::default() };
    let flat = Limits { ratio: 5, ratio_from: 100_000, ..Limits::default() };
    let (size, ratio) =
        ("its size in bytes is over the limit of 100000", "compressed size is over the limit of 5");
    let (directory, store) = store();
    let before = listing(directory.path());
    let refused = |archive: File, limits, words: &str| {
        let error = load_within(&store, archive, limits, &()).expect_err(words).to_string();
        assert!(error.starts_with("the archive is refused: ") && error.ends_with(words), "{error}");
        assert_eq!(listing(directory.path()), before, "{error}");
        // nor without a name
        let open = std::fs::read_dir("/proc/self/fd").expect("ours").flatten();
        let ours = |file: &std::path::PathBuf| file.starts_with(directory.path());
        let left: Vec<_> = open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).filter(ours).collect();
        assert!(left.is_empty(), "{left:?}");
    };
    for compressed in [gzip(&plain), zstd] {
        refused(file(&compressed), few, size);
        refused(file(&compressed), flat, ratio);
    }
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    std::thread::scope(|scope| {
        // whoever writes hears that nobody reads any more
        let told = scope.spawn(|| {
            let told = writer.write_all(&plain);
            drop(writer);
            told
        });
        refused(File::from(std::os::fd::OwnedFd::from(reader)), few, size);
        told.join().expect("no panic").expect_err("a closed pipe");
    });
    // a file that is read in place takes no room
    assert_eq!(load_within(&store, file(&plain), few, &()).expect("loaded").len(), 1);
    let enough = Limits { total: 1 << 22, ..Limits::default() };
    assert_eq!(load_within(&store, file(&gzip(&plain)), enough, &()).expect("loaded").len(), 1);
}
