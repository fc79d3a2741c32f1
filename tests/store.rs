//! The image store: names, import, the base image, sharing, damage and leftovers.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use stepbox::engine::base::{self, Made};
use stepbox::engine::config::{Descriptor, ImageConfig, MANIFEST};
use stepbox::engine::images::remove::{Gone, Remover};
use stepbox::engine::images::{Change, import};
use stepbox::engine::reference::Reference;
use stepbox::engine::store::{Draft, Named, NewLayer, Store};
use stepbox::layers::Digest;
use support::archive::{Raw, gzip, listing};

fn reference(text: &str) -> Reference {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// A store in a temporary directory.
fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path().join("store")).expect("a store can be made");
    (directory, store)
}

fn rootfs() -> Raw {
    Raw::default().directory("etc/", 0o755).file("etc/name", "value").symlink("link", "etc/name")
}

/// Always at the same time, so that the same archive makes the same image.
fn change() -> Change {
    Change { created: Some("2026-01-01T00:00:00Z".to_owned()), ..Change::default() }
}

fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).expect("readable").count()
}

#[test]
fn an_imported_image_is_found_by_every_name() {
    let (_directory, store) = store();
    let mut config =
        ImageConfig { cmd: Some(vec!["sh".into()]), user: "1000".into(), ..ImageConfig::default() };
    config.env.push("A=b".to_owned());
    let change = Change { config: config.clone(), message: Some("why".into()), ..Change::default() };
    let archive = gzip(&rootfs().end());
    let id = import(&store, archive.as_slice(), &reference("me/image:v1"), change).expect("imported");
    for name in
        ["me/image:v1", "docker.io/me/image:v1", &id.to_string(), &id.hex(), &id.short(), &id.hex()[..4]]
    {
        let image = store.resolve(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((image.id, &image.config), (id, &config), "{name}");
        assert_eq!(image.reference, Some(reference("me/image:v1")));
        assert_eq!(image.history[0].comment.as_deref(), Some("why"));
        assert_eq!(image.layers.len(), 1);
        let layer = &image.layers[0];
        assert_eq!(fs::read_to_string(layer.join("link")).expect("readable"), "value");
        assert_eq!(fs::metadata(layer).expect("there").mode() & 0o7777, 0o755, "what / gets");
        assert_eq!(image.diff_ids, [Digest::of(&rootfs().end())]);
    }
    let by_digest = format!("me/image@{}", store.resolve("me/image:v1").expect("found").manifest);
    assert_eq!(store.resolve(&by_digest).expect("found by digest").id, id);
    let layout = fs::read_to_string(store.root().join("oci-layout")).expect("readable");
    assert_eq!(layout, r#"{"imageLayoutVersion":"1.0.0"}"#);
    assert_eq!(entries(&store.root().join("tmp")), 0);
    assert_eq!(entries(&store.root().join("blobs/sha256")), 3);
    let blob = store.blob_path(Digest::of(&archive));
    assert_eq!(fs::read(blob).expect("the archive is kept as it came"), archive);
}

#[test]
fn a_missing_image_is_missed_in_dockers_words() {
    let (_directory, store) = store();
    for (name, shown) in [("nope", "nope:latest"), ("a/b:1", "a/b:1"), ("cafe", "cafe:latest")] {
        let error = store.resolve(name).expect_err("nothing is here").to_string();
        let expected = format!(
            "Unable to find image '{shown}' locally: bring one in with: stepbox pull NAME, or stepbox import"
        );
        assert!(error.starts_with(&expected), "{error}");
    }
    let hex = "0".repeat(64);
    assert!(store.resolve(&hex).expect_err("nothing").to_string().contains(&hex));
    let error = store.resolve("No Name").expect_err("no name").to_string();
    assert!(error.starts_with("invalid reference format"), "{error}");
}

#[test]
fn names_move_and_images_stay() {
    let (_directory, store) = store();
    let one = import(&store, rootfs().end().as_slice(), &reference("x"), change()).expect("imported");
    let other = rootfs().file("more", "m").end();
    let two = import(&store, other.as_slice(), &reference("x"), change()).expect("imported");
    assert_eq!(store.resolve("x").expect("found").id, two);
    let nameless = store.resolve(&one.short()).expect("still here");
    assert_eq!((nameless.id, nameless.reference), (one, None));
    assert_eq!(store.tag(&one.short(), &reference("y:old")).expect("tagged"), one);
    assert_eq!(store.resolve("y:old").expect("found").id, one);
    store.tag("y:old", &reference("z")).expect("tagged");
    store.untag(&reference("y:old")).expect("untagged");
    assert_eq!(store.resolve("z").expect("found").id, one);
    assert!(store.resolve("y:old").expect_err("gone").to_string().contains("'y:old'"));
    assert!(store.untag(&reference("y:old")).expect_err("gone").to_string().contains("'y:old'"));
    let mut listed: Vec<_> =
        store.list().expect("a list").into_iter().map(|it| it.expect("readable")).collect();
    listed.sort_by_key(|stored| stored.reference.clone());
    let listed: Vec<_> =
        listed.into_iter().map(|it| (it.reference.map(|name| name.to_string()), it.id)).collect();
    assert_eq!(listed, [(Some("x:latest".to_owned()), two), (Some("z:latest".to_owned()), one)]);
    let everything = store.list().expect("a list").len();
    assert_eq!(store.collect(&BTreeSet::new()).expect("collected"), 0, "all {everything} are named");
}

#[test]
fn an_image_that_got_a_name_meanwhile_is_not_forgotten() {
    let (_directory, store) = store();
    import(&store, rootfs().end().as_slice(), &reference("x"), change()).expect("imported");
    store.untag(&reference("x")).expect("untagged");
    // somebody who prunes has seen it without a name, and somebody else names it before it goes
    let nameless = store.list().expect("a list").remove(0).expect("readable");
    store.tag(&nameless.id.hex(), &reference("y")).expect("tagged");
    store.forget(&[], std::slice::from_ref(&nameless.entry)).expect("forgotten");
    assert_eq!(store.find("y").expect("still here").id, nameless.id);
    let named = Named { name: reference("y"), images: vec![nameless.entry.clone()] };
    store.forget(&[named], &[nameless.entry]).expect("forgotten");
    assert!(store.list().expect("a list").is_empty());
}

#[test]
fn a_name_that_went_to_another_image_meanwhile_is_not_taken() {
    let (_directory, store) = store();
    let old = import(&store, rootfs().end().as_slice(), &reference("x"), change()).expect("imported");
    // somebody who prunes has seen the old one, and somebody else pulls a new one before it goes
    let mut remover = Remover::new(&store, Vec::new()).expect("a catalog");
    let gone = remover.remove("x", false, true).expect("nothing uses it");
    assert!(gone.contains(&Gone::Deleted(old)), "{gone:?}");
    let new = rootfs().file("more", "m").end();
    let new = import(&store, new.as_slice(), &reference("x"), change()).expect("imported");
    remover.commit().expect("committed");
    remover.finish().expect("freed");
    assert_eq!(store.resolve("x").expect("it is another image's").id, new);
    assert!(store.find(&old.hex()).is_err(), "the old one is gone all the same");
}

#[test]
fn what_an_image_that_is_being_made_stands_on_is_not_lost() {
    let (_directory, store) = store();
    import(&store, rootfs().end().as_slice(), &reference("x"), change()).expect("imported");
    let below = store.find("x").expect("found");
    let layer = below.manifest.layers[0].digest;
    let mut draft = store.draft(&[]).expect("a draft");
    assert!(draft.hold(layer).expect("held") && !draft.hold(Digest::of(b"nothing")).expect("looked"));
    draft.hold(below.id).expect("held");
    // somebody removes the image before the one that is made of it has a name
    store.untag(&reference("x")).expect("untagged");
    store.forget(&[], std::slice::from_ref(&below.entry)).expect("forgotten");
    store.collect(&BTreeSet::new()).expect("collected");
    assert!(!store.blob_path(layer).exists());
    let manifest = draft.blob(&serde_json::to_vec(&below.manifest).expect("JSON")).expect("a blob");
    draft.publish(Descriptor::new(MANIFEST, manifest, 1), &reference("y")).expect("published");
    assert_eq!(fs::read(store.blob_path(layer)).expect("here again"), rootfs().end());
}

#[test]
fn what_nobody_names_is_collected_and_what_is_used_stays() {
    let (_directory, store) = store();
    import(&store, rootfs().end().as_slice(), &reference("x"), change()).expect("imported");
    import(&store, gzip(&rootfs().file("y", "").end()).as_slice(), &reference("y"), change())
        .expect("imported");
    let used = store.resolve("y").expect("found").diff_ids[0];
    let index = store.root().join("index.json");
    let text = fs::read_to_string(&index).expect("readable");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    json["manifests"].as_array_mut().expect("a list").pop();
    fs::write(&index, json.to_string()).expect("written");
    let freed = store.collect(&BTreeSet::from([used])).expect("collected");
    assert!(freed > 0);
    assert!(store.layer_path(used).join("etc/name").exists(), "a container uses it");
    assert_eq!(entries(&store.root().join("blobs/sha256")), 3);
    store.collect(&BTreeSet::new()).expect("collected");
    assert!(!store.layer_path(used).exists());
    assert_eq!(store.resolve("x").expect("untouched").layers.len(), 1);
}

#[test]
fn a_broken_archive_leaves_nothing() {
    let (_directory, store) = store();
    let before = listing(&store.root().join("blobs"));
    let whole = gzip(&rootfs().end());
    for archive in
        [&whole[..whole.len() / 2], b"no archive at all, but long enough to be looked at", &whole[..20]]
    {
        let error = import(&store, archive, &reference("x"), change()).expect_err("refused").to_string();
        assert!(error.contains("the archive is broken"), "{error}");
    }
    let hostile = Raw::default().file("../x", "").end();
    let error =
        import(&store, hostile.as_slice(), &reference("x"), change()).expect_err("refused").to_string();
    assert!(error.contains("entry '../x' refused"), "{error}");
    assert_eq!(listing(&store.root().join("blobs")).len(), before.len());
    for directory in ["tmp", "layers", "unsynced"] {
        assert_eq!(entries(&store.root().join(directory)), 0, "{directory}");
    }
    assert!(store.list().expect("a list").is_empty());
}

#[test]
fn the_same_content_imported_at_once_is_stored_once() {
    let (_directory, store) = store();
    let archive = rootfs().file("big", &"content ".repeat(100_000)).end();
    let ids: BTreeSet<Digest> = std::thread::scope(|scope| {
        let import_as = |number: usize| {
            let (store, archive) = (&store, &archive);
            scope.spawn(move || {
                import(store, archive.as_slice(), &reference(&format!("n:{number}")), change())
            })
        };
        let threads: Vec<_> = (0..8).map(import_as).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic").expect("imported")).collect()
    });
    assert_eq!(ids.len(), 1);
    assert_eq!(entries(&store.root().join("blobs/sha256")), 3);
    assert_eq!((entries(&store.root().join("layers")), entries(&store.root().join("tmp"))), (1, 0));
    for number in 0..8 {
        assert!(ids.contains(&store.resolve(&format!("n:{number}")).expect("found").id));
    }
}

#[test]
fn damage_is_found_where_a_blob_is_used() {
    let (_directory, store) = store();
    let archive = rootfs().end();
    import(&store, archive.as_slice(), &reference("x"), change()).expect("imported");
    let image = store.resolve("x").expect("found");
    // unpacked again from the blob, which is checked on the way
    stepbox::layers::remove(&image.layers[0]).expect("removed");
    assert_eq!(store.resolve("x").expect("unpacked again").layers, image.layers);
    assert!(image.layers[0].join("etc/name").exists());
    stepbox::layers::remove(&image.layers[0]).expect("removed");
    let mut damaged = archive.clone();
    let at = archive.windows(5).position(|window| window == b"value").expect("content");
    damaged[at] ^= 1;
    fs::write(store.blob_path(Digest::of(&archive)), &damaged).expect("written");
    let error = store.resolve("x").expect_err("damaged").to_string();
    assert!(error.contains(&Digest::of(&archive).to_string()) && error.contains("damaged"), "{error}");
    assert!(!image.layers[0].exists(), "no half layer");
    fs::write(store.blob_path(image.id), "{}").expect("written");
    let error = store.resolve("x").expect_err("damaged").to_string();
    assert!(error.contains(&image.id.to_string()) && error.contains("damaged"), "{error}");
    fs::write(store.root().join("index.json"), "{").expect("written");
    let error = store.resolve("x").expect_err("damaged").to_string();
    assert!(error.contains("index.json cannot be read"), "{error}");
}

#[test]
fn a_layer_from_before_a_power_failure_is_made_again() {
    let (_directory, store) = store();
    import(&store, rootfs().end().as_slice(), &reference("x"), change()).expect("imported");
    let image = store.resolve("x").expect("found");
    let name = image.layers[0].join("etc/name");
    let mark = store.root().join("unsynced").join(image.diff_ids[0].hex());
    fs::write(&name, "").expect("as after a power failure");
    assert!(
        store.resolve("x").is_ok_and(|_| fs::read(&name).is_ok_and(|text| text.is_empty())),
        "same boot: trusted"
    );
    fs::write(&mark, "another boot").expect("written");
    store.resolve("x").expect("unpacked again");
    assert_eq!(fs::read_to_string(&name).expect("readable"), "value");
    assert_eq!(store.sweep().expect("swept").settled, 1);
    assert!(!mark.exists());
    assert_eq!(store.sweep().expect("swept").settled, 0);
}

#[test]
fn a_sweep_takes_the_dead_and_leaves_the_living() {
    let (_directory, store) = store();
    let tmp = store.root().join("tmp");
    fs::create_dir_all(tmp.join("dead/layers/closed")).expect("made");
    fs::write(tmp.join("dead/lock"), "").expect("written");
    fs::write(tmp.join("file"), "half a file").expect("written");
    let mut living = store.draft(&[]).expect("a draft");
    let layer = living.layer(rootfs().end().as_slice()).expect("a layer");
    let swept = store.sweep().expect("swept");
    assert_eq!(swept.leftovers, 2);
    assert_eq!(entries(&tmp), 1, "the draft's");
    assert_eq!(layer.chain, layer.applied.diff_id);
    drop(living);
    assert_eq!((entries(&tmp), entries(&store.root().join("layers"))), (0, 0));
}

/// Publishes an image of these layers, with a config as Go would write it.
fn publish(mut draft: Draft<'_>, layers: &[&NewLayer], name: &str) {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.applied.diff_id).collect();
    let descriptors: Vec<&Descriptor> = layers.iter().map(|layer| &layer.descriptor).collect();
    let config = serde_json::json!({"architecture": "amd64", "os": "linux", "config": {"Env": null},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    .to_string();
    let id = draft.blob(config.as_bytes()).expect("a blob");
    let manifest = serde_json::json!({"schemaVersion": 2, "layers": descriptors, "config":
        {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": id, "size": config.len()}})
    .to_string();
    let digest = draft.blob(manifest.as_bytes()).expect("a blob");
    draft
        .publish(Descriptor::new(MANIFEST, digest, manifest.len() as u64), &reference(name))
        .expect("published");
}

#[test]
fn a_layer_whose_root_is_opaque_hides_all_below() {
    let (_directory, store) = store();
    let mut draft = store.draft(&[]).expect("a draft");
    let bottom = draft.layer(rootfs().end().as_slice()).expect("a layer");
    let middle = draft
        .layer(Raw::default().file(".wh..wh..opq", "").file("new", "").end().as_slice())
        .expect("a layer");
    let top = draft.layer(Raw::default().file("top", "").end().as_slice()).expect("a layer");
    publish(draft, &[&bottom, &middle, &top], "three");
    let image = store.resolve("three").expect("found");
    assert_eq!(image.layers, [store.layer_path(middle.chain), store.layer_path(top.chain)]);
    assert_eq!(image.diff_ids.len(), 3);
}

#[test]
fn images_that_disagree_with_themselves_are_refused() {
    let (_directory, store) = store();
    let mut draft = store.draft(&[]).expect("a draft");
    let layer = draft.layer(rootfs().end().as_slice()).expect("a layer");
    let mut lying = layer.clone();
    lying.applied.diff_id = Digest::of(b"another layer");
    publish(draft, &[&lying], "liar");
    let error = store.resolve("liar").expect_err("refused").to_string();
    assert!(
        error.contains(&format!("{} unpacks to {}", layer.applied.digest, layer.applied.diff_id)),
        "{error}"
    );
    let index = store.root().join("index.json");
    let text = fs::read_to_string(&index).expect("readable");
    let traversal = text.replace(&store.find("liar").expect("found").digest.hex(), "../../../../etc/passwd");
    fs::write(&index, &traversal).expect("written");
    let error = store.resolve("liar").expect_err("refused").to_string();
    assert!(error.contains("index.json") && error.contains("is not a digest"), "{error}");
    fs::write(&index, text.replace("image.manifest.v1+json", "unknown")).expect("written");
    let error = store.resolve("liar").expect_err("refused").to_string();
    assert!(error.contains("unknown") && error.contains("no image"), "{error}");
}

#[test]
fn layers_are_shared_by_chain() {
    let (_directory, store) = store();
    let mut draft = store.draft(&[]).expect("a draft");
    let bottom = draft.layer(rootfs().end().as_slice()).expect("a layer");
    let top = draft.layer(Raw::default().file("etc/.wh.name", "").end().as_slice()).expect("a layer");
    let expected = format!("{} {}", bottom.applied.diff_id, top.applied.diff_id);
    assert_eq!((bottom.chain, top.chain), (bottom.applied.diff_id, Digest::of(expected.as_bytes())));
    publish(draft, &[&bottom, &top], "two");
    let image = store.resolve("two").expect("found");
    assert_eq!(image.layers, [store.layer_path(bottom.chain), store.layer_path(top.chain)], "top-most last");
    import(&store, rootfs().end().as_slice(), &reference("one"), change()).expect("imported");
    assert_eq!(store.resolve("one").expect("found").layers[0], image.layers[0], "one directory for both");
}

#[test]
fn the_base_image_is_made_once_and_the_same_each_time() {
    let (_one, first) = store();
    let (_two, second) = store();
    let image = base::ensure(&first).expect("a base image");
    assert_eq!(base::ensure(&first).expect("again"), image);
    assert_eq!(base::make(&first).expect("anew").id, image.id);
    assert_eq!(base::ensure(&second).expect("elsewhere").id, image.id, "the same machine, the same image");
    assert_eq!(image.reference.as_ref().map(ToString::to_string).as_deref(), Some("stepbox/base:latest"));
    assert_eq!(image.config.cmd.as_deref(), Some(&["sh".to_owned()][..]));
    assert!(image.config.env[0].starts_with("PATH=/usr/local/sbin:"));
    assert!(base::made_of(&image).is_some());
    check_base(&image.layers[0]);
    let host = base::make_host_tools(&second).expect("this machine has a shell");
    assert_eq!(base::made_of(&host), Some(Made::HostTools));
    check_base(&host.layers[0]);
    assert_eq!(second.resolve("stepbox/base").expect("replaced").id, host.id);
}

fn check_base(root: &Path) {
    let mode =
        |name: &str| fs::metadata(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")).mode();
    for (name, expected) in
        [("tmp", 0o1777), ("proc", 0o555), ("root", 0o700), ("etc/passwd", 0o644), ("bin/sh", 0o755)]
    {
        assert_eq!(mode(name) & 0o7777, expected, "{name}");
    }
    if !rustix::process::geteuid().is_root() {
        println!("SKIP chroot needs root");
        return;
    }
    let mut inside = std::process::Command::new("chroot");
    inside.arg(root).args(["/bin/sh", "-c", "PATH=/bin; cat /etc/passwd | head -n 1; ls -d /tmp; id -u"]);
    let output = inside.output().expect("chroot runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, "root:x:0:0:root:/root:/bin/sh\n/tmp\n0\n", "{output:?}");
}
