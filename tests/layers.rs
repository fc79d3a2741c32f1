//! Layers there and back: what an archive says is on disk, and what is on disk is in the archive again.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use stepbox::layers::{Compression, DiffOptions, Digest, Ownership, Written, chain_id, chain_ids, diff};
use support::archive::{Place, Raw, gzip, ownership};

fn written(upper: &Path, options: DiffOptions) -> (Vec<u8>, Written) {
    let mut out = Vec::new();
    let written = diff(upper, &mut out, options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((written.size, written.digest), (out.len() as u64, Digest::of(&out)));
    (out, written)
}

fn names(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().expect("an archive");
    entries
        .map(|entry| String::from_utf8_lossy(&entry.expect("an entry").path_bytes()).into_owned())
        .collect()
}

fn xattr(path: &Path, name: &str) -> Vec<u8> {
    let mut value = vec![0; 4096];
    let size =
        rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap_or_else(|error| panic!("{name}: {error}"));
    value.truncate(size);
    value
}

#[test]
fn a_tree_goes_there_and_back() {
    let upper = tempfile::tempdir().expect("a directory");
    let at = |name: &str| upper.path().join(name);
    let deep = format!("{}/{}", "long".repeat(30), "name".repeat(40));
    fs::create_dir_all(at(&deep)).expect("made");
    fs::write(at(&deep).join("file"), "deep").expect("written");
    fs::create_dir(at("bin")).expect("made");
    fs::write(at("bin/tool"), vec![7; 300_000]).expect("written");
    fs::set_permissions(at("bin/tool"), fs::Permissions::from_mode(0o6755)).expect("set-uid");
    fs::hard_link(at("bin/tool"), at("bin/alias")).expect("linked");
    symlink("../somewhere/else", at("bin/link")).expect("linked");
    symlink("t".repeat(300), at("long-link")).expect("linked");
    fs::write(at("empty"), "").expect("written");
    rustix::fs::fsetxattr(
        fs::File::open(at("empty")).expect("open"),
        "user.note",
        b"a\nb\0",
        rustix::fs::XattrFlags::empty(),
    )
    .expect("user attributes work here");
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, 0o640.into(), 0)
        .expect("made");
    fs::create_dir(at("closed")).expect("made");
    fs::write(at("closed/file"), "x").expect("written");
    fs::set_permissions(at("closed"), fs::Permissions::from_mode(0o555)).expect("closed");

    let (plain, first) = written(upper.path(), DiffOptions::default());
    let place = Place::new();
    let applied = place.apply(&plain).expect("own archives apply");
    assert_eq!(
        (applied.diff_id, applied.digest, applied.entries),
        (first.diff_id, first.digest, first.entries)
    );
    let (again, second) = written(&place.root(), DiffOptions::default());
    assert_eq!((second.diff_id, &names(&again)), (first.diff_id, &names(&plain)));

    assert_eq!(place.stat("bin/tool").ino(), place.stat("bin/alias").ino());
    assert_eq!(place.stat("bin/tool").mode() & 0o7777, 0o6755);
    assert_eq!(xattr(&place.root().join("empty"), "user.note"), b"a\nb\0");
    let times =
        |path: &Path| fs::metadata(path).map(|stat| (stat.mtime(), stat.mtime_nsec())).expect("there");
    for name in ["bin", "bin/tool", "closed", &deep] {
        assert_eq!(times(&at(name)), times(&place.root().join(name)), "{name}");
    }
    assert_eq!(place.stat("closed").mode() & 0o7777, 0o555);
    stepbox::layers::remove(&at("closed")).expect("closed directories can be removed");
}

#[test]
fn compression_changes_the_digest_and_not_the_diff_id() {
    let upper = tempfile::tempdir().expect("a directory");
    fs::write(upper.path().join("file"), "text ".repeat(50_000)).expect("written");
    let options = DiffOptions { compression: Compression::Gzip, ..DiffOptions::default() };
    let (plain, one) = written(upper.path(), DiffOptions::default());
    let (zipped, other) = written(upper.path(), options);
    assert_eq!(one.diff_id, other.diff_id);
    assert_eq!(one.diff_id, Digest::of(&plain));
    assert!(other.size < one.size / 10, "{} of {}", other.size, one.size);
    assert_eq!(zipped, written(upper.path(), options).0, "the same directory gives the same blob");
    let applied = Place::new().apply(&zipped).expect("applies");
    assert_eq!((applied.diff_id, applied.digest, applied.size), (one.diff_id, other.digest, other.size));
    assert_eq!((applied.compression, applied.unpacked), (Compression::Gzip, plain.len() as u64));
    // gzip files may be put one behind the other
    let (head, tail) = plain.split_at(700);
    let two = Place::new().apply(&[gzip(head), gzip(tail)].concat()).expect("applies");
    assert_eq!(two.diff_id, one.diff_id);
}

