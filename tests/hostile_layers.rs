//! Hostile layer archives: each is refused by name or contained, and nothing outside the root changes.
//!
//! Every archive here is applied beside a directory `outside` whose listing (types, owners, times, contents) is
//! compared before and after. The corpus passes as root and as any other user.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use support::archive::{self, Place, Raw, gzip};

#[test]
fn absolute_and_dotted_names_land_inside() {
    let place = Place::new();
    let outside = place.outside().join("etc/secret");
    let absolute = outside.to_str().expect("temporary names are plain");
    place
        .apply(&Raw::default().pax(&[("path", absolute.as_bytes())]).file("x", "mine").end())
        .expect("accepted");
    assert_eq!(place.read(absolute.trim_start_matches('/')), "mine");
    place.apply(&Raw::default().file("./a//b/./c", "c").file("a/x/../d", "d").end()).expect("accepted");
    assert_eq!((place.read("a/b/c"), place.read("a/d")), ("c".into(), "d".into()));
}

#[test]
fn names_that_climb_out_are_refused() {
    for name in
        ["../outside/etc/new", "a/../../outside/etc/new", "/../outside/new", "..", "a/../..", "./../x"]
    {
        Place::new().refuse(&Raw::default().file(name, "x").end(), &[name, "'..' leads out of the root"]);
    }
    let place = Place::new();
    let link = Raw::default().file("a", "a").hard_link("b", "../outside/etc/secret").end();
    place.refuse(&link, &["entry 'b'", "'..' leads out"]);
}

#[test]
fn a_link_is_never_written_through() {
    let place = Place::new();
    let outside = place.outside();
    let target = outside.to_str().expect("plain");
    // absolute: taken from the root, as in a chroot
    let archive = Raw::default().symlink("link", target).file("link/etc/secret", "x").end();
    place.apply(&archive).expect("contained");
    assert_eq!(place.read(&format!("{}/etc/secret", target.trim_start_matches('/'))), "x");
    // relative, climbing: ends at the root
    let archive = Raw::default().symlink("up", "../../../outside").file("up/etc/secret", "y").end();
    place.apply(&archive).expect("contained");
    assert_eq!(place.read("outside/etc/secret"), "y");
    // the last part: replaced, not followed
    let archive = Raw::default().symlink("s", &format!("{target}/etc/secret")).file("s", "z").end();
    place.apply(&archive).expect("contained");
    assert!(place.stat("s").is_file());
    assert_eq!(place.read("s"), "z");
}

#[test]
fn links_in_a_row_and_in_a_ring_stay_inside() {
    let place = Place::new();
    let chain = Raw::default()
        .symlink("a", "b/..")
        .symlink("b", "/c/d")
        .symlink("c/e", "../../../../..")
        .file("a/f", "in c")
        .file("c/e/g", "in root")
        .end();
    place.apply(&chain).expect("contained");
    assert_eq!((place.read("c/f"), place.read("g")), ("in c".into(), "in root".into()));
    let ring = Raw::default().symlink("x", "y").symlink("y", "x").file("x/z", "").end();
    place.refuse(&ring, &["entry 'x/z'", "too many links"]);
}

#[test]
fn a_directory_swapped_for_a_link_does_not_lead_out() {
    let place = Place::new();
    let outside = place.outside();
    let target = outside.to_str().expect("plain");
    let archive = Raw::default()
        .directory("d", 0o755)
        .file("d/one", "1")
        .symlink("d", target)
        .file("d/two", "2")
        .directory("d/etc", 0o700)
        .end();
    place.apply(&archive).expect("contained");
    assert!(place.stat("d").is_symlink());
    let inside = target.trim_start_matches('/');
    assert_eq!(place.read(&format!("{inside}/two")), "2");
    assert_eq!(place.stat(&format!("{inside}/etc")).mode() & 0o7777, 0o700);
}

