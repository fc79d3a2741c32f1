//! Cgroups: what is detected on machines that we do not have, the steps that come of it, and one real limit.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use stepbox::cgroups::{self, Cgroup, Controller, Hierarchy, Limits, Resources, detect};
use stepbox::kernel::flags::INTO_CGROUP;
use stepbox::kernel::{Errno, Op, hint};
use stepbox::launch::launch;
use stepbox::step::{Expect, Plan, Step};

#[path = "cgroups/devices.rs"]
mod devices;
#[path = "cgroups/limits.rs"]
mod limits;
#[path = "cgroups/real.rs"]
mod real;
#[path = "cgroups/trial.rs"]
mod trial;

const V2_MOUNT: &str = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const ALL: Limits =
    Limits { memory: Some(64 << 20), swap: Some(32 << 20), cpus: Some(1500), pids: Some(100) };

/// A machine as files below a directory.
struct Machine(PathBuf);

impl Machine {
    fn new(name: &str, mountinfo: &str, own: &str) -> Machine {
        let machine = Machine(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cgroups").join(name));
        let _ = std::fs::remove_dir_all(&machine.0);
        machine.file("proc/self/mountinfo", mountinfo).file("proc/self/cgroup", own)
    }

    fn file(self, path: &str, text: &str) -> Machine {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().expect("a file lies in a directory"))
            .expect("make a directory");
        std::fs::write(path, text).expect("write a file of the machine");
        self
    }

    fn v2_root(name: &str, own: &str, controllers: &str, enabled: &str) -> Machine {
        Machine::new(name, V2_MOUNT, own)
            .file("sys/fs/cgroup/cgroup.controllers", controllers)
            .file("sys/fs/cgroup/cgroup.subtree_control", enabled)
    }

    /// What is detected by somebody who may write in these directories and below them.
    fn detect(&self, ours: &[&str]) -> Hierarchy {
        self.detect_all(ours).keep(&Controller::ALL)
    }

    /// The same, with the controllers that only an OCI runtime uses.
    fn detect_all(&self, ours: &[&str]) -> Hierarchy {
        let may = |directory: &Path| {
            let directory =
                Path::new("/").join(directory.strip_prefix(&self.0).expect("below the machine's root"));
            match ours.iter().any(|own| directory.starts_with(own)) {
                true => Ok(()),
                false => Err(Errno::ACCESS),
            }
        };
        detect::read(&self.0, may).expect("read the machine")
    }
}

fn lines(title: &str, steps: impl IntoIterator<Item = Step>) -> String {
    let mut text = format!("{title}\n");
    for step in steps {
        let or =
            if let Expect::OrElse(errno) = step.expect { hint::errno_text(errno) } else { String::new() };
        let or = if or.is_empty() { or } else { format!("  or {or}") };
        let undo = step.undo.map_or(String::new(), |undo| format!("  undo {undo}"));
        writeln!(text, "  {}: {}{or}{undo}", step.name, step.op).expect("a string takes everything");
    }
    text
}

/// Everything that a container needs of a machine.
fn story(hierarchy: &Hierarchy, limits: &Limits) -> String {
    let mut text = format!("{}\n{hierarchy}\n", hierarchy.version());
    let cgroup = Cgroup::of_box(hierarchy, "ID");
    match cgroup.create(&limits.into()) {
        Ok(steps) => text += &lines("create", steps),
        Err(error) => text += &format!("create: {error}\n"),
    }
    text += &lines("join", cgroup.join());
    text += &lines("freeze", cgroup.freeze());
    text += &lines("thaw", cgroup.thaw());
    text + &lines("kill", cgroup.kill())
}

#[test]
fn v2_root_of_a_machine_with_systemd() {
    let own = "0::/user.slice/user-0.slice/session-1.scope\n";
    let machine =
        Machine::v2_root("v2-systemd", own, "cpuset cpu io memory hugetlb pids misc\n", "cpu memory pids\n");
    insta::assert_snapshot!(story(&machine.detect(&["/"]), &ALL));
}

#[test]
fn v2_hands_down_what_is_not_yet() {
    let machine = Machine::v2_root("v2-bare", "0::/\n", "cpuset cpu io memory pids\n", "cpu\n");
    insta::assert_snapshot!(story(&machine.detect(&["/"]), &Limits { pids: Some(7), ..Limits::default() }));
}

