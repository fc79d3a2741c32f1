//! Lab 15: one `run`, everything composed. This is the engine's own code, narrated. Chapter:
//! tutorials/15-full-run.md.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stepbox::cgroups::Hierarchy;
use stepbox::container;
use stepbox::engine::base;
use stepbox::engine::config::ImageConfig;
use stepbox::engine::describe::{Place, describe};
use stepbox::engine::machine::Machine;
use stepbox::engine::run::Request;
use stepbox::engine::store::Store;
use stepbox::kernel::Op;
use stepbox::lab::{self, LabError, Stage};
use stepbox::rootfs::CgroupTree;
use stepbox::spec::Net;
use stepbox::step::Step;
use stepbox::veth::Network;

const ID: &str = "f00dcafe15f00dcafe15f00dcafe15f00dcafe15f00dcafe15f00dcafe15f00d";

fn main() -> ExitCode {
    lab::main("15-full-run", |stage| {
        let (config, layers) = image(stage)?;
        let words = ["sh", "-c", "hostname; id -u; echo process $$; hostname > /hello"];
        let request = Request { command: words.map(String::from).into(), ..Request::default() };
        let spec = describe(&place(&stage.dir), &config, &layers, &request).map_err(failed)?;
        let plan = container::plan(&spec).map_err(failed)?;
        stage.run(
            &plan
                .act("the program", "It runs on its own; the engine waits.")
                .then(wait(&spec.rootfs.overlay.upper)),
        )
    })
}

/// What `stepbox run` would find out: here the toy host's root, and the first address of a bridge of its
/// own, so that on the real machine it meets no other container.
fn place(dir: &Path) -> Place {
    let gateway = Ipv4Addr::new(10, 15, 0, 1);
    let network = Network { bridge: "lab15".into(), gateway, prefix: 24, shared: false };
    let port = network.port("veth-f00dcafe", Ipv4Addr::new(10, 15, 0, 2));
    Place {
        id: ID.into(),
        machine: Machine { uid: 0, gid: 0, initial: false, setgroups: false },
        net: Net::Bridge { network, port, lease: dir.join("10.15.0.2") },
        containers: dir.into(),
        hierarchy: Hierarchy::default(),
        cgroups: CgroupTree::None,
        resolvers: "nameserver 203.0.113.1\n".into(),
    }
}

/// stepbox/base, made of what the machine has; a dry run only needs to know where its layer would lie.
fn image(stage: &mut Stage) -> Result<(ImageConfig, Vec<PathBuf>), LabError> {
    let root = stage.dir.join("store");
    if stage.dry() {
        return Ok((ImageConfig::default(), vec![root.join("layers/LAYER")]));
    }
    let store = Store::open(&root).map_err(failed)?;
    stage.scope("make the image", "the machine's own programs, as one layer", &[], || {
        base::ensure(&store).map(|_| Vec::new())
    })?;
    let image = base::ensure(&store).map_err(failed)?;
    Ok((image.config, image.layers))
}

fn wait(upper: &Path) -> Step {
    Step::new("wait for it", Op::WaitBox)
        .why("who started it must also reap it; what it wrote is in upper")
        .show(stepbox::probe::Probe::Tree(upper.display().to_string()))
}

fn failed(error: impl std::error::Error + 'static) -> LabError {
    LabError::Work(Box::new(error))
}
