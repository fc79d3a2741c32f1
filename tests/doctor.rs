//! The doctor: what it says must be what happens. Its own harness, because the doctor clones and a test of libtest
//! shares its process with other threads. This program runs itself again, as `--examine` or `--refused`.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};

use stepbox::doctor::machine::Container;
use stepbox::doctor::{Check, Finding, Machine, Report, Status, examine, gates};
use stepbox::kernel::ctext::BOX;
use stepbox::kernel::flags::{NEWNS, NEWPID, NEWTIME, NEWUSER};
use stepbox::kernel::netlink::{Mac, Netns, Peer, Request};
use stepbox::kernel::op::Exec;
use stepbox::kernel::{Errno, Op};
use stepbox::lab::LABS;
use stepbox::launch::{StepError, Unmet, launch};
use stepbox::step::{Plan, Step};
use stepbox::trace::Trace;

mod support;

const NOBODY: u32 = 65534;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--examine") => {
            println!("{}", serde_json::to_string(&examine()).expect("a report is JSON"));
            return ExitCode::SUCCESS;
        }
        Some("--refused") => return refused(&arguments[1..]),
        // cargo test -- --list, and names of tests in other files
        Some("--list") => return ExitCode::SUCCESS,
        _ => {}
    }
    let tests: [(&str, fn()); 8] = [
        ("every_lab_has_a_row", every_lab_has_a_row),
        ("it_says_what_happens_to_root", || it_says_what_happens(0)),
        ("it_says_what_happens_to_nobody", || it_says_what_happens(NOBODY)),
        ("a_limit_of_zero_is_named", a_limit_of_zero_is_named),
        ("each_gate_has_its_remedy", each_gate_has_its_remedy),
        ("covered_proc_is_named", covered_proc_is_named),
        ("the_lab_tells_the_same", the_lab_tells_the_same),
        ("the_table", the_table),
    ];
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    for (name, test) in tests {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

/// Runs a program as this user, where we may; `None`, and a loud skip, where we may not.
fn run_as(test: &str, uid: u32, program: &Path, arguments: &[&str]) -> Option<Output> {
    let root = rustix::process::geteuid().is_root();
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").env("HOME", "/tmp").env_remove("STEPBOX_ROOT");
    command.env_remove("XDG_DATA_HOME").stdin(Stdio::null());
    if root {
        command.uid(uid).gid(uid);
    } else if uid == 0 {
        support::skip(test, "needs root");
        return None;
    }
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            support::skip(test, &format!("uid {uid} may not read {}", program.display()));
            None
        }
        Err(error) => panic!("run {}: {error}", program.display()),
    }
}

fn this() -> std::path::PathBuf {
    std::env::current_exe().expect("our own path")
}

fn report(output: &Output) -> Report {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the doctor failed: {errors}");
    serde_json::from_slice(&output.stdout).expect("the report is JSON")
}

fn status(report: &Report, row: &str) -> Status {
    let found = report.labs.iter().find(|known| known.name == row);
    found.unwrap_or_else(|| panic!("{row} has no row")).finding.status
}

fn every_lab_has_a_row() {
    let report = Report::new(Machine::default(), Vec::new());
    let rows: Vec<&str> = report.labs.iter().map(|row| row.name.as_str()).collect();
    let labs: Vec<&str> = LABS.iter().map(|lab| lab.name).chain(["stepbox run"]).collect();
    assert_eq!(rows, labs);
}

fn it_says_what_happens(uid: u32) {
    let test = if uid == 0 { "it_says_what_happens_to_root" } else { "it_says_what_happens_to_nobody" };
    let Some(output) = run_as(test, uid, &this(), &["--examine"]) else { return };
    let report = report(&output);
    for row in report.labs.iter().filter(|row| row.finding.status != Status::Works) {
        assert!(!row.finding.reason.is_empty(), "{} has no reason", row.name);
    }
    let lab = Path::new(env!("CARGO_BIN_EXE_08-overlay"));
    let Some(played) = run_as(test, uid, lab, &["--auto", "0"]) else { return };
    let played = played.status.success();
    let promised = status(&report, "08-overlay") != Status::Blocked;
    assert_eq!(promised, played, "the doctor and the lab disagree about 08-overlay as uid {uid}");
    left_nothing(&report.machine.store);
}

fn left_nothing(store: &Path) {
    let parent = store.ancestors().find(|path| path.is_dir()).unwrap_or("/".as_ref());
    let names = std::fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let ours: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(".stepbox-doctor")).collect();
    assert!(ours.is_empty(), "left behind in {}: {ours:?}", parent.display());
}

/// Runs a program in a user namespace that allows no further one. Only that namespace's own limit is written.
fn refused(argv: &[String]) -> ExitCode {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let exec = Exec {
        paths: vec![argv[0].as_str().into()],
        argv: argv.iter().map(Into::into).collect(),
        env: vec!["HOME=/tmp".into(), "PATH=/usr/bin:/bin".into()],
    };
    let plan = Plan::default()
        .then([
            Step::new("clone", Op::Clone { flags: NEWUSER | NEWNS }),
            Step::new("give up setgroups", Op::write(format!("/proc/{BOX}/setgroups"), "deny")),
            Step::new("map root", Op::write(format!("/proc/{BOX}/uid_map"), format!("0 {uid} 1"))),
            Step::new("map its group", Op::write(format!("/proc/{BOX}/gid_map"), format!("0 {gid} 1"))),
        ])
        .inside([
            Step::new("allow no more", Op::write("/proc/sys/user/max_user_namespaces", "0")),
            Step::new("run", Op::Exec(exec)),
        ]);
    match launch(&plan, &mut (), None) {
        Ok(mut running) => ExitCode::from(running.wait().map_or(125, |exit| exit.code()) as u8),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(77)
        }
    }
}

