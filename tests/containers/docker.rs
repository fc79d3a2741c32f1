//! The same walk with a Docker of our own, in namespaces of its own: the same answers.

use support::docker;

const WALK: &str = concat!(include_str!("walk.sh"), include_str!("happens.sh"));

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
    let Some((ours, theirs)) = docker::sites("docker_answers_the_same", &["busybox"]) else { return };
    let import = ". $ENGINES/place.sh; image; $S import $D/image.tar box >/dev/null";
    let theirs_import = "image; docker import $D/image.tar box >/dev/null || dockerd_failed";
    let [mine, docker] = std::thread::scope(|scope| {
        let mine = scope.spawn(|| docker::stepbox(&ours, import, WALK));
        let docker = scope.spawn(|| docker::docker(&theirs, "vfs", theirs_import, WALK));
        [mine, docker].map(|walk| normal(&walk.join().expect("it has walked")))
    });
    let first = mine.lines().zip(docker.lines()).enumerate().find(|(_, (mine, docker))| mine != docker);
    assert!(first.is_none(), "the first line that differs, ours and Docker's: {first:#?}");
    assert_eq!(mine.lines().count(), docker.lines().count());
}
