//! What each member of `linux.resources` comes to, and what is refused.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use stepbox::cgroups::{Cgroup, Hierarchy, Resources, cpu, io_weight};

use crate::{Machine, V2_MOUNT, lines};

/// Beside those of the file that this is a part of.
macro_rules! snapshot {
    ($text:expr) => {
        insta::with_settings!({snapshot_path => "../snapshots"}, {
            insta::assert_snapshot!($text);
        })
    };
}

/// Every member at once, but those that one of the versions refuses.
const MOST: &str = r#"{
    "memory": {"limit": 67108864, "reservation": 33554432, "swap": 100663296},
    "cpu": {"shares": 512, "quota": 20000, "period": 50000, "burst": 1000, "cpus": "0-1", "mems": "0", "idle": 0},
    "pids": {"limit": 32},
    "blockIO": {
        "weight": 500,
        "weightDevice": [{"major": 8, "minor": 0, "weight": 300}],
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1048576}],
        "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 2097152}],
        "throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 100}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 0}]
    },
    "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
    "rdma": {"mlx5_0": {"hcaHandles": 3, "hcaObjects": 10000}, "mlx5_1": {"hcaObjects": 7}},
    "devices": [
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm"},
        {"allow": true, "type": "b", "major": 8, "access": "r"}
    ]
}"#;
const ONLY_V1: &str = r#"{
    "memory": {"kernel": 1048576, "kernelTCP": 1048576, "swappiness": 60, "disableOOMKiller": true, "useHierarchy": true},
    "cpu": {"realtimeRuntime": 950000, "realtimePeriod": 1000000},
    "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 500}]}
}"#;
const ONLY_V2: &str = r#"{"unified": {"memory.high": "50331648", "io.max": "8:0 rbps=1\n8:16 wbps=2", "cgroup.max.depth": "3"}}"#;

