//! Lab 03: one machine, two views of it. Chapter: tutorials/03-namespaces.md.

use std::path::Path;
use std::process::ExitCode;

use stepbox::chroot;
use stepbox::kernel::ctext::BOX;
use stepbox::kernel::flags::{NEWIPC, NEWNS, NEWPID, NEWUTS};
use stepbox::kernel::{Errno, Op};
use stepbox::lab;
use stepbox::namespaces::{self, Offsets};
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};

fn main() -> ExitCode {
    lab::main("03-namespaces", |stage| {
        stage.run(&views(&stage.dir.clone()))?;
        stage.run(&death_of_process_1())
    })
}

fn views(dir: &Path) -> Plan {
    let (queues, uts) = (dir.join("queues"), dir.join("uts"));
    let (place, proc) = (queues.display().to_string(), Path::new("/proc"));
    let own_queues = namespaces::own_queues(&queues)
        .show(Probe::Mounts(Who::Host, place.clone()))
        .show(Probe::Mounts(Who::Box, place.clone()))
        .show(Probe::Tree(place.clone()))
        .show(Probe::Tree(format!("/proc/{BOX}/root{place}")));
    let year = Offsets { boottime: 365 * 86_400, ..Offsets::default() };
    // Linux 5.6 or newer, if its builder wanted it
    let (clock, clocks) = match Path::new("/proc/self/ns/time").exists() {
        true => {
            ("The box has been up for a year longer than the machine.", namespaces::clocks(year).to_vec())
        }
        false => ("SKIP: this kernel has no time namespaces (CONFIG_TIME_NS).", Vec::new()),
    };
    Plan::default()
        .act(
            "born apart",
            "The host keeps a name for its UTS namespace and makes a message queue. Then a box.",
        )
        .then(namespaces::keep("uts", &uts))
        .then(
            Step::new("make a directory", Op::mkdir(&queues))
                .why("a mount needs a directory to hang on")
                .undo(Op::Rmdir { path: (&queues).into() }),
        )
        .then(namespaces::own_queues(&queues).undo(Op::detach(&queues)))
        .then(
            Step::new("make a queue", Op::Touch { path: queues.join("orders").into() })
                .why("a POSIX message queue is a file here, and lives in the host's IPC namespace")
                .undo(Op::Unlink { path: queues.join("orders").into() })
                .show(Probe::Tree(place)),
        )
        .then(namespaces::clone(NEWNS | NEWPID | NEWUTS | NEWIPC))
        .act("its own name", "The box renames the machine.")
        .inside(namespaces::hostname("box"))
        .act("process 1 and a stale /proc", "The box is process 1 of its PID namespace. Ask its /proc.")
        .inside([
            Step::new("name the process", Op::write("/proc/self/comm", "box"))
                .why("the box is a copy of the lab's process, and should be known in a list of both"),
            chroot::private().show(Probe::Process(Who::Box)).show(namespaces::processes(proc)),
            namespaces::own_proc(proc),
        ])
        .act("its own mounts, its own queues", "The same call as the host's, at the same place.")
        .inside(own_queues)
        .act("its own clock", clock)
        .inside(clocks)
        .act("and back", "A namespace that has a name can be joined.")
        .inside(namespaces::join(&uts, NEWUTS).show(Probe::Hostname(Who::Box)))
        .inside(Step::new("leave", Op::Exit { code: 0 }).why("with its last process, a namespace ends"))
        .then(Step::new("wait for the box", Op::WaitBox).why("a process that ended is a zombie until then"))
}

fn death_of_process_1() -> Plan {
    let (born, reaped) = (Op::Fork { code: 0 }, Op::WaitFork);
    Plan::default()
        .act("without process 1", "A PID namespace does not survive the first process in it.")
        .then(
            Step::new("clone a box", Op::Clone { flags: 0 }).why("this one shares everything with the host"),
        )
        .inside([
            Step::new("make a PID namespace", Op::Unshare { flags: NEWPID })
                .why("no process changes its own number, so only the children are born into it"),
            Step::new("fork", born.clone()).why("the first child is process 1 of the new namespace"),
            Step::new("wait for it", reaped)
                .why("process 1 has ended, and the kernel closes the namespace to newcomers"),
            Step::new("fork again", born)
                .why("not a lack of memory: nobody would be left to reap orphans in there")
                .fails(Errno::NOMEM),
            Step::new("leave", Op::Exit { code: 0 }).why("the box itself has always been outside"),
        ])
        .then(Step::new("wait for the box", Op::WaitBox).why("nothing of it stays"))
}
