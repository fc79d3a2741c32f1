//! Round trips: what goes into an archive comes out of it, in every form, from files and pipes.

use crate::forms::{INDEX, Image, blob, descriptor, layout, load_bytes, store};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use stepbox::engine::archives::{ArchiveError, Format, save};
use stepbox::engine::store::Store;
use stepbox::layers::Digest;
use support::archive::{Raw, gzip, listing};
use support::site::Site;

/// What an image is, wherever it is.
fn seen(store: &Store, name: &str) -> (Digest, Digest, Vec<Digest>, Vec<String>) {
    let image = store.resolve(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    let text = |directory: &std::path::PathBuf| fs::read_to_string(directory.join("etc/name"));
    let texts = image.layers.iter().filter_map(|layer| text(layer).ok()).collect();
    (image.id, image.manifest, image.diff_ids, texts)
}

fn saved(store: &Store, names: &[&str], format: Format) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut archive = Vec::new();
    save(store, &names, format, &mut archive).unwrap_or_else(|error| panic!("{names:?}: {error}"));
    archive
}

/// A document in an archive.
fn document(archive: &[u8], name: &str) -> Value {
    let mut archive = tar::Archive::new(archive);
    let mut entries = archive.entries().expect("a tar").map(|entry| entry.expect("an entry"));
    let found = entries.find(|entry| entry.path_bytes() == name.as_bytes());
    serde_json::from_reader(found.unwrap_or_else(|| panic!("no {name}"))).expect("JSON")
}

fn names(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().expect("a tar").map(|entry| entry.expect("an entry"));
    entries.map(|entry| String::from_utf8_lossy(&entry.path_bytes()).into_owned()).collect()
}

#[test]
fn what_is_saved_is_loaded_as_it_was() {
    let ((_one, from), (_two, to)) = (store(), store());
    load_bytes(&from, &Image::new("a").oci("me/a:1").end()).expect("loaded");
    load_bytes(&from, &Image::new("b").oci("b").end()).expect("loaded");
    from.tag("me/a:1", &"me/a:2".parse().expect("a name")).expect("tagged");
    for format in [Format::Docker, Format::Oci] {
        let archive = saved(&from, &["b", "me/a"], format);
        assert_eq!(archive, saved(&from, &["b", "me/a:1", "me/a:2"], format), "the same bytes each time");
        let loaded = load_bytes(&to, &archive).expect("loaded");
        let shown: Vec<String> =
            loaded.iter().flat_map(|image| image.names.iter().map(ToString::to_string)).collect();
        assert_eq!(shown, ["b:latest", "me/a:1", "me/a:2"]);
        for name in ["b", "me/a:1", "me/a:2"] {
            assert_eq!(seen(&from, name), seen(&to, name));
        }
        assert_eq!(listing(&from.root().join("blobs")).len(), listing(&to.root().join("blobs")).len());
    }
    let sorted = names(&saved(&from, &["b", "me/a"], Format::Docker));
    assert!(sorted.is_sorted(), "{sorted:?}");
    assert_eq!(sorted.iter().collect::<BTreeSet<_>>().len(), sorted.len(), "a shared blob is there once");
    assert!(!names(&saved(&from, &["b"], Format::Oci)).contains(&"manifest.json".to_owned()));
}

