//! Lab 10: out of a bridge, and in by a port of the host. Chapter: tutorials/10-ports.md.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::process::ExitCode;

use stepbox::kernel::ctext::BOX;
use stepbox::kernel::flags::NEWNET;
use stepbox::kernel::{Errno, Op};
use stepbox::lab::{self, work};
use stepbox::ports::{self, Protocol, Published};
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};
use stepbox::veth::{self, Network};

#[path = "10_ports/internet.rs"]
mod internet;

const BOX_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 2);
const SITE: &str = "203.0.113.1:80";
const HOST: &str = "203.0.113.2:8080";

fn main() -> ExitCode {
    lab::main("10-ports", |stage| {
        let dir = stage.dir.clone();
        let (plan, internet) = internet::plan(stage);
        stage.run_then(&serving(plan, &dir, "site"), |stage| {
            stage.run(&out_and_in(&dir, &internet))?;
            stage.run(&afterwards(&dir, &internet))
        })
    })
}

fn out_and_in(dir: &Path, internet: &str) -> Plan {
    let gateway = Ipv4Addr::new(10, 10, 0, 1);
    let network = Network { bridge: "lab10".into(), gateway, prefix: 24, shared: false };
    let cable = network.port("veth10", BOX_ADDRESS);
    let [forward, masquerade] = veth::masquerade(&network);
    let host = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080));
    let port = [Published { host, inside: SocketAddrV4::new(BOX_ADDRESS, 80), protocol: Protocol::Tcp }];
    let second = |step| Step { name: "take it for somebody else", ..step }.why("port already allocated");
    let inwards = |name, to, why| call(dir, name, internet, to).why(why);
    let outwards = |name, why| call(dir, name, BOX, SITE).why(why);
    let born = Step::new("clone a box", Op::Clone { flags: NEWNET }).why("with a network of its own");
    let plan = Plan::default()
        .act("a box", "It is on a bridge, as in lab 09, and serves on port 80, too.")
        .then(veth::bridge(&network))
        .then(born)
        .then(veth::host(&cable))
        .inside(veth::inside(&cable));
    serving(plan, dir, "box")
        .act("strangers", "Box and internet call each other. Neither knows the other's network.")
        .then(inwards("call the box", "10.10.0.2:80", "the internet has no route to it").exits(2))
        .then(forward)
        .then(outwards("call the site", "the call arrives; its answer finds no way back").exits(1))
        .act("out", "What leaves the host gets an address to which there is a way back.")
        .then(filtered(masquerade))
        .then(outwards("call the site again", "10.10.0.2 calls; whom the site sees, it says itself"))
        .act("in", "A port of the host that leads into the box: docker run -p 8080:80.")
        .then(inwards("call the host", HOST, "nobody has that port, so the kernel refuses").exits(2))
        .then(ports::take(&port))
        .then(ports::take(&port).into_iter().map(|step| second(step).fails(Errno::ADDRINUSE)))
        .then(inwards("call the host again", HOST, "the kernel lets callers in, but nobody serves").exits(1))
        .then(ports::publish("stepbox-box", &network.bridge, &port).map(filtered))
        .then(inwards("call the host once more", HOST, "the same call; who answers, and at which address?"))
}

fn afterwards(dir: &Path, internet: &str) -> Plan {
    let last = call(dir, "call the host in the end", internet, HOST).why("nothing is left of the port");
    Plan::default()
        .act("afterwards", "The table was deleted, the socket closed with the run that had it.")
        .then(last.exits(2))
}

/// The box becomes one who serves, and says in a file whom it sees.
fn serving(plan: Plan, dir: &Path, name: &str) -> Plan {
    let file = dir.join(name);
    let listens = Op::AwaitText { path: (&file).into(), text: "listening".into(), again: None };
    let words =
        Step::new("make a file for its words", Op::create(&file, "")).why("whom it sees, it says there");
    let redirect = Step::new("speak into that file", Op::Redirect { path: (&file).into(), fd: 1 })
        .why("standard output stays what it is through execve");
    let serve =
        Step::new("serve", Op::Exec(work::exec(&["serve", "80"]))).why("each caller is told whom it sees");
    let wait = Step::new("wait until it listens", listens).why("whoever calls too early is refused");
    let all_words = Probe::Tree(dir.display().to_string());
    plan.then(words.undo(Op::Unlink { path: (&file).into() }).show(all_words.clone()))
        .inside([redirect, serve])
        .then(wait.show(all_words))
}

/// One call, out of a network namespace. What both ends say of it lies in files.
fn call(dir: &Path, name: &'static str, from: &str, to: &str) -> Step {
    let fetch = work::beside(from, &dir.join("caller"), &["fetch", to]);
    Step::new(name, Op::Spawn(Box::new(fetch))).show(Probe::Tree(dir.display().to_string()))
}

fn filtered(step: Step) -> Step {
    step.show(Probe::Filter(Who::Host))
}
