//! The same commands, given to a Docker of our own in namespaces of its own: the same answers.
//!
//! ```text
//!   an image ── docker-archive ──> docker load, stepbox load
//!   walk.sh by stepbox, walk.sh by docker       the same words and exit codes, but for who speaks
//! ```

use support::docker;

const WALK: &str = include_str!("walk.sh");

/// An image with a volume that has something in it.
const IMAGE: &str = r#". $ENGINES/place.sh; image
mkdir -p $D/image/data/sub $D/image/empty; echo text >$D/image/data/file; ln -s file $D/image/data/link; chmod 750 $D/image/data
chown 7:8 $D/image/data $D/image/data/file; chmod 1777 $D/image/empty; tar -C $D/image -cf $D/image.tar .
$S import -c 'VOLUME /data' $D/image.tar full >/dev/null && $S save -o $D/full.tar full && chmod a+r $D/full.tar
"#;

#[test]
fn docker_says_the_same_of_volumes() {
    let sites = docker::sites("docker_says_the_same_of_volumes", &["busybox"]);
    let Some((ours, theirs)) = sites else { return };
    docker::bash(&ours, IMAGE);
    let mine = docker::stepbox(&ours, "", WALK);
    let load = format!("docker load -qi {}/full.tar >/dev/null || dockerd_failed", ours.path().display());
    assert_eq!(docker::docker(&theirs, "overlay2", &load, WALK), mine);
}
