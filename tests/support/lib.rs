//! What tests share, and first of all what every test needs: a skip that cannot be overlooked.
//!
//! ```text
//!   player    who runs a program, and what it said       leaks      what a run has left on the machine
//!   site      where containers run, and as whom          killer     who ends somebody before a step
//!   screen    a terminal, driven through tmux            strace     what the kernel saw
//!   archive   archives, byte by byte                     snapshot   whole outputs, without what differs
//!   bundle    OCI bundles                                served     a registry of our own
//!   docker    the same commands given to Docker          dice       chance that comes again
//! ```

pub mod archive;
#[cfg(feature = "engine")]
pub mod bundle;
pub mod dice;
pub mod docker;
pub mod killer;
pub mod leaks;
pub mod player;
pub mod screen;
#[cfg(feature = "engine")]
pub mod served;
pub mod site;
pub mod snapshot;
pub mod strace;

use std::path::Path;

/// The reason of a test that only root can run. `.ci/run` takes every test twice, as root and as nobody.
pub const NEEDS_ROOT: &str = "needs root";

/// Says that a test cannot run here, and why. In CI (`CI=true`) that is a failure, unless tests/allowed-skips.txt
/// names the test, or it needs root and this is the pass without.
///
/// # Panics
/// In CI, for a test that the list does not name.
pub fn skip(name: &str, why: &str) {
    println!("SKIP: {name}: {why}");
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let for_root = why == NEEDS_ROOT && !rustix::process::geteuid().is_root();
    assert!(
        !in_ci || for_root || allowed(name),
        "{name} was skipped in CI ({why}); tests/allowed-skips.txt does not name it"
    );
}

/// Whether slow tests are asked for (`STEPBOX_SLOW=1`); if not, it is said what this one takes.
///
/// # Panics
/// As [`skip`].
pub fn slow(test: &str, takes: &str) -> bool {
    let asked = std::env::var_os("STEPBOX_SLOW").is_some();
    if !asked {
        skip(test, &format!("it takes {takes}: STEPBOX_SLOW=1 runs it"));
    }
    asked
}

/// Whether these programs are here; if not, it is said which one is missing.
///
/// # Panics
/// As [`skip`].
pub fn here(test: &str, programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |name: &str| std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    let missing = programs.iter().find(|name| !found(name));
    if let Some(missing) = missing {
        skip(test, &format!("there is no {missing}"));
    }
    missing.is_none()
}

/// Whether the list names the test: one name a line, `#` begins a comment.
fn allowed(name: &str) -> bool {
    let list = package().join("tests/allowed-skips.txt");
    let list = std::fs::read_to_string(list).expect("read tests/allowed-skips.txt");
    list.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).any(|line| line == name)
}

/// The directory of the package that is tested.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this lies in tests/support")
}
