//! What judges the labs is itself tested: a trace that tells the truth passes the comparison with strace, one with
//! any lie does not; a file and a process that are left behind are noticed.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use stepbox::trace::{Change, Event, Fact, Lane, StepEvent, Trace};

use crate::{leaks, strace};

const LOG: &str = r#"17 execve("/lab", ["lab"], 0x7ffd /* 3 vars */) = 0
17 mkdirat(AT_FDCWD</>, "/a", 0755) = 0
17 clone3({flags=CLONE_PIDFD|CLONE_NEWNS, exit_signal=SIGCHLD} => {pidfd=[6<anon_inode:[pidfd]>]}, 88) = 18
18 mkdirat(AT_FDCWD</>, "/a", 0755)   = -1 EEXIST (File exists)
18 open("/proc/self/attr", O_WRONLY|O_CLOEXEC) = 4</proc/18/attr>
18 write(4</proc/18/attr>, "one\n", 4)  = 4
18 chdir("/")                        = 0
18 exit_group(3)                     = ?
17 waitid(P_PIDFD, 6<anon_inode:[pidfd]>,  <unfinished ...>
18 +++ exited with 3 +++
17 <... waitid resumed>{si_pid=18, si_status=3}, WEXITED, NULL) = 0
17 sendto(4<socket:[9]>, [{nlmsg_len=32, nlmsg_type=0x11 /* NLMSG_??? */}, "\x62\x72\x30\x00"], 32, 0, NULL, 0) = 32
17 recvfrom(4<socket:[9]>, [{nlmsg_type=NLMSG_ERROR}, {error=-ENODEV, msg={}}], 1024, 0, NULL, NULL) = 36
17 unlinkat(AT_FDCWD</>, "/a", AT_REMOVEDIR) = 0
17 sendto(5<TCP:[10]>, "GET /v2/a/manifests/1 HTTP/1.1\r\n", 32, MSG_NOSIGNAL, NULL, 0) = 32
17 recvfrom(5<TCP:[10]>, "HTTP/1.1 401 Unauthorized\r\n", 8192, 0, NULL, NULL) = 27
17 sendto(5<TCP:[10]>, "GET /v2/a/manifests/1 HTTP/1.1\r\n", 32, MSG_NOSIGNAL, NULL, 0) = 32
17 recvfrom(5<TCP:[10]>, "HTTP/1.1 200 OK\r\n", 8192, 0, NULL, NULL) = 17
"#;

type Line = (Lane, &'static str, &'static str);

const TRUTH: [Line; 8] = [
    (Lane::Host, "mkdir(\"/a\", 0755)", "0"),
    (Lane::Host, "clone3({flags=CLONE_PIDFD|CLONE_NEWNS, exit_signal=SIGCHLD})", "[BOX]"),
    (Lane::Container, "mkdir(\"/a\", 0755)", "-1 EEXIST (File exists)"),
    (Lane::Container, "write(\"/proc/self/attr\", \"one\\n\")", "4"),
    (Lane::Container, "chdir(\"/\")", "0"),
    (Lane::Container, "exit_group(3)", "0"),
    (Lane::Host, "waitid(P_PIDFD, box, WEXITED)", "exited 3"),
    (Lane::Host, "sendto(netlink, RTM_DELLINK br0)", "-1 ENODEV (No such device)"),
];

/// A place in the truth and what is said there instead.
const LIES: &[(&str, usize, Line)] = &[
    ("path", 0, (Lane::Host, "mkdir(\"/b\", 0755)", "0")),
    ("flag", 1, (Lane::Host, "clone3({flags=CLONE_PIDFD|CLONE_NEWPID, exit_signal=SIGCHLD})", "[BOX]")),
    ("error", 2, (Lane::Container, "mkdir(\"/a\", 0755)", "-1 EPERM (Operation not permitted)")),
    ("success", 2, (Lane::Container, "mkdir(\"/a\", 0755)", "0")),
    ("data", 3, (Lane::Container, "write(\"/proc/self/attr\", \"two\\n\")", "4")),
    ("lane", 4, (Lane::Host, "chdir(\"/\")", "0")),
    ("order", 4, (Lane::Container, "mkdir(\"/a\", 0755)", "-1 EEXIST (File exists)")),
    ("number", 5, (Lane::Container, "exit_group(4)", "0")),
    ("call", 6, (Lane::Host, "wait4(child)", "0")),
    (
        "message",
        7,
        (Lane::Host, "sendto(netlink, RTM_NEWLINK br0 kind=bridge)", "-1 ENODEV (No such device)"),
    ),
    ("link", 7, (Lane::Host, "sendto(netlink, RTM_DELLINK br1)", "-1 ENODEV (No such device)")),
    ("acknowledgement", 7, (Lane::Host, "sendto(netlink, RTM_DELLINK br0)", "0")),
];