#[test]
fn names_go_along_as_in_docker() {
    let (_directory, store) = store();
    load_bytes(&store, &Image::new("a").oci("me/a:1").end()).expect("loaded");
    store.tag("me/a:1", &"me/a:2".parse().expect("a name")).expect("tagged");
    store.tag("me/a:1", &"other".parse().expect("a name")).expect("tagged");
    let id = Image::new("a").id();
    let by_digest = format!("me/a@{}", store.find("me/a:1").expect("found").digest);
    for (given, tags) in [
        (vec!["me/a"], json!(["me/a:1", "me/a:2"])),
        (vec!["me/a:2"], json!(["me/a:2"])),
        (vec!["me/a:2", "other", "me/a:2"], json!(["me/a:2", "other:latest"])),
        (vec![&id.hex()[..12]], json!(null)),
        (vec![&id.to_string()], json!(null)),
        (vec![&by_digest], json!(null)),
        (vec![&id.hex()[..12], "other"], json!(["other:latest"])),
    ] {
        let archive = saved(&store, &given, Format::Docker);
        let list = document(&archive, "manifest.json");
        assert_eq!((list.as_array().map(Vec::len), &list[0]["RepoTags"]), (Some(1), &tags), "{given:?}");
        assert_eq!(list[0]["Config"], blob(&Image::new("a").config_bytes()), "{given:?}");
    }
    let missing = save(&store, &["nope".to_owned()], Format::Docker, Vec::new()).expect_err("not here");
    assert!(missing.to_string().starts_with("Unable to find image 'nope:latest' locally"), "{missing}");
}

/// An archive without it would look whole to whoever keeps it.
#[test]
fn a_tag_that_cannot_be_read_is_not_left_out() {
    let (_directory, store) = store();
    for (text, name) in [("a", "me/a:1"), ("b", "me/a:2")] {
        load_bytes(&store, &Image::new(text).oci(name).end()).expect("loaded");
    }
    let broken = store.find("me/a:2").expect("found").digest;
    std::fs::write(store.blob_path(broken), "{").expect("written");
    let error = save(&store, &["me/a".to_owned()], Format::Docker, Vec::new()).expect_err("one is damaged");
    assert!(error.to_string().contains(&broken.to_string()), "{error}");
    assert_eq!(
        document(&saved(&store, &["me/a:1"], Format::Docker), "manifest.json")[0]["RepoTags"][0],
        "me/a:1"
    );
}

#[test]
fn every_form_of_archive_is_read() {
    let image = Image::new("x");
    let tags: &[&str] = &["x:1", "y"];
    let twice = Image::of([image.tars.clone(), image.tars.clone()].concat());
    let (nested, inner) = image.oci_blobs(Raw::default(), |tar| (tar.to_vec(), ""));
    let mut wrong = inner.clone();
    wrong["platform"] = json!({"os": "linux", "architecture": "another"});
    wrong["digest"] = json!(Digest::of(b"not in the archive"));
    let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [wrong, inner]});
    let list = list.to_string().into_bytes();
    let mut entry = descriptor(INDEX, &list);
    entry["annotations"] = json!({"io.containerd.image.name": "docker.io/library/x:1",
        "org.opencontainers.image.ref.name": "1"});
    let nested = layout(nested.entry(blob(&list).as_bytes(), b'0', b"", &list), &[entry]).end();
    let dotted = Raw::default().directory("./", 0o755);
    let again = image.old_docker(image.old_docker(Raw::default(), &["old:name"]), tags);
    for (form, archive, image) in [
        ("old docker", image.old_docker(Raw::default(), tags).end(), &image),
        ("old docker, a layer twice", twice.old_docker(Raw::default(), tags).end(), &twice),
        ("members twice, the last counts", again.end(), &image),
        ("skopeo", image.skopeo(false, Some(tags)).end(), &image),
        ("skopeo, gzip layers", image.skopeo(true, Some(tags)).end(), &image),
        ("from a directory", image.old_docker(dotted, tags).end(), &image),
        ("a list in a list", nested, &image),
        ("no end", image.oci("x:1").0, &image),
    ] {
        let (_directory, store) = store();
        let loaded = load_bytes(&store, &archive);
        if form == "no end" {
            let error = loaded.expect_err("cut").to_string();
            assert!(error.contains("ends without its end marker"), "{error}");
            continue;
        }
        let loaded = loaded.unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!((loaded.len(), loaded[0].id), (1, image.id()), "{form}");
        let (id, _, diff_ids, texts) = seen(&store, "x:1");
        assert_eq!((id, diff_ids.len()), (image.id(), image.tars.len()), "{form}");
        assert!(texts.iter().all(|text| text == "x") && !texts.is_empty(), "{form}: {texts:?}");
        assert!(store.find("old:name").is_err(), "{form}");
        if form.starts_with("skopeo") && !form.ends_with("layers") {
            let kept = fs::read(store.blob_path(Digest::of(&image.tars[0]))).expect("kept as it is");
            assert_eq!(kept, image.tars[0]);
        }
        assert_eq!(fs::read_dir(store.root().join("tmp")).expect("readable").count(), 0, "{form}");
    }
}

