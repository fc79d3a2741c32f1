//! Hostile archives by the commands that take one from a stranger: `import`, `load` is in tests/archives, `cp -`, and
//! `commit` of a container into which they were copied. Each is refused by the entry's name or stays inside.

use crate::place::ours;
use support::archive::{Raw, gzip, listing};
use support::site::Site;

/// What becomes of an archive.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// it is taken, and reaches nothing outside
    Inside,
    /// it is refused, and the message has these words
    Refused(&'static str),
}
use Fate::{Inside, Refused};

/// An archive, what `import` does with it and what `cp -` does.
type Hostile = (&'static str, Vec<u8>, Fate, Fate);

/// Names and links that lead to `outside`, by every way that a tar has.
fn leading_out(outside: &str) -> Vec<Hostile> {
    let raw = Raw::default;
    let secret = format!("{outside}/s");
    let up = format!("{}{outside}", "../".repeat(40));
    let dotted = format!("a/{up}/s");
    vec![
        (
            "an absolute name",
            raw().pax(&[("path", secret.as_bytes())]).file("x", "evil").end(),
            Inside,
            Inside,
        ),
        (
            "a name that climbs",
            raw().pax(&[("path", dotted.as_bytes())]).file("x", "evil").end(),
            Refused("leads out"),
            Refused("leads out"),
        ),
        (
            "a long name that climbs",
            raw().long_name(dotted.as_bytes()).file("x", "evil").end(),
            Refused("leads out"),
            Refused("leads out"),
        ),
        (
            "a link, then through it",
            raw().symlink("l", outside).file("l/s", "evil").file("l/new", "evil").end(),
            Inside,
            Refused("l/s: "),
        ),
        (
            "a climbing link",
            raw().pax(&[("linkpath", up.as_bytes())]).symlink("l", "x").file("l/s", "evil").end(),
            Inside,
            Refused("l/s: "),
        ),
        ("a link to the file", raw().symlink("s", &secret).file("s", "evil").end(), Inside, Inside),
        (
            "a link for a directory",
            raw().directory("d", 0o755).symlink("d", outside).file("d/s", "evil").end(),
            Inside,
            Refused("cannot overwrite directory \"d\""),
        ),
        (
            "a hard link to outside",
            raw().pax(&[("linkpath", secret.as_bytes())]).hard_link("h", "x").file("h", "evil").end(),
            Refused("'h'"),
            Refused("h: linkat: ENOENT"),
        ),
        (
            "a hard link through a link",
            raw().symlink("l", outside).hard_link("h", "l/s").end(),
            Refused("'h'"),
            Refused("h: linkat"),
        ),
        (
            "a whiteout through a link",
            raw().symlink("l", outside).file("l/.wh.s", "").end(),
            Inside,
            Refused("l/.wh.s: "),
        ),
        (
            "opaque through a link",
            raw().symlink("l", outside).file("l/.wh..wh..opq", "").end(),
            Inside,
            Refused("l/.wh..wh..opq: "),
        ),
        (
            "set-uid through a link",
            raw().symlink("l", outside).sized(b"l/s", b'0', b"", b"", 0, 0o6777).end(),
            Inside,
            Refused("l/s: "),
        ),
        (
            "modes through a link",
            raw().symlink("l", outside).directory("l/", 0o777).directory("l", 0o777).end(),
            Inside,
            Refused("cannot overwrite non-directory \"l/\""),
        ),
    ]
}

/// Archives that lie, or have no end.
fn lying() -> Vec<Hostile> {
    let raw = Raw::default;
    let whole = raw().file("first", "1").file("second", &"2".repeat(2000)).end();
    let mut sum = whole.clone();
    sum[1024] ^= 1;
    let sparse: &[(&str, &[u8])] = &[
        ("GNU.sparse.major", b"0"),
        ("GNU.sparse.realsize", b"9000000000000000000"),
        ("GNU.sparse.map", b"0,1"),
    ];
    let overlay = |key: &'static str| raw().pax(&[(key, b"y".as_slice())]).file("x", "").end();
    let deep = "d/".repeat(10_000);
    let stairs = raw().pax(&[("path", deep.as_bytes())]).directory("x", 0o755);
    let bomb = gzip(&raw().file("zeros", &"\0".repeat(64 << 20)).0);
    vec![
        ("cut", whole[..1600].to_vec(), Refused("after entry 'first'"), Refused("after entry 'first'")),
        ("a wrong checksum", sum, Refused("after entry 'first'"), Refused("after entry 'first'")),
        (
            "a size that lies",
            raw().sized(b"huge", b'0', b"", b"", 1 << 60, 0o644).end(),
            Refused("'huge'"),
            Refused("'huge'"),
        ),
        (
            "a record that lies",
            raw().pax(&[("size", b"-1")]).file("liar", "1").end(),
            Refused("'liar'"),
            Refused("'liar'"),
        ),
        (
            "sparse without end",
            raw().pax(sparse).file("sparse", "x").end(),
            Refused("'sparse'"),
            Refused("'sparse'"),
        ),
        ("10,000 deep", stairs.end(), Refused("'d/d/"), Refused("'d/d/")),
        (
            "a name too long",
            raw().long_name(&[b'n'; 5000]).file("x", "").end(),
            Refused("'nnn"),
            Refused("'nnn"),
        ),
        (
            "trusted.overlay",
            overlay("SCHILY.xattr.trusted.overlay.opaque"),
            Refused("trusted.overlay.opaque"),
            Refused("'x'"),
        ),
        (
            "user.overlay",
            overlay("SCHILY.xattr.user.overlay.redirect"),
            Refused("user.overlay.redirect"),
            Refused("'x'"),
        ),
        (
            "an unknown type",
            raw().entry(b"odd\x1b[31m", b'?', b"", b"").end(),
            Refused("'odd\\u{1b}[31m'"),
            Refused("'odd\\u{1b}[31m'"),
        ),
        ("a bomb that is cut", bomb, Refused("'zeros'"), Refused("'zeros'")),
    ]
}

/// Names that mean something to layers: as files of a container they are no layer's any more.
fn whiteouts() -> Vec<Hostile> {
    [".wh.", ".wh..", ".wh...", ".wh..wh.x", ".wh..wh..opq.x"]
        .into_iter()
        .map(|name| (name, Raw::default().file(name, "").end(), Refused("whiteout name"), Inside))
        .collect()
}

/// Does it, and sees that it went as it should and nothing outside is another.
fn met(site: &Site, what: &str, command: &str, fate: Fate) {
    let outside = site.root_directory().join("outside");
    let before = listing(&outside);
    let said = site.sh(command);
    assert_eq!(listing(&outside), before, "{what}: {command}: something outside has changed");
    assert!(said.err.lines().count() <= 2 && !said.err.contains("panicked"), "{what}: {}", said.err);
    assert!(!said.err.contains('\x1b'), "{what}: {}", said.err);
    match fate {
        Inside => assert_eq!(said.code, 0, "{what}: {command}: {}", said.err),
        Refused(words) => {
            assert_eq!(said.code, 1, "{what}: {command}: {}{}", said.out, said.err);
            assert!(
                said.err.starts_with("stepbox: ") && said.err.contains(words),
                "{what}: {command}: {}",
                said.err
            );
        }
    }
}

#[test]
fn the_corpus_reaches_nothing_outside() {
    let Some(site) = ours("the_corpus_reaches_nothing_outside") else { return };
    let outside = site.root_directory().join("outside");
    site.says("mkdir -m 755 $D/state/outside; echo host >$D/state/outside/s; $S run --name one --network none box true");
    let images = site.says("$S images -q | sort");
    let mut corpus = leading_out(outside.to_str().expect("plain"));
    corpus.extend(lying());
    corpus.extend(whiteouts());
    for (what, archive, import, copy) in corpus {
        std::fs::write(site.root_directory().join("evil.tar"), archive).expect("written");
        met(&site, what, "$S import - <$D/state/evil.tar evil >/dev/null && $S rmi evil >/dev/null", import);
        met(&site, what, "$S cp - one:/tmp <$D/state/evil.tar", copy);
        // whatever came in is read again by each command that walks the tree
        // and goes before the next comes
        let clean = "$S diff one >/dev/null; $S export one | tar t >/dev/null; $S cp one:/tmp - | tar xO >$D/state/seen; \
                     $S rm one && $S run --name one --network none box true";
        met(&site, what, clean, Inside);
        let seen = std::fs::read_to_string(site.root_directory().join("seen")).unwrap_or_default();
        assert!(!seen.contains("host"), "{what}: the host's file was read");
    }
    assert_eq!(site.says("$S images -q | sort"), images, "no half image");
    assert!(site.says("$S system check").ends_with("nothing wrong\n"));
    site.says("$S rm one");
    site.assert_clean();
}
