//! Scenarios: plans with hooks, and plans whose box outlives the process that takes them.

use std::path::Path;
use std::process::ExitCode;

use stepbox::journal::Journal;
use stepbox::kernel::flags::{NEWPID, NEWUSER};
use stepbox::kernel::hint::errno_text;
use stepbox::kernel::op::{Exec, Hook};
use stepbox::kernel::signals::Signals;
use stepbox::kernel::{Op, process};
use stepbox::launch::launch;
use stepbox::step::{Lane, Plan, Step};

/// Takes the plan that the words name, in an empty directory, and prints what came of it.
pub fn main(words: &[String]) -> ExitCode {
    let dir = Path::new(&words[0]);
    let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    match words[..] {
        ["hook", name, lane] => to_its_end(dir, &hooked(dir, name, lane)),
        ["hears"] => to_its_end(dir, &hears(dir)),
        ["inherits"] => inherits(dir),
        ["look-up", paths] => {
            let paths = paths.split(':').map(Into::into).collect();
            to_its_end(dir, &Plan::default().then(Step::new("look", Op::LookUp { paths })));
        }
        ["plan", name] => to_its_end(dir, &crate::attributes::plan(name, dir)),
        ["join", ref words @ ..] => to_its_end(dir, &crate::joining::plan(words)),
        ["contain"] => {
            let fifo = dir.join("fifo");
            make_fifo(&fifo);
            let rest = crate::joining::container(dir, &fifo);
            return leave(dir, &made(dir).then(rest.steps));
        }
        ["spy"] => crate::joining::spy(dir),
        ["become", how, case] => crate::departing::become_program(dir, how, case),
        ["engine", how] => crate::own_binary::engine(dir, how),
        // executed in the place of a script; whoever looks at it ends its input
        [] => drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink())),
        ["create", what] => return create(dir, what),
        ["start"] => start(dir),
        ["gone"] => gone(dir),
        ["stuck"] => {
            let hook = shell(&format!("> {}/in-hook; sleep 60", dir.display()), "");
            let plan = made(dir).then(clone()).inside(Step::new("run the hook", hook));
            let _ = take(dir, &plan);
        }
        _ => panic!("unknown scenario: {words:?}"),
    }
    ExitCode::SUCCESS
}

fn to_its_end(dir: &Path, plan: &Plan) {
    match launch(plan, &mut (), None) {
        Ok(running) => {
            println!("box {}", running.box_pid().unwrap_or_default());
            println!("to its end");
            drop(running);
        }
        Err(error) => println!("{error}"),
    }
    println!("left: {}", if dir.join("made").exists() { "made" } else { "" });
}

/// A user namespace, so that nobody may make the PID namespace as well.
fn clone() -> Step {
    Step::new("clone", Op::Clone { flags: NEWUSER | NEWPID })
}

fn made(dir: &Path) -> Plan {
    let path = dir.join("made");
    Plan::default().then(Step::new("make", Op::mkdir(&path)).undo(Op::Rmdir { path: path.into() }))
}

fn hook(path: &str, arguments: &[&str], stdin: &str, timeout: Option<u32>) -> Op {
    let argv = std::iter::once(&"hook").chain(arguments).map(Into::into).collect();
    let exec = Exec { paths: vec![path.into()], argv, env: Vec::new() };
    Op::Spawn(Box::new(Hook { exec, stdin: stdin.into(), timeout }))
}

fn shell(script: &str, stdin: &str) -> Op {
    hook("/bin/sh", &["-c", script], stdin, None)
}

fn hooked(dir: &Path, name: &str, lane: &str) -> Plan {
    let op = match name {
        "fails" => shell("exit 3", ""),
        "is_killed" => shell("kill -TERM $$", ""),
        "is_late" => hook("/bin/sh", &["-c", "exec sleep 60"], "", Some(1)),
        "is_missing" => hook("/no/such", &[], "", None),
        other => panic!("unknown hook: {other}"),
    };
    let step = Step::new("run the hook", op);
    let lane = if lane == "box" { Lane::Container } else { Lane::Host };
    let go = Step::new("go", Op::Chdir { path: "/".into() }).inside();
    made(dir).then([clone(), go, Step { lane, ..step }])
}

