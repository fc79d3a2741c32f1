//! Peers: skopeo, umoci, buildah, podman and docker read what save wrote, and load reads what they wrote: equal ids, and
//! equal bytes of layers.
//!
//! ```text
//!   stepbox save ─> skopeo, docker load, podman load ─> the same image id
//!   stepbox load <─ skopeo, docker save, podman save <─┘
//! ```

use crate::forms::Image;
use std::fs;
use std::path::Path;
use stepbox::layers::Digest;
use support::archive::{Raw, gzip};
use support::here;
use support::leaks;
use support::player::said;
use support::site::Site;

/// A site with an image of gzip layers, saved in both forms.
fn saved() -> (Site, Image) {
    let site = Site::ours();
    let image = Image::new("x");
    fs::write(site.path().join("x.tar"), image.oci("x:1").end()).expect("written");
    site.says("$S load -q -i $D/x.tar; mkdir -m 777 $D/out $D/out/tmp");
    site.says("$S save -o $D/out/docker x; $S save --format oci-archive -o $D/out/oci x");
    (site, image)
}

/// `skopeo` with a place of its own, and saying nothing.
pub const SKOPEO: &str =
    "export TMPDIR=$D/out/tmp; skopeo() { command skopeo --insecure-policy \"$@\" >/dev/null; }; ";

#[test]
fn skopeo_reads_and_writes_them() {
    if !here("skopeo_reads_and_writes_them", &["skopeo"]) {
        return;
    }
    let (site, image) = saved();
    let says = |script: &str| site.says(&format!("set -e; {SKOPEO}{script}"));
    let sum = says("command skopeo inspect --raw --config docker-archive:$D/out/docker:x:1 | sha256sum");
    assert_eq!(&sum[..64], image.id().hex());
    says("skopeo copy oci-archive:$D/out/oci:docker.io/library/x:1 dir:$D/out/dir");
    for tar in &image.tars {
        let blob = fs::read(site.path().join("out/dir").join(Digest::of(&gzip(tar)).hex()));
        assert_eq!(blob.expect("a layer"), gzip(tar), "byte for byte");
    }
    says("skopeo copy docker-archive:$D/out/docker:x:1 docker-archive:$D/out/theirs:x:2");
    says("skopeo copy oci-archive:$D/out/oci oci-archive:$D/out/layout:x:3");
    says(
        "skopeo copy --dest-compress --dest-compress-format zstd oci-archive:$D/out/oci oci-archive:$D/out/zstd:x:4",
    );
    for number in 2..=4 {
        let file = ["", "", "theirs", "layout", "zstd"][number];
        assert_eq!(says(&format!("$S load < $D/out/{file}")), format!("Loaded image: x:{number}\n"));
        let ids = says("$S images --no-trunc -q 2>/dev/null | sort -u || $S images -q | sort -u");
        assert!(ids.lines().all(|id| id.contains(&image.id().short())), "{ids}");
    }
    let manifest = |file: &str| says(&format!("tar -xOf $D/out/{file} index.json")).contains("zstd");
    assert!(!manifest("zstd"));
}

#[test]
fn umoci_unpacks_the_same_tree() {
    if !here("umoci_unpacks_the_same_tree", &["umoci", "skopeo"]) {
        return;
    }
    let site = Site::ours();
    let tar = Raw::default()
        .directory("a/", 0o750)
        .file("a/file", "text")
        .symlink("a/link", "../b")
        .hard_link("b", "a/file")
        .sized(b"setuid", b'0', b"", b"", 0, 0o4755)
        .directory("sticky/", 0o1777);
    fs::write(site.path().join("x.tar"), Image::of(vec![tar.end()]).skopeo(false, Some(&["x"])).end())
        .expect("written");
    site.says("$S load -q -i $D/x.tar; mkdir -m 777 $D/out $D/out/tmp; $S save --format oci-archive -o $D/out/oci x");
    let rootless = if site.is_root() { "" } else { "--rootless" };
    site.says(&format!(
        "set -e; {SKOPEO} skopeo copy oci-archive:$D/out/oci oci:$D/out/layout:x
        umoci unpack {rootless} --image $D/out/layout:x $D/out/bundle"
    ));
    let tree = |directory: &str| {
        site.says(&format!(
            "cd {directory} && find . -mindepth 1 -printf '%P %y %m %U:%G %n %T@ %l\\n' | sort; cat b"
        ))
    };
    let theirs = tree("$D/out/bundle/rootfs");
    assert_eq!(tree("$STEPBOX_ROOT/layers/*"), theirs);
    assert!(theirs.lines().count() > 6, "{theirs}");
}

/// Runs the script of an engine, which must find everything the same.
fn engine(test: &str, name: &str, count: usize, needs: &[&str]) {
    if !support::slow(test, "a minute") || !here(test, needs) {
        return;
    }
    let Some(site) = Site::root(test) else { return };
    let _turn = leaks::turn();
    let before = leaks::Snapshot::take();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/archives/{name}.sh"));
    let said = said(&mut site.script_of(120, &format!("exec bash {}", script.display())));
    assert_eq!((said.code, said.out.matches("same").count()), (0, count), "{}{}", said.out, said.err);
    assert!(!said.out.contains("DIFFERENT"), "{}{}", said.out, said.err);
    drop(site);
    before.assert_same();
}

#[test]
fn docker_reads_and_writes_them() {
    engine("docker_reads_and_writes_them", "docker", 8, &["dockerd", "docker", "busybox", "zstd"]);
}

#[test]
fn podman_reads_and_writes_them() {
    engine("podman_reads_and_writes_them", "podman", 8, &["podman", "busybox", "zstd"]);
}

#[test]
fn buildah_reads_and_writes_them() {
    engine("buildah_reads_and_writes_them", "buildah", 9, &["buildah", "busybox"]);
}
