//! A run in miniature, written by hand: every kind of event and evidence, on no machine in particular.

use stepbox::trace::{Change, Event, Fact, Lane, StepEvent, Trace};

type Pairs<'a> = &'a [(&'a str, &'a str)];

const HOST_NS: Pairs<'_> = &[
    ("user", "user:[4026531837]"),
    ("mnt", "mnt:[4026531841]"),
    ("pid", "pid:[4026531836]"),
    ("net", "net:[4026531840]"),
    ("uts", "uts:[4026531838]"),
    ("ipc", "ipc:[4026531839]"),
    ("cgroup", "cgroup:[4026531835]"),
    ("time", "time:[4026531834]"),
];
const BOX_NS: Pairs<'_> = &[
    ("user", "user:[4026531837]"),
    ("mnt", "mnt:[4026532201]"),
    ("pid", "pid:[4026532203]"),
    ("net", "net:[4026532210]"),
    ("uts", "uts:[4026532204]"),
    ("ipc", "ipc:[4026532205]"),
    ("cgroup", "cgroup:[4026531835]"),
    ("time", "time:[4026531834]"),
];
const HELLO: &str = "file 5 \"Hello\"";
const WORLD: &str = "file 5 \"World\"";
const DIRECTORIES: Pairs<'_> = &[
    ("lower/", "dir 0755"),
    ("lower/fileA", HELLO),
    ("lower/etc/", "dir 0755"),
    ("lower/etc/motd", "file 8 \"welcome\""),
    ("upper/", "dir 0755"),
    ("upper/fileB", WORLD),
    ("merged/", "dir 0755"),
];
const MERGED: Pairs<'_> =
    &[("merged/fileA", HELLO), ("merged/etc/", "dir 0755"), ("merged/etc/motd", "file 8 \"welcome\"")];
const MEMORY: &str = "/sys/fs/cgroup/box";

fn facts(pairs: Pairs<'_>) -> Vec<Fact> {
    pairs.iter().map(|(key, value)| Fact { key: (*key).into(), value: (*value).into() }).collect()
}

/// One probe's view.
pub fn change(kind: &str, subject: &str, source: &str, before: Pairs<'_>, after: Pairs<'_>) -> Change {
    let (kind, subject, source) = (kind.into(), subject.into(), source.into());
    Change { kind, subject, source, before: facts(before), after: facts(after) }
}

/// The directories with these files, changed or added, in them.
fn tree(before: &[Pairs<'_>], after: &[Pairs<'_>]) -> Change {
    change("tree", "[LAB]", "[LAB]", &before.concat(), &after.concat())
}

/// A step, numbered when it joins the trace.
pub fn step(lane: Lane, name: &str, why: &str, call: &str, result: &str, evidence: Vec<Change>) -> StepEvent {
    StepEvent {
        index: 0,
        total: 0,
        name: name.into(),
        why: why.into(),
        lane,
        call: call.into(),
        result: result.into(),
        provoked: result.starts_with('-'),
        undo: None,
        evidence,
        micros: 0,
    }
}

fn undoable(mut step: StepEvent, undo: &str) -> StepEvent {
    step.undo = Some(undo.into());
    step
}

fn act(title: &str, text: &str) -> Event {
    Event::Act { title: title.into(), text: text.into() }
}

fn undo(index: usize, name: &str, call: &str) -> Event {
    Event::Undo { index, name: name.into(), call: call.into(), result: "0".into() }
}

fn layered() -> Vec<StepEvent> {
    let b: Pairs<'_> = &[("merged/fileB", WORLD)];
    let changed: Pairs<'_> = &[("upper/fileA", "file 6 \"Hello!\""), ("merged/fileA", "file 6 \"Hello!\"")];
    let hidden: Pairs<'_> = &[("upper/fileA", "whiteout (character device 0:0)")];
    let mounted = [DIRECTORIES, MERGED, b];
    let copied = [DIRECTORIES, changed, &MERGED[1..], b];
    let gone = [DIRECTORIES, hidden, &MERGED[1..], b];
    let mounts =
        [("[LAB]/merged", "overlay rw,lowerdir=[LAB]/lower,upperdir=[LAB]/upper,workdir=[LAB]/work")];
    let mount_call = "mount(\"overlay\", \"[LAB]/merged\", \"overlay\", MS_NODEV|MS_NOSUID, \
                      \"lowerdir=[LAB]/lower,upperdir=[LAB]/upper,workdir=[LAB]/work\")";
    use Lane::Host;
    vec![
        undoable(
            step(
                Host,
                "make merged",
                "an overlay needs a place to be seen at",
                "mkdir(\"[LAB]/merged\", 0755)",
                "0",
                vec![tree(&[&DIRECTORIES[..6]], &[DIRECTORIES])],
            ),
            "rmdir(\"[LAB]/merged\")",
        ),
        undoable(
            step(
                Host,
                "mount the overlay",
                "a path is now looked up in upper, then down the lower layers",
                mount_call,
                "0",
                vec![
                    tree(&[DIRECTORIES], &mounted),
                    change("mounts", "host", "/proc/self/mountinfo", &[], &mounts),
                ],
            ),
            "umount2(\"[LAB]/merged\", MNT_DETACH)",
        ),
        step(
            Host,
            "append to fileA",
            "lower is never written: the first write copies the file up",
            "write(3<[LAB]/merged/fileA>, \"!\", 1)",
            "1",
            vec![tree(&mounted, &copied)],
        ),
        step(
            Host,
            "delete fileA",
            "a lower layer cannot lose a file, so upper hides it",
            "unlink(\"[LAB]/merged/fileA\")",
            "0",
            vec![tree(&copied, &gone)],
        ),
    ]
}

