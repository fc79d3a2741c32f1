//! What every test file needs: a skip that cannot be overlooked.

use std::path::Path;

/// Says that a test cannot run here, and why. In CI (`CI=true`) that is a failure, unless tests/allowed-skips.txt
/// names the test.
///
/// # Panics
/// In CI, for a test that the list does not name.
pub fn skip(name: &str, why: &str) {
    println!("SKIP: {name}: {why}");
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(
        !in_ci || allowed(name),
        "{name} was skipped in CI ({why}); tests/allowed-skips.txt does not name it"
    );
}

/// Whether the list names the test: one name a line, `#` begins a comment.
fn allowed(name: &str) -> bool {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/allowed-skips.txt");
    let list = std::fs::read_to_string(list).expect("read tests/allowed-skips.txt");
    list.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).any(|line| line == name)
}