#[test]
fn hard_links_reach_only_what_the_layer_has() {
    let place = Place::new();
    let secret = place.outside().join("etc/secret");
    let secret = secret.to_str().expect("plain");
    let absolute = Raw::default().pax(&[("linkpath", secret.as_bytes())]).hard_link("h", "x").end();
    place.refuse(&absolute, &["entry 'h'", "does not exist in this layer"]);
    let through =
        Raw::default().symlink("l", place.outside().to_str().expect("plain")).hard_link("h", "l/etc/secret");
    place.refuse(&through.end(), &["entry 'h'", "does not exist in this layer"]);
    // a hard link to a link is the link itself, and writing to it later replaces it
    let itself = Raw::default().symlink("l", secret).hard_link("h", "l").file("h", "new").end();
    place.apply(&itself).expect("contained");
    assert_eq!(place.read("h"), "new");
    place.refuse(
        &Raw::default().directory("d", 0o755).hard_link("h", "d").end(),
        &["entry 'h'", "is a directory"],
    );
    place.refuse(&Raw::default().hard_link("h", "/").end(), &["entry 'h'", "is a directory"]);
    place.refuse(&Raw::default().hard_link("h", "").end(), &["entry 'h'", "without a target"]);
}

#[test]
fn whiteouts_hide_one_plain_name_and_nothing_else() {
    for name in [
        ".wh.",
        ".wh..",
        ".wh...",
        ".wh...///",
        "a/.wh...",
        ".wh..wh.",
        ".wh..wh.x",
        ".wh..wh..opq.x",
        ".wh.x/y",
    ] {
        let place = Place::new();
        let message =
            place.refuse(&Raw::default().file("a/keep", "").file(name, "").end(), &["whiteout name", name]);
        assert!(message.starts_with("entry '"), "{message}");
    }
    let place = Place::new();
    let target = place.outside();
    let through =
        Raw::default().symlink("l", target.to_str().expect("plain")).file("l/etc/.wh.secret", "").end();
    place.apply(&through).expect("contained");
    let opaque =
        Raw::default().symlink("l2", target.to_str().expect("plain")).file("l2/.wh..wh..opq", "").end();
    place.apply(&opaque).expect("contained");
    // nor does the link lead anywhere in the layer
    let inside = target.to_str().expect("plain").trim_start_matches('/');
    assert!(!place.exists(inside.split('/').next().expect("a name")));
}

#[test]
fn a_truncated_archive_names_the_last_good_entry() {
    let body = Raw::default().file("first", "1").file("second", &"2".repeat(2000)).0.len();
    let whole = Raw::default().file("first", "1").file("second", &"2".repeat(2000)).end();
    let place = Place::new();
    for cut in [1, 511, 512, 1023] {
        let message = place.refuse(&whole[..cut], &["broken"]);
        assert!(message.contains("first entry"), "{cut}: {message}");
    }
    for cut in [1024, 1025, 1536, 1537, 2000, body - 1] {
        place.refuse(&whole[..cut], &["broken", "after entry 'first'"]);
    }
    place.refuse(&whole[..body], &["after entry 'second'", "without its end marker"]);
    let zipped = gzip(&whole);
    for cut in 1..zipped.len() - 1 {
        place.refuse(&zipped[..cut], &["broken"]);
    }
    place.apply(&zipped).expect("the whole archive is fine");
    assert_eq!(place.read("first"), "1");
}

#[test]
fn damage_is_found_and_named() {
    let place = Place::new();
    let mut wrong = Raw::default().file("first", "1").file("second", "2").end();
    wrong[1024] ^= 1;
    place.refuse(&wrong, &["after entry 'first'", "checksum"]);
    let mut zipped = gzip(&Raw::default().file("first", "1").end());
    let last = zipped.len() - 6;
    zipped[last] ^= 0xff;
    place.refuse(&zipped, &["broken"]);
    let mut trailing = gzip(&Raw::default().file("first", "1").end());
    trailing.extend_from_slice(b"garbage");
    place.refuse(&trailing, &["broken", "after entry 'first'"]);
    place.refuse(&[&[0x1f, 0x8b][..], &[0xff; 600]].concat(), &["before its first entry"]);
    place.refuse(&[b'x'; 2000], &["before its first entry", "checksum"]);
    place.refuse(b"\x28\xb5\x2f\xfd\x04\x00\x00", &["before its first entry"]);
    for (magic, name) in [(&b"\xfd7zXZ\0\0"[..], "xz"), (b"BZh91AY", "bzip2")] {
        place.refuse(magic, &["compressed with", name]);
    }
}

