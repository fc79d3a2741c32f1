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

/// So many random bytes.
pub(super) fn random<const N: usize>() -> [u8; N] {
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

/// The same that nobody has: where two words are not enough, with a number behind them.
pub fn new_name_but(taken: impl Fn(&str) -> bool) -> String {
    const WORDS_ALONE: usize = 8;
    (0..)
        .map(|turn| match turn < WORDS_ALONE {
            true => new_name(),
            false => format!("{}{}", new_name(), u16::from_ne_bytes(random())),
        })
        .find(|name| !taken(name))
        .expect("there is no end of numbers")
}

/// Whether a container may be called so: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, as Docker has it.
pub fn valid(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|letter| letter.is_ascii_alphanumeric());
    let rest =
        name.len() > 1 && letters.all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter));
    first && rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_run_out() {
        let all = |name: &str| !name.ends_with(|letter: char| letter.is_ascii_digit());
        let name = new_name_but(all);
        assert!(valid(&name) && !all(&name), "{name}");
        assert!(valid(&new_name_but(|_| false)));
    }
}
