//! Names: container ids, and the two-word names of containers that nobody named.

use rustix::rand::{GetRandomFlags, getrandom};

const LEFT: [&str; 24] = [
    "able", "brave", "bright", "calm", "clever", "cosy", "eager", "fair", "gentle", "happy", "honest",
    "jolly", "keen", "kind", "lively", "lucky", "merry", "nimble", "patient", "quick", "quiet", "steady",
    "sunny", "witty",
];
const RIGHT: [&str; 24] = [
    "babbage",
    "bell",
    "cerf",
    "dijkstra",
    "engelbart",
    "floyd",
    "hamilton",
    "hamming",
    "hopper",
    "kernighan",
    "knuth",
    "lamport",
    "liskov",
    "lovelace",
    "mccarthy",
    "perlman",
    "pike",
    "ritchie",
    "shannon",
    "stallman",
    "tanenbaum",
    "thompson",
    "torvalds",
    "turing",
];

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    // the kernel's pool is ready long before a container engine runs, and short reads cannot be interrupted
    let _ = getrandom(&mut bytes, GetRandomFlags::empty());
    bytes
}

/// A container id: 256 random bits as 64 hexadecimal digits.
pub fn new_id() -> String {
    random::<32>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name of two words, as `calm_hopper`.
pub fn new_name() -> String {
    let [left, right] = random();
    format!("{}_{}", LEFT[usize::from(left) % LEFT.len()], RIGHT[usize::from(right) % RIGHT.len()])
}

/// Whether a container may be called so: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, as Docker has it.
pub fn valid(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|letter| letter.is_ascii_alphanumeric());
    let rest =
        name.len() > 1 && letters.all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter));
    first && rest
}
