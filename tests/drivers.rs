//! Layers applied onto each other in one tree, as the storage drivers vfs and btrfs do, and the trees of a store.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use stepbox::engine::images::{Change, import};
use stepbox::engine::store::{Driver, Store};
use stepbox::layers::{Applied, apply_onto};
use support::archive::{Raw, ownership};

/// Applies layers onto each other; the names that are there in the end, from the root, with what files hold.
fn flat(layers: &[Vec<u8>]) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    for layer in layers {
        let root = fs::File::open(directory.path()).expect("there");
        let _: Applied = apply_onto(layer.as_slice(), root.as_fd(), ownership()).expect("applied");
    }
    let mut found = BTreeSet::new();
    let mut waiting = vec![directory.path().to_path_buf()];
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(path).expect("readable").flatten() {
            let (path, kind) = (entry.path(), entry.file_type().expect("a type"));
            let name = path.strip_prefix(directory.path()).expect("below").display().to_string();
            found.insert(match kind.is_dir() {
                true => format!("{name}/"),
                false => format!("{name}={}", fs::read_to_string(&path).unwrap_or_default()),
            });
            if kind.is_dir() {
                waiting.push(path);
            }
        }
    }
    found.into_iter().collect()
}

fn below() -> Vec<u8> {
    let tree = Raw::default().directory("a/", 0o755).file("a/x", "1").file("a/y", "1");
    let tree = tree.directory("a/sub/", 0o755).file("a/sub/z", "1").file("f", "1").file("kept", "1");
    tree.directory("gone/", 0o755).file("gone/inside", "1").symlink("way", "a/sub").end()
}

#[test]
fn a_whiteout_removes_what_it_hides() {
    let layer = Raw::default().file(".wh.f", "").file(".wh.gone", "").file("a/.wh.x", "").end();
    assert_eq!(
        flat(&[below(), layer]),
        ["a/", "a/sub/", "a/sub/z=1", "a/y=1", "kept=1", "way=1"].map(|name| if name == "way=1" {
            "way=".to_owned()
        } else {
            name.to_owned()
        })
    );
    let never_there = Raw::default().file(".wh.nothing", "").file("new/.wh.nothing", "").end();
    assert!(flat(&[below(), never_there]).contains(&"new/".to_owned()), "and nothing else is wrong");
}

#[test]
fn a_whiteout_below_a_link_of_the_layer_itself_hides_nothing() {
    // a directory has become a link to its sibling, which had a file of the same name
    let other = Raw::default().directory("other/", 0o755).file("other/x", "kept").end();
    let layer = Raw::default().symlink("a", "other").file("a/.wh.x", "").file("a/sub/.wh.z", "").end();
    let flat = flat(&[below(), other, layer]);
    assert!(flat.contains(&"other/x=kept".to_owned()) && !flat.contains(&"a/".to_owned()), "{flat:?}");
}

#[test]
fn a_whiteout_below_a_link_of_another_layer_hides_what_it_leads_to() {
    let layer = Raw::default().file("way/.wh.z", "").end();
    let flat = flat(&[below(), layer]);
    assert!(flat.contains(&"a/sub/".to_owned()) && !flat.contains(&"a/sub/z=1".to_owned()), "{flat:?}");
}

#[test]
fn a_layer_hides_nothing_of_its_own() {
    let first = Raw::default().directory("a/", 0o755).file("a/.wh..wh..opq", "").file("a/new", "2");
    let first = first.directory("a/sub/", 0o755).file("a/sub/own", "2").end();
    let last = Raw::default().directory("a/", 0o755).file("a/new", "2").directory("a/sub/", 0o755);
    let last = last.file("a/sub/own", "2").file("a/.wh..wh..opq", "").end();
    // the directory in between has no entry of its own
    let without = Raw::default().file("a/sub/own", "2").file("a/new", "2").file("a/.wh..wh..opq", "").end();
    for layer in [first, last, without] {
        let a: Vec<String> =
            flat(&[below(), layer]).into_iter().filter(|name| name.starts_with('a')).collect();
        assert_eq!(a, ["a/", "a/new=2", "a/sub/", "a/sub/own=2"]);
    }
    // what is there again, and its whiteout after it
    let again = Raw::default().directory("gone/", 0o755).file("gone/own", "2").file(".wh.gone", "");
    let again = again.file("f", "2").file(".wh.f", "").end();
    let found = flat(&[below(), again]);
    for name in ["gone/", "gone/own=2", "f=2"] {
        assert!(found.contains(&name.to_owned()), "{name} is not in {found:?}");
    }
    assert!(!found.contains(&"gone/inside=1".to_owned()), "{found:?}");
}

