//! The way out of a bridge: a box reaches the toy internet only through the masquerade.
//!
//! The internet has no route back to the box's subnet, so an answer proves that the packet left with the host's
//! address. Plans that clone need a single-threaded process, so this is a program, not a set of #[test]s; it runs
//! itself again inside a toy host.

use std::net::Ipv4Addr;
use std::process::ExitCode;

use stepbox::host;
use stepbox::kernel::Op;
use stepbox::kernel::flags::NEWNET;
use stepbox::kernel::process::Exit;
use stepbox::lab::work;
use stepbox::launch::launch;
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};
use stepbox::veth::{self, Network};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "work") {
        return work::main(arguments.collect());
    }
    if !host::inside() {
        return match host::enter(&[], &[]) {
            Ok(code) => ExitCode::from(code as u8),
            Err(host::EnterError::Launch(error)) => {
                support::skip("veth", &format!("this machine refuses a toy host: {error}"));
                ExitCode::SUCCESS
            }
            Err(error) => panic!("{error}"),
        };
    }
    alone();
    cabled();
    unanswered_without_masquerade();
    masqueraded();
    shared();
    println!("test result: ok. 5 passed");
    ExitCode::SUCCESS
}

fn network() -> Network {
    Network { bridge: "br0".into(), gateway: Ipv4Addr::new(10, 9, 0, 1), prefix: 24, shared: false }
}

/// A box that pings this address, on the network if there is one; and what of the box's links was to be seen.
fn ping(before: Plan, network: Option<&Network>, address: &str) -> Exit {
    let port = network.map(|network| network.port("box0", Ipv4Addr::new(10, 9, 0, 2)));
    let clone = Step::new("clone", Op::Clone { flags: NEWNET });
    let mut plan = before.then(clone);
    plan = match &port {
        Some(port) => plan.then(veth::host(port)).inside(veth::inside(port)),
        None => plan.inside(veth::loopback()),
    };
    let exec = Step::new("ping", Op::Redirect { path: "/dev/null".into(), fd: 1 });
    plan = plan.inside(exec).inside(Step::new("ping", Op::Exec(work::exec(&["ping", address]))));
    let mut running = launch(&plan, &mut (), None).expect("the plan");
    let exit = running.wait().expect("the box's exit");
    assert_eq!(running.undo(&mut ()), [], "everything is undone");
    assert_eq!(links(), OUTSIDE, "and nothing is left");
    exit
}

const OUTSIDE: &str = "\
lo: loopback up 127.0.0.1/8
eth0: veth up 203.0.113.2/24 peer elsewhere
route 203.0.113.0/24: dev eth0
route default: via 203.0.113.1 dev eth0
";

fn links() -> String {
    let facts = Probe::Links(Who::Host).look(None).facts;
    facts.iter().map(|fact| format!("{}: {}\n", fact.key, fact.value)).collect()
}

fn alone() {
    assert_eq!(ping(Plan::default(), None, "127.0.0.1"), Exit::Code(0), "loopback answers");
    assert_eq!(ping(Plan::default(), None, "10.9.0.1"), Exit::Code(2), "and nothing else");
}

fn cabled() {
    let network = network();
    let plan = || Plan::default().then(veth::bridge(&network));
    assert_eq!(ping(plan(), Some(&network), "10.9.0.1"), Exit::Code(0), "the gateway answers");
}

fn unanswered_without_masquerade() {
    let network = network();
    let [forward, _] = veth::masquerade(&network);
    let plan = Plan::default().then(veth::bridge(&network)).then(forward);
    assert_eq!(ping(plan, Some(&network), "203.0.113.1"), Exit::Code(1), "no route leads back");
}

/// A shared bridge's is asked for by every run: the second finds it and lets it be.
fn masqueraded() {
    let network = network();
    let again = Network { shared: true, ..network.clone() };
    let plan = Plan::default()
        .then(veth::bridge(&network))
        .then(veth::masquerade(&network))
        .then(veth::masquerade(&again));
    assert_eq!(ping(plan, Some(&network), "203.0.113.1"), Exit::Code(0), "the internet answers");
    // its undo was taken: the next box is not answered
    unanswered_without_masquerade();
}

/// A bridge that is kept is found, used and left; the one whose it is takes it away.
fn shared() {
    let network = Network { shared: true, ..network() };
    let plan = Plan::default().then(veth::bridge(&network)).then(veth::masquerade(&network));
    for _ in 0..2 {
        let running = launch(&plan, &mut (), None).expect("the bridge, made or found");
        assert_eq!(running.undo(&mut ()), []);
        assert!(links().contains("br0: bridge up 10.9.0.1/24 02:42:0a:09:00:01\n"), "it stays:\n{}", links());
    }
    let plan = Plan::default().then(veth::bridge(&Network { shared: false, ..network }));
    let refused = launch(&plan, &mut (), None).expect_err("a bridge of that name is there");
    assert!(refused.to_string().contains("EEXIST"), "{refused}");
}
