//! Hooks: programs of the bundle's author, at six points of a real container's life.
//!
//! ```text
//!   create   prestart  createRuntime  createContainer    creating      one fails: nothing is left, poststop is run
//!   start    startContainer                              created       the container stops
//!            poststart                                   running       the container stops
//!   delete   poststop                                    stopped       a warning
//! ```
//!
//! The runtime specification 1.2: runtime.md, Lifecycle; config.md, POSIX-platform Hooks.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use support::bundle::Bundles;
use support::site::Site;

const POINTS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// Where hooks write, as each sees it: the container has no other way to a file of ours.
struct Log {
    host: PathBuf,
}

impl Log {
    fn of(bundles: &Bundles) -> Log {
        let host = bundles.site.root_directory().join("log");
        std::fs::create_dir_all(&host).expect("a directory");
        std::fs::set_permissions(&host, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("ours");
        Log { host }
    }

    fn directory(&self, point: &str) -> String {
        if point == "startContainer" { "/log".into() } else { self.host.display().to_string() }
    }

    /// A hook of this point that says so, with where it is and what it reads, and then does this.
    fn hook(&self, point: &str, then: &str) -> Value {
        let script = format!("echo \"{point} $(pwd) $A $(cat)\" >> {}/all; {then}", self.directory(point));
        json!({ "path": "/bin/sh", "args": ["sh", "-c", script], "env": ["A=1", "PATH=/bin:/usr/bin"] })
    }

    /// All six points, the named one doing this besides; what it has in common with the others comes first.
    fn hooks(&self, special: &str, then: &str) -> Value {
        let one = |point: &&str| {
            let then = if *point == special { then } else { "" };
            (point.to_string(), json!([self.hook(point, then)]))
        };
        Value::Object(POINTS.iter().map(one).collect::<Map<_, _>>())
    }

    /// What was written, line for line; and none of it is left for the next.
    fn take(&self) -> Vec<String> {
        let file = self.host.join("all");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let _ = std::fs::remove_file(file);
        text.lines().map(String::from).collect()
    }

    fn words(lines: &[String]) -> Vec<&str> {
        lines.iter().filter_map(|line| line.split(' ').next()).collect()
    }
}

/// A bundle whose program says that it runs, with these hooks.
fn bundle(bundles: &Bundles, log: &Log, hooks: Value) {
    bundles.bundle("b", &["sh", "-c", "echo program >> /log/all; exec sleep 60"], |config| {
        config["hooks"] = hooks;
        config["process"]["cwd"] = json!("/tmp");
        config["annotations"] = json!({ "k": "v" });
        let mount =
            json!({ "destination": "/log", "type": "bind", "source": log.host, "options": ["rbind", "rw"] });
        config["mounts"].as_array_mut().expect("a list").push(mount);
    });
}

#[test]
fn each_is_run_when_and_where_it_should_be() {
    for bundles in [Site::ours(), Site::nobody()].map(Bundles::at) {
        let log = Log::of(&bundles);
        bundle(&bundles, &log, log.hooks("", ""));
        let out = bundles.says(
            "cd $B/log && $R create --pid-file pid -b $B/b c1\n\
             echo created >> all; $R start c1; until grep -q program all; do sleep 0.01; done\n\
             echo started >> all; $R delete -f c1; echo deleted >> all; cat pid; rm pid",
        );
        check(&bundles, &log.take(), &out);
        bundles.assert_clean();
    }
}

fn check(bundles: &Bundles, lines: &[String], pid: &str) {
    let mut words = Log::words(lines);
    // the program goes on while hooks of the host are run
    let program = words.iter().position(|word| *word == "program").expect("it has run");
    words.remove(program);
    let order =
        [&POINTS[..3], &["created"], &POINTS[3..5], &["started"], &POINTS[5..], &["deleted"]].concat();
    assert_eq!(words, order, "{lines:?}");
    let at =
        |word: &str| lines.iter().position(|line| line.split(' ').next() == Some(word)).expect("written");
    assert!(at("startContainer") < program && program < at("started"), "{lines:?}");
    let home = bundles.site.root_directory();
    let (bundle, rootfs) = (home.join("b").display().to_string(), home.join("rootfs").display().to_string());
    let expected = [
        ("prestart", bundle.as_str(), "creating", Some(pid)),
        ("createRuntime", &bundle, "creating", Some(pid)),
        ("createContainer", &rootfs, "creating", Some("1")),
        ("startContainer", "/tmp", "created", Some("1")),
        ("poststart", &bundle, "running", Some(pid)),
        ("poststop", &bundle, "stopped", None),
    ];
    for (point, directory, status, pid) in expected {
        let parts: Vec<&str> = lines[at(point)].splitn(4, ' ').collect();
        assert_eq!(&parts[1..3], [directory, "1"], "{point}");
        let state: Value = serde_json::from_str(parts[3]).expect("a state");
        assert_eq!((&state["status"], &state["id"]), (&json!(status), &json!("c1")), "{point}");
        assert_eq!(state.get("pid").map(Value::to_string).as_deref(), pid, "{point}");
        assert_eq!((&state["ociVersion"], &state["annotations"]["k"]), (&json!("1.2.0"), &json!("v")));
        assert_eq!(state["bundle"], json!(bundle), "{point}");
    }
}

/// What `create`, `start` and `delete` say when the hook of a point does not succeed, and which hooks have been run.
fn fails_at(bundles: &Bundles, log: &Log, point: &str, words: &str) {
    let at = POINTS.iter().position(|other| *other == point).expect("a point");
    // a program that was let go may not have said so yet
    let script = "$R create -b $B/b c1 || exit 11; $R start c1; c=$?; $R state c1 | grep -o 'stopped\\|running'\n\
                  [ $c != 0 ] || until grep -q ^program $B/log/all; do sleep 0.01; done\n\
                  $R delete -f c1 && exit $((c * 12))";
    let said = bundles.sh(script);
    let (code, out) = match at {
        0..=2 => (11, ""),
        3 | 4 => (12, "stopped\n"),
        _ => (0, "running\n"),
    };
    assert_eq!((said.code, said.out.as_str()), (code, out), "{point}: {}", said.err);
    for word in [point, words] {
        assert!(said.err.contains(word), "{point}: no {word:?} in {}", said.err);
    }
    let lines = log.take();
    let mut ran = Log::words(&lines);
    ran.retain(|word| *word != "program");
    // those before it and itself; and the last, when all is undone
    let mut order = POINTS[..=at].to_vec();
    order.extend((at < 5).then_some("poststop"));
    assert_eq!(ran, order, "{point}");
    assert_eq!(at > 3, lines.iter().any(|line| line == "program"), "{point}: {lines:?}");
    bundles.assert_clean();
}

#[test]
fn one_that_fails_fails_the_container() {
    for bundles in [Site::ours(), Site::nobody()].map(Bundles::at) {
        let log = Log::of(&bundles);
        for point in POINTS {
            // after the start the program runs beside the hook, and ends with it: it may speak first
            let wait = format!("until grep -q ^program {}/all; do sleep 0.01; done; ", log.host.display());
            let wait = if point == "poststart" { wait.as_str() } else { "" };
            let mut hooks = log.hooks(point, &format!("{wait}exit 3"));
            // those after it are not run, but for poststop's
            if let Some(list) = hooks[point].as_array_mut().filter(|_| point != "poststop") {
                list.push(log.hook("never", ""));
            }
            bundle(&bundles, &log, hooks);
            fails_at(&bundles, &log, point, "exited 3");
        }
    }
}

#[test]
fn one_that_fails_fails_a_run() {
    let bundles = Bundles::at(Site::ours());
    let log = Log::of(&bundles);
    for (at, point) in POINTS[..5].iter().enumerate() {
        bundle(&bundles, &log, log.hooks(point, "exit 3"));
        for detach in ["", "-d"] {
            let words = format!("error running {point} hook #0");
            bundles.refused(&format!("$R run {detach} -b $B/b c1"), 1, &["run failed", &words, "exited 3"]);
            let lines = log.take();
            let mut ran = Log::words(&lines);
            ran.retain(|word| *word != "program");
            assert_eq!(ran, [&POINTS[..=at], &["poststop"]].concat(), "{point} {detach}");
            bundles.assert_clean();
        }
    }
}

#[test]
fn one_that_is_late_is_killed() {
    // nobody else sleeps so long
    let length = format!("77.{}", std::process::id());
    for bundles in [Site::ours(), Site::nobody()].map(Bundles::at) {
        let log = Log::of(&bundles);
        for point in POINTS {
            let mut hooks = log.hooks(point, &format!("exec sleep {length}"));
            hooks[point][0]["timeout"] = json!(1);
            bundle(&bundles, &log, hooks);
            let began = Instant::now();
            // the box has no words, only the error's name
            let words =
                if point == "startContainer" { "ETIMEDOUT" } else { "longer than its timeout allows" };
            fails_at(&bundles, &log, point, words);
            let took = began.elapsed();
            assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(70), "{point}: {took:?}");
        }
    }
    let left = || -> Vec<String> {
        let commands = std::fs::read_dir("/proc").expect("processes").flatten();
        let commands =
            commands.filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok());
        commands.filter(|command| command.contains(&length)).collect()
    };
    // whoever was killed is there a moment longer
    let began = Instant::now();
    while !left().is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "hooks that were late are still there: {:?}",
            left()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
