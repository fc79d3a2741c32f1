//! import: every option, from files and pipes, and what is refused.

use serde_json::{Value, json};
use std::fs;
use stepbox::engine::store::Store;
use support::archive::{Raw, gzip};
use support::site::Site;

/// A site with an archive in it, in three compressions.
fn site() -> Site {
    let site = Site::ours();
    let tar = Raw::default().directory("etc/", 0o755).file("etc/name", "text").end();
    fs::write(site.path().join("a.tar.gz"), gzip(&tar)).expect("written");
    let zstd = ruzstd::encoding::compress_to_vec(tar.as_slice(), ruzstd::encoding::CompressionLevel::Fastest);
    fs::write(site.path().join("a.tar.zst"), zstd).expect("written");
    fs::write(site.path().join("a.tar"), tar).expect("written");
    site
}

/// The config document of an image.
fn config(site: &Site, name: &str) -> Value {
    let store = Store::open(site.root_directory()).expect("a store");
    store.document(store.find(name).expect("found").id).expect("a document")
}

#[test]
fn an_archive_becomes_an_image_with_what_was_asked_for() {
    let site = site();
    let id = site.says(
        "$S import -c 'CMD [\"sh\"]' -c 'ENV A=b' --change 'WORKDIR /$A' -c 'EXPOSE 80' -m 'the reason' $D/a.tar me/x:1",
    );
    let document = config(&site, id.trim());
    assert_eq!(document, config(&site, "me/x:1"));
    let wanted = json!({"ExposedPorts": {"80/tcp": {}}, "Env": ["A=b"], "Cmd": ["sh"], "WorkingDir": "/b"});
    assert_eq!(document["config"], wanted);
    assert_eq!(document["history"][0]["comment"], "the reason");
    let plain = site.says("$S import - < $D/a.tar.gz");
    assert_eq!(config(&site, plain.trim())["history"][0]["comment"], "Imported from -");
    assert!(plain.starts_with("sha256:") && plain.len() == 72, "{plain}");
}

#[test]
fn the_same_epoch_makes_the_same_image() {
    let site = site();
    let id = |command: &str| site.says(&format!("SOURCE_DATE_EPOCH=1700000000 {command}"));
    let first = id("$S import $D/a.tar x");
    for command in
        ["cat $D/a.tar.zst | $S import - y", "$S image import - < $D/a.tar.gz", "$S import $D/a.tar"]
    {
        let command = command.replace("$S", "SOURCE_DATE_EPOCH=1700000000 $S");
        assert_eq!(site.says(&command), first, "{command}");
    }
    assert_eq!(config(&site, "x")["created"], "2023-11-14T22:13:20Z");
    assert_ne!(site.says("$S import $D/a.tar"), first, "it is now where nothing is said");
    site.refused("SOURCE_DATE_EPOCH=soon $S import $D/a.tar", 1, &["SOURCE_DATE_EPOCH", "soon"]);
}

#[test]
fn what_cannot_be_imported_leaves_nothing() {
    let site = site();
    for (words, says) in [
        ("$D/a.tar Upper", "must be lowercase"),
        ("$D/a.tar x@sha256:$(printf %064d 0)", "cannot import digest reference"),
        ("-c 'RUN x' $D/a.tar x", "RUN is not a valid change command"),
        ("-c 'ENV' $D/a.tar x", "ENV requires at least one argument"),
        ("$D x", "is a directory"),
        ("$D/nothing x", "No such file"),
        ("http:///c.tar x", "expected http://HOST/"),
        ("/proc/self/status x", "the archive is broken"),
    ] {
        site.refused(&format!("$S import {words}"), 1, &[says]);
    }
    assert_eq!(site.says("$S images -q; ls $STEPBOX_ROOT/tmp $STEPBOX_ROOT/blobs/sha256 | grep -v :"), "\n");
}
