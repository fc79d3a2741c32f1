//! Lab 01: how a process is born, becomes another program, and ends. Chapter: tutorials/01-process.md.

use std::process::ExitCode;

use stepbox::kernel::op::Exec;
use stepbox::kernel::{Errno, Op};
use stepbox::lab;
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};

fn main() -> ExitCode {
    lab::main("01-process", |stage| {
        stage.run(&one_life())?;
        stage.run(&other_ends())
    })
}

fn clone() -> Step {
    Step::new("clone the box", Op::Clone { flags: 0 })
}

fn exec(path: &str, argv: &[&str]) -> Step {
    let argv = argv.iter().map(|argument| (*argument).into()).collect();
    Step::new("start a program", Op::Exec(Exec { paths: vec![path.into()], argv, env: Vec::new() }))
}

fn wait() -> Step {
    Step::new("wait for the box", Op::WaitBox)
}

/// From the clone to the wait, looked at all the way.
fn one_life() -> Plan {
    let (host, the_box) = (|| Probe::Process(Who::Host), || Probe::Process(Who::Box));
    Plan::default()
        .act("a copy", "One process calls, and two return.")
        .then(clone().why("a copy of this process, with a number of its own").show(host()).show(the_box()))
        .inside([
            Step::new("name the copy", Op::write("/proc/self/comm", "box"))
                .why("the name is the process's own, and changes nothing at the host")
                .show(host())
                .show(the_box()),
            Step::new("go elsewhere", Op::Chdir { path: "/".into() })
                .why("the copy has a working directory of its own; the host stays where it is")
                .show(host())
                .show(the_box()),
        ])
        .act("another program", "The process stays. What it runs is replaced, and soon ends.")
        .inside(
            exec("/bin/sh", &["sh", "-c", "exit 7"])
                .why("the same process with the same number: a program is only what it runs at the moment"),
        )
        .act("a zombie", "The program has ended. Has the process?")
        .then(
            Step::new("let it end", Op::PeekBox)
                .why("WNOWAIT looks only: memory, root and files are gone, number and exit code are kept")
                .show(the_box()),
        )
        .act("too late", "Can a zombie be killed?")
        .then([
            Step::new("kill it", Op::KillBox { signal: libc::SIGKILL })
                .why("nothing is left that could die: the signal is accepted and changes nothing")
                .show(the_box()),
            wait()
                .why("whoever waits takes the exit code, and the kernel forgets the process")
                .show(the_box()),
        ])
}

/// Three more ends, told by the exit code.
fn other_ends() -> Plan {
    Plan::default()
        .act("no program", "What a shell calls 127.")
        .then(clone().why("the copy is there before anybody knows whether the program is"))
        .inside([
            exec("/no/such/program", &["program"])
                .why("execve returns only when it fails, and then the old program goes on")
                .fails(Errno::NOENT),
            Step::new("leave", Op::Exit { code: 127 })
                .why("so it must say so by itself: 127 is what shells, and Docker, have agreed on"),
        ])
        .then(wait().why("to the kernel 127 is a number like any other"))
        .act("eight bits", "How large can an exit code be?")
        .then(clone().why("one more copy"))
        .inside(Step::new("leave", Op::Exit { code: 263 }).why("the kernel keeps the lowest eight bits"))
        .then(wait().why("263 is 256 + 7: the rest is lost"))
        .act("a signal", "A process that does not end by itself.")
        .then(clone().why("the last copy"))
        .inside(exec("/bin/sleep", &["sleep", "1000"]).why("it would be there for a while"))
        .then([
            Step::new("kill it", Op::KillBox { signal: libc::SIGKILL })
                .why("through the pidfd, which never means another process, as a number can"),
            wait().why("there is no exit code; a shell, and Docker, report 128 + 9 = 137 instead"),
        ])
}
