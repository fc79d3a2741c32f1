//! Lab 15: one `run`, everything composed. This is the engine's own code, narrated. Chapter:
//! tutorials/15-full-run.md.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stepbox::cgroups::Hierarchy;
use stepbox::container;
use stepbox::engine::base::{self, BaseError};
use stepbox::engine::config::ImageConfig;
use stepbox::engine::describe::{Place, describe};
use stepbox::engine::devices::Lent;
use stepbox::engine::machine::Machine;
use stepbox::engine::request::{NetworkMode, Request, Share};
use stepbox::engine::store::{Driver, Store};
use stepbox::kernel::Op;
use stepbox::kernel::ctext::BOX;
use stepbox::lab::{self, LabError, Stage};
use stepbox::probe::Probe;
use stepbox::rootfs::CgroupTree;
use stepbox::spec::Net;
use stepbox::step::Step;
use stepbox::veth::Network;

/// An engine's ids have 64 digits; these are as many as people are shown.
const ID: &str = "f00dcafe15f0";
/// It waits, because a program that runs on its own would say things between the lines of the lab.
const PROGRAM: &str = "until [ -e /go ]; do sleep 0.1; done; { uname -n; id -u; echo process $$; } > /hello";

fn main() -> ExitCode {
    lab::main("15-full-run", |stage| {
        // what the box's umask was is printed: it must not be the reader's habit
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let (config, layers) = image(stage)?;
        let words = ["sh", "-c", PROGRAM];
        let request = Request { command: words.map(String::from).into(), ..Request::default() };
        let spec = describe(&place(&stage.dir), &config, &layers, &request).map_err(failed)?;
        let upper = Probe::Tree(spec.directory.join("upper").display().to_string());
        let mut plan = container::plan(&spec).map_err(failed)?;
        plan.steps.last_mut().into_iter().for_each(|exec| exec.show.push(upper.clone()));
        stage.run(&plan.act("the program", "It runs on its own now.").then([go(), wait(upper)]))
    })
}

/// What `stepbox run` would find out: here root of a user namespace, and the first address of a bridge that is not the
/// engine's, so that the lab is in nobody's way on a real host either.
fn place(dir: &Path) -> Place {
    let gateway = Ipv4Addr::new(10, 15, 0, 1);
    let network = Network { bridge: "lab15".into(), gateway, prefix: 24, shared: false };
    let port = network.port("veth-f00dcafe", Ipv4Addr::new(10, 15, 0, 2));
    Place {
        id: ID.into(),
        machine: Machine {
            uid: 0,
            gid: 0,
            initial: false,
            setgroups: false,
            capabilities: 0,
            engine_in_reach: true,
        },
        net: Net::Bridge { network, port, lease: dir.join("10.15.0.2"), holder: 1 },
        published: Vec::new(),
        containers: dir.into(),
        hierarchy: Hierarchy::default(),
        cgroups: CgroupTree::None,
        throttles: Vec::new(),
        lent: Lent::default(),
        share: Share::default(),
        network: NetworkMode::Bridge,
        volumes: Vec::new(),
        driver: Driver::Overlay,
        resolvers: "nameserver 203.0.113.1\n".into(),
        hosts: String::new(),
    }
}

/// stepbox/base, made of what the machine has. Its layer's directory is called by a chain id that every machine has its
/// own of, so it gets a name that all share; Docker's links in overlay2/l keep mount options short in the same way.
fn image(stage: &mut Stage) -> Result<(ImageConfig, Vec<PathBuf>), LabError> {
    let (root, base) = (stage.dir.join("store"), stage.dir.join("base"));
    let mut config = ImageConfig::default();
    let why = "the machine's own programs, packed as one layer; base leads to where the store unpacked it";
    stage.scope("make the image", why, &[], || -> Result<_, BaseError> {
        let image = base::ensure(&Store::open(&root)?)?;
        let made = image.layers.first().map(|layer| std::os::unix::fs::symlink(layer, &base));
        made.transpose().map_err(|source| BaseError::Read { path: base.clone(), source })?;
        config = image.config;
        Ok(Vec::new())
    })?;
    Ok((config, vec![base]))
}

fn go() -> Step {
    Step::new("let it go on", Op::create(format!("/proc/{BOX}/root/go"), "go"))
        .why("/proc/PID/root is the box's / as the box sees it: whoever may follow this link can write there")
}

fn wait(upper: Probe) -> Step {
    Step::new("wait for it", Op::WaitBox)
        .why("who started it must also reap it; what it wrote, and what we wrote into its /, is in upper")
        .show(upper)
}

fn failed(error: impl std::error::Error + 'static) -> LabError {
    LabError::Work(Box::new(error))
}
