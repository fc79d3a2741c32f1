//! What `--debug` says of each step is what strace saw: of a container's whole recipe, and of programs that join it.

use std::os::unix::net::UnixListener;
use std::process::Command;

use serde_json::{Value, json};
use stepbox::trace::{Event, Lane, StepEvent, Trace};

use crate::attached::carry;
use support::bundle::{Bundles, write};
use support::site::Site;
use support::strace;

const STRACE: &str = "strace -f -y -qq -s 400 -o";

/// A place where strace may look at everybody: who is not root may not look at a box that lets nobody look in.
fn place(test: &str) -> Option<Bundles> {
    let site = Site::root(test)?;
    if Command::new("strace").arg("--version").output().is_err() {
        support::skip(test, "strace is not installed (apt-get install strace)");
        return None;
    }
    Some(Bundles::at(site))
}

/// The steps and undos of a log that `--debug` has written.
fn trace(log: &str) -> Trace {
    let mut trace = Trace::new("a run", "", "real", "");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        let message = line["msg"].as_str().expect("a message");
        let (who, rest) = message.split_once(": ").unwrap_or((message, ""));
        let (said, result) = rest.rsplit_once(" = ").unwrap_or((rest, ""));
        let (name, call) = said.split_once(": ").unwrap_or(("", said));
        let (name, call, result) = (name.to_string(), call.to_string(), result.to_string());
        let index = trace.events.len();
        let lane = match who {
            "host" => Lane::Host,
            "box" => Lane::Container,
            "undo" => {
                trace.events.push(Event::Undo { index, name, call, result });
                continue;
            }
            _ => continue,
        };
        trace.events.push(Event::Step(StepEvent {
            index,
            total: 0,
            name,
            why: String::new(),
            lane,
            call,
            result,
            provoked: false,
            undo: None,
            evidence: Vec::new(),
            micros: 0,
        }));
    }
    trace
}

/// `$D/state/NAME.log` against `$D/state/NAME.strace`; the names of the steps.
fn compared(bundles: &Bundles, name: &str) -> Vec<String> {
    let read = |kind: &str| {
        let path = bundles.site.root_directory().join(format!("{name}.{kind}"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let trace = trace(&read("log"));
    if let Err(problems) = strace::compare(&trace, &strace::read(&read("strace"))) {
        panic!("{name}: {problems}");
    }
    let name = |event: &Event| match event {
        Event::Step(step) => Some(step.name.clone()),
        _ => None,
    };
    trace.events.iter().filter_map(name).collect()
}

fn seccomp() -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["kexec_load"], "action": "SCMP_ACT_ERRNO" }],
    })
}

fn users(config: &mut Value) {
    config["linux"]["namespaces"].as_array_mut().expect("a list").push(json!({ "type": "user" }));
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    (config["linux"]["uidMappings"], config["linux"]["gidMappings"]) = (map.clone(), map);
}

#[test]
fn a_containers_recipe() {
    let Some(bundles) = place("narrated::a_containers_recipe") else { return };
    bundles.bundle("b", &["true"], |config| config["linux"]["seccomp"] = seccomp());
    bundles.says(&format!(
        "{STRACE} $B/run.strace $R --debug --log $B/run.log --log-format json run -b $B/b c1"
    ));
    let steps = compared(&bundles, "run");
    assert!(steps.len() > 40 && steps.iter().any(|step| step == "exchange the roots"), "{steps:?}");
    left_behind_last(&bundles);
    bundles.assert_clean();
}

/// The runtime reads the bundle once, and what its box executes before the program is a file of memory: not the runtime.
fn left_behind_last(bundles: &Bundles) {
    let log = std::fs::read(bundles.site.root_directory().join("run.strace")).expect("strace's log");
    let calls = strace::read(&String::from_utf8_lossy(&log));
    let places = |name: &str, word: &str| -> Vec<usize> {
        let is = |call: &strace::Call| call.name.starts_with(name) && call.arguments.contains(word);
        calls.iter().enumerate().filter(|(_, call)| is(call)).map(|(at, _)| at).collect()
    };
    let (execs, reads) = (places("execveat", "AT_EMPTY_PATH"), places("open", "/config.json\""));
    // one more file of memory only shows that there can be one; and the program is looked for in all of PATH
    let (made, programs) = (places("memfd_create", "\"stepbox\""), places("execve", "/true\""));
    let order = [reads.last(), made.last(), execs.last(), programs.last()];
    assert!(order.is_sorted() && order.iter().all(Option::is_some), "{order:?}");
    assert_eq!((reads.len(), execs.len()), (1, 1), "{reads:?} {execs:?}");
}

