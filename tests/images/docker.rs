//! The same commands, given to a Docker of our own in namespaces of its own: the same answers.
//!
//! ```text
//!   our store ── skopeo: docker-archive ──> docker load      the same images, by the same ids
//!   COMMANDS by stepbox, COMMANDS by docker                  the same words and exit codes, but for who speaks
//! ```

use std::fs::File;
use std::path::Path;

use stepbox::engine::config::ImageConfig;
use stepbox::engine::images::{Change, import};
use stepbox::engine::reference::Reference;

use crate::player::said;
use crate::site::Site;
use crate::talk::{labelled, make, store};

/// What both are asked; `$C` is the command, `say` runs it and tells its exit code.
const COMMANDS: &str = include_str!("docker.sh");

/// Makes the images, and an archive of each for Docker.
const IMAGE: &str = r#"mkdir $D/image; . $PLACE; image; chmod a+r $D/image.tar"#;

const DOCKERD: &str = r#"
. $PLACE
docker() { command /usr/bin/docker -H "unix://$D/docker.sock" "$@"; }
echo '{}' >"$D/docker.json"
dockerd --config-file "$D/docker.json" --data-root "$D/docker" --exec-root "$D/exec" --pidfile "$D/docker.pid" \
    -H "unix://$D/docker.sock" --storage-driver overlay2 --iptables=false --bridge=none \
    --cgroup-parent "/$PARENT" >"$D/docker.log" 2>&1 &
daemon=$!
for _ in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.1; done
for archive in box two run old older; do
    docker load -qi "$D/state/$archive.tar" >/dev/null || { tail "$D/docker.log"; exit 1; }
done
docker rmi old >/dev/null
C=docker
"#;

const THE_END: &str = r#"
docker ps -aq | while read -r id; do docker rm -f "$id"; done >/dev/null
kill "$daemon"; wait "$daemon"
sweep "$PARENT" >&2
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
    const TEST: &str = "docker_says_the_same_of_images";
    if std::env::var_os("STEPBOX_SLOW").is_none() {
        return crate::support::skip(TEST, "it takes a minute: STEPBOX_SLOW=1 runs it");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |name: &str| std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    let needs = ["dockerd", "docker", "runc", "skopeo", "busybox"];
    if let Some(missing) = needs.iter().find(|name| !found(name)) {
        return crate::support::skip(TEST, &format!("there is no {missing}"));
    }
    let (Some(ours), Some(theirs)) = (Site::root(TEST), Site::root(TEST)) else { return };
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines/place.sh");
    let bash = |site: &Site, script: &str| {
        let parent = format!("stepbox-tests-docker-images-{}", std::process::id());
        let head = format!("PLACE={}; PARENT={parent}", place.display());
        let said = said(&mut site.script_of(
            100,
            &format!("exec bash -c '. /dev/stdin' <<'THE-END'\n{head}\n{script}\nTHE-END\n"),
        ));
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        without_speaker(&said.out)
    };
    bash(&ours, IMAGE);
    same_images(&ours, &theirs);
    let mine = bash(&ours, &format!("C=$S\n{COMMANDS}"));
    let docker = bash(&theirs, &format!("{DOCKERD}{COMMANDS}{THE_END}"));
    assert_eq!(docker, mine);
}
