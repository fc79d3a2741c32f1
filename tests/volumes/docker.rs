//! The same commands, given to a Docker of our own in namespaces of its own: the same answers.
//!
//! ```text
//!   an image ── docker-archive ──> docker load, stepbox load
//!   walk.sh by stepbox, walk.sh by docker       the same words and exit codes, but for who speaks
//! ```

use std::path::Path;

use crate::player::said;
use crate::site::Site;

const WALK: &str = include_str!("walk.sh");

/// An image with a volume that has something in it.
const IMAGE: &str = r#". $PLACE; image
mkdir -p $D/image/data/sub $D/image/empty; echo text >$D/image/data/file; ln -s file $D/image/data/link; chmod 750 $D/image/data
chown 7:8 $D/image/data $D/image/data/file; chmod 1777 $D/image/empty; tar -C $D/image -cf $D/image.tar .
$S import -c 'VOLUME /data' $D/image.tar full >/dev/null && $S save -o $D/full.tar full && chmod a+r $D/full.tar
"#;

const DOCKERD: &str = r#"
. $PLACE
docker() { command /usr/bin/docker -H "unix://$D/docker.sock" "$@"; }
echo '{}' >"$D/docker.json"
dockerd --config-file "$D/docker.json" --data-root "$D/docker" --exec-root "$D/exec" --pidfile "$D/docker.pid" \
    -H "unix://$D/docker.sock" --storage-driver overlay2 --iptables=false --bridge=none \
    --cgroup-parent "/$PARENT" >"$D/docker.log" 2>&1 &
daemon=$!
for _ in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.1; done
docker load -qi "$FULL" >/dev/null || { tail "$D/docker.log"; exit 1; }
C=docker
"#;

const THE_END: &str = r#"
docker ps -aq | while read -r id; do docker rm -f "$id"; done >/dev/null
kill "$daemon"; wait "$daemon"
sweep "$PARENT" >&2
"#;

#[test]
fn docker_says_the_same_of_volumes() {
    const TEST: &str = "docker_says_the_same_of_volumes";
    if std::env::var_os("STEPBOX_SLOW").is_none() {
        return crate::support::skip(TEST, "it takes a minute: STEPBOX_SLOW=1 runs it");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |name: &str| std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    if let Some(missing) = ["dockerd", "docker", "runc", "busybox"].iter().find(|name| !found(name)) {
        return crate::support::skip(TEST, &format!("there is no {missing}"));
    }
    let (Some(ours), Some(theirs)) = (Site::root(TEST), Site::root(TEST)) else { return };
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines/place.sh");
    let full = ours.path().join("full.tar");
    let bash = |site: &Site, script: &str| {
        let parent = format!("stepbox-tests-docker-volumes-{}", std::process::id());
        let head = format!("PLACE={}; PARENT={parent}; FULL={}", place.display(), full.display());
        let said = said(&mut site.script_of(
            200,
            &format!("exec bash -c '. /dev/stdin' <<'THE-END'\n{head}\n{script}\nTHE-END\n"),
        ));
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        said.out
    };
    bash(&ours, IMAGE);
    let mine = bash(&ours, &format!("C=$S\n{WALK}"));
    let docker = bash(&theirs, &format!("{DOCKERD}{WALK}{THE_END}"));
    assert_eq!(docker, mine);
}
