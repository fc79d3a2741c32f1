//! The same commands, given to a Docker of our own in namespaces of its own: the same answers.
//!
//! ```text
//!   our store ── skopeo: docker-archive ──> docker load      the same images, by the same ids
//!   COMMANDS by stepbox, COMMANDS by docker                  the same words and exit codes, but for who speaks
//! ```

use std::fs::File;

use stepbox::engine::config::ImageConfig;
use stepbox::engine::images::{Change, import};
use stepbox::engine::reference::Reference;

use crate::talk::{labelled, make, store};
use support::docker;
use support::site::Site;

/// What both are asked; `$C` is the command, `say` runs it and tells its exit code.
const COMMANDS: &str = include_str!("docker.sh");

/// Makes the images, and an archive of each for Docker.
const IMAGE: &str = r#"mkdir $D/image; . $ENGINES/place.sh; image; chmod a+r $D/image.tar"#;

/// Gives them to Docker.
const LOAD: &str = r#"
for archive in box two run old older; do docker load -qi "$D/state/$archive.tar" >/dev/null || dockerd_failed; done
docker rmi old >/dev/null
"#;

/// Gives both the same images: three with a name, one of them with a program, and one that lost its name.
fn same_images(ours: &Site, theirs: &Site) {
    let archive = |name: &str, file: &str| {
        let state = ours.root_directory().display().to_string();
        let place = theirs.root_directory().join(file).display().to_string();
        ours.says(&format!("skopeo copy -q oci:{state}:docker.io/{name} docker-archive:{place}:{name}"));
    };
    make(ours, "box:1", 3, 2_000_000, labelled(&[("x", "y"), ("html", "<a>&b")]));
    archive("library/box:1", "box.tar");
    make(ours, "lib/two", 2, 1, ImageConfig { env: vec!["A=b".into()], ..ImageConfig::default() });
    archive("lib/two:latest", "two.tar");
    make(ours, "old", 1, 100_000, labelled(&[("x", "z")]));
    archive("library/old:latest", "old.tar");
    make(ours, "old", 1, 7, ImageConfig::default());
    archive("library/old:latest", "older.tar");
    ours.says("$S rmi old >/dev/null");
    let created = Some("2000-01-04T00:00:00Z".into());
    let change = Change { created, architecture: Some("amd64".into()), ..Change::default() };
    let tar = File::open(ours.path().join("image.tar")).expect("just made");
    let name: Reference = "run".parse().expect("a name");
    import(&store(ours), tar, &name, change).expect("imported");
    archive("library/run:latest", "run.tar");
}

/// Without who speaks.
fn without_speaker(text: &str) -> String {
    let plain = |line: &str| {
        let line = line.strip_prefix("Error response from daemon: ").unwrap_or(line);
        line.strip_prefix("stepbox: ").unwrap_or(line).to_owned() + "\n"
    };
    text.lines().map(plain).collect()
}

#[test]
fn docker_says_the_same_of_images() {
    let sites = docker::sites("docker_says_the_same_of_images", &["skopeo", "busybox"]);
    let Some((ours, theirs)) = sites else { return };
    docker::bash(&ours, IMAGE);
    same_images(&ours, &theirs);
    let mine = docker::stepbox(&ours, "", COMMANDS);
    let docker = docker::docker(&theirs, "overlay2", LOAD, COMMANDS);
    assert_eq!(without_speaker(&docker), without_speaker(&mine));
}
