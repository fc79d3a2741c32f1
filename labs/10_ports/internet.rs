//! The internet of lab 10: the toy host's, or a namespace at the end of a cable where the host is real.

use std::path::Path;

use stepbox::host;
use stepbox::kernel::Op;
use stepbox::kernel::ctext::BOX;
use stepbox::kernel::flags::NEWNET;
use stepbox::kernel::netlink::{Netns, Peer, Request};
use stepbox::lab::Stage;
use stepbox::step::{Plan, Step};

/// A process in it, and the path of the namespace.
pub fn plan(stage: &Stage) -> (Plan, String) {
    let plan = Plan::default().act("the internet", "Somebody out there serves on port 80 of 203.0.113.1.");
    let clone =
        |flags| Step::new("clone a process", Op::Clone { flags }).why("it will be a site of the internet");
    match stage.dry() || host::inside() {
        true => {
            let path = format!("{}/internet", host::NETNS);
            let go = Step::new("go there", Op::Setns { path: (&path).into(), flags: NEWNET })
                .why("this host has an internet: a network namespace at the other end of eth0");
            (plan.then(clone(0)).inside(go), path)
        }
        false => {
            let name = stage.dir.join("internet");
            let plan = plan.then(clone(NEWNET)).then(named(&name)).then(cable()).inside(far_end());
            (plan, name.display().to_string())
        }
    }
}

fn named(name: &Path) -> [Step; 2] {
    [
        Step::new("make a place for its name", Op::create(name, "")).undo(Op::Unlink { path: name.into() }),
        Step::new("name it", Op::bind(format!("/proc/{BOX}/ns/net"), name, 0)).undo(Op::detach(name)),
    ]
}

fn cable() -> [Step; 3] {
    let link = || String::from("wan10");
    let peer = Peer { name: "wan0".into(), netns: Netns::Box, mac: None };
    let cable = Op::Netlink(Request::AddVeth { name: link(), peer: Box::new(peer) });
    [
        Step::new("lay a cable to it", cable).undo(Op::Netlink(Request::DeleteLink { name: link() })),
        address(link(), 2),
        Step::new("switch our end on", Op::Netlink(Request::SetUp { link: link() })),
    ]
}

fn far_end() -> [Step; 2] {
    let up = Op::Netlink(Request::SetUp { link: "wan0".into() });
    [address("wan0".into(), 1), Step::new("switch its end on", up)]
}

fn address(link: String, last: u8) -> Step {
    let request = Request::AddAddress { link, address: [203, 0, 113, last].into(), prefix: 24 };
    Step::new("give it an address", Op::Netlink(request))
}
