//! Scenarios: small plans, each taken in a process of its own, because a plan that clones needs a process with one
//! thread and a test harness has many. What happened is printed; the test compares the text.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stepbox::journal::Journal;
use stepbox::kernel::bpf::{EQUAL, Instruction, LOAD, RETURN};
use stepbox::kernel::op::{Exec, Hook};
use stepbox::kernel::{Errno, Op};
use stepbox::launch::{Answer, At, LaunchError, Observer, Verdict, launch};
use stepbox::privilege::seccomp::Arch;
use stepbox::step::{Plan, Step};

/// Prints every step and every undo; stops before the step that is named "stop here".
struct Recorder;

impl Observer for Recorder {
    fn before(&mut self, at: At<'_>) -> Verdict {
        if at.step.name == "stop here" { Verdict::Quit } else { Verdict::Go }
    }

    fn after(&mut self, at: At<'_>, answer: Answer) {
        let answer = match at.step.op {
            Op::Clone { .. } => "[BOX]".into(),
            _ => answer.to_string(),
        };
        println!("{} {} = {answer}", at.step.lane.name(), at.step.name);
    }

    fn undone(&mut self, at: At<'_>, _op: &Op, answer: Answer) {
        println!("undo {} = {answer}", at.step.name);
    }
}

/// Takes the plan of this name in an empty directory and prints what came of it.
pub fn main(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["exit", code] => return ExitCode::from(code.parse::<u8>().expect("an exit code")),
        ["sleep"] => std::thread::sleep(std::time::Duration::from_secs(60)),
        [name, directory, how] => take(name, Path::new(directory), how),
        _ => panic!("unknown scenario: {words:?}"),
    }
    ExitCode::SUCCESS
}

fn take(name: &str, dir: &Path, how: &str) {
    let plan = plan(name, dir);
    let result = match how {
        "observed" => launch(&plan, &mut Recorder, None).map(|running| running.undo(&mut Recorder)),
        "unobserved" => launch(&plan, &mut (), None).map(|running| running.undo(&mut ())),
        "dropped" => launch(&plan, &mut (), None).map(|running| {
            println!("there: {}", left(dir).join(" "));
            drop(running);
            Vec::new()
        }),
        "journal" => {
            let journal = Journal::create(&dir.join("journal"), "a test", &plan).expect("write a journal");
            launch(&plan, &mut Recorder, Some(journal)).map(|running| running.undo(&mut Recorder))
        }
        other => panic!("unknown way: {other}"),
    };
    match result {
        Ok(failed) => {
            println!("to its end");
            for (op, errno) in failed {
                println!("not undone: {op} = {}", stepbox::kernel::hint::errno_text(errno));
            }
        }
        Err(LaunchError::Step(error)) => println!("{error}"),
        Err(other) => println!("{other}"),
    }
    println!("left: {}", left(dir).join(" "));
    let child = rustix::process::wait(rustix::process::WaitOptions::NOHANG);
    println!("children: {}", if matches!(child, Err(Errno::CHILD)) { "none" } else { "some" });
}

/// The names in a directory, sorted.
pub fn left(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into()).collect();
    names.sort();
    names
}

/// This program, run beside a box, and ending with 7.
fn beside() -> Step {
    let Op::Exec(exec) = me(&["exit", "7"]) else { unreachable!("it executes") };
    Step::new("run it", Op::Spawn(Box::new(Hook { exec, stdin: "".into(), timeout: None })))
}

fn me(arguments: &[&str]) -> Op {
    let argv = ["launch", "scenario"].iter().chain(arguments).map(|argument| (*argument).into());
    Op::Exec(Exec { paths: vec!["/proc/self/exe".into()], argv: argv.collect(), env: Vec::new() })
}

/// A filter that kills whoever changes his directory.
fn deadly() -> [Step; 2] {
    let call = Arch::OURS[0].number("chdir").expect("a call");
    let program = [(LOAD, 0, 0, 0), (EQUAL, 1, 0, call), (RETURN, 0, 0, libc::SECCOMP_RET_ALLOW)];
    let kill = (RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS);
    let program = program.into_iter().chain([kill]);
    let program = program.map(|(code, jt, jf, k)| Instruction { code, jt, jf, k }).collect();
    [Step::new("gain nothing", Op::NoNewPrivs), Step::new("filter", Op::Seccomp { program, flags: 0 })]
}

