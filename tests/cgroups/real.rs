//! Cgroups of this machine, of whatever version: limits read back, changed, processes stopped, killed, counted.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stepbox::cgroups::oom::Told;
use stepbox::cgroups::{self, Cgroup, CgroupError, Controller, Hierarchy, Resources};
use stepbox::launch::{LaunchError, launch};
use stepbox::step::Plan;

use crate::trial::{Trial, parse, read, skip, take, within_seconds};

const BASIC: [Controller; 3] = [Controller::Memory, Controller::Cpu, Controller::Pids];
const SMALL: &str = r#"{
    "memory": {"limit": 67108864, "swap": 134217728, "reservation": 33554432},
    "cpu": {"shares": 2048, "quota": 50000, "period": 100000},
    "pids": {"limit": 20}
}"#;

fn state(trial: &Trial) -> String {
    let quota = match trial.cgroup.hierarchy.version() {
        "v2" => trial.read(Controller::Cpu, ["cpu.max", "cpu.max"]),
        _ => ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
            .map(|file| trial.read(Controller::Cpu, [file; 2]))
            .join(" "),
    };
    [
        trial.read(Controller::Memory, ["memory.max", "memory.limit_in_bytes"]),
        trial.read(Controller::Memory, ["memory.low", "memory.soft_limit_in_bytes"]),
        trial.read(Controller::Cpu, ["cpu.weight", "cpu.shares"]).replace("2048", "174"),
        quota,
        trial.read(Controller::Pids, ["pids.max", "pids.max"]),
    ]
    .join(", ")
}

