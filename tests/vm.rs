//! Cgroup version 2 alone, on a distribution's kernel, in a virtual machine: tests/vm/run from here.

use std::path::Path;
use std::process::Command;

/// What tests/vm/run exits with where there is no qemu, or no kernel to be had.
const SKIPPED: i32 = 77;

/// Emulated, it takes minutes; the first time it downloads a kernel of 35 MB.
#[test]
fn every_check_passes_in_the_machine() {
    const TEST: &str = "every_check_passes_in_the_machine";
    if !support::slow(TEST, "minutes and the network") {
        return;
    }
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/run");
    // what CI says of our own tests is not meant for those in the machine, which has settings of its own
    let output = Command::new(run).env_remove("STEPBOX_ACCEPT").output().expect("run tests/vm/run");
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(SKIPPED) {
        let why = out.lines().find_map(|line| line.strip_prefix("SKIP: "));
        return support::skip(TEST, why.unwrap_or("tests/vm/run says no reason"));
    }
    assert!(output.status.success(), "tests/vm/run: {}\n{out}{err}", output.status);
    println!("{out}");
}