/// Requests and answers, in their order, and what is said instead.
const ASKED: [(&str, &str); 2] =
    [("GET /v2/a/manifests/1", "401"), ("GET /v2/a/manifests/1", "200, 2 bytes")];
const WIRE_LIES: &[(&str, [(&str, &str); 2])] = &[
    ("request", [ASKED[0], ("GET /v2/b/manifests/1", "200")]),
    ("answer", [ASKED[0], ("GET /v2/a/manifests/1", "4 bytes \u{2500}> 404")]),
    ("sequel", [ASKED[1], ASKED[0]]),
];

/// One test for the truth and one for each lie.
pub fn trials() -> Vec<Trial> {
    let truth = Trial::test("strace::believes_the_truth", || Ok(strace::compare(&trace(&TRUTH), &log())?));
    let lies = LIES.iter().map(|(kind, place, line)| {
        Trial::test(format!("strace::notices_a_wrong_{kind}"), move || {
            let mut lines = TRUTH;
            lines[*place] = *line;
            match strace::compare(&trace(&lines), &log()) {
                Ok(()) => Err(Failed::from(format!("{} = {} was believed", line.1, line.2))),
                Err(_) => Ok(()),
            }
        })
    });
    let wire = WIRE_LIES.iter().map(|(kind, lines)| {
        Trial::test(format!("strace::notices_a_wrong_{kind}"), move || {
            match strace::compare(&asked(lines), &log()) {
                Ok(()) => Err(Failed::from(format!("{lines:?} was believed"))),
                Err(_) => Ok(()),
            }
        })
    });
    let left = [
        Trial::test("strace::believes_the_wire", || Ok(strace::compare(&asked(&ASKED), &log())?)),
        Trial::test("leaks::notices_a_file", leaves_a_file),
        Trial::test("leaks::notices_a_process", leaves_a_process),
    ];
    std::iter::once(truth).chain(lies).chain(wire).chain(left).collect()
}

fn leaves_a_file() -> Result<(), Failed> {
    let before = leaks::Snapshot::take();
    let path = std::env::temp_dir().join(format!("stepbox-left-{}", std::process::id()));
    std::fs::write(&path, "")?;
    let changes = before.changes(Duration::ZERO);
    std::fs::remove_file(&path)?;
    noticed(&changes, &format!("  + file: {}", path.display()))
}

/// An orphan: the shell that started it has ended.
fn leaves_a_process() -> Result<(), Failed> {
    let before = leaks::Snapshot::take();
    let output = Command::new("sh").args(["-c", "sleep 60 >/dev/null 2>&1 & echo $!"]).output()?;
    let pid: i32 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
    // until then it has the shell's name
    while !std::fs::read_to_string(format!("/proc/{pid}/comm"))?.starts_with("sleep") {
        std::thread::sleep(Duration::from_millis(5));
    }
    let changes = before.changes(Duration::from_millis(200));
    let pid = rustix::process::Pid::from_raw(pid).ok_or("no process id")?;
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
    noticed(&changes, &format!("  + process: {} sleep", pid.as_raw_nonzero()))?;
    before.assert_same();
    Ok(())
}

fn noticed(changes: &BTreeSet<String>, line: &str) -> Result<(), Failed> {
    if changes.contains(line) { Ok(()) } else { Err(format!("not noticed: {line}; but {changes:?}").into()) }
}

fn log() -> Vec<strace::Call> {
    strace::read(LOG)
}

/// A trace that tells of these requests.
fn asked(lines: &[(&str, &str)]) -> Trace {
    let mut trace = Trace::new("a lie", "", "toy", "");
    let fact = |(key, value): &(&str, &str)| Fact { key: (*key).into(), value: (*value).into() };
    let change = Change {
        kind: "wire".into(),
        subject: "1".into(),
        source: "1".into(),
        before: Vec::new(),
        after: lines.iter().map(fact).collect(),
    };
    let (name, why) = ("ask".into(), String::new());
    trace.events = vec![Event::Scope { name, why, evidence: vec![change], micros: 0 }];
    trace
}

/// A trace that says these steps, and one undo.
fn trace(lines: &[Line]) -> Trace {
    let mut trace = Trace::new("a lie", "", "toy", "");
    let step = |(at, (lane, call, result)): (usize, &Line)| {
        Event::Step(StepEvent {
            index: at + 1,
            total: lines.len(),
            name: "say".into(),
            why: String::new(),
            lane: *lane,
            call: (*call).into(),
            result: (*result).into(),
            provoked: false,
            undo: None,
            evidence: Vec::new(),
            micros: 0,
        })
    };
    trace.events = lines.iter().enumerate().map(step).collect();
    trace.events.push(Event::Undo {
        index: 1,
        name: "say".into(),
        call: "rmdir(\"/a\")".into(),
        result: "0".into(),
    });
    trace
}