fn hears(dir: &Path) -> Plan {
    let into = |file: &str| shell(&format!("cat > {}/{file}", dir.display()), "{\"pid\":[BOX]}");
    let deaf = shell("exec < /dev/null", &"x".repeat(300_000));
    Plan::default()
        .then([clone(), Step::new("tell on the host", into("on-host"))])
        .inside([Step::new("tell in the box", into("in-box")), Step::new("tell much", deaf)])
}

/// Everything that a hook could get from us: a blocked signal, an ignored one, a descriptor without CLOEXEC.
fn inherits(dir: &Path) {
    let _signals = Signals::block_all().expect("block signals");
    stepbox::kernel::signals::ignore(libc::SIGHUP).expect("ignore a signal");
    let (open, _other) = rustix::pipe::pipe().expect("a pipe");
    assert!(rustix::io::fcntl_getfd(&open).is_ok_and(|flags| flags.is_empty()));
    let out = std::fs::File::create(dir.join("out")).expect("a file");
    rustix::stdio::dup2_stdout(&out).expect("redirect");
    // the loop's glob is the shell's own open directory, and is not there when the name is looked at
    let script = "for fd in /proc/$$/fd/*; do [ -e $fd ] && fds=\"$fds${fd##*/} \"; done; echo \"fds $fds\"; \
                  grep -E 'Sig(Blk|Ign)' /proc/self/status; echo mask $(umask)";
    to_its_end(dir, &Plan::default().then(Step::new("look", shell(script, ""))));
}

fn take<'p>(dir: &Path, plan: &'p Plan) -> stepbox::launch::Running<'p> {
    let journal = Journal::create_at(&dir.join("journal"), "a test", plan).expect("write a journal");
    launch(plan, &mut (), Some(journal)).unwrap_or_else(|error| panic!("{error}"))
}

fn waits(dir: &Path, what: &str) -> Plan {
    let fifo = dir.join("fifo");
    make_fifo(&fifo);
    let program = match what {
        "cannot" => Exec { paths: vec!["/no/such".into()], argv: vec!["such".into()], env: Vec::new() },
        _ => {
            let script = format!("> {}/started; exec sleep 60", dir.display());
            let argv = ["sh", "-c", &script].map(Into::into).into();
            Exec { paths: vec!["/bin/sh".into()], argv, env: vec!["PATH=/bin:/usr/bin".into()] }
        }
    };
    let refuses = (what == "refuses").then(|| Step::new("run the hook", shell("exit 4", "")));
    made(dir)
        .then([Step::new("open the fifo", Op::OpenFifo { path: fifo.into() }), clone()])
        .inside([
            Step::new("mind broken pipes", Op::DefaultSignal { signal: libc::SIGPIPE }),
            Step::new("block no signal", Op::UnblockSignals),
            Step::new("wait to be started", Op::AwaitStart { first: 3 }),
        ])
        .inside(refuses)
        .inside(Step::new("execute", Op::Exec(program)))
}

fn make_fifo(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap_or_default();
}

fn create(dir: &Path, what: &str) -> ExitCode {
    leave(dir, &waits(dir, what))
}

fn leave(dir: &Path, plan: &Plan) -> ExitCode {
    let running = take(dir, plan);
    println!("box {}", running.box_pid().unwrap_or_default());
    match running.leave() {
        Ok(()) => ExitCode::SUCCESS,
        Err(errno) => {
            println!("{}", errno_text(errno));
            ExitCode::FAILURE
        }
    }
}

fn start(dir: &Path) {
    let step = Step::new("let it go", Op::LetGo { path: dir.join("fifo").into() });
    match launch(&Plan::default().then(step), &mut (), None) {
        Ok(_) => println!("started"),
        Err(error) => println!("{error}"),
    }
}

/// The box is killed while the engine is about to leave.
fn gone(dir: &Path) {
    let plan = waits(dir, "sleeps");
    let running = take(dir, &plan);
    let pidfd = running.pidfd().expect("a box").try_clone_to_owned().expect("one more");
    process::signal(std::os::fd::AsFd::as_fd(&pidfd), libc::SIGKILL).expect("kill it");
    let _ =
        rustix::event::poll(&mut [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)], None);
    match running.leave() {
        Ok(()) => println!("left alone"),
        Err(errno) => println!("not left: {}", errno_text(errno)),
    }
    println!("left: {}", if dir.join("made").exists() { "made" } else { "" });
}