#[test]
fn limits_are_set_and_changed() {
    let Some(trial) = Trial::new("limits_are_set_and_changed", &BASIC, SMALL) else { return };
    assert_eq!(state(&trial), "67108864, 33554432, 174, 50000 100000, 20");
    // up and down: each version refuses some of the states between
    let up =
        r#"{"memory": {"limit": 268435456, "swap": 536870912}, "cpu": {"quota": 200000, "period": 50000}}"#;
    trial.update(up).expect("more");
    assert_eq!(state(&trial), "268435456, 33554432, 174, 200000 50000, 20");
    let down =
        r#"{"memory": {"limit": 33554432, "swap": 33554432}, "cpu": {"quota": 5000, "period": 10000}}"#;
    trial.update(down).expect("less");
    assert_eq!(state(&trial), "33554432, 33554432, 174, 5000 10000, 20");
    let none = r#"{"memory": {"limit": -1}, "cpu": {"quota": -1}, "pids": {"limit": -1}}"#;
    trial.update(none).expect("no limit");
    assert!(
        ["max", "-1"].iter().any(|none| state(&trial).ends_with(&format!("{none} 10000, max"))
            || state(&trial).contains("max 100000, max")),
        "{}",
        state(&trial)
    );
    let again = trial.cgroup.update(&parse(r#"{"pids": {"limit": -1}}"#), &read).expect("as it is");
    assert_eq!(again, Vec::new(), "what is set already is not written again");
}

#[test]
fn a_change_that_fails_is_taken_back() {
    let Some(trial) = Trial::new("a_change_that_fails_is_taken_back", &BASIC, SMALL) else { return };
    let before = state(&trial);
    // a quota of less than a millisecond, after the memory has been changed
    let error =
        trial.update(r#"{"memory": {"limit": 100663296}, "cpu": {"quota": 10}}"#).expect_err("a bad quota");
    let LaunchError::Step(error) = error else { panic!("{error}") };
    let stepbox::launch::Unmet::Errno(errno) = error.what else { panic!("{error}") };
    let told = cgroups::explain(&error.op, errno).expect("a member wanted it");
    assert!(told.starts_with("linux.resources.cpu.quota: 10"), "{told}");
    assert_eq!(state(&trial), before);
}

#[test]
fn usage_is_asked_before_a_limit_goes_below_it() {
    let Some(mut trial) = Trial::new("usage_is_asked_before_a_limit_goes_below_it", &BASIC, SMALL) else {
        return;
    };
    trial.start("exec sleep 60");
    let file =
        if trial.cgroup.hierarchy.version() == "v2" { "memory.current" } else { "memory.usage_in_bytes" };
    within_seconds("using memory", || trial.read(Controller::Memory, [file; 2]) != "0");
    let less = parse(r#"{"memory": {"limit": 4096, "checkBeforeUpdate": true}}"#);
    let error = trial.cgroup.update(&less, &read).expect_err("it would be killed");
    assert!(error.to_string().contains("rejecting memory limit 4096 <= usage "), "{error}");
}

#[test]
fn everything_that_v1_has() {
    const NAME: &str = "everything_that_v1_has";
    let hierarchy = cgroups::detect(Path::new("/")).expect("read this machine");
    if hierarchy.version() == "v2" {
        return support::skip(NAME, "controllers of version 1 are needed");
    }
    let needed = [Controller::Memory, Controller::Cpuset, Controller::Block];
    let json = r#"{
        "memory": {"limit": 67108864, "kernelTCP": 1048576, "swappiness": 30, "disableOOMKiller": true, "useHierarchy": true},
        "cpu": {"cpus": "0", "burst": 0, "idle": 0}
    }"#;
    let Some(trial) = Trial::new(NAME, &needed, json) else { return };
    let read = |controller, file| trial.read(controller, [file; 2]);
    assert_eq!(read(Controller::Memory, "memory.swappiness"), "30");
    assert_eq!(read(Controller::Memory, "memory.kmem.tcp.limit_in_bytes"), "1048576");
    assert!(read(Controller::Memory, "memory.oom_control").contains("oom_kill_disable 1"));
    assert_eq!(read(Controller::Cpuset, "cpuset.cpus"), "0");
    // not said, so taken over from above: else nobody could join
    assert_eq!(read(Controller::Cpuset, "cpuset.mems"), read(Controller::Cpuset, "../cpuset.mems"));
    assert_ne!(read(Controller::Cpuset, "../cpuset.mems"), "");
}

#[test]
fn processes_are_found_stopped_and_killed() {
    let Some(mut trial) = Trial::new("processes_are_found_stopped_and_killed", &BASIC, SMALL) else { return };
    assert_eq!(trial.cgroup.vacant(), Ok(()));
    assert_eq!(trial.cgroup.pids(), Ok(Vec::new()));
    let mut all = [trial.start("exec sleep 60"), trial.start("exec sleep 60")];
    all.sort_unstable();
    within_seconds("joining", || {
        let everywhere = trial.cgroup.directories();
        everywhere
            .iter()
            .all(|(_, path)| read(&path.join("cgroup.procs")).unwrap_or_default().lines().count() == 2)
    });
    assert_eq!(trial.cgroup.pids(), Ok(all.to_vec()));
    let occupied = trial.cgroup.vacant().expect_err("two are in it").to_string();
    assert!(occupied.starts_with("container's cgroup is not empty: 2 process(es) found"), "{occupied}");
    take(trial.cgroup.pause()).expect("freeze");
    assert_eq!(trial.cgroup.frozen(), Ok(true));
    take(trial.cgroup.thaw()).expect("thaw");
    assert_eq!(trial.cgroup.frozen(), Ok(false));
    take(trial.cgroup.pause()).expect("freeze again");
    take(trial.cgroup.signal(libc::SIGKILL)).expect("kill what is frozen");
    let ends = trial.children.iter_mut().map(|child| child.wait().expect("it ends"));
    let signals: Vec<_> = ends.map(|end| std::os::unix::process::ExitStatusExt::signal(&end)).collect();
    assert_eq!(signals, [Some(libc::SIGKILL); 2]);
    within_seconds("leaving", || trial.cgroup.pids() == Ok(Vec::new()));
}

#[test]
fn whoever_would_join_a_frozen_cgroup_is_told() {
    let Some(trial) = Trial::new("whoever_would_join_a_frozen_cgroup_is_told", &BASIC, "{}") else { return };
    take(trial.cgroup.freeze()).expect("freeze");
    within_seconds("freezing", || trial.cgroup.frozen() == Ok(true));
    assert!(matches!(trial.cgroup.vacant(), Err(CgroupError::Frozen(_))));
    // one that is not there yet, below it
    let inner =
        format!("stepbox-test-{}-whoever_would_join_a_frozen_cgroup_is_told/inner/new", std::process::id());
    let inner = Cgroup::at(&trial.cgroup.hierarchy, &inner).expect("a path");
    assert!(matches!(inner.vacant(), Err(CgroupError::Frozen(_))));
    take(trial.cgroup.thaw()).expect("thaw");
    within_seconds("thawing", || trial.cgroup.vacant() == Ok(()));
}

#[test]
fn what_a_container_has_nested_goes_with_it() {
    let Some(trial) = Trial::new("what_a_container_has_nested_goes_with_it", &BASIC, "{}") else { return };
    for (_, directory) in trial.cgroup.directories() {
        let deep: PathBuf = (0..40).fold(directory.join("a"), |path, at| path.join(at.to_string()));
        std::fs::create_dir_all(&deep).expect("nest cgroups");
        std::fs::create_dir_all(directory.join("b/c")).expect("nest cgroups");
    }
    take(trial.cgroup.remove()).expect("remove all of them");
    assert!(trial.cgroup.directories().iter().all(|(_, directory)| !directory.exists()));
}

#[test]
fn what_others_use_stays() {
    const NAME: &str = "what_others_use_stays";
    let hierarchy = cgroups::detect(Path::new("/")).expect("read this machine");
    if let Some(reason) = BASIC.iter().find_map(|one| hierarchy.usable(*one).err()) {
        return skip(NAME, &reason.to_string());
    }
    let at = |name: &str| {
        let path = format!("stepbox-test-{}-shared/{name}", std::process::id());
        Cgroup::at(&hierarchy, &path)
            .expect("a path")
            .create(&Resources::default())
            .expect("it can be had here")
    };
    let [first, second] = ["first", "second"].map(|name| Plan::default().then(at(name)));
    let first = launch(&first, &mut (), None).expect("make the first");
    let second = launch(&second, &mut (), None).expect("make the second");
    assert_eq!(first.undo(&mut ()), [], "the cgroup above stays for the second");
    assert_eq!(second.undo(&mut ()), []);
    // it was not the second's to remove: it had been there before
    let parent = hierarchy.usable(Controller::Memory).expect("usable");
    let left = parent.join(format!("stepbox-test-{}-shared", std::process::id()));
    assert!(left.exists());
    for controller in Controller::EVERY {
        if let Some(name) = left.file_name()
            && let Ok(parent) = hierarchy.usable(controller)
        {
            let _ = std::fs::remove_dir(parent.join(name));
        }
    }
}

#[test]
fn who_comes_later_is_put_beside_the_first() {
    const NAME: &str = "who_comes_later_is_put_beside_the_first";
    let all = cgroups::detect(Path::new("/")).expect("read this machine");
    // also where it has no controllers, version 2 divides: cgroups, if nothing else
    let v2 = Hierarchy { v1: Vec::new(), ..all };
    let Some(mut trial) = Trial::within(NAME, &v2, &[Controller::Freezer], "{}") else { return };
    let directory = trial.cgroup.directory(Controller::Freezer).expect("it is there");
    let inner = directory.join("init");
    std::fs::create_dir(&inner).expect("nest a cgroup");
    let pid = trial.start(&format!("echo $$ > {}/cgroup.procs; exec sleep 60", inner.display()));
    within_seconds("joining", || {
        read(&inner.join("cgroup.procs")).unwrap_or_default().trim() == pid.to_string()
    });
    assert_eq!(trial.cgroup.beside(pid), std::slice::from_ref(&directory));
    assert_eq!(trial.cgroup.pids(), Ok(vec![pid]), "those of nested cgroups too");
    let offered = read(&directory.join("cgroup.controllers")).unwrap_or_default();
    let Some(controller) = offered.split_whitespace().next() else {
        return support::skip(NAME, "this version 2 has no controllers to divide");
    };
    std::fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}")).expect("divide");
    assert_eq!(trial.cgroup.beside(pid), [inner]);
}

/// Whether a program in the cgroup can open a device for reading.
fn opens(trial: &mut Trial, device: &str) -> bool {
    trial.start(&format!("exec 3< {device}"));
    let mut child = trial.children.pop().expect("just started");
    child.wait().expect("it ends").success()
}

#[test]
fn devices_are_closed_and_opened() {
    const NAME: &str = "devices_are_closed_and_opened";
    if !rustix::process::geteuid().is_root() {
        return support::skip(NAME, support::NEEDS_ROOT);
    }
    let all = cgroups::detect(Path::new("/")).expect("read this machine");
    let v1 = Hierarchy { v2: None, ..all.keep(&[Controller::Devices]) };
    let v2 = Hierarchy { v1: Vec::new(), ..all };
    let (rest, null) = (
        r#"{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "access": "m"}"#,
        r#"{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}"#,
    );
    let zero = r#"{"allow": true, "type": "c", "major": 1, "minor": 5, "access": "r"}"#;
    for hierarchy in [v1, v2].iter().filter(|hierarchy| hierarchy.usable(Controller::Devices).is_ok()) {
        let version = hierarchy.v2.is_some();
        let json = format!(r#"{{"devices": [{rest}, {null}]}}"#);
        let Some(mut trial) = Trial::within(NAME, hierarchy, &[Controller::Devices], &json) else { return };
        assert!(opens(&mut trial, "/dev/null"), "allowed, version 2: {version}");
        assert!(!opens(&mut trial, "/dev/zero"), "denied, version 2: {version}");
        for _ in 0..3 {
            trial.update(&format!(r#"{{"devices": [{rest}, {null}, {zero}]}}"#)).expect("allow another");
        }
        assert!(opens(&mut trial, "/dev/zero"), "allowed later, version 2: {version}");
        trial.update(&format!(r#"{{"devices": [{rest}, {zero}]}}"#)).expect("deny one");
        assert!(!opens(&mut trial, "/dev/null"), "denied later, version 2: {version}");
        assert!(opens(&mut trial, "/dev/zero"), "still allowed, version 2: {version}");
        trial.update(r#"{"devices": [{"allow": true, "access": "rwm"}]}"#).expect("allow all");
        assert!(opens(&mut trial, "/dev/full"), "all allowed, version 2: {version}");
    }
}

#[test]
fn the_end_of_memory_is_told() {
    let json = r#"{"memory": {"limit": 16777216, "swap": 16777216}}"#;
    let Some(mut trial) = Trial::new("the_end_of_memory_is_told", &BASIC, json) else { return };
    let mut watch = trial.cgroup.watch_oom().expect("listen");
    assert_eq!(
        watch.read().expect("ask"),
        if trial.cgroup.hierarchy.version() == "v2" { Told::Gone } else { Told::Nothing }
    );
    trial.start("head -c 100000000 /dev/zero | tail -c 90000000");
    let mut waiting = [rustix::event::PollFd::new(&watch, rustix::event::PollFlags::IN)];
    let timeout = rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut waiting, Some(&timeout)), Ok(1), "it is told");
    let start = Instant::now();
    while watch.read().expect("ask") != Told::OutOfMemory {
        assert!(start.elapsed() < Duration::from_secs(50), "out of memory");
        std::thread::sleep(Duration::from_millis(5));
    }
    let end = trial.children[0].wait().expect("it ends");
    assert!(!end.success(), "it was killed: {end}");
    drop(trial);
    within_seconds("the end", || {
        let mut waiting = [rustix::event::PollFd::new(&watch, rustix::event::PollFlags::IN)];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut waiting, Some(&now)) == Ok(1)
    });
    assert_eq!(watch.read().expect("ask"), Told::Gone);
}

#[test]
fn what_is_used_is_counted() {
    let Some(mut trial) = Trial::new("what_is_used_is_counted", &BASIC, SMALL) else { return };
    trial.start("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exec sleep 60");
    within_seconds("computing", || {
        let stats = trial.cgroup.stats().expect("it is there");
        stats.cpu.usage.total > 1_000_000 && stats.memory.usage.usage > 0
    });
    let stats = trial.cgroup.stats().expect("it is there");
    assert_eq!((stats.pids.current, stats.pids.limit), (1, 20));
    assert_eq!(stats.memory.usage.limit, 67_108_864);
    assert!(stats.memory.usage.max >= stats.memory.usage.usage || stats.memory.usage.max == 0);
    assert!(!stats.memory.raw.is_empty());
    let json = serde_json::to_value(&stats).expect("plain data");
    let keys: Vec<&String> = json.as_object().expect("an object").keys().collect();
    let expected = ["cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces"];
    assert_eq!(keys, expected);
    assert!(json["memory"]["usage"]["failcnt"].is_u64() && json["cpu"]["usage"]["kernel"].is_u64(), "{json}");
    let gone = Cgroup::at(&trial.cgroup.hierarchy, "stepbox-test-never").expect("a path");
    assert!(matches!(gone.stats(), Err(CgroupError::Unreadable(..))));
}