/// Everything that a process can ask for, by a file, into a container of our own users and into one of others.
#[test]
fn programs_that_join_a_container() {
    let Some(bundles) = place("narrated::programs_that_join_a_container") else { return };
    bundles.bundle("b", &["sleep", "600"], |config| config["linux"]["seccomp"] = seccomp());
    bundles.bundle("u", &["sleep", "600"], users);
    let sets = ["CAP_KILL", "CAP_CHOWN"];
    let process = json!({
        "terminal": true,
        "consoleSize": { "height": 24, "width": 80 },
        "args": ["sh", "-c", "tty; read line; echo got $line; stat -c '%u' $(tty)"],
        "cwd": "/tmp",
        "env": ["PATH=/bin:/usr/bin"],
        "user": { "uid": 5, "gid": 6, "additionalGids": [7], "umask": 63 },
        "capabilities": { "bounding": sets, "permitted": sets, "effective": sets },
        "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 64, "hard": 128 }],
        "noNewPrivileges": true,
        "oomScoreAdj": 100,
        "scheduler": { "policy": "SCHED_BATCH", "nice": 5 },
        "ioPriority": { "class": "IOPRIO_CLASS_BE", "priority": 7 },
    });
    write(&bundles.site.root_directory().join("process.json"), &process);
    let listener = UnixListener::bind(bundles.site.root_directory().join("console")).expect("a socket");
    let engine = std::thread::spawn(move || [carry(&listener, "one\n"), carry(&listener, "two\n")]);
    let exec = |name: &str, words: &str| {
        format!("{STRACE} $B/{name}.strace $R --debug --log $B/{name}.log --log-format json exec {words}\n")
    };
    bundles.says(&format!(
        "set -e\n$R run -d -b $B/b c1 && $R run -d -b $B/u c2\n{}{}{}$R delete -f c1; $R delete -f c2",
        exec("plain", "c1 true"),
        exec("terminal", "-d --console-socket $B/console -p $B/process.json c1"),
        exec("users", "-d --console-socket $B/console -p $B/process.json c2"),
    ));
    for text in engine.join().expect("they were carried") {
        assert!(text.contains("/dev/pts/0") && text.contains("got ") && text.trim().ends_with('5'), "{text}");
    }
    let [plain, terminal, users] = ["plain", "terminal", "users"].map(|name| compared(&bundles, name));
    let has = |steps: &[String], name: &str| steps.iter().any(|step| step == name);
    assert!(has(&plain, "filter the system calls") && has(&plain, "put the box into it"), "{plain:?}");
    for name in ["open a terminal", "limit what it uses", "say when it runs", "hand the terminal on"] {
        assert!(has(&terminal, name), "{name} not in {terminal:?}");
    }
    assert!(has(&users, "be a user of the box") && !has(&terminal, "be a user of the box"), "{users:?}");
    bundles.assert_clean();
}

/// Root of other users is somebody else than root of ours, who would own what the box makes on its way.
#[test]
fn a_terminal_belongs_to_the_containers_own_users() {
    let Some(site) = Site::root("narrated::a_terminal_belongs_to_the_containers_own_users") else { return };
    let bundles = Bundles::at(site);
    bundles.bundle("u", &["sleep", "600"], users);
    let listener = UnixListener::bind(bundles.site.root_directory().join("console")).expect("a socket");
    let engine = std::thread::spawn(move || carry(&listener, ""));
    bundles.says(
        "$R run -d -b $B/u c1 && $R exec -d -t --console-socket $B/console c1 \
         sh -c 'echo owner $(stat -c %u $(tty)); : > $(tty) && echo opened'\n\
         i=0; while $R ps -f json c1 | grep -q , && [ $i -lt 400 ]; do i=$((i+1)); sleep 0.05; done\n\
         $R delete -f c1",
    );
    let said = engine.join().expect("it was carried");
    assert!(said.contains("owner 0") && said.contains("opened"), "{said}");
    bundles.assert_clean();
}
