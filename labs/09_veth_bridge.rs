//! Lab 09: a cable, a switch, two boxes. Chapter: tutorials/09-veth-bridge.md.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;

use stepbox::kernel::ctext::BOX;
use stepbox::kernel::flags::NEWNET;
use stepbox::kernel::{Errno, Op};
use stepbox::lab::{self, work};
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};
use stepbox::veth::{self, Network};

const RED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const BLUE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

fn main() -> ExitCode {
    lab::main("09-veth-bridge", |stage| {
        stage.run(&alone(&stage.dir.clone()))?;
        stage.run(&together(&stage.dir.clone()))
    })
}

fn network() -> Network {
    Network { bridge: "br0".into(), gateway: Ipv4Addr::new(10, 0, 0, 1), prefix: 24, keep: false }
}

fn born() -> Step {
    Step::new("clone a box", Op::Clone { flags: NEWNET })
        .why("its network namespace is new: no cable, no address, no route")
}

/// The box becomes ping. What ping says goes to a file, where the next look finds it.
fn ping(plan: Plan, dir: &Path, address: &str) -> Plan {
    let said = dir.join("said");
    let file = Step::new("make a file for its words", Op::create(&said, ""))
        .why("the box inherits the host's terminal; a file keeps what it says as evidence")
        .undo(Op::Unlink { path: (&said).into() });
    let redirect = Step::new("write into that file", Op::Redirect { path: (&said).into(), fd: 1 });
    plan.then(file)
        .inside(redirect.why("only mounts of the file system would be private, and the box has the host's"))
        .inside(
            Step::new("become ping", Op::Exec(work::exec(&["ping", address])))
                .why("one ICMP echo request, and two seconds of patience"),
        )
        .then(
            Step::new("wait for the box", Op::WaitBox)
                .why("0: it was answered, 2: the kernel would not even send it")
                .show(Probe::Tree(dir.display().to_string()))
                .show(Probe::Links(Who::Host)),
        )
}

/// Evidence for every step so far that has none.
fn showing(plan: Plan, probes: &[Probe]) -> Plan {
    let mut plan = plan;
    for step in plan.steps.iter_mut().filter(|step| step.show.is_empty()) {
        step.show = probes.to_vec();
    }
    plan
}

fn alone(dir: &Path) -> Plan {
    let plan =
        Plan::default().act("alone", "A box with a network namespace of its own pings itself.").then(born());
    ping(showing(plan, &[Probe::Links(Who::Box)]), dir, "127.0.0.1")
}

fn together(dir: &Path) -> Plan {
    let (network, name) = (network(), dir.join("blue"));
    let (red, blue) = (network.port("red0", RED), network.port("blue0", BLUE));
    let keep = Op::bind(format!("/proc/{BOX}/ns/net"), &name, 0);
    let both = [Probe::Links(Who::Host), Probe::Links(Who::Box)];
    let plan = Plan::default()
        .act("a switch", "The host makes a bridge.")
        .then(veth::bridge(&network))
        .act("blue", "The first box gets a cable, an address and a name, and leaves.")
        .then(born())
        .then(veth::host(&blue))
        .inside(veth::inside(&blue))
        .then([
            Step::new("make a place for its name", Op::create(&name, ""))
                .why("a name for a namespace is a file with the namespace mounted on it")
                .undo(Op::Unlink { path: (&name).into() }),
            Step::new("name the namespace", keep)
                .why("what ip netns add does: a mount keeps a namespace alive without any process")
                .undo(Op::detach(&name)),
        ])
        .inside(Step::new("leave", Op::Exit { code: 0 }).why("blue has no process any more, only a name"))
        .then(Step::new("wait for the box", Op::WaitBox).why("its cable would go with its namespace"));
    let plan = showing(plan, &both)
        .act("red", "The second box. Then it pings blue, where nobody is at home.")
        .then(born())
        .then(veth::host(&red))
        .inside(veth::route(network.gateway).fails(Errno::NETUNREACH))
        .inside(veth::inside(&red));
    ping(showing(plan, &both), dir, &BLUE.to_string())
}
