//! One program more in a container that runs: it is in every namespace of it, and nobody in there can look into it while
//! it is still ours. The container is a box of the same user, so that its root is the strongest that can be met.

use std::path::Path;

use libtest_mimic::Failed;
use stepbox::join::{self, Entry};
use stepbox::kernel::Op;
use stepbox::kernel::flags::{NAMESPACES, NEWIPC, NEWNET, NEWNS, NEWPID, NEWUSER, NEWUTS};
use stepbox::kernel::op::{Exec, Join, Peer};
use stepbox::kernel::process::start_time;
use stepbox::privilege::{Capabilities, Privilege};
use stepbox::spec::{Input, Life, Process};
use stepbox::step::{Plan, Step};
use stepbox::userns;

use super::{create, deleted, holds, read, take, until};

const KINDS: u64 = NEWUSER | NEWNS | NEWPID | NEWIPC | NEWNET | NEWUTS;

fn step(op: Op) -> Step {
    Step::new("do it", op)
}

fn sh(script: &str) -> Exec {
    let argv = ["sh", "-c", script].map(Into::into).into();
    Exec { paths: vec!["/bin/sh".into()], argv, env: vec!["PATH=/bin:/usr/bin".into()] }
}

/// A container: its root is root of a user namespace of its own, and looks at who comes.
pub fn container(dir: &Path, fifo: &Path) -> Plan {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let me = std::env::current_exe().expect("a path");
    let argv = [me.as_os_str(), "scenario".as_ref(), dir.as_os_str(), "spy".as_ref()].map(Into::into).into();
    let spy = Exec { paths: vec![me.into()], argv, env: Vec::new() };
    Plan::default()
        .then([step(Op::OpenFifo { path: fifo.into() }), step(Op::Clone { flags: KINDS })])
        .then(userns::map_root(uid, gid))
        .inside(
            [
                Op::remount("/", libc::MS_REC | libc::MS_PRIVATE),
                Op::mount("proc", "/proc", "proc", 0, ""),
                Op::Sethostname { name: "inside".into() },
                Op::AwaitStart { first: 3 },
                Op::Exec(spy),
            ]
            .map(step),
        )
}

