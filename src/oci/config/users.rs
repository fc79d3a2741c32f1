//! Users: the id maps of a new user namespace, and who can write them.
//!
//! ```text
//!   root                                 any map, written by us
//!   anybody, one id, the own one         written by us; setgroups is given up for it
//!   anybody, more                        newuidmap and newgidmap, as far as /etc/subuid and /etc/subgid allow
//! ```
//!
//! See user_namespaces(7), newuidmap(1).

use super::Machine;
use super::document::IdMapping;
use super::error::{ConfigError, Problem};
use crate::spec::Users;
use crate::userns::{Helpers, Range};

/// A new user namespace with these maps.
pub(super) fn new(uids: &[IdMapping], gids: &[IdMapping], machine: &Machine) -> Result<Users, ConfigError> {
    let uids = ranges("linux.uidMappings", uids)?;
    let gids = ranges("linux.gidMappings", gids)?;
    let own = |map: &[Range], id| matches!(map, [Range { outside, count: 1, .. }] if *outside == id);
    if machine.root() {
        return Ok(Users::Ranges(uids, gids));
    }
    if let ([uid], [gid]) = (&uids[..], &gids[..])
        && own(&uids, machine.uid)
        && own(&gids, machine.gid)
    {
        return Ok(Users::One(*uid, *gid));
    }
    let missing = |place, id, helper| ConfigError::at(place, id, Problem::NoHelper(id, helper));
    let uid =
        machine.newuidmap.clone().ok_or_else(|| missing("linux.uidMappings", machine.uid, "newuidmap"))?;
    let gid =
        machine.newgidmap.clone().ok_or_else(|| missing("linux.gidMappings", machine.gid, "newgidmap"))?;
    Ok(Users::Helped(uids, gids, Helpers { uid, gid }))
}

/// A map whose lines do not touch each other.
pub(super) fn ranges(place: &str, map: &[IdMapping]) -> Result<Vec<Range>, ConfigError> {
    let mut ranges: Vec<Range> = Vec::new();
    for (index, line) in map.iter().enumerate() {
        let range = Range { inside: line.container_id, outside: line.host_id, count: line.size };
        let text = format!("{} {} {}", range.inside, range.outside, range.count);
        let wrong = |problem| Err(ConfigError::at(format!("{place}[{index}]"), text, problem));
        let fits = |first: u32| first.checked_add(range.count).is_some();
        if range.count == 0 {
            return wrong(Problem::Range("size is at least 1"));
        }
        if !fits(range.inside) || !fits(range.outside) {
            return wrong(Problem::Range("ids end at 4294967294"));
        }
        if index >= 340 {
            return wrong(Problem::Range("the kernel takes at most 340 lines"));
        }
        let meet =
            |a: u32, b: u32, count: u32| a < b.saturating_add(count) && b < a.saturating_add(range.count);
        let touches = |other: &Range| {
            meet(range.inside, other.inside, other.count) || meet(range.outside, other.outside, other.count)
        };
        if ranges.iter().any(touches) {
            return wrong(Problem::Overlap);
        }
        ranges.push(range);
    }
    Ok(ranges)
}

/// An id that the program gets must exist in its user namespace.
pub(super) fn check(place: &str, id: u32, users: &Users, group: bool) -> Result<(), ConfigError> {
    let maps = match users {
        Users::Ranges(uids, gids) | Users::Helped(uids, gids, _) => (uids.clone(), gids.clone()),
        Users::One(uid, gid) => (vec![*uid], vec![*gid]),
        Users::Host | Users::Join(_) => return Ok(()),
    };
    let (map, name) = if group { (maps.1, "gidMappings") } else { (maps.0, "uidMappings") };
    match map.iter().any(|range| id.checked_sub(range.inside).is_some_and(|offset| offset < range.count)) {
        true => Ok(()),
        false => Err(ConfigError::at(place, id, Problem::NotMapped(id, name))),
    }
}
