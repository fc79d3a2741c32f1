//! Refusals that this machine does not give: what the doctor would make of them.

use stepbox::doctor::machine::Container;
use stepbox::doctor::{Check, Finding, Machine, Report, Status, examinations, gates};
use stepbox::kernel::flags::{NEWNS, NEWPID, NEWUSER};
use stepbox::kernel::{Errno, Op};
use stepbox::launch::{StepError, Unmet};

pub fn failed(op: Op, errno: Errno) -> StepError {
    StepError { step: "try", op, what: Unmet::Errno(errno), not_undone: Vec::new() }
}

pub fn docker() -> Option<Container> {
    Some(Container { engine: "docker".into(), evidence: "/.dockerenv".into() })
}

pub fn each_gate_has_its_remedy() {
    let usual = Machine { uid: 1000, max_user_namespaces: Some(15000), ..Machine::default() };
    let clone = || Op::Clone { flags: NEWUSER | NEWPID };
    let host_name = || Op::Sethostname { name: "box".into() };
    let cases: [(Machine, Op, Errno, &str, &str); 9] = [
        (
            Machine { uid: 0, seccomp: 2, container: docker(), ..usual.clone() },
            Op::Clone { flags: NEWNS },
            Errno::PERM,
            "we are root without CAP_SYS_ADMIN",
            "docker run --privileged …",
        ),
        (
            Machine { userns_clone: Some(0), ..usual.clone() },
            clone(),
            Errno::PERM,
            "kernel.unprivileged_userns_clone is 0",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        (
            Machine { apparmor_restricts: Some(1), ..usual.clone() },
            host_name(),
            Errno::PERM,
            "kernel.apparmor_restrict_unprivileged_userns is 1",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        (
            Machine { uid: 0, seccomp: 2, container: docker(), ..usual.clone() },
            clone(),
            Errno::PERM,
            "the seccomp filter of the docker container",
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined …",
        ),
        (
            Machine { chrooted: true, ..usual.clone() },
            clone(),
            Errno::PERM,
            "this process is chroot'ed",
            "run it outside of the chroot, or enter it with: unshare --mount chroot …",
        ),
        (
            Machine {
                container: docker(),
                apparmor: Some("docker-default (enforce)".into()),
                ..usual.clone()
            },
            Op::mount("tmpfs", "/tmp", "tmpfs", 0, ""),
            Errno::ACCESS,
            "AppArmor's profile docker-default (enforce)",
            "docker run --security-opt apparmor=unconfined …",
        ),
        (
            Machine {
                container: docker(),
                covered: vec!["/proc/kcore".into(), "/proc/sys".into()],
                ..usual.clone()
            },
            Op::mount("proc", "/proc", "proc", 0, ""),
            Errno::PERM,
            "parts of /proc are covered (/proc/kcore and 1 more)",
            "docker run --security-opt systempaths=unconfined …",
        ),
        (
            Machine { wsl: true, ..usual.clone() },
            Op::mount("overlay", "/m", "overlay", 0, ""),
            Errno::NODEV,
            "this kernel has no overlay",
            "wsl.exe --update",
        ),
        (
            Machine { max_user_namespaces: None, ..usual },
            clone(),
            Errno::INVAL,
            "this kernel has no user namespaces",
            "boot a kernel with CONFIG_USER_NS=y",
        ),
    ];
    for (machine, op, errno, gate, fix) in cases {
        let found = gates::explain(&machine, &failed(op, errno));
        assert_eq!(found.status, Status::Blocked);
        assert!(found.reason.contains(gate), "{} should name: {gate}", found.reason);
        assert_eq!(found.fix, [fix], "for {gate}");
    }
}

/// A covered /proc is found in mountinfo as a container leaves it; the seam is the root directory that is read.
pub fn covered_proc_is_named() {
    let root = std::env::temp_dir().join(format!("stepbox-doctor-test-{}", std::process::id()));
    std::fs::create_dir_all(root.join("proc/self")).expect("make a /proc");
    let lines = "1 0 0:1 / / rw - overlay overlay rw\n\
                 2 1 0:2 / /proc rw - proc proc rw\n\
                 3 2 0:2 /sys /proc/sys ro - proc proc rw\n\
                 4 2 0:3 / /proc/sys/fs/binfmt_misc rw - binfmt_misc binfmt_misc rw\n";
    std::fs::write(root.join("proc/self/mountinfo"), lines).expect("write mountinfo");
    std::fs::write(root.join("proc/self/status"), "Seccomp:\t2\nCapEff:\t00000000a80425fb\n")
        .expect("write status");
    std::fs::write(root.join(".dockerenv"), "").expect("write the mark");
    let machine = Machine::read(&root);
    std::fs::remove_dir_all(&root).expect("remove it again");
    assert_eq!(machine.covered, ["/proc/sys"]);
    assert_eq!((machine.seccomp, machine.sys_admin, machine.chrooted), (2, false, false));
    assert_eq!(machine.container, docker());
}

/// Who may make no cgroup still plays lab 06, which then shows the refusal, and still runs containers.
pub fn a_user_of_version_1_is_not_blocked() {
    let root = std::env::temp_dir().join(format!("stepbox-doctor-test-{}-v1", std::process::id()));
    std::fs::create_dir_all(root.join("proc/self")).expect("make a /proc");
    let lines = "1 0 0:1 / / rw - ext4 /dev/sda1 rw\n\
                 2 1 0:2 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    std::fs::write(root.join("proc/self/mountinfo"), lines).expect("write mountinfo");
    std::fs::write(root.join("proc/self/cgroup"), "2:memory:/\n").expect("write cgroup");
    let machine = Machine { uid: 1000, root: root.clone(), ..Machine::default() };
    let mkdir = Op::mkdir("/sys/fs/cgroup/memory/stepbox-doctor-[PID]");
    let finding = judged(&machine, "cgroups", mkdir, Errno::ACCESS);
    std::fs::remove_dir_all(&root).expect("remove it again");
    assert_eq!(finding.status, Status::Blocked);
    let why = "v1 hierarchy, mkdir(\"/sys/fs/cgroup/memory/stepbox-doctor-[PID]\", 0755) = EACCES: this cgroup belongs to another user";
    assert_eq!(finding.reason, why);
    let report = Report::new(machine, vec![Check { name: "cgroups".into(), finding }]);
    assert!(!report.blocked(), "exit code 1 is for what cannot be played at all");
    let row = |name: &str| report.labs.iter().find(|row| row.name == name).expect("a row").finding.clone();
    for (name, without, fix) in [
        (
            "06-cgroups",
            "limits (it shows the refusal instead)",
            "cargo build --bin 06-cgroups && sudo target/debug/06-cgroups",
        ),
        ("stepbox run", "limits (-m, --cpus, --pids-limit)", "sudo stepbox run"),
    ] {
        let finding = row(name);
        assert_eq!(finding.status, Status::Reduced, "{name}");
        assert_eq!(finding.reason, format!("without {without}, because of cgroups: {why}"));
        assert_eq!(finding.fix[0], fix);
    }
}

/// What an examination makes of this refusal.
pub fn judged(machine: &Machine, name: &str, op: Op, errno: Errno) -> Finding {
    let found = examinations(machine).into_iter().find(|examination| examination.name == name);
    (found.expect("it is examined").judge)(machine, Err(&failed(op, errno)))
}