#[test]
fn v2_delegated_to_a_user() {
    let own = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope\n";
    let app = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice";
    let machine = Machine::v2_root("v2-user", own, "cpu memory pids\n", "cpu memory pids\n")
        .file(&format!("{}/cgroup.controllers", &app[1..]), "memory pids\n")
        .file(&format!("{}/cgroup.subtree_control", &app[1..]), "memory pids\n")
        .file(&format!("{}/run-1.scope/cgroup.type", &app[1..]), "domain\n");
    let hierarchy = machine.detect(&[app]);
    let (some, cpu) = (Limits { cpus: None, ..ALL }, Limits { cpus: Some(500), ..Limits::default() });
    let refused =
        Cgroup::of_box(&hierarchy, "ID").create(&(&cpu).into()).expect_err("there is no cpu controller");
    insta::assert_snapshot!(format!("{}\nwith a cpu limit: {refused}", story(&hierarchy, &some)));
}

#[test]
fn v2_not_delegated_says_how_to_get_it() {
    let own = "0::/user.slice/user-1000.slice/session-2.scope\n";
    let machine = Machine::v2_root("v2-plain-user", own, "cpu memory pids\n", "cpu memory pids\n");
    insta::assert_snapshot!(story(&machine.detect(&[]), &ALL));
    let without = Cgroup::of_box(&machine.detect(&[]), "ID").create(&Resources::default());
    assert_eq!(without, Ok(Vec::new()), "no limit is wanted, so nothing is refused");
}

#[test]
fn v2_in_a_container_holds_processes_itself() {
    let machine = Machine::v2_root("v2-container", "0::/\n", "cpu memory pids\n", "\n")
        .file("sys/fs/cgroup/cgroup.type", "domain\n");
    insta::assert_snapshot!(story(&machine.detect(&["/"]), &ALL));
}

#[test]
fn hybrid() {
    let mut mountinfo = String::from("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n");
    for (at, name) in ["memory", "cpu", "cpuacct", "pids", "freezer", "name=systemd"].iter().enumerate() {
        let point = name.trim_start_matches("name=");
        mountinfo += &format!("4{at} 31 0:3{at} / /sys/fs/cgroup/{point} rw - cgroup cgroup rw,{name}\n");
    }
    mountinfo += "41 31 0:40 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    let own = "5:memory:/some/where\n4:pids:/\n0::/\n";
    let machine = Machine::new("hybrid", &mountinfo, own)
        .file("sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n")
        .file("sys/fs/cgroup/unified/cgroup.subtree_control", "\n");
    let hierarchy = machine.detect(&["/"]);
    insta::assert_snapshot!(story(&hierarchy, &ALL));
    let one = hierarchy.only(Controller::Memory);
    assert_eq!(one.v1.len(), 1);
    assert_eq!(one.v2, None);
}

#[test]
fn v1_in_a_container_shows_a_part_and_joins_controllers() {
    let part = "/docker/abc";
    let mountinfo = format!(
        "41 31 0:31 {part} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
         42 31 0:32 {part} /sys/fs/cgroup/with\\040space rw - cgroup cgroup rw,memory\n\
         43 31 0:33 {part} /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    );
    let own = format!("3:cpu,cpuacct:{part}/x\n2:memory:{part}/x\n1:pids:{part}/x/y\n");
    let machine = Machine::new("v1-container", &mountinfo, &own);
    // the memory hierarchy is ours from x on, the pids hierarchy nowhere
    let hierarchy = machine.detect(&["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/with space/x"]);
    let limits = Limits { pids: None, ..ALL };
    let refused = Cgroup::of_box(&hierarchy, "ID").create(&(&ALL).into()).expect_err("pids is not ours");
    insta::assert_snapshot!(format!("{}\nwith a pids limit: {refused}", story(&hierarchy, &limits)));
}

#[test]
fn a_machine_without_cgroups() {
    let machine = Machine::new("none", "22 1 0:20 / /proc rw - proc proc rw\n", "");
    insta::assert_snapshot!(story(&machine.detect(&["/"]), &ALL));
}

#[test]
fn a_hierarchy_can_be_kept() {
    let hierarchy = Machine::v2_root("kept", "0::/\n", "memory\n", "\n").detect(&["/"]);
    let text = serde_json::to_string(&hierarchy).expect("plain data");
    assert_eq!(serde_json::from_str::<Hierarchy>(&text).expect("the same data"), hierarchy);
}

