//! The same walk with a Docker of our own, in namespaces of its own: the same answers.

use crate::player::said;
use crate::site::Site;

const DOCKERD: &str = r#"
. $PLACE
docker() { command /usr/bin/docker -H "unix://$D/docker.sock" "$@"; }
image
echo '{}' >"$D/docker.json"
dockerd --config-file "$D/docker.json" --data-root "$D/docker" --exec-root "$D/exec" --pidfile "$D/docker.pid" \
    -H "unix://$D/docker.sock" --storage-driver vfs --iptables=false --bridge=none \
    --cgroup-parent "/$PARENT" >"$D/docker.log" 2>&1 &
daemon=$!
for _ in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.1; done
docker import "$D/image.tar" box >/dev/null || { tail "$D/docker.log"; exit 1; }
C=docker
"#;

const THE_END: &str = r#"
docker ps -aq | while read -r id; do docker rm -f "$id"; done >/dev/null
kill "$daemon"; wait "$daemon"
sweep "$PARENT" >&2
"#;

/// What differs by nature: ids, times, who speaks, where help is; and pages of help for what was misspelt.
fn normal(text: &str) -> String {
    let mut normal = String::new();
    for line in text.lines() {
        // what Docker's command line also notes where a container that it was to be attached to does not start
        let noted =
            line.starts_with("time=") && line.contains("error waiting for container: context canceled");
        if noted || line.starts_with("See 'docker") || line.starts_with("hint: ") || line.is_empty() {
            continue;
        }
        let line = line.trim_start_matches("docker: ").trim_start_matches("stepbox: ");
        let line = line.trim_start_matches("Error response from daemon: ").trim_start_matches("Error: ");
        let line = line.trim_end_matches('.').trim_end_matches(": unknown");
        let line =
            line.replace("failed to create shim task: OCI runtime create failed: runc create failed: ", "");
        let line = line.replace("unable to start container process: exec: ", "cannot run ");
        let line = line.replace(", two letters at least", "");
        // our command line names the option
        let line = match line.split_once(">': ").or(line.split_once("\" flag: ")) {
            Some((begin, rest)) if begin.starts_with("invalid ") => rest.to_string(),
            _ => line,
        };
        let mut words: Vec<String> = Vec::new();
        for word in line.split(' ') {
            let bare = word.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
            let is_id = [12, 64].contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
            words.push(if is_id { word.replace(bare, "ID") } else { word.into() });
        }
        normal.push_str(words.join(" ").trim_end());
        normal.push('\n');
    }
    normal
}

#[test]
fn docker_answers_the_same() {
    const TEST: &str = "docker_answers_the_same";
    if std::env::var_os("STEPBOX_SLOW").is_none() {
        return crate::support::skip(TEST, "it takes a minute: STEPBOX_SLOW=1 runs it");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |name: &str| std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    if let Some(missing) = ["dockerd", "docker", "runc", "busybox"].iter().find(|name| !found(name)) {
        return crate::support::skip(TEST, &format!("there is no {missing}"));
    }
    let (Some(ours), Some(theirs)) = (Site::root(TEST), Site::root(TEST)) else { return };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let walk = std::fs::read_to_string(folder.join("containers/walk.sh")).expect("the walk");
    let place = folder.join("engines/place.sh");
    let script = |begin: &str, end: &str| {
        let parent = format!("stepbox-tests-docker-walk-{}", std::process::id());
        format!(
            "exec bash -c '. /dev/stdin' <<'END'\nPLACE={}; PARENT={parent}\n{begin}\n{walk}\n{end}\nEND\n",
            place.display()
        )
    };
    let begin = ". $PLACE; image; $S import \"$D/image.tar\" box >/dev/null; C=$S";
    let mine = said(&mut ours.script_of(160, &script(begin, "")));
    assert_eq!(mine.code, 0, "{}{}", mine.out, mine.err);
    let docker = said(&mut theirs.script_of(300, &script(DOCKERD, THE_END)));
    assert_eq!(docker.code, 0, "{}{}", docker.out, docker.err);
    let (mine, docker) = (normal(&mine.out), normal(&docker.out));
    let pairs = mine.lines().zip(docker.lines());
    let first = pairs.enumerate().find(|(_, (mine, docker))| mine != docker);
    assert!(first.is_none(), "the first line that differs, ours and Docker's: {first:#?}");
    assert_eq!(mine.lines().count(), docker.lines().count());
}
