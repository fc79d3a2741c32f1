//! Published ports, from outside: `-p`, `-P`, `port`, and who carries what. Child processes only, as root in namespaces of
//! each test's own, and as a user who is not root.
//!
//! This program is also who is called in the containers, and who calls: `published peer …`, see published/peer.rs.

#[path = "published/carried.rs"]
mod carried;
#[path = "published/docker.rs"]
mod docker;
#[path = "published/killed.rs"]
mod killed;
#[path = "published/listed.rs"]
mod listed;
#[path = "published/peer.rs"]
mod peer;
#[path = "published/place.rs"]
mod place;
#[path = "published/refused.rs"]
mod refused;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

const TESTS: &[(&str, fn())] = &[
    ("carried::from_everywhere", carried::from_everywhere),
    ("carried::with_every_way_of_speaking", carried::with_every_way_of_speaking),
    ("carried::by_one_who_can_do_nothing_else", carried::by_one_who_can_do_nothing_else),
    ("carried::with_an_init", carried::with_an_init),
    ("carried::when_there_are_no_descriptors", carried::when_there_are_no_descriptors),
    ("docker_says_the_same_of_ports", docker::docker_says_the_same_of_ports),
    ("killed::monitors", killed::monitors),
    ("killed::proxies", killed::proxies),
    ("killed::runs_in_front", killed::runs_in_front),
    ("listed::columns", listed::columns),
    ("listed::whichever_is_free", listed::whichever_is_free),
    ("listed::from_start_to_end", listed::from_start_to_end),
    ("listed::where_there_is_no_network", listed::where_there_is_no_network),
    ("listed::in_a_plan", listed::in_a_plan),
    ("refused::words", refused::words),
    ("refused::what_others_have", refused::what_others_have),
    ("refused::what_only_root_has", refused::what_only_root_has),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "peer") {
        return peer::main(&words[1..]);
    }
    let trials = TESTS.iter().map(|(name, test)| {
        Trial::test(*name, || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
