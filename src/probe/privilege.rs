//! Privilege: what a process may do, and whether a file that could tell it something does.

use std::io::Read;

use super::status;
use crate::kernel::{Errno, flags, hint};
use crate::trace::Fact;

/// The five sets, the bit and the filter, as /proc/PID/status has them.
pub(super) fn look(pid: i32) -> Option<Vec<Fact>> {
    const KEYS: [&str; 7] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"];
    // waits for an execve(2) that is under way: its descriptors are closed before the new sets are in place
    let _ = std::fs::read(format!("/proc/{pid}/syscall"));
    status(pid, &KEYS).map(decode_capabilities)
}

/// As far as can be told without saying what.
pub(super) fn telling(path: &str) -> String {
    let mut byte = [0];
    match std::fs::File::open(path).and_then(|mut file| file.read(&mut byte)) {
        Ok(0) => "nothing to read".into(),
        Ok(_) => "tells something".into(),
        Err(error) => Errno::from_io_error(&error).map_or_else(|| error.to_string(), hint::errno_text),
    }
}

fn decode_capabilities(facts: Vec<Fact>) -> Vec<Fact> {
    let decode = |fact: Fact| match u64::from_str_radix(&fact.value, 16) {
        Ok(set) if fact.key.starts_with("Cap") => Fact { value: flags::capabilities(set), ..fact },
        _ => fact,
    };
    facts.into_iter().map(decode).collect()
}