#[test]
fn an_image_without_names_is_known_by_its_id() {
    let site = Site::ours();
    fs::write(site.path().join("a.tar"), Image::new("a").skopeo(false, None).end()).expect("written");
    let id = Image::new("a").id();
    assert_eq!(site.says("$S load -i $D/a.tar"), format!("Loaded image ID: {id}\n"));
    assert_eq!(site.says("$S images -q"), format!("{}\n", id.short()));
    // loaded once more it is listed once
    assert_eq!(
        site.says("$S load -q < $D/a.tar && $S images -q | wc -l"),
        format!("Loaded image ID: {id}\n1\n")
    );
    fs::write(site.path().join("b.tar"), Image::new("b").oci("x").end()).expect("written");
    fs::write(site.path().join("c.tar"), Image::new("c").oci("x").end()).expect("written");
    let said = site.says("$S load -i $D/b.tar; cat $D/c.tar | $S load");
    let moved = format!(
        "Loaded image: x:latest\nThe image x:latest already exists, renaming the old one with ID {} to empty \
         string\nLoaded image: x:latest\n",
        Image::new("b").id()
    );
    assert_eq!(said, moved);
}

#[test]
fn layers_and_whole_archives_may_be_zstd() {
    let ((_one, from), (_two, to)) = (store(), store());
    let image = Image::new("z");
    let frames = |tar: &[u8]| {
        let frame = |part: &[u8]| {
            ruzstd::encoding::compress_to_vec(part, ruzstd::encoding::CompressionLevel::Fastest)
        };
        let (head, tail) = tar.split_at(700);
        // one to be left out stands between the two
        [frame(head), vec![0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], frame(tail)].concat()
    };
    let (raw, mut entry) = image.oci_blobs(Raw::default(), |tar| (frames(tar), "+zstd"));
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "z"});
    load_bytes(&from, &frames(&layout(raw, &[entry.clone()]).end())).expect("loaded");
    let (id, manifest, diff_ids, texts) = seen(&from, "z");
    assert_eq!((id, texts), (image.id(), vec!["z".to_owned()]));
    assert_eq!(json!(manifest), entry["digest"]);
    // an OCI archive keeps them, one for Docker has the tars
    load_bytes(&to, &saved(&from, &["z"], Format::Oci)).expect("loaded");
    assert_eq!(seen(&to, "z").1, manifest);
    let archive = saved(&from, &["z"], Format::Docker);
    let layers = document(&archive, "manifest.json")[0]["Layers"].clone();
    let plain: Vec<String> =
        diff_ids.iter().map(|diff_id| format!("blobs/sha256/{}", diff_id.hex())).collect();
    assert_eq!(layers, json!(plain));
    let (_three, third) = store();
    load_bytes(&third, &archive).expect("loaded");
    let (id, other, ..) = seen(&third, "z");
    assert!(id == image.id() && other != manifest);
}