#[test]
fn sizes_and_records_that_lie_are_refused() {
    let place = Place::new();
    let huge = Raw::default().file("ok", "1").sized(b"huge", b'0', b"", b"", 1 << 60, 0o644).end();
    place.refuse(&huge, &["entry 'huge'", "limit"]);
    for (key, value) in
        [("size", "-1"), ("size", "99999999999999999999"), ("uid", "x"), ("mtime", "now"), ("size", "1e3")]
    {
        let lie = Raw::default().pax(&[(key, value.as_bytes())]).file("liar", "1").end();
        place.refuse(&lie, &["entry 'liar' refused", "cannot be read"]);
    }
    let lie = Raw::default().entry(b"pax", b'x', b"", b"99 path=a\n").file("liar", "1").end();
    place.refuse(&lie, &["entry 'liar'", "PAX extension"]);
    let shorter = Raw::default()
        .pax(&[("size", b"5")])
        .sized(b"five", b'0', b"", b"12345", 400, 0o644)
        .file("next", "n");
    place.apply(&shorter.end()).expect("the record counts, not the header");
    assert_eq!((place.read("five"), place.read("next")), ("12345".into(), "n".into()));
    place.refuse(&Raw::default().pax(&[("path", b"a\0b")]).file("x", "").end(), &["NUL"]);
    let memory = Raw::default().sized(b"././@LongLink", b'L', b"", b"", 1 << 40, 0o644).end();
    place.refuse(&memory, &["extension of 1099511627776", "limit"]);
    let orphan = Raw::default().file("a", "").long_name(b"b").end();
    place.refuse(&orphan, &["after entry 'a'", "no entry to speak of"]);
}

#[test]
fn long_and_deep_names_have_limits() {
    let place = Place::new();
    let long = ["n".repeat(255).as_str(), "/"].concat().repeat(16);
    let fits = &long.as_bytes()[..4095];
    place.apply(&Raw::default().long_name(fits).file("x", "deep").end()).expect("4095 bytes fit");
    let over = [&long.as_bytes()[..4095], b"nn"].concat();
    place.refuse(&Raw::default().long_name(&over).file("x", "").end(), &["entry 'nnn", "4097 bytes", "4095"]);
    let deep = "d/".repeat(10_000);
    place.refuse(
        &Raw::default().pax(&[("path", deep.as_bytes())]).directory("x", 0o755).end(),
        &["entry 'd/d/"],
    );
    place.refuse(
        &Raw::default().pax(&[("path", "d/".repeat(513).as_bytes())]).directory("x", 0o755).end(),
        &["depth"],
    );
    // the same depth by way of links
    let mut stairs = Raw::default();
    let step = "s/".repeat(300);
    stairs = stairs.pax(&[("path", step.as_bytes())]).directory("x", 0o755);
    stairs = stairs.pax(&[("linkpath", step.as_bytes())]).symlink("l", "x");
    let further = format!("l/{step}");
    place.refuse(
        &stairs.pax(&[("path", further.as_bytes())]).directory("x", 0o755).end(),
        &["a depth of 513"],
    );
    place.refuse(&Raw::default().long_name(&[b'n'; 300]).file("x", "").end(), &["entry 'nnn", "openat"]);
}

