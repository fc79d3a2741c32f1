//! User namespaces: the same user under two numbers, and root whose power ends at a border.
//!
//! ```text
//!   inside                       outside                 /proc/PID/uid_map
//!      0  root      <────────>   1000  an owner          0 1000 1
//!      1  daemon    <────────>   100000                  1 100000 65536
//!      …                         …                       │ │      └ how many, counted up on both sides
//!                                                        │ └ the first one outside
//!   65534 nobody    <─────────   whoever is not mapped   └ the first one inside
//!
//!   who may write it:   one line for the own id      the one who made the namespace
//!                       everything else              CAP_SETUID outside: root, or newuidmap with /etc/subuid
//! ```
//!
//! A process in a new user namespace holds every capability there. It counts for what that namespace owns (other
//! namespaces made in it or with it), and for nothing else. See user_namespaces(7), newuidmap(1). Lab
//! 05-user-namespace, tutorials/05-user-namespace.md.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::kernel::ctext::BOX;
use crate::kernel::op::{Exec, Hook};
use crate::kernel::{CText, Op};
use crate::probe::{Probe, Who};
use crate::step::Step;

/// One line of a map: `count` ids from `inside` on are those from `outside` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// the first id inside
    pub inside: u32,
    /// the first id outside
    pub outside: u32,
    /// how many
    pub count: u32,
}

impl Range {
    /// One id and no more.
    pub const fn one(inside: u32, outside: u32) -> Range {
        Range { inside, outside, count: 1 }
    }
}

// ANCHOR: maps
/// Who is who among the users of the box's new user namespace.
pub fn users(map: &[Range]) -> Step {
    Step::new("map the user", Op::write(format!("/proc/{BOX}/uid_map"), lines(map)))
        .why("root inside is nobody special outside")
        .show(Probe::IdMaps(Who::Box))
}

/// No process of the box changes its list of groups from here on.
pub fn deny_setgroups() -> Step {
    Step::new("give up setgroups", Op::write(format!("/proc/{BOX}/setgroups"), "deny"))
        .why("dropping a group could open a file that denies it")
        .show(Probe::IdMaps(Who::Box))
}

/// Who is who among its groups.
pub fn groups(map: &[Range]) -> Step {
    Step::new("map the group", Op::write(format!("/proc/{BOX}/gid_map"), lines(map)))
        .why("the kernel allows it only after setgroups is denied")
        .show(Probe::IdMaps(Who::Box))
}

/// Root of the box's new user namespace is this user outside, and nobody else is anybody in it. Needs no privilege.
pub fn map_root(uid: u32, gid: u32) -> [Step; 3] {
    map_one(Range::one(0, uid), Range::one(0, gid))
}

/// The own user and group under other numbers, and nobody else is anybody. Needs no privilege.
pub fn map_one(uid: Range, gid: Range) -> [Step; 3] {
    [users(&[uid]), deny_setgroups(), groups(&[gid])]
}

/// Whole ranges, as a machine with many users needs them; setgroups stays allowed. Needs CAP_SETUID and CAP_SETGID
/// outside.
pub fn map_ranges(uids: &[Range], gids: &[Range]) -> [Step; 2] {
    [
        users(uids).why("files of many users keep many owners, each with a number outside"),
        groups(gids).why("who may set any group outside may leave setgroups to the box"),
    ]
}

/// Programs that write the maps of others, as far as /etc/subuid and /etc/subgid allow: newuidmap(1), newgidmap(1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helpers {
    /// newuidmap
    pub uid: PathBuf,
    /// newgidmap
    pub gid: PathBuf,
}

/// Whole ranges, for somebody who has no privilege outside.
pub fn map_helped(uids: &[Range], gids: &[Range], helpers: &Helpers) -> [Step; 2] {
    let run = |name, program: &Path, map: &[Range]| {
        let numbers = map.iter().flat_map(|range| [range.inside, range.outside, range.count]);
        let words = [program.display().to_string(), BOX.into()].into_iter();
        let argv = words.chain(numbers.map(|number| number.to_string())).map(CText::from).collect();
        let exec = Exec { paths: vec![program.into()], argv, env: Vec::new() };
        let hook = Hook { exec, stdin: "".into(), timeout: Some(PATIENCE) };
        Step::new(name, Op::Spawn(Box::new(hook))).show(Probe::IdMaps(Who::Box))
    };
    [
        run("have the users mapped", &helpers.uid, uids)
            .why("newuidmap is set-uid root, and asks /etc/subuid which ids we may hand on"),
        run("have the groups mapped", &helpers.gid, gids).why("newgidmap does the same with /etc/subgid"),
    ]
}

/// Seconds for a program that only writes a line.
const PATIENCE: u32 = 30;

/// Root of the new namespace, or whoever is first in it.
pub fn become_first(uids: &[Range], gids: &[Range]) -> [Step; 2] {
    let first = |map: &[Range]| match map.iter().any(|range| range.inside == 0) {
        true => 0,
        false => map.iter().map(|range| range.inside).min().unwrap_or(0),
    };
    [
        Step::new("be a group of the box", Op::Setresgid { gid: first(gids) })
            .why("the group that we came with is nobody here, and nobody's files cannot be made"),
        Step::new("be a user of the box", Op::Setresuid { uid: first(uids) })
            .why("root of the box owns what is made in it; outside that is an ordinary number"),
    ]
}

/// A map as the kernel reads it: one range a line.
pub fn lines(map: &[Range]) -> String {
    let line = |Range { inside, outside, count }: &Range| format!("{inside} {outside} {count}");
    map.iter().map(line).collect::<Vec<_>>().join("\n")
}
// ANCHOR_END: maps

// ANCHOR: ordinary
/// Makes the calling process an ordinary user of this number, whoever it was: in a user namespace that gives its
/// one id another number, and without any power over that namespace.
pub fn become_ordinary(id: u32, uid: u32, gid: u32) -> [Step; 5] {
    let own = |name, file: &str, text: String| Step::new(name, Op::write(format!("/proc/self/{file}"), text));
    let as_id = |outside| lines(&[Range::one(id, outside)]);
    [
        Step::new("leave the users of the host", Op::Unshare { flags: crate::kernel::flags::NEWUSER })
            .why("the lab shall begin as a user without any privilege, whoever started it"),
        own("take another number", "uid_map", as_id(uid))
            .why("a map of one's own id needs no privilege, and the number inside is free to choose"),
        own("give up setgroups", "setgroups", "deny".into())
            .why("the price of a group map without privilege"),
        own("the same for the group", "gid_map", as_id(gid)).why("groups have a map of their own"),
        Step::new("give up every capability", Op::capset(0))
            .why("whoever makes a user namespace holds all of them in it, and a user of a machine has none")
            .show(Probe::IdMaps(Who::Host))
            .show(Probe::Privilege(Who::Host)),
    ]
}
// ANCHOR_END: ordinary

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_has_a_line_for_each_range() {
        let map = [Range::one(0, 1000), Range { inside: 1, outside: 100_000, count: 65_536 }];
        assert_eq!(lines(&map), "0 1000 1\n1 100000 65536");
        let [users, groups] = map_ranges(&map, &map[..1]);
        assert_eq!(users.op.to_string(), r#"write("/proc/[BOX]/uid_map", "0 1000 1\n1 100000 65536")"#);
        assert_eq!(groups.op.to_string(), r#"write("/proc/[BOX]/gid_map", "0 1000 1")"#);
    }
}
