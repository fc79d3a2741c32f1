//! Lab 09: a cable, a switch, two boxes. Chapter: tutorials/09-veth-bridge.md.

use std::path::Path;
use std::process::ExitCode;

use stepbox::kernel::ctext::BOX;
use stepbox::kernel::flags::NEWNET;
use stepbox::kernel::{Errno, Op};
use stepbox::lab::{self, work};
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};
use stepbox::veth::{self, Network};

fn main() -> ExitCode {
    lab::main("09-veth-bridge", |stage| {
        stage.run(&alone(&stage.dir.clone()))?;
        stage.run(&together(&stage.dir.clone()))
    })
}

fn alone(dir: &Path) -> Plan {
    let gateway = [10, 9, 0, 1].into();
    let plan = Plan::default()
        .act("alone", "A box with a network namespace of its own, and nothing in it.")
        .then(watched(born()))
        .inside(watched(veth::route(gateway).fails(Errno::NETUNREACH)));
    ping(plan, dir, "127.0.0.1")
}

fn together(dir: &Path) -> Plan {
    let network = Network { bridge: "br0".into(), gateway: [10, 9, 0, 1].into(), prefix: 24, shared: false };
    let blue = Probe::Links(Who::Namespace(dir.join("blue").display().to_string()));
    let plan = Plan::default()
        .act("a switch", "The host makes a bridge.")
        .then(watched(veth::bridge(&network)))
        .act("blue", "The first box gets a cable, an address and a name, and leaves.");
    let plan = plugged(plan, &network, dir, "blue", 3)
        .inside(Step::new("leave", Op::Exit { code: 0 }).why("blue has no process any more, only a name"))
        .then(Step::new("wait for the box", Op::WaitBox).why("its namespace stays, cable and all").show(blue))
        .act("red", "The second box. Then it pings blue, where nobody is at home.");
    ping(plugged(plan, &network, dir, "red", 2), dir, "10.9.0.3")
}

fn born() -> Step {
    Step::new("clone a box", Op::Clone { flags: NEWNET })
        .why("its network namespace is new: no cable, no address, no route")
}

/// A box on the network, whose namespace has a name as `ip netns add` gives it.
fn plugged(plan: Plan, network: &Network, dir: &Path, name: &str, last: u8) -> Plan {
    let (port, path) = (network.port(format!("{name}0"), [10, 9, 0, last].into()), dir.join(name));
    let keep = Op::bind(format!("/proc/{BOX}/ns/net"), &path, 0);
    plan.then(watched(born())).then(watched(veth::host(&port))).inside(watched(veth::inside(&port))).then([
        Step::new("make a place for a name", Op::create(&path, ""))
            .why("the name of a namespace is a file with the namespace mounted on it")
            .undo(Op::Unlink { path: (&path).into() }),
        Step::new("name the namespace", keep)
            .why("a mount keeps a namespace alive without any process in it")
            .undo(Op::detach(&path)),
    ])
}

/// The box becomes ping. What ping says goes to a file, where the next look finds it.
fn ping(plan: Plan, dir: &Path, address: &str) -> Plan {
    let (said, dir) = (dir.join("said"), Probe::Tree(dir.display().to_string()));
    let file = Step::new("make a file for its words", Op::create(&said, ""))
        .why("a program's words are evidence too, if they are kept")
        .undo(Op::Unlink { path: (&said).into() });
    let redirect = Step::new("speak into that file", Op::Redirect { path: (&said).into(), fd: 1 })
        .why("standard output stays what it is through execve");
    let exec = Step::new("become ping", Op::Exec(work::exec(&["ping", address])))
        .why("one ICMP echo request, and two seconds of patience");
    let wait = Step::new("wait for the box", Op::WaitBox)
        .why("0: answered; 1: not answered; 2: the kernel would not even send it");
    plan.then(file.show(dir.clone()).show(Probe::Links(Who::Host)))
        .inside([redirect, exec])
        .then(wait.show(dir).show(Probe::Links(Who::Host)))
}

/// Each of these steps between two looks at the links of both sides.
fn watched(steps: impl IntoIterator<Item = Step>) -> impl Iterator<Item = Step> {
    let both = |step: Step| step.show(Probe::Links(Who::Host)).show(Probe::Links(Who::Box));
    steps.into_iter().map(both)
}