/// Tests run side by side, and each wants the whole machine.
fn unique(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub fn v1() -> Hierarchy {
    let names =
        "memory cpu,cpuacct pids freezer devices cpuset blkio hugetlb net_cls,net_prio perf_event rdma";
    let (mut mountinfo, mut own) = (String::new(), String::new());
    for (at, name) in names.split(' ').enumerate() {
        mountinfo += &format!("4{at} 31 0:3{at} / /sys/fs/cgroup/{name} rw - cgroup cgroup rw,{name}\n");
        own += &format!("{at}:{name}:/\n");
    }
    Machine::new(&unique("v1-whole"), &mountinfo, &own).detect_all(&["/"])
}

pub fn v2() -> Hierarchy {
    let names = "cpuset cpu io memory hugetlb pids rdma misc\n";
    let machine = Machine::new(&unique("v2-whole"), V2_MOUNT, "0::/\n")
        .file("sys/fs/cgroup/cgroup.controllers", names)
        .file("sys/fs/cgroup/cgroup.subtree_control", "cpu memory pids\n");
    machine.detect_all(&["/"])
}

fn parse(json: &str) -> Resources {
    serde_json::from_str(json).expect("resources as config.json has them")
}

fn at(hierarchy: &Hierarchy, path: &str) -> Cgroup {
    Cgroup::at(hierarchy, path).expect("a path that names a cgroup")
}

fn story(hierarchy: &Hierarchy, json: &[&str]) -> String {
    let cgroup = at(hierarchy, "/a/b");
    let created =
        json.iter().map(|json| lines("create", cgroup.create(&parse(json)).expect("all can be had")));
    let created: String = created.collect();
    created
        + &lines("open", cgroup.open())
        + &lines("enter", cgroup.enter())
        + &lines("remove", cgroup.remove())
}

#[test]
fn every_member_under_v1() {
    snapshot!(story(&v1(), &[MOST, ONLY_V1]));
}

#[test]
fn every_member_under_v2() {
    snapshot!(story(&v2(), &[MOST, ONLY_V2]));
}

#[test]
fn what_is_refused_is_named() {
    let (v1, v2) = (v1(), v2());
    let nothing = Machine::new(
        "v1-little",
        "41 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
        "1:memory:/\n",
    );
    let little = nothing.detect_all(&["/"]);
    let refused = [
        (&v1, r#"{"memory": {"swappiness": 101}}"#),
        (&v1, r#"{"memory": {"limit": -2}}"#),
        (&v1, r#"{"memory": {"limit": 2048, "swap": 1024}}"#),
        (&v2, r#"{"memory": {"swap": 1024}}"#),
        (&v2, r#"{"memory": {"swappiness": 60}}"#),
        (&v2, r#"{"memory": {"kernelTCP": 1048576}}"#),
        (&v2, r#"{"memory": {"disableOOMKiller": true}}"#),
        (&v1, r#"{"cpu": {"shares": 1}}"#),
        (&v1, r#"{"cpu": {"shares": 262145}}"#),
        (&v2, r#"{"cpu": {"realtimeRuntime": 1000}}"#),
        (&v1, r#"{"blockIO": {"weight": 9}}"#),
        (&v1, r#"{"blockIO": {"leafWeight": 500}}"#),
        (&v2, r#"{"hugepageLimits": [{"pageSize": "../2MB", "limit": 1}]}"#),
        (&v2, r#"{"network": {"classID": 1}}"#),
        (&v2, r#"{"rdma": {"mlx5 0": {"hcaHandles": 1}}}"#),
        (&v2, r#"{"rdma": {"mlx5_0": {}}}"#),
        (&v1, r#"{"unified": {"memory.high": "1"}}"#),
        (&v2, r#"{"unified": {"../memory.high": "1"}}"#),
        (&v2, r#"{"unified": {"memory": "1"}}"#),
        (&v2, r#"{"unified": {"magic.max": "1"}}"#),
        (&little, r#"{"memory": {"limit": 1048576}, "rdma": {"mlx5_0": {"hcaHandles": 1}}}"#),
        (&little, r#"{"cpu": {"cpus": "0"}}"#),
        (&little, r#"{"devices": [{"allow": false, "access": "rwm"}]}"#),
        (&v1, r#"{"devices": [{"allow": false}]}"#),
        (&v1, r#"{"devices": [{"allow": true, "type": "x", "access": "r"}]}"#),
        (&v1, r#"{"devices": [{"allow": true, "type": "c", "access": "rwx"}]}"#),
        (&v1, r#"{"devices": [{"allow": true, "type": "c", "major": 4294967296, "access": "r"}]}"#),
        (
            &v2,
            r#"{"devices": [{"allow": true, "type": "c", "access": "rw"}, {"allow": false, "type": "c", "major": 5, "access": "r"}]}"#,
        ),
    ];
    let tell = |(hierarchy, json): &(&Hierarchy, &str)| {
        let error = at(hierarchy, "/a").create(&parse(json)).expect_err(json);
        format!("{} {json}\n    {}\n", hierarchy.version(), error.to_string().replace('\n', "\n    "))
    };
    snapshot!(refused.iter().map(tell).collect::<String>());
}

#[test]
fn nothing_said_is_nothing_done() {
    for json in [
        r#"{"memory": {"limit": 0, "swap": 0}, "cpu": {"shares": 0, "quota": 0, "period": 0}, "pids": {"limit": 0}}"#,
        "{}",
    ] {
        for hierarchy in [v1(), v2()] {
            let steps = at(&hierarchy, "/a").create(&parse(json)).expect("nothing that could be refused");
            let writes = steps
                .iter()
                .filter(|step| step.op.call() == "write" && !step.op.to_string().contains("cpuset"));
            let writes: Vec<String> =
                writes.map(|step| step.op.to_string()).filter(|op| !op.contains("subtree")).collect();
            assert!(writes.is_empty(), "{writes:?}");
        }
    }
}

#[test]
fn numbers_of_version_1_in_version_2() {
    // the curve that runtimes have agreed on goes through these
    let shares = [0, 2, 100, 512, 1024, 2048, 262_144, u64::MAX];
    assert_eq!(shares.map(cpu::weight), [1, 1, 17, 59, 100, 174, 10_000, 10_000]);
    assert_eq!([10, 11, 500, 1000].map(io_weight), [1, 11, 4950, 10_000]);
    let cgroup = at(&v2(), "/a");
    let swap = |memory: &str| {
        let steps = cgroup.create(&parse(&format!("{{\"memory\": {memory}}}"))).expect("it can be had");
        let swap = steps.iter().map(|step| step.op.to_string()).find(|op| op.contains("swap"));
        swap.map(|op| op.rsplit('"').nth(1).expect("a value").to_string())
    };
    assert_eq!(swap(r#"{"limit": 1000, "swap": 3000}"#).as_deref(), Some("2000"));
    assert_eq!(swap(r#"{"limit": 1000, "swap": 1000}"#).as_deref(), Some("0"));
    assert_eq!(swap(r#"{"limit": 1000, "swap": -1}"#).as_deref(), Some("max"));
    assert_eq!(swap(r#"{"limit": -1, "swap": 3000}"#).as_deref(), Some("3000"));
    assert_eq!(swap(r#"{"limit": -1}"#).as_deref(), Some("max"));
    assert_eq!(swap(r#"{"limit": 1000}"#), None);
}

#[test]
fn a_path_names_one_cgroup() {
    let hierarchy = v2();
    for (path, directory) in [
        ("/a/b", "/sys/fs/cgroup/a/b"),
        ("a/./b/", "/sys/fs/cgroup/a/b"),
        ("/machine.slice/x:y", "/sys/fs/cgroup/machine.slice/x:y"),
        ("/a:b:c", "/sys/fs/cgroup/a:b:c"),
    ] {
        let found = at(&hierarchy, path).directory(stepbox::cgroups::Controller::Memory);
        assert_eq!(found.expect("there is memory").to_str(), Some(directory), "{path}");
    }
    let refused = ["system.slice:runc:434234", ":docker:ID", "", "/", ".", "/a/../b", "../b"];
    let refused = refused.map(|path| Cgroup::at(&hierarchy, path).expect_err(path).to_string());
    snapshot!(refused.join("\n"));
}

#[test]
fn a_refusal_of_the_kernel_names_the_member() {
    use stepbox::kernel::{Errno, Op};
    let at = |file: &str, value: &str| Op::write(format!("/sys/fs/cgroup/a/{file}"), value);
    let met = [
        (at("memory.max", "4096"), Errno::BUSY),
        (at("cpuset.cpus", "0-99"), Errno::INVAL),
        (at("hugetlb.3MB.max", "0"), Errno::NOENT),
        (at("memory.high", "x"), Errno::INVAL),
        (at("cgroup.procs", "[BOX]"), Errno::BUSY),
    ];
    let told =
        met.map(|(op, errno)| stepbox::cgroups::explain(&op, errno).unwrap_or("no member wanted it".into()));
    snapshot!(told.join("\n"));
}

/// What was not asked for when the box was made: version 1 moves it, version 2 hands a controller down.
#[test]
fn a_box_that_runs_is_limited_in_another_way() {
    let json = r#"{"cpu": {"cpus": "0"}, "blockIO": {"weight": 500}}"#;
    let read = |path: &Path| match path.to_str()? {
        "/sys/fs/cgroup/cpuset.cpus.effective" => Some("0-3\n".to_string()),
        "/sys/fs/cgroup/stepbox-ID/io.bfq.weight" => Some("default 100\n".into()),
        _ => None,
    };
    let mut text = String::new();
    for hierarchy in [v1(), v2()] {
        let cgroup = Cgroup::of_box(&hierarchy, "ID");
        let steps = cgroup.extend(&parse(json), &[7, 9], &read).expect("both can be had");
        text += &lines(hierarchy.version(), steps);
    }
    snapshot!(text);
}