/// Who is seen, and whose program and descriptors can be looked at.
pub fn spy(dir: &Path) -> ! {
    let mut seen = String::new();
    loop {
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "1" || !name.starts_with(|c: char| c.is_ascii_digit()) {
                continue;
            }
            let exe = std::fs::File::open(entry.path().join("exe"))
                .and_then(|_| std::fs::read_link(entry.path().join("exe")));
            let exe = exe.map_or_else(|error| error.kind().to_string(), |exe| exe.display().to_string());
            // their numbers may be listed, what they are may not be asked
            let mut fds = std::fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten();
            let fds = fds.any(|fd| std::fs::read_link(fd.path()).is_ok());
            let line = format!("{name} {exe} {fds}\n");
            if !seen.contains(&line) {
                seen.push_str(&line);
                std::fs::write(dir.join("seen"), &seen).expect("say it");
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn entry(pid: i32, script: &str) -> Entry {
    let link = |pid: &str, kind: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    let differs = |kind: &str| link(&pid.to_string(), kind) != link("self", kind);
    let file = |name: &str| match name {
        "CLONE_NEWNS" => "mnt".to_string(),
        name => name.trim_start_matches("CLONE_NEW").to_lowercase(),
    };
    let kinds =
        NAMESPACES.iter().filter(|(_, name)| differs(&file(name))).fold(0, |all, (flag, _)| all | flag);
    assert_eq!(kinds, KINDS);
    let all = (1 << 41) - 1;
    Entry {
        pid,
        start: start_time(pid).expect("it runs"),
        namespaces: kinds,
        cgroups: Vec::new(),
        privilege: Privilege {
            uid: 0,
            gid: 0,
            groups: None,
            capabilities: Capabilities::of_user(0, all),
            no_new_privs: true,
            seccomp: None,
            apparmor: None,
            selinux: None,
        },
        process: Process { exec: sh(script), cwd: "/tmp".into(), input: Input::Ours, ..Process::default() },
        life: Life::OfTheEngine,
    }
}

/// The plan that these words name.
pub fn plan(words: &[&str]) -> Plan {
    let pid = |word: &str| word.parse::<i32>().expect("a number");
    let wait = || step(Op::WaitBox);
    match *words {
        ["enter", at] => {
            let script = "hostname; pwd; echo uid $(id -u); for kind in user mnt pid ipc net uts; do \
                          echo $kind $(readlink /proc/self/ns/$kind); done; ls /proc/self/fd | tr '\\n' ' '";
            join::plan(&entry(pid(at), script)).then(wait())
        }
        // the window in which the box is still ours, made wide
        ["slow", at] => slow(join::plan(&entry(pid(at), "exec sleep 2"))).then(wait()),
        ["careless", at] => {
            let mut plan = slow(join::plan(&entry(pid(at), "exec sleep 2")));
            plan.steps.retain(|step| !matches!(step.op, Op::Dumpable { .. }));
            plan.then(wait())
        }
        ["stale", at] => {
            let entry = entry(pid(at), "true");
            join::plan(&Entry { start: entry.start + 1, ..entry })
        }
        // as a config.json that names two namespaces by path and asks for others, and as --network container:NAME does
        ["files" | "peer" | "stranger", at] => {
            let file = |kind: &str, flag| Join::File(format!("/proc/{at}/ns/{kind}").into(), flag);
            let start = entry(pid(at), "").start + u64::from(words[0] == "stranger");
            let peer = |flag| Join::OfPeer(Peer { pid: pid(at), start }, flag);
            let join = match words[0] {
                "files" => vec![file("net", NEWNET), file("user", NEWUSER)],
                _ => vec![peer(NEWNET), peer(NEWUSER)],
            };
            let script =
                "echo pid $$; for kind in user net uts; do echo $kind $(readlink /proc/self/ns/$kind); done";
            Plan::default()
                .then(step(Op::CloneThrough { join, flags: NEWPID | NEWUTS }))
                .inside([step(Op::Setresuid { uid: 0 }), step(Op::Exec(sh(script)))])
                .then(wait())
        }
        _ => panic!("unknown: {words:?}"),
    }
}

fn slow(mut plan: Plan) -> Plan {
    let at = plan.steps.iter().position(|step| matches!(step.op, Op::Chdir { .. })).expect("it goes to work");
    plan.steps.insert(at, step(Op::Nanosleep { milliseconds: 1000 }).inside());
    plan
}

/// A container that runs, for a test.
fn with_container(dir: &Path, test: impl FnOnce(i32) -> Result<(), Failed>) -> Result<(), Failed> {
    let pid = create(dir, &["contain"])?;
    holds(&take(dir, &["start"]), "started\n")?;
    let its = format!("/proc/{pid}/cmdline");
    until("the spy runs", || std::fs::read(&its).is_ok_and(|line| line.ends_with(b"spy\0")))?;
    let outcome = test(pid);
    let cleaned = deleted(dir, pid);
    outcome.and(cleaned)
}

fn links(pid: i32, kinds: &[&str]) -> String {
    let link = |kind: &&str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap_or_default();
    kinds.iter().map(|kind| format!("{kind} {}\n", link(kind).display())).collect()
}

pub fn every_namespace(dir: &Path) -> Result<(), Failed> {
    with_container(dir, |pid| {
        let printed = take(dir, &["join", "enter", &pid.to_string()]);
        let kinds = links(pid, &["user", "mnt", "pid", "ipc", "net", "uts"]);
        holds(&printed, &format!("inside\n/tmp\nuid 0\n{kinds}0 1 2 3 "))
    })
}

pub fn by_files(dir: &Path) -> Result<(), Failed> {
    by(dir, "files")
}

pub fn by_process(dir: &Path) -> Result<(), Failed> {
    by(dir, "peer")
}

fn by(dir: &Path, how: &str) -> Result<(), Failed> {
    with_container(dir, |pid| {
        let printed = take(dir, &["join", how, &pid.to_string()]);
        holds(&printed, &format!("pid 1\n{}", links(pid, &["user", "net"])))?;
        match printed.contains(&links(pid, &["uts"])) {
            true => Err("it has the container's host name".into()),
            false => Ok(()),
        }
    })
}

pub fn a_number_of_somebody_else(dir: &Path) -> Result<(), Failed> {
    with_container(dir, |pid| {
        holds(
            &take(dir, &["join", "stale", &pid.to_string()]),
            "= ESRCH (No such process)\nhint: the container has stopped",
        )?;
        holds(
            &take(dir, &["join", "stranger", &pid.to_string()]),
            "= ESRCH (No such process)\nhint: the container whose namespaces it shares has ended meanwhile",
        )
    })
}

/// Root of the container sees that somebody has come, and can neither open its program, which is the engine's, nor what
/// it has open. Without the step that forbids it, he can: so the test looks at the right thing.
pub fn nobody_looks_in(dir: &Path) -> Result<(), Failed> {
    let ours = std::env::current_exe()?.display().to_string();
    for (how, exposed) in [("slow", false), ("careless", true)] {
        with_container(dir, |pid| {
            take(dir, &["join", how, &pid.to_string()]);
            until("the spy has seen sleep", || read(dir.join("seen")).contains("sleep"))?;
            let seen = read(dir.join("seen"));
            let engine: Vec<&str> = seen.lines().filter(|line| line.contains(&ours)).collect();
            match (engine.is_empty(), seen.contains("permission denied false"), exposed) {
                (true, true, false) | (false, _, true) => Ok(()),
                _ => Err(format!("{how}: {seen}").into()),
            }
        })?;
        let _ = std::fs::remove_file(dir.join("seen"));
    }
    Ok(())
}
