//! Fifty at once on one store: pulls, loads, removals, prunes and runs of images that share layers, some of them killed.
//!
//! ```text
//!   22 pull ─┐                                   kill -9 to ten of them, at any moment
//!   14 load ─┤                                                 │
//!    8 rmi ──┼─> one store <── registry serve      clean ──> system check: nothing wrong
//!    6 prune ┤                                     what nobody removes is there and runs
//!    4 run ──┘                                     what is left after prune -a: nothing
//! ```
//!
//! Every run of the test has another order; what it was stands in its message.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use stepbox::engine::store::Store;
use stepbox::layers::Digest;
use support::archive::Raw;
use support::dice::Dice;
use support::player::built;
use support::served::{OCI, Served};
use support::site::Site;

/// Images that nobody removes, each with what its file `own` says.
const STAYING: [&str; 4] = ["app0", "app1", "app2", "second"];
/// Images that are removed and come back.
const GOING: [&str; 3] = ["app3", "app4", "app5"];
/// How many are killed.
const VICTIMS: usize = 10;

/// Puts an image with these layers into the registry.
fn push(served: &Served, name: &str, kind: &str, layers: &[&[u8]]) {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let config = serde_json::json!({
        "architecture": stepbox::engine::config::architecture(), "os": "linux",
        "config": { "Labels": { "kind": kind } }, "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = config.to_string();
    let descriptor = |kind: &str, blob: &[u8]| serde_json::json!({ "mediaType": kind, "digest": served.push(name, blob), "size": blob.len() });
    let tar = "application/vnd.oci.image.layer.v1.tar";
    let layers: Vec<_> = layers.iter().map(|layer| descriptor(tar, layer)).collect();
    let config = descriptor("application/vnd.oci.image.config.v1+json", config.as_bytes());
    let manifest =
        serde_json::json!({ "schemaVersion": 2, "mediaType": OCI, "config": config, "layers": layers });
    let answer = served.put(name, "1", OCI, manifest.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Fills the registry, and writes archives of what is in it: `a.tar`, `b.tar`, and `moving.tar`, in which a name stands
/// for another image than in the registry.
fn fill(served: &Served, site: &Site, busybox: &[u8]) {
    let base = Raw::default().directory("bin/", 0o755);
    let base = base.sized(b"bin/sh", b'0', b"", busybox, busybox.len() as u64, 0o755).end();
    let layer = |name: &str, text: &str| Raw::default().file(name, text).end();
    let shared: Vec<Vec<u8>> =
        (0..3).map(|number| layer("lib", &format!("{number}").repeat(300_000))).collect();
    for (number, name) in STAYING[..3].iter().chain(&GOING).enumerate() {
        let kind = if GOING.contains(name) { "goes" } else { "stays" };
        push(served, name, kind, &[&base, &shared[number % 3], &layer("own", name)]);
    }
    let second = layer("own", "second");
    for name in ["moving", "second"] {
        push(served, name, "stays", &[&base, &shared[0], &second]);
    }
    for (file, format, names) in [
        ("a.tar", "oci-archive", &["app0", "app3", "second"][..]),
        ("b.tar", "docker-archive", &["app1", "app4"]),
        ("moving.tar", "oci-archive", &["moving"]),
    ] {
        let path = site.path().join(file).display().to_string();
        let names: Vec<String> = names.iter().map(|name| format!("{}/{name}:1", served.address)).collect();
        let mut arguments = vec!["save", "--format", format, "-o", &path];
        arguments.extend(names.iter().map(String::as_str));
        served.stepbox(&arguments);
    }
    push(served, "moving", "stays", &[&base, &shared[1], &layer("own", "first")]);
}

/// Every command, each with its words.
fn jobs(served: &Served, directory: &Path) -> Vec<Vec<String>> {
    let name = |name: &str| format!("{}/{name}:1", served.address);
    let file = |name: &str| directory.join(name).display().to_string();
    let mut jobs: Vec<Vec<String>> = Vec::new();
    let mut add = |words: &[&str]| jobs.push(words.iter().map(|word| (*word).to_owned()).collect());
    for _ in 0..3 {
        STAYING[..3].iter().chain(&GOING).for_each(|it| add(&["pull", "-q", &name(it)]));
    }
    for _ in 0..4 {
        add(&["pull", &name("moving")]);
        add(&["load", "-q", "-i", &file("moving.tar")]);
        add(&["load", "-i", &file("a.tar")]);
        add(&["load", "-i", &file("b.tar")]);
    }
    for _ in 0..2 {
        add(&["load", "-q", "-i", &file("a.tar")]);
        GOING.iter().for_each(|it| add(&["rmi", "-f", &name(it)]));
        add(&["rmi", &name("app3")]);
    }
    for _ in 0..3 {
        add(&["image", "prune", "-f"]);
        add(&["image", "prune", "-af", "--filter", "label=kind=goes"]);
    }
    for it in ["app0", "app1", "app3", "app4"] {
        add(&["run", "--rm", "--network", "none", &name(it), "/bin/sh", "-c", "read own </own; echo $own"]);
    }
    jobs
}

/// What came of a command.
#[derive(Debug)]
struct Done {
    words: Vec<String>,
    /// how many milliseconds it was left alive, if it was to be killed
    killed_after: Option<u64>,
    /// nothing for one that was killed indeed
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs all of them at once, in an order that the dice say, and kills those that they say.
fn all_at_once(site: &Site, mut jobs: Vec<Vec<String>>, dice: &mut Dice) -> Vec<Done> {
    for at in (1..jobs.len()).rev() {
        jobs.swap(at, dice.below(at + 1));
    }
    // a run that is killed leaves a container, which tests/killed.rs is about
    let mut victims = VICTIMS;
    let jobs: Vec<(Vec<String>, Option<u64>)> = jobs
        .into_iter()
        .map(|words| {
            let chosen = victims > 0 && words[0] != "run" && dice.below(2) == 0;
            victims -= usize::from(chosen);
            (words, chosen.then(|| dice.below(1200) as u64))
        })
        .collect();
    std::thread::scope(|scope| {
        let run = |(words, killed_after): (Vec<String>, Option<u64>)| {
            scope.spawn(move || {
                let mut command = Command::new(built("stepbox"));
                command.args(&words).env("STEPBOX_ROOT", site.root_directory()).current_dir("/");
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
                let mut child = command.spawn().expect("stepbox starts");
                if let Some(time) = killed_after {
                    std::thread::sleep(Duration::from_millis(time));
                    child.kill().expect("our child");
                }
                let output = child.wait_with_output().expect("it ends");
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                let code = match output.status.signal() {
                    Some(9) if killed_after.is_some() => None,
                    _ => Some(output.status.code().unwrap_or(-1)),
                };
                Done { words, killed_after, code, out: text(&output.stdout), err: text(&output.stderr) }
            })
        };
        let running: Vec<_> = jobs.into_iter().map(run).collect();
        running.into_iter().map(|one| one.join().expect("no panic")).collect()
    })
}

/// Whoever was not killed has done what was asked, or says that somebody else has.
fn judge(done: &[Done]) {
    for one in done {
        let removed = one.words[0] == "rmi" && one.err.contains("No such image");
        let in_use = one.words[0] == "rmi" && one.err.contains("conflict: unable to ");
        let fine = matches!(one.code, None | Some(0)) || removed || in_use;
        assert!(fine, "{one:#?}");
        if one.words[0] == "run" {
            let own = one.words[4].rsplit('/').next().and_then(|name| name.strip_suffix(":1"));
            assert_eq!(Some(one.out.trim()), own, "{one:#?}");
        }
    }
}

#[test]
fn fifty_at_once_end_consistent() {
    let found = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find_map(|path| std::fs::read(path).ok());
    let Some(busybox) = found else {
        return support::skip("fifty_at_once_end_consistent", "there is no static busybox");
    };
    let site = Site::ours();
    let served = Served::start(&site.path().join("there"), &[]);
    fill(&served, &site, &busybox);
    let mut dice = Dice::thrown();
    let done = all_at_once(&site, jobs(&served, site.path()), &mut dice);
    judge(&done);
    let killed: Vec<_> = done.iter().filter(|one| one.code.is_none()).collect();
    let after: Vec<_> = killed.iter().map(|one| (&one.words, one.killed_after)).collect();
    println!("{} of {} were killed, milliseconds: {after:?}", killed.len(), done.len());
    assert!(done.len() >= 50 && !killed.is_empty());

    // all that is wrong is what the dead have left, and that goes
    let found = site.sh("$S system check").out;
    let half = |line: &&str| {
        line.starts_with('/') && !line.contains("/state/tmp/") && !line.contains("nothing reaches")
    };
    assert_eq!(found.lines().find(half), None, "{found}");
    site.says("$S clean && $S image prune -f");
    assert!(site.says("$S system check").ends_with("nothing wrong\n"));
    for name in ["tmp", "fetching"] {
        let left: Vec<_> = std::fs::read_dir(site.root_directory().join(name)).expect("there").collect();
        assert!(left.is_empty(), "left in {name}: {left:?}");
    }

    let address = served.address;
    drop(served);
    let store = Store::open(site.root_directory()).expect("a store");
    for listed in store.list().expect("a list") {
        let listed = listed.expect("readable");
        store.resolve(&listed.id.hex()).unwrap_or_else(|error| panic!("{listed:?}: {error}"));
    }
    for name in STAYING.iter().chain(&["moving"]) {
        let run =
            format!("$S run --rm --network none {address}/{name}:1 /bin/sh -c 'read own </own; echo $own'");
        let own = site.says(&run);
        assert!(
            own.trim() == *name || *name == "moving" && ["first\n", "second\n"].contains(&own.as_str()),
            "{own}"
        );
    }
    site.says("$S image prune -af && $S system check");
    for name in ["blobs/sha256", "layers", "sizes", "unsynced"] {
        let left = std::fs::read_dir(site.root_directory().join(name)).into_iter().flatten().count();
        assert_eq!(left, 0, "left in {name}");
    }
    site.assert_clean();
}