#[test]
fn later_entries_take_the_place_of_earlier_ones() {
    let place = Place::new();
    let archive = Raw::default()
        .file("a", "one")
        .file("a", "two")
        .directory("d", 0o755)
        .file("d/in", "x")
        .file("d", "now a file")
        .file("f", "file")
        .directory("f", 0o711)
        .file("f/in", "y")
        .symlink("s", "f")
        .directory("s", 0o755)
        .file("s/own", "z")
        .directory("f", 0o755)
        .end();
    place.apply(&archive).expect("benign");
    assert_eq!((place.read("a"), place.read("d")), ("two".into(), "now a file".into()));
    assert_eq!((place.read("f/in"), place.read("s/own")), ("y".into(), "z".into()));
    assert!(place.stat("s").is_dir(), "a directory replaces a link");
    assert!(!place.exists("f/own"));
    assert_eq!(place.stat("f").mode() & 0o7777, 0o755);
    place.refuse(
        &Raw::default().file("a", "").file("a/b", "").end(),
        &["entry 'a/b'", "parent 'a' is not a directory"],
    );
    place.refuse(&Raw::default().file(".", "").end(), &["entry '.'", "names the root"]);
    // of what a file has replaced nothing is left to be hidden: umoci writes it all the same
    let replaced = Raw::default().file("d", "a file").file("d/.wh.in", "").file("d/sub/.wh.x", "").end();
    assert_eq!(place.apply(&replaced).expect("benign").whiteouts, 2);
    assert_eq!(place.read("d"), "a file");
    // and so where a link has: neither it nor where it leads is touched
    let other = Raw::default().directory("other/", 0o755).file("other/in", "mine");
    let link = other.symlink("l", "other").symlink("up", "d/../other").symlink("nowhere", "new");
    let link = link.file("l/.wh.in", "").file("up/.wh..wh..opq", "").file("nowhere/sub/.wh.x", "");
    assert_eq!(place.apply(&link.end()).expect("benign").whiteouts, 3);
    assert_eq!(place.read("l/in"), "mine");
    assert!(!place.is_opaque("other") && !place.exists("new"));
}

#[test]
fn names_that_are_not_text_are_kept_and_never_printed_raw() {
    let place = Place::new();
    let name = b"caf\xe9-\x1b[31m";
    place.apply(&Raw::default().entry(name, b'0', b"", b"x").end()).expect("benign");
    let found: Vec<_> =
        fs::read_dir(place.root()).expect("readable").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(found.iter().map(|name| name.as_bytes()).collect::<Vec<_>>(), [&name[..]]);
    let message = place.refuse(&Raw::default().entry(name, b'?', b"", b"").end(), &["type '?' is unknown"]);
    assert!(message.contains(r"caf\xe9-\u{1b}[31m") && !message.contains('\x1b'), "{message}");
}

#[test]
fn overlay_attributes_do_not_come_from_archives() {
    for name in ["trusted.overlay.opaque", "user.overlay.redirect", "trusted.overlay.metacopy"] {
        let key = format!("SCHILY.xattr.{name}");
        let archive = Raw::default().pax(&[(&key, b"/etc")]).file("x", "").end();
        Place::new().refuse(&archive, &["entry 'x'", name]);
    }
}

#[test]
fn bombs_are_defused() {
    use stepbox::layers::{Limits, apply_within};
    let place = Place::new();
    let root = fs::File::open(place.root()).expect("open");
    let apply = |archive: &[u8], limits: Limits| {
        let applied = apply_within(archive, std::os::fd::AsFd::as_fd(&root), archive::ownership(), limits);
        applied.expect_err("a bomb").to_string()
    };
    let zeros = gzip(&Raw::default().file("zeros", &"\0".repeat(1 << 20)).end());
    let message = apply(&zeros, Limits { ratio_from: 1 << 16, ratio: 100, ..Limits::default() });
    assert_eq!(
        message,
        "entry 'zeros' refused: the ratio of inflated to compressed size is over the limit of 100"
    );
    let many = Raw::default().file("1", "").file("2", "").file("3", "").end();
    let message = apply(&many, Limits { entries: 2, ..Limits::default() });
    assert_eq!(message, "entry '2' refused: the number of entries is over the limit of 2");
    let message = apply(&many, Limits { path: 0, ..Limits::default() });
    assert_eq!(message, "entry '1' refused: a name of 1 bytes is over the limit of 0");
    let sum = Raw::default().file("1", "12345").file("2", "12345").end();
    let message = apply(&sum, Limits { total: 9, ..Limits::default() });
    assert_eq!(message, "entry '2' refused: 10 bytes of files is over the limit of 9");
    let sparse = Raw::default()
        .pax(&[
            ("GNU.sparse.major", b"0"),
            ("GNU.sparse.realsize", b"9000000000000000000"),
            ("GNU.sparse.map", b"0,1"),
        ])
        .file("sparse", "x")
        .end();
    place.refuse(&sparse, &["entry 'sparse'", "limit"]);
}