fn last() -> Step {
    Step::new("the last", Op::Chdir { path: "/".into() }).dies(libc::SIGSYS)
}

fn make(name: &'static str, path: PathBuf) -> Step {
    Step::new(name, Op::mkdir(&path)).undo(Op::Rmdir { path: path.into() })
}

fn plan(name: &str, dir: &Path) -> Plan {
    let (a, b, file) = (dir.join("a"), dir.join("b"), dir.join("a/file"));
    let put = Step::new("put file", Op::create(&file, "x")).undo(Op::Unlink { path: (&file).into() });
    let again = |name| Step::new(name, Op::mkdir(&a));
    let chdir = |name| Step::new(name, Op::Chdir { path: "/".into() });
    let clone = || Step::new("clone", Op::Clone { flags: 0 });
    let wait = || Step::new("wait", Op::WaitBox);
    let begun = || Plan::default().then([make("make a", a.clone()), put.clone()]);
    match name {
        "middle_fails" => begun().then([again("make a again"), make("never", b)]),
        "box_fails" => begun().then(clone()).inside([
            chdir("go"),
            Step::new("go astray", Op::Chdir { path: "/no/such".into() }),
            chdir("never"),
        ]),
        "box_is_killed" => begun()
            .then(clone())
            .inside(chdir("go"))
            .then(Step::new("kill it", Op::KillBox { signal: libc::SIGKILL }))
            .inside(chdir("too late")),
        "provoked" => begun()
            .then([again("make a again").fails(Errno::EXIST), clone()])
            .inside([again("and inside").fails(Errno::EXIST), Step::new("leave", Op::Exit { code: 3 })])
            .then(wait()),
        "not_refused" => begun().then(make("make b", b).fails(Errno::EXIST)),
        "not_refused_inside" => {
            begun().then(clone()).inside([chdir("go").fails(Errno::NOENT), chdir("never")])
        }
        "dies" => begun().then(clone()).inside(deadly()).inside(last()).then(wait()),
        "lives" => begun().then(clone()).inside(last()).then(wait()),
        "dies_too_early" => begun().then(clone()).inside(deadly()).inside([chdir("go"), chdir("never")]),
        "exits" => begun().then(beside().exits(7)),
        "exits_otherwise" => begun().then(beside().exits(0)),
        "other_error" => begun().then(again("make a again").fails(Errno::NOENT)),
        "or_else" => {
            let there = make("make it", dir.join("journal")).or_else(Errno::EXIST);
            Plan::default().then([there, make("make b", b)])
        }
        "program_is_missing" => {
            let exec = Exec { paths: vec!["/no/such".into()], argv: vec!["such".into()], env: Vec::new() };
            begun().then(clone()).inside(Step::new("execute", Op::Exec(exec)))
        }
        "two_boxes" => Plan::default()
            .then(clone())
            .inside(Step::new("execute", me(&["exit", "7"])))
            .then([wait(), clone()])
            .inside([chdir("go"), Step::new("execute", me(&["exit", "8"]))])
            .then(wait()),
        "still_running" => begun().then(clone()).inside(Step::new("execute", me(&["sleep"]))),
        "undo_fails" => {
            let stray = Step::new("put a stray file", Op::create(b.join("stray"), "x"));
            begun().then([make("make b", b), stray, again("make a again")])
        }
        "reader_stops" => begun().then(clone()).inside([chdir("go"), chdir("stop here")]),
        "sleeps" => begun()
            .then(clone())
            .inside(Step::new("execute", me(&["sleep"])))
            .then([Step::new("sleep", Op::Nanosleep { milliseconds: 60_000 }), make("never", b)]),
        "every_lane" => begun()
            .then([Step::new("append", Op::Append { path: file.into(), data: b"y".to_vec() }), clone()])
            .inside([
                chdir("go"),
                Step::new("mask", Op::Umask { mask: 0o27 }),
                again("again").fails(Errno::EXIST),
            ])
            .then(make("make b", b))
            .inside([Step::new("session", Op::Setsid), Step::new("execute", me(&["exit", "0"]))])
            .then(wait()),
        other => panic!("unknown scenario: {other}"),
    }
}
