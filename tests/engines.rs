//! Real engines by `stepbox oci`: Docker's and podman's own commands, answered as by runc.
//!
//! ```text
//!   site: own mounts, processes, network
//!     dockerd ── containerd ── shim ── runc ─> stepbox    the same commands twice:
//!                                  └── runc (Debian's)    the answers must be the same
//!     podman ──── conmon ───────────── either
//! ```
//!
//! They take a minute and packages that not every machine has: only with `STEPBOX_SLOW=1`.

use std::path::Path;

use support::leaks;
use support::player::said;
use support::site::Site;

/// What an engine says by this runtime; none, with the reason said, where it cannot run.
fn answers(test: &str, engine: &str, needs: &[&str]) -> Option<[String; 2]> {
    if !support::slow(test, "a minute") || !support::here(test, needs) {
        return None;
    }
    Site::root(test)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/engines/{engine}.sh"));
    let _turn = leaks::turn();
    let before = leaks::Snapshot::take();
    let answer = |runtime: &str| {
        let site = Site::root(test).expect("root");
        let command = format!("exec bash {} {runtime}", script.display());
        let said = said(&mut site.script_of(100, &command));
        assert_eq!(said.code, 0, "{engine} by {runtime}: {}{}", said.out, said.err);
        said.out
    };
    let both = std::thread::scope(|scope| {
        let ours = scope.spawn(|| answer("stepbox"));
        let theirs = answer("runc");
        [ours.join().expect("stepbox answers"), theirs]
    });
    before.assert_same();
    Some(both)
}

#[test]
fn docker_drives_it() {
    let needs = ["dockerd", "runc", "busybox", "tmux"];
    let Some([ours, theirs]) = answers("docker_drives_it", "docker", &needs) else { return };
    assert_eq!(ours, theirs);
    insta::assert_snapshot!(ours);
}

#[test]
fn podman_drives_it() {
    let needs = ["podman", "conmon", "runc", "busybox"];
    let Some([ours, theirs]) = answers("podman_drives_it", "podman", &needs) else { return };
    assert_eq!(ours, theirs);
    insta::assert_snapshot!(ours);
}
