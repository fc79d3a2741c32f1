//! podman and docker as clients, in namespaces of the test's own.

use std::path::Path;

use crate::leaks;
use crate::site::Site;
use crate::support::skip;

/// What an engine says to these commands; none, with the reason said, where it cannot run.
fn answers(test: &str, engine: &str, needs: &[&str]) -> Option<String> {
    if std::env::var_os("STEPBOX_SLOW").is_none() {
        skip(test, "it takes a while: STEPBOX_SLOW=1 runs it");
        return None;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |name: &str| std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    if let Some(missing) = needs.iter().find(|name| !found(name)) {
        skip(test, &format!("there is no {missing}"));
        return None;
    }
    let site = Site::root(test)?;
    let before = leaks::Snapshot::take();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/registry_serve/{engine}.sh"));
    let said = crate::player::said(&mut site.script_of(100, &format!("exec bash {}", script.display())));
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
