//! What every test file needs: a skip that cannot be overlooked.

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

/// Whether the list names the test: one name a line, `#` begins a comment.
fn allowed(name: &str) -> bool {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/allowed-skips.txt");
    let list = std::fs::read_to_string(list).expect("read tests/allowed-skips.txt");
    list.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).any(|line| line == name)
}
