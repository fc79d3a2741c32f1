//! The same walk with a Docker of our own, in namespaces of its own: the same answers.

use support::docker;

const WALK: &str = include_str!("walk.sh");

/// What differs by nature: ids, who speaks, how an IPv6 address is written by an older command line, and what the engine
/// says of a port that another program has.
fn normal(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        // what Docker's command line also notes where a container does not start
        let noted = line.starts_with("time=") && line.contains("context canceled");
        if noted
            || line.starts_with("See 'docker")
            || line.starts_with("Run 'docker")
            || line.starts_with("hint: ")
        {
            continue;
        }
        let line = line.trim_start_matches("docker: ").trim_start_matches("stepbox: ");
        let line = line.trim_start_matches("Error response from daemon: ").trim_start_matches("Error: ");
        let line = line.trim_end_matches('.');
        // our command line names the option
        let line = line.split_once(">': ").map_or(line, |(_, rest)| rest);
        let line =
            line.split_once(" on endpoint ").map_or_else(|| line.to_owned(), |(_, rest)| refusal(rest));
        let words = [
            ("[::]", "::"),
            ("[::1]", "::1"),
            ("Invalid ", "invalid "),
            ("No port", "no port"),
            (" ip ", " IP "),
        ];
        lines.push(words.into_iter().fold(line, |line, (theirs, ours)| line.replace(theirs, ours)));
    }
    lines.join("\n") + "\n"
}

/// `NAME (ID): why`, without the id; of what the kernel has refused only that.
fn refusal(rest: &str) -> String {
    let name = rest.split([' ', ':']).next().unwrap_or_default();
    let why = rest.split_once(": ").map_or("", |(_, why)| why);
    let of_kernel = why.contains("bind host port") || why.contains("userland proxy");
    let why = why.rsplit_once(": ").filter(|_| of_kernel).map_or(why, |(_, errno)| errno);
    format!("on endpoint {name}: {why}")
}

pub fn docker_says_the_same_of_ports() {
    let name = "docker_says_the_same_of_ports";
    let Some((ours, theirs)) = docker::sites(name, &["busybox"]) else { return };
    const CHANGES: &str = "-c 'EXPOSE 80 443 53/udp'";
    let import = format!(". $ENGINES/place.sh; image; $S import {CHANGES} $D/image.tar box >/dev/null");
    // a bridge, but nothing of the packet filter: the proxies carry
    let theirs_import =
        format!("image; docker import {CHANGES} $D/image.tar box >/dev/null || dockerd_failed");
    let begin = ". $ENGINES/place.sh; . $ENGINES/dockerd.sh; \
                 dockerd_begins vfs --iptables=false --ip6tables=false --ip-forward=false";
    let theirs_walk = format!("{begin}\n{theirs_import}\nC=docker\n{WALK}\ndockerd_ends");
    let [mine, docker] = std::thread::scope(|scope| {
        let mine = scope.spawn(|| docker::stepbox(&ours, &import, WALK));
        let docker = scope.spawn(|| docker::bash(&theirs, &theirs_walk));
        [mine, docker].map(|walk| normal(&walk.join().expect("it has walked")))
    });
    let first = mine.lines().zip(docker.lines()).enumerate().find(|(_, (mine, docker))| mine != docker);
    assert!(first.is_none(), "the first line that differs, ours and Docker's: {first:#?}");
    assert_eq!(mine.lines().count(), docker.lines().count());
}