#[test]
fn pipes_and_compressed_archives_come_as_files_do() {
    let site = Site::ours();
    let archive = Image::new("p").oci("p:1").end();
    fs::write(site.path().join("plain"), &archive).expect("written");
    fs::write(site.path().join("gzip"), gzip(&archive)).expect("written");
    // two members of gzip are one file
    let half = archive.len() / 2;
    let parts = [gzip(&archive[..half]), gzip(&archive[half..])].concat();
    fs::write(site.path().join("members"), parts).expect("written");
    for command in [
        "$S load -i $D/plain",
        "$S load < $D/plain",
        "cat $D/plain | $S load",
        "$S load -i $D/gzip",
        "cat $D/members | $S load -q",
        "$S image load --input $D/members",
    ] {
        let said = site.says(&format!("rm -rf $STEPBOX_ROOT/*; {command} && ls $STEPBOX_ROOT/tmp | wc -l"));
        assert_eq!(said, "Loaded image: p:1\n0\n", "{command}");
    }
    for (magic, name) in [(&b"\xfd7zXZ\0rest"[..], "xz"), (b"BZh91AYrest", "bzip2")] {
        fs::write(site.path().join(name), magic).expect("written");
        let words = format!("compressed with {name}, only gzip and zstd are read");
        site.refused(&format!("$S load -i $D/{name}"), 1, &[&words, &format!("({name} -d)")]);
    }
    site.refused("printf '' | $S load", 1, &["the archive is empty"]);
    site.refused("head -c 700 $D/gzip | head -c 200 | $S load", 1, &["read the archive"]);
    site.refused("$S load -i $D/nothing", 1, &["nothing", "No such file"]);
    site.refused("$S load -i $D", 1, &["read the archive"]);
}

#[test]
fn save_writes_whole_files_or_none() {
    let site = Site::ours();
    fs::write(site.path().join("a.tar"), Image::new("a").oci("a").end()).expect("written");
    site.says("$S load -i $D/a.tar; mkdir -m 777 $D/out");
    site.says("$S save a > $D/out/one; $S save -o $D/out/two a; $S image save a | cat > $D/out/three");
    site.says("cmp $D/out/one $D/out/two && cmp $D/out/one $D/out/three");
    assert_eq!(site.says("stat -c %a $D/out/two"), "600\n");
    site.refused("$S save -o $D/out/two a nope", 1, &["Unable to find image 'nope:latest'"]);
    site.says("cmp $D/out/one $D/out/two");
    site.refused("$S save -o $D/out a", 1, &["is a directory"]);
    site.refused("$S save -o $D/nowhere/x a", 1, &["nowhere/x"]);
    assert_eq!(site.says("ls $D/out"), "one\nthree\ntwo\n", "nothing else is left");
    // a layer of the store that is damaged must not be carried further
    let store = Store::open(site.root_directory()).expect("a store");
    let blob = store.blob_path(store.find("a").expect("found").manifest.layers[0].digest);
    let mut bytes = fs::read(&blob).expect("readable");
    *bytes.last_mut().expect("bytes") ^= 1;
    fs::write(&blob, bytes).expect("written");
    site.refused("$S save -o $D/out/four a", 1, &["is damaged", "sha256:"]);
    assert_eq!(site.says("ls $D/out"), "one\nthree\ntwo\n");
    site.refused(
        "script -qec '$S save a' /dev/null | tr -d '\\r' >&2; exit 1",
        1,
        &["cowardly refusing to save"],
    );
}

#[test]
fn what_is_no_archive_of_images_is_told_what_to_do() {
    let (_directory, store) = store();
    let rootfs = Raw::default().directory("etc/", 0o755).file("etc/passwd", "").end();
    let error = load_bytes(&store, &rootfs).expect_err("no images").to_string();
    assert!(error.contains("stepbox import"), "{error}");
    let old = Raw::default().file("repositories", "{}").file("abc/json", "{}").end();
    assert!(matches!(load_bytes(&store, &old), Err(ArchiveError::Legacy)));
    let text = load_bytes(&store, "hello ".repeat(200).as_bytes()).expect_err("no tar").to_string();
    assert!(text.contains("checksum"), "{text}");
}