#[test]
fn whiteouts_become_devices_and_names_again() {
    let place = Place::new();
    let archive = Raw::default()
        .directory("etc/", 0o755)
        .file("etc/.wh.motd", "")
        .file("var/.wh..wh..opq", "")
        .file("var/new", "n")
        .file(".wh.gone", "")
        .end();
    let applied = place.apply(&archive).expect("applies");
    assert_eq!(applied.whiteouts, 3);
    assert!(place.is_whiteout("etc/motd") && place.is_whiteout("gone") && place.is_opaque("var"));
    assert_eq!(place.read("var/new"), "n");
    assert!(!place.exists("etc/.wh.motd") && !place.exists("var/.wh..wh..opq"));
    let (archive, again) = written(&place.root(), DiffOptions::default());
    assert_eq!(names(&archive), [".wh.gone", "etc/", "etc/.wh.motd", "var/", "var/.wh..wh..opq", "var/new"]);
    assert_eq!(again.whiteouts, 3);
    let other = Place::new();
    other.apply(&archive).expect("applies");
    assert_eq!(written(&other.root(), DiffOptions::default()).1.diff_id, again.diff_id);
}

#[test]
fn a_whiteout_hides_what_is_below_and_not_what_is_beside_it() {
    let place = Place::new();
    let archive = Raw::default()
        .file("before/kept", "1")
        .file(".wh.before", "")
        .file(".wh.after", "")
        .file("after/kept", "2")
        .file("plain", "3")
        .file(".wh.plain", "")
        .file(".wh.named", "")
        .directory("named", 0o700)
        .end();
    place.apply(&archive).expect("applies");
    assert_eq!((place.read("before/kept"), place.read("after/kept")), ("1".into(), "2".into()));
    assert_eq!(place.read("plain"), "3");
    for name in ["before", "after", "named"] {
        assert!(place.is_opaque(name), "{name}: the directory below would show through");
    }
    assert_eq!(place.stat("named").mode() & 0o7777, 0o700);
}

#[test]
fn owners_devices_and_attributes_are_kept_or_counted() {
    let place = Place::new();
    let mut archive = Raw::default();
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    archive = archive
        .pax(&[("uid", b"3000000"), ("gid", b"77"), ("mtime", b"1600000000.123456789")])
        .file("owned", "o");
    archive = archive.pax(&[("SCHILY.xattr.security.capability", capability)]).file("capable", "c");
    archive = archive.pax(&[("SCHILY.xattr.user.empty", b"")]).file("empty", "e");
    let mut device = tar::Header::new_ustar();
    device.set_path("null").expect("short");
    device.set_entry_type(tar::EntryType::Char);
    device.set_mode(0o666);
    device.set_size(0);
    device.set_device_major(1).and_then(|()| device.set_device_minor(3)).expect("ustar");
    device.set_cksum();
    archive.0.extend_from_slice(device.as_bytes());
    let applied = place.apply(&archive.hard_link("null2", "null").end()).expect("applies");
    let owned = place.stat("owned");
    assert_eq!((owned.mtime(), owned.mtime_nsec()), (1_600_000_000, 123_456_789));
    assert_eq!(xattr(&place.root().join("empty"), "user.empty"), b"");
    match ownership() {
        Ownership::Root => {
            assert_eq!((owned.uid(), owned.gid()), (3_000_000, 77));
            assert_eq!(xattr(&place.root().join("capable"), "security.capability"), capability);
            assert_eq!((place.stat("null").rdev(), place.stat("null").mode() & 0o7777), (0x103, 0o666));
            assert_eq!((applied.skipped_devices, applied.skipped_xattrs), (0, 0));
        }
        Ownership::User => {
            assert_eq!(owned.uid(), rustix::process::geteuid().as_raw());
            assert!(!place.exists("null") && !place.exists("null2"));
            assert_eq!((applied.skipped_devices, applied.skipped_xattrs), (2, 1));
        }
    }
}

