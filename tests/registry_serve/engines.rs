//! podman and docker as clients, in namespaces of the test's own.

use std::path::Path;

use support::leaks;
use support::site::Site;

/// What an engine says to these commands; none, with the reason said, where it cannot run.
fn answers(test: &str, engine: &str, needs: &[&str]) -> Option<String> {
    if !support::slow(test, "a while") || !support::here(test, needs) {
        return None;
    }
    let site = Site::root(test)?;
    let _turn = leaks::turn();
    let before = leaks::Snapshot::take();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/registry_serve/{engine}.sh"));
    let said = support::player::said(&mut site.script_of(100, &format!("exec bash {}", script.display())));
    assert_eq!(said.code, 0, "{engine}: {}{}", said.out, said.err);
    drop(site);
    before.assert_same();
    Some(said.out)
}

/// The same for both: a pull, a push under another name, a pull of that, and what stepbox then has.
const ALL: &str =
    "pulled hello\npushed\nremoved\npulled again hello\nlocalhost:5000/class/app v1\nstepbox/base latest\n";

#[test]
fn podman_pulls_and_pushes() {
    let needs = ["podman", "busybox"];
    let Some(said) = answers("podman_pulls_and_pushes", "podman", &needs) else { return };
    assert_eq!(said, ALL);
}

#[test]
fn docker_pulls_and_pushes() {
    let needs = ["dockerd", "runc", "busybox"];
    let Some(said) = answers("docker_pulls_and_pushes", "docker", &needs) else { return };
    assert_eq!(said, ALL);
}