#[test]
fn every_error_has_a_hint() {
    let at = |file: &str| Op::write(format!("/sys/fs/cgroup/stepbox-ID/{file}"), "1");
    let met = [
        (Op::mkdir("/sys/fs/cgroup/memory/stepbox-ID"), Errno::ACCESS),
        (Op::mkdir("/sys/fs/cgroup/stepbox-ID"), Errno::ROFS),
        (Op::mkdir("/sys/fs/cgroup/stepbox-ID"), Errno::EXIST),
        (Op::mkdir("/sys/fs/cgroup/stepbox-ID"), Errno::AGAIN),
        (Op::Rmdir { path: "/sys/fs/cgroup/stepbox-ID".into() }, Errno::BUSY),
        (at("cgroup.subtree_control"), Errno::BUSY),
        (at("cgroup.subtree_control"), Errno::NOENT),
        (at("cgroup.procs"), Errno::ACCESS),
        (at("cgroup.procs"), Errno::NOENT),
        (at("cgroup.procs"), Errno::SRCH),
        (at("cgroup.procs"), Errno::OPNOTSUPP),
        (at("memory.limit_in_bytes"), Errno::BUSY),
        (at("cpu.max"), Errno::INVAL),
        (at("cpuset.cpus"), Errno::INVAL),
        (at("io.max"), Errno::NODEV),
        (at("hugetlb.3MB.max"), Errno::NOENT),
        (at("blkio.bfq.weight"), Errno::NOENT),
        (at("cpu.rt_runtime_us"), Errno::INVAL),
        (Op::Clone { flags: INTO_CGROUP }, Errno::ACCESS),
        (Op::Clone { flags: INTO_CGROUP }, Errno::BUSY),
        (Op::Clone { flags: INTO_CGROUP }, Errno::OPNOTSUPP),
        (Op::Clone { flags: INTO_CGROUP }, Errno::NODEV),
        (Op::LoadDeviceFilter(Vec::new()), Errno::PERM),
        (Op::LoadDeviceFilter(Vec::new()), Errno::INVAL),
        (
            Op::AwaitText {
                path: "/sys/fs/cgroup/a/freezer.state".into(),
                text: "FROZEN".into(),
                again: None,
            },
            Errno::TIMEDOUT,
        ),
        (Op::WriteFirst { choices: Vec::new() }, Errno::NOENT),
        (Op::RemoveCgroup { path: "/sys/fs/cgroup/a".into() }, Errno::BUSY),
    ];
    let lines = met.iter().map(|(op, errno)| {
        format!("{op} = {}\n  {}\n", hint::errno_text(*errno), hint::hint(op, *errno).unwrap_or("NO HINT"))
    });
    insta::assert_snapshot!(lines.collect::<String>());
}

#[test]
fn limits_are_set_and_gone_again() {
    let hierarchy = cgroups::detect(Path::new("/")).expect("read this machine");
    if let Err(reason) = hierarchy.writable() {
        return support::skip("limits_are_set_and_gone_again", &reason.to_string());
    }
    let id = format!("test-{}", std::process::id());
    let limits = Limits { swap: None, ..ALL };
    let cgroup = Cgroup::of_box(&hierarchy.keep(&Controller::ALL), &id);
    let plan = Plan::default().then(cgroup.create(&(&limits).into()).expect("writable"));
    let running = launch(&plan, &mut (), None).expect("make the cgroups");
    let read = |controller, names: [&str; 2]| {
        let directory = cgroup.directory(controller).expect("writable");
        let text = names.iter().find_map(|name| std::fs::read_to_string(directory.join(name)).ok());
        text.expect("the file of this version").trim().to_string()
    };
    assert_eq!(read(Controller::Memory, ["memory.max", "memory.limit_in_bytes"]), "67108864");
    let quota = read(Controller::Cpu, ["cpu.max", "cpu.cfs_quota_us"]);
    assert_eq!(quota.split(' ').next(), Some("150000"));
    assert_eq!(read(Controller::Pids, ["pids.max", "pids.max"]), "100");
    assert!(running.undo(&mut ()).is_empty(), "every undo succeeds");
    for controller in Controller::ALL {
        let directory = cgroup.directory(controller);
        assert!(directory.is_none_or(|directory| !directory.exists()), "{controller:?} is left");
    }
}
