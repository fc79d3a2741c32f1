//! `stepbox import`: archives that are run, and what is none.

use support::archive::Raw;
use support::site::Site;

#[test]
fn an_archive_becomes_an_image() {
    let site = Site::ours();
    let raw = Raw::default().directory("etc/", 0o755).file("etc/name", "imported\n");
    std::fs::write(site.path().join("rootfs.tar"), raw.end()).expect("written");
    let id = site.says("$S import $D/rootfs.tar me/image:v1");
    assert!(id.starts_with("sha256:") && id.len() == 72, "{id}");
    assert_eq!(
        site.says("cat $D/rootfs.tar | $S import - me/other >/dev/null; $S images -q").lines().count(),
        2
    );
    let images = site.says("$S images");
    let words: Vec<&str> = images.split_whitespace().collect();
    assert!(words.windows(3).any(|row| row == ["me/image", "v1", &id[7..19]]), "{images}");
    site.refused("$S run --rm me/image:v1", 125, &["no command specified"]);
    site.refused("$S run --rm me/image:v1 sh", 127, &["\"sh\""]);
    site.assert_clean();
}

#[test]
fn what_is_no_archive_is_refused() {
    let site = Site::ours();
    std::fs::write(site.path().join("bad.tar"), [7; 2000]).expect("written");
    for command in ["$S import $D/bad.tar x", "$S import $D/no-such.tar x", "$S import $D/bad.tar UPPER"] {
        site.refused(command, 1, &[]);
    }
    assert_eq!(site.says("$S images -q"), "");
    site.assert_clean();
}