fn a_limit_of_zero_is_named() {
    let test = "a_limit_of_zero_is_named";
    let us = this();
    let us = us.to_str().expect("a path in UTF-8");
    let Some(output) = run_as(test, NOBODY, us.as_ref(), &["--refused", us, "--examine"]) else { return };
    if output.status.code() == Some(77) {
        return support::skip(test, "this machine refuses user namespaces already");
    }
    let report = report(&output);
    assert!(report.blocked());
    let check = report.checks.iter().find(|check| check.name == "user namespace").expect("it is tried");
    assert_eq!(check.finding.status, Status::Blocked);
    assert_eq!(
        check.finding.reason,
        "clone3({flags=CLONE_PIDFD|CLONE_NEWUSER, exit_signal=SIGCHLD}) = ENOSPC: user.max_user_namespaces is 0"
    );
    assert_eq!(check.finding.fix, ["sudo sysctl -w user.max_user_namespaces=15000"]);
    assert_eq!(status(&report, "08-overlay"), Status::Blocked);
    assert_eq!(status(&report, "00-doctor"), Status::Works);
    let lab = env!("CARGO_BIN_EXE_08-overlay");
    let Some(output) = run_as(test, NOBODY, us.as_ref(), &["--refused", lab, "--auto", "0"]) else { return };
    assert_eq!(output.status.code(), Some(125), "the lab should say the same");
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("SKIP 08-overlay"));
}

fn failed(op: Op, errno: Errno) -> StepError {
    StepError { step: "try", op, what: Unmet::Errno(errno), not_undone: Vec::new() }
}

fn docker() -> Option<Container> {
    Some(Container { engine: "docker".into(), evidence: "/.dockerenv".into() })
}

fn each_gate_has_its_remedy() {
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
fn covered_proc_is_named() {
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

fn the_lab_tells_the_same() {
    let test = "the_lab_tells_the_same";
    let file = std::env::temp_dir().join(format!("stepbox-doctor-test-{}.json", std::process::id()));
    let lab = env!("CARGO_BIN_EXE_00-doctor");
    let output = Command::new(lab).args(["--auto", "0", "--json"]).arg(&file).output().expect("run the lab");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test}: {text}");
    let trace: Trace =
        serde_json::from_slice(&std::fs::read(&file).expect("a trace")).expect("the trace is JSON");
    std::fs::remove_file(&file).expect("remove it again");
    let told = serde_json::to_string(&trace.events).expect("as it came");
    for lab in LABS {
        assert!(
            told.contains(&format!("\"key\":\"{}\"", lab.name)),
            "{} is not in the lab's table",
            lab.name
        );
    }
    let output = Command::new(lab).arg("--dry-run").output().expect("list the lab");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("CLONE_NEWUSER"));
}

/// A desktop with Ubuntu 24.04, as chapter 00 shows it: namespaces are born, but AppArmor keeps their power back.
fn the_table() {
    let machine = Machine {
        kernel: "6.8.0-31-generic".into(),
        arch: "x86_64".into(),
        uid: 1000,
        apparmor_restricts: Some(1),
        max_user_namespaces: Some(62_655),
        ..Machine::default()
    };
    let check = |name: &str, finding| Check { name: name.into(), finding };
    let refused = |name: &str, op: Op| check(name, gates::explain(&machine, &failed(op, Errno::PERM)));
    let private = || Op::remount("/", libc::MS_REC | libc::MS_PRIVATE);
    let link = |request| Op::Netlink(request);
    let cgroup = Op::mkdir("/sys/fs/cgroup/user.slice/user-1000.slice/stepbox-doctor-[PID]");
    let cgroup = gates::explain(&machine, &failed(cgroup, Errno::ACCESS));
    let peer = Peer { name: "veth1".into(), netns: Netns::Own, mac: None };
    let delegate = vec!["systemd-run --user --scope -p Delegate=yes [COMMAND]".to_string()];
    let checks = vec![
        check("user namespace", Finding::works("")),
        refused("namespaces", Op::Sethostname { name: "examined".into() }),
        refused("proc", private()),
        refused("tmpfs", private()),
        refused("overlay", private()),
        refused("veth", link(Request::AddVeth { name: "veth0".into(), peer: Box::new(peer) })),
        refused("bridge", link(Request::AddBridge { name: "br0".into(), mac: Mac([2, 0, 0, 0, 0, 1]) })),
        check("nf_tables", Finding::works("")),
        refused("time namespace", Op::Unshare { flags: NEWTIME }),
        check("cgroups", Finding { fix: delegate, ..cgroup }),
        refused("pivot_root", private()),
        refused("store", private()),
        check(
            "programs",
            Finding::reduced("not here: busybox-static", vec!["sudo apt install busybox-static".into()]),
        ),
    ];
    let mut report = Report::new(machine.clone(), checks);
    let shown = ["00-doctor", "03-namespaces", "06-cgroups", "08-overlay", "stepbox run"];
    report.labs.retain(|row| shown.contains(&row.name.as_str()));
    insta::assert_snapshot!("text", report.text(false));
    report.checks.retain(|check| check.finding.reason.len() < 40);
    report.labs.retain(|row| row.name == "08-overlay");
    insta::assert_snapshot!("text_with_colour", report.text(true).replace('\x1b', "ESC"));
}