fn boxed() -> Vec<StepEvent> {
    use Lane::{Container, Host};
    let (lo, bridge) = (("lo", "loopback up 127.0.0.1/8"), ("br0", "bridge up 10.0.0.1/24"));
    let veth = ("veth1", "veth up master br0 peer box:eth0");
    let (down, end) = (("lo", "loopback down"), ("eth0", "veth down peer host:veth1"));
    let limits =
        [("memory.max", "max"), ("memory.current", "2097152"), ("pids.max", "max"), ("pids.current", "1")];
    let limited = [
        ("memory.max", "33554432"),
        ("memory.current", "2097152"),
        ("pids.max", "max"),
        ("pids.current", "1"),
    ];
    let (full, few) = ("000001ffffffffff", "00000000a80425fb");
    let flags = "CLONE_NEWNS|CLONE_NEWPID|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWNET";
    vec![
        step(
            Host,
            "clone the box",
            "five new namespaces in one call",
            &format!("clone3({{flags={flags}, exit_signal=SIGCHLD}}, 88)"),
            "17",
            vec![
                change("namespaces", "host", "/proc/1/ns", HOST_NS, HOST_NS),
                change("namespaces", "box", "/proc/17/ns", &[], BOX_NS),
            ],
        ),
        step(
            Host,
            "map root",
            "one id of the host is root inside, and no other id exists there",
            "write(4</proc/17/uid_map>, \"0 65534 1\", 9)",
            "9",
            vec![change("ids", "box", "/proc/17/uid_map", &[("uid_map", "")], &[("uid_map", "0 65534 1")])],
        ),
        step(
            Container,
            "name the box",
            "the host's name stays",
            "sethostname(\"box\", 3)",
            "0",
            vec![change(
                "file",
                "box",
                "/proc/sys/kernel/hostname",
                &[("hostname", "host")],
                &[("hostname", "box")],
            )],
        ),
        step(
            Host,
            "lay the cable",
            "a veth pair is a cable whose ends may lie in two network namespaces",
            "sendto(5<NETLINK>, {RTM_NEWLINK, veth1 <-> eth0}, 88)",
            "88",
            vec![
                change("links", "host", "netlink", &[lo, bridge], &[lo, bridge, veth]),
                change("links", "box", "netlink", &[down], &[down, end]),
            ],
        ),
        step(
            Container,
            "pivot too early",
            "the new root must be a mount point of its own",
            "pivot_root(\"/\", \"/\")",
            "-1 EBUSY (Device or resource busy)",
            vec![],
        ),
        step(
            Host,
            "limit memory",
            "",
            "write(6</sys/fs/cgroup/box/memory.max>, \"33554432\", 8)",
            "8",
            vec![change("cgroup", MEMORY, MEMORY, &limits, &limited)],
        ),
        step(
            Container,
            "drop capabilities",
            "root without them cannot mount, trace or load a module",
            "capset({_LINUX_CAPABILITY_VERSION_3, 0}, …)",
            "0",
            vec![change(
                "caps",
                "box",
                "/proc/17/status",
                &[("CapEff", full), ("CapBnd", full)],
                &[("CapEff", few), ("CapBnd", few)],
            )],
        ),
    ]
}

/// The whole trace.
pub fn trace() -> Trace {
    let mut trace =
        Trace::new("15-full-run", "What happens before a container's first instruction?", "toy", "6.18.44");
    let mut events =
        vec![act("a layered file system", "Two directories, seen as one. What is written stays above.")];
    events.extend(layered().into_iter().map(Event::Step));
    events.push(act("a box", "A process in namespaces of its own, joined to the host by one cable."));
    events.extend(boxed().into_iter().map(Event::Step));
    events.push(Event::Scope {
        name: "hash the layer".into(),
        why: "a layer is named by the digest of its archive, so that it can be shared and checked".into(),
        evidence: vec![change(
            "layers",
            "image app",
            "blobs/sha256",
            &[("layer 1", "sha256:6a1c… 3 files")],
            &[("layer 1", "sha256:6a1c… 3 files"), ("layer 2", "sha256:c4d9… 1 whiteout")],
        )],
        micros: 1500,
    });
    let program = "execve(\"/bin/true\", [\"true\"], 0x7ffc /* 3 vars */)";
    events.push(Event::Step(step(Lane::Container, "run the program", "", program, "0", vec![])));
    events.push(Event::Step(step(
        Lane::Host,
        "wait",
        "a child stays a zombie until it is waited for",
        "waitid(P_PIDFD, 5, WEXITED)",
        "0",
        vec![],
    )));
    number(&mut events);
    events.push(undo(2, "mount the overlay", "umount2(\"[LAB]/merged\", MNT_DETACH)"));
    events.push(undo(1, "make merged", "rmdir(\"[LAB]/merged\")"));
    events.push(Event::End { outcome: "finished; everything undone".into(), exit_code: Some(0) });
    trace.events = events;
    trace
}

fn number(events: &mut [Event]) {
    let total = events.iter().filter(|event| matches!(event, Event::Step(_))).count();
    let steps =
        events.iter_mut().filter_map(|event| if let Event::Step(step) = event { Some(step) } else { None });
    for (at, step) in steps.enumerate() {
        (step.index, step.total, step.micros) = (at + 1, total, 12 * (at as u64 + 1));
    }
}
