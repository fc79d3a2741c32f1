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

use crate::kernel::Op;
use crate::kernel::ctext::BOX;
use crate::probe::{Probe, Who};
use crate::step::Step;

/// One line of a map: `count` ids from `inside` on are those from `outside` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    [users(&[Range::one(0, uid)]), deny_setgroups(), groups(&[Range::one(0, gid)])]
}

/// Whole ranges, as a machine with many users needs them; setgroups stays allowed. Needs CAP_SETUID and CAP_SETGID
/// outside.
pub fn map_ranges(uids: &[Range], gids: &[Range]) -> [Step; 2] {
    [
        users(uids).why("files of many users keep many owners, each with a number outside"),
        groups(gids).why("who may set any group outside may leave setgroups to the box"),
    ]
}

/// A map as the kernel reads it: one range a line.
fn lines(map: &[Range]) -> String {
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