#[test]
fn types_change_and_links_are_not_followed_out_of_the_way() {
    let layer = Raw::default().file("gone", "a file now").directory("f/", 0o755).file("f/in", "2");
    let layer = layer.file("way/through", "2").hard_link("kept2", "kept").end();
    let found = flat(&[below(), layer]);
    for name in ["gone=a file now", "f/", "f/in=2", "a/sub/through=2", "kept2=1"] {
        assert!(found.contains(&name.to_owned()), "{name} is not in {found:?}");
    }
}

/// An image of one layer with a file of two names, one that nobody may read, and a closed directory.
fn image(store: &Store, name: &str, more: &str) {
    let tree = Raw::default().directory("d/", 0o755).file("d/one", "data").hard_link("two", "d/one");
    let tree = tree.sized(b"closed/", b'5', b"", b"", 0, 0o755).file("closed/in", "i");
    let tree = tree.sized(b"closed/secret", b'0', b"", b"s", 1, 0o000).file("more", more);
    import(
        store,
        tree.directory("closed/", 0o500).end().as_slice(),
        &name.parse::<stepbox::engine::reference::Reference>().expect("a name"),
        Change::default(),
    )
    .expect("imported");
}

fn same_tree(tree: &Path) {
    assert_eq!(fs::read_to_string(tree.join("two")).expect("there"), "data");
    let inode = |name: &str| fs::metadata(tree.join(name)).expect("there").ino();
    assert_eq!(inode("d/one"), inode("two"), "one file of two names");
    let mode = |name: &str| fs::metadata(tree.join(name)).expect("there").permissions().mode() & 0o7777;
    assert_eq!((mode("closed/secret"), mode("closed")), (0, 0o500));
    assert_eq!(fs::metadata(tree.join("d/one")).expect("there").mtime(), 1_600_000_000);
}

#[test]
fn a_store_of_copies_has_whole_trees_and_lets_them_go() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path().join("store")).expect("opened");
    let store = store.with_driver(Driver::Vfs).expect("anywhere");
    image(&store, "one", "1");
    let tree = store.resolve("one").expect("found").layers;
    assert_eq!(tree.len(), 1);
    assert!(tree[0].starts_with(store.root().join("vfs")), "{tree:?}");
    same_tree(&tree[0]);
    let entries = |name: &str| fs::read_dir(store.root().join(name)).expect("readable").count();
    assert_eq!((entries("layers"), entries("vfs"), entries("tmp")), (0, 1, 0));
    // a container's tree
    let branch = directory.path().join("branch");
    let op = Driver::Vfs.branch(&tree[0], &branch).expect("a tree to make");
    stepbox::kernel::trees::call(&op).expect("copied");
    same_tree(&branch);
    same_tree(&tree[0]);
    fs::write(branch.join("d/one"), "changed").expect("written");
    assert_eq!(
        fs::read_to_string(tree[0].join("two")).expect("there"),
        "data",
        "the image's is another file"
    );
    // the same store by the other driver
    let stacked = Store::open(store.root()).expect("opened");
    assert_eq!(stacked.resolve("one").expect("found").layers.len(), 1);
    assert_eq!(entries("layers"), 1);
    store.untag(&"one".parse().expect("a name")).expect("untagged");
    let index = store.root().join("index.json");
    fs::write(index, r#"{"schemaVersion":2,"manifests":[]}"#).expect("nobody names it any more");
    store.collect(&BTreeSet::new()).expect("collected");
    assert_eq!((entries("layers"), entries("vfs"), entries("blobs/sha256")), (0, 0, 0));
    stepbox::layers::remove(&branch).expect("removed");
}

#[test]
fn snapshots_need_a_btrfs() {
    let directory = tempfile::tempdir_in("/dev/shm").expect("a directory on a tmpfs");
    let store = Store::open(directory.path().join("store")).expect("opened");
    let error = store.with_driver(Driver::Btrfs).expect_err("a tmpfs has none").to_string();
    assert!(error.contains("btrfs") && error.contains("overlay or vfs"), "{error}");
    let error = "zfs".parse::<Driver>().expect_err("not here").to_string();
    assert_eq!(error, "unknown storage driver \"zfs\": overlay, vfs and btrfs are there");
}
