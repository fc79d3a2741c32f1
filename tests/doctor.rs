//! The doctor: what it says must be what happens. Its own harness, because the doctor clones and a test of libtest
//! shares its process with other threads. This program runs itself again, as `--examine` or `--refused`.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};

use stepbox::cgroups::{self, Controller};
use stepbox::doctor::{Check, Finding, Machine, Report, Status, examine, gates};
use stepbox::kernel::ctext::BOX;
use stepbox::kernel::flags::{NEWNS, NEWTIME, NEWUSER};
use stepbox::kernel::netlink::{Netns, Peer, Request};
use stepbox::kernel::op::Exec;
use stepbox::kernel::{Errno, Op};
use stepbox::lab::LABS;
use stepbox::launch::launch;
use stepbox::step::{Plan, Step};
use stepbox::trace::Trace;
use stepbox::veth::{self, Network};

#[path = "doctor/refusals.rs"]
mod refusals;

use refusals::{failed, judged};

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
    let tests: [(&str, fn()); 9] = [
        ("every_lab_has_a_row", every_lab_has_a_row),
        ("it_says_what_happens_to_root", || it_says_what_happens(0)),
        ("it_says_what_happens_to_nobody", || it_says_what_happens(NOBODY)),
        ("a_limit_of_zero_is_named", a_limit_of_zero_is_named),
        ("each_gate_has_its_remedy", refusals::each_gate_has_its_remedy),
        ("covered_proc_is_named", refusals::covered_proc_is_named),
        ("a_user_of_version_1_is_not_blocked", refusals::a_user_of_version_1_is_not_blocked),
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
    let binaries = Path::new(env!("CARGO_BIN_EXE_08-overlay")).parent().expect("a directory of binaries");
    // a lab that is listed and not written yet is for tests/architecture.rs to say
    let there = |name: &str| name != "00-doctor" && binaries.join(name).exists();
    for lab in LABS.iter().filter(|lab| there(lab.name)) {
        let Some(played) = run_as(test, uid, &binaries.join(lab.name), &["--auto", "0"]) else { return };
        let promised = status(&report, lab.name);
        let found = (promised != Status::Blocked, played.status.success());
        assert_eq!(found.0, found.1, "the doctor and the lab disagree about {} as uid {uid}", lab.name);
        if lab.name == "06-cgroups" && played.status.success() {
            let text = String::from_utf8_lossy(&played.stdout);
            let reduced = text.contains("── reduced ─");
            assert_eq!(promised == Status::Reduced, reduced, "06-cgroups as uid {uid}: {text}");
        }
    }
    let Some(table) = run_as(test, uid, &binaries.join("stepbox"), &["doctor"]) else { return };
    assert_eq!(table.status.code(), Some(report.blocked().into()), "1 only where something is blocked");
    left_nothing(&report.machine.store);
}

/// What a doctor makes is named by its process. One that another test runs right now may have its own there.
fn left_nothing(store: &Path) {
    let parent = store.ancestors().find(|path| path.is_dir()).unwrap_or("/".as_ref());
    let hierarchy = cgroups::detect("/".as_ref()).expect("read this machine's cgroups");
    let parents = Controller::ALL.into_iter().filter_map(|controller| hierarchy.usable(controller).ok());
    for parent in parents.chain([parent]) {
        let names = std::fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let dead = |name: &std::ffi::OsString| {
            let name = name.to_string_lossy();
            let pid = name.trim_start_matches('.').strip_prefix("stepbox-doctor-");
            pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
        };
        let left: Vec<_> = names.filter(dead).collect();
        assert!(left.is_empty(), "left behind in {}: {left:?}", parent.display());
    }
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
    let cgroup = Op::mkdir("/sys/fs/cgroup/stepbox-doctor-[PID]");
    let cgroup = gates::explain(&machine, &failed(cgroup, Errno::ACCESS));
    let peer = Peer { name: "veth1".into(), netns: Netns::Own, mac: None };
    let network =
        Network { bridge: "br0".into(), gateway: [172, 17, 0, 1].into(), prefix: 16, shared: false };
    let ([bridge, ..], [_, rule]) = (veth::bridge(&network), veth::masquerade(&network));
    let delegate = vec!["systemd-run --user --scope -p Delegate=yes [COMMAND]".to_string()];
    let checks = vec![
        check("user namespace", Finding::works("")),
        refused("namespaces", Op::Sethostname { name: "examined".into() }),
        refused("proc", private()),
        refused("tmpfs", private()),
        refused("overlay", private()),
        refused("veth", link(Request::AddVeth { name: "veth0".into(), peer: Box::new(peer) })),
        refused("bridge", bridge.op),
        refused("nf_tables", rule.op),
        check(
            "host links",
            judged(
                &machine,
                "host links",
                link(Request::DeleteLink { name: "stepbox-none".into() }),
                Errno::PERM,
            ),
        ),
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