#[test]
fn a_default_acl_has_no_say_in_what_the_archive_says() {
    let place = Place::new();
    // version 2, then tag, permissions, id: owner, group and others may do everything to what is new
    let mut acl = 2u32.to_le_bytes().to_vec();
    for tag in [1u16, 4, 0x20] {
        acl.extend([&tag.to_le_bytes()[..], &7u16.to_le_bytes(), &u32::MAX.to_le_bytes()].concat());
    }
    let archive =
        Raw::default().pax(&[("SCHILY.xattr.system.posix_acl_default", &acl)]).directory("open", 0o755);
    place.apply(&archive.file("open/file", "1").end()).expect("applied");
    assert_eq!(xattr(&place.root().join("open"), "system.posix_acl_default"), acl);
    assert_eq!(place.stat("open/file").mode() & 0o7777, 0o644);
}

#[test]
fn sparse_files_keep_their_holes_in_every_format() {
    let place = Place::new();
    let mut gnu = tar::Header::new_gnu();
    gnu.set_path("gnu").expect("short");
    gnu.set_entry_type(tar::EntryType::GNUSparse);
    gnu.set_mode(0o644);
    gnu.set_size(1024);
    let table = gnu.as_gnu_mut().expect("gnu");
    table.realsize.copy_from_slice(b"00004000000\0");
    table.sparse[0].offset.copy_from_slice(b"00002000000\0");
    table.sparse[0].numbytes.copy_from_slice(b"00000002000\0");
    gnu.set_cksum();
    let mut archive = Raw(gnu.as_bytes().to_vec()).data(&[b'g'; 1024]);
    let common: [(&str, &[u8]); 2] = [("GNU.sparse.realsize", b"1048576"), ("GNU.sparse.name", b"zero-one")];
    archive = archive.pax(&[&common[..], &[("GNU.sparse.map", b"524288,3")]].concat()).entry(
        b"GNUSparseFile.1/x",
        b'0',
        b"",
        b"abc",
    );
    let lines = [&b"1\n524288\n3\n"[..], &[0; 501], b"def"].concat();
    let common: [(&str, &[u8]); 2] = [("GNU.sparse.realsize", b"1048576"), ("GNU.sparse.name", b"one-zero")];
    archive = archive
        .pax(&[&common[..], &[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0")]].concat())
        .entry(b"GNUSparseFile.2/x", b'0', b"", &lines);
    place.apply(&archive.file("after", "a").end()).expect("applies");
    for (name, data) in
        [("gnu", "g".repeat(1024)), ("zero-one", "abc".to_owned()), ("one-zero", "def".to_owned())]
    {
        let content = place.read(name).into_bytes();
        assert_eq!(content.len(), 1_048_576, "{name}");
        assert_eq!(&content[524_288..524_288 + data.len()], data.as_bytes(), "{name}");
        assert!(content.iter().filter(|byte| **byte != 0).count() == data.len(), "{name}: the rest is hole");
        assert!(place.stat(name).blocks() < 100, "{name}: the holes take space");
    }
    assert_eq!(place.read("after"), "a");
    let lie = Raw::default()
        .pax(&[("GNU.sparse.realsize", b"10"), ("GNU.sparse.map", b"8,3")])
        .file("lie", "abc")
        .end();
    place.refuse(&lie, &["in its first entry 'lie'", "map"]);
}

#[test]
fn the_epoch_and_the_owner_make_layers_reproducible() {
    let make = |time: u64| {
        let upper = tempfile::tempdir().expect("a directory");
        let file = fs::File::create(upper.path().join("file")).expect("made");
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(time)).expect("set");
        upper
    };
    let options = DiffOptions { epoch: Some(1000), owner: Some((0, 0)), ..DiffOptions::default() };
    let one = written(make(5000).path(), options).1.diff_id;
    assert_eq!(one, written(make(9000).path(), options).1.diff_id);
    assert_ne!(one, written(make(999).path(), options).1.diff_id, "earlier times are kept");
    let (archive, _) = written(make(5000).path(), options);
    let mut archive = tar::Archive::new(archive.as_slice());
    let entry = archive.entries().expect("an archive").next().expect("one entry").expect("readable");
    assert_eq!((entry.header().mtime().ok(), entry.header().uid().ok()), (Some(1000), Some(0)));
}

#[test]
fn what_no_layer_can_hold_is_refused_or_counted() {
    let upper = tempfile::tempdir().expect("a directory");
    let _socket = std::os::unix::net::UnixListener::bind(upper.path().join("socket")).expect("bound");
    assert_eq!(written(upper.path(), DiffOptions::default()).1.skipped_sockets, 1);
    fs::write(upper.path().join(".wh.file"), "").expect("written");
    let error = diff(upper.path(), Vec::new(), DiffOptions::default()).expect_err("refused").to_string();
    assert_eq!(
        error,
        "entry '.wh.file' refused: a layer cannot express it: its name would be read as a whiteout"
    );
    fs::remove_file(upper.path().join(".wh.file")).expect("removed");
    fs::create_dir(upper.path().join("moved")).expect("made");
    let directory = fs::File::open(upper.path().join("moved")).expect("open");
    let name =
        if ownership() == Ownership::Root { "trusted.overlay.redirect" } else { "user.overlay.redirect" };
    rustix::fs::fsetxattr(&directory, name, b"/old", rustix::fs::XattrFlags::empty()).expect("set");
    let error = diff(upper.path(), Vec::new(), DiffOptions::default()).expect_err("refused").to_string();
    assert!(error.starts_with("entry 'moved' refused") && error.contains("redirect_dir=off"), "{error}");
}

#[test]
fn trees_deeper_than_any_path_can_be_removed() {
    let place = tempfile::tempdir().expect("a directory");
    let mut at = rustix::fs::openat(rustix::fs::CWD, place.path(), rustix::fs::OFlags::DIRECTORY, 0.into())
        .expect("open");
    for _ in 0..3000 {
        rustix::fs::mkdirat(&at, "d", 0o700.into()).expect("made");
        at = rustix::fs::openat(&at, "d", rustix::fs::OFlags::DIRECTORY, 0.into()).expect("open");
    }
    drop(at);
    let error = diff(place.path(), Vec::new(), DiffOptions::default()).expect_err("too deep").to_string();
    assert!(error.contains("a depth of 513 directories"), "{error}");
    stepbox::layers::remove(&place.path().join("d")).expect("removed");
    assert_eq!(fs::read_dir(place.path()).expect("readable").count(), 0);
}

#[test]
fn chain_ids_follow_the_specification() {
    let ids: Vec<Digest> = ["a", "b", "c"].iter().map(|text| Digest::of(text.as_bytes())).collect();
    assert_eq!(ids[0].to_string(), "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
    // printf 'sha256:ca97… sha256:3e23…' | sha256sum, and again with the third
    let second = "sha256:51c0c8ace48498d6f5fee6b0592cc06f2da0f3cbe09c5a34a97dce85c3889676";
    assert_eq!(chain_ids(&ids)[0], ids[0]);
    assert_eq!(chain_ids(&ids)[1].to_string(), second);
    let third = "sha256:2fce7f8ce91bcf0a1428b36e1024639fdbd9469eea762dba98aa749631885106";
    assert_eq!(chain_id(&ids).map(|id| id.to_string()).as_deref(), Some(third));
    assert_eq!(chain_id(&[]), None);
}

#[test]
fn only_real_digests_are_read() {
    let digest = Digest::of(b"");
    assert_eq!(digest.to_string().parse(), Ok(digest));
    assert_eq!(digest.short(), "e3b0c44298fc");
    let hex = digest.hex();
    for wrong in [
        hex.clone(),
        format!("sha512:{hex}"),
        format!("sha256:{}", hex.to_uppercase()),
        format!("sha256:{}", &hex[1..]),
        format!("sha256:{hex}0"),
        "sha256:../../etc".to_owned(),
        format!("sha256:{}é", &hex[2..]),
        String::new(),
    ] {
        let error = wrong.parse::<Digest>().expect_err("no digest");
        assert_eq!(error.0, wrong);
    }
}
