//! Binds: the host's directories and files, opened by the host's names and placed by the container's.

use std::path::Path;

use super::{Bind, directory};
use crate::kernel::Op;
use crate::step::Step;

/// How a reader is told of a bind: opened, given a place, placed.
struct Names {
    open: &'static str,
    room: &'static str,
    place: &'static str,
}

/// The names for a target that nearly every container has.
macro_rules! known {
    ($path:literal) => {
        (
            $path,
            Names {
                open: concat!("open what becomes ", $path),
                room: concat!("make a place for ", $path),
                place: concat!("bind ", $path),
            },
        )
    };
}

const KNOWN: [(&str, Names); 9] = [
    known!("/dev/null"),
    known!("/dev/zero"),
    known!("/dev/full"),
    known!("/dev/random"),
    known!("/dev/urandom"),
    known!("/dev/tty"),
    known!("/etc/hostname"),
    known!("/etc/hosts"),
    known!("/etc/resolv.conf"),
];
const OTHER: Names = Names { open: "open what will be bound", room: "make a place for it", place: "bind it" };

fn names(target: &Path) -> &'static Names {
    KNOWN.iter().find(|(path, _)| Path::new(path) == target).map_or(&OTHER, |(_, names)| names)
}

/// Before the pivot: the source is looked up, and copied as a mount that hangs nowhere yet.
pub(super) fn open(slot: usize, bind: &Bind) -> Vec<Step> {
    let why = match bind.target.starts_with("/dev") {
        true => "a user namespace may make no device, so the box borrows the host's",
        false => "the host's name is looked up while it means the host",
    };
    let op = Op::OpenTree { source: (&bind.source).into(), slot };
    let mut steps = vec![Step::new(names(&bind.target).open, op).why(why)];
    if bind.read_only {
        let op = Op::MountSetattrReadOnly { slot };
        steps.push(Step::new("make it read-only", op).why("the copy, not the host's own mount"));
    }
    steps
}

/// After the pivot: a place is made where there is none, unless its directory is known to be there, and the mount
/// is hung up.
pub(super) fn place(slot: usize, bind: &Bind, known: Option<&Path>) -> Vec<Step> {
    let mut steps = match (bind.directory, bind.target.parent()) {
        (true, _) => directory(&bind.target),
        (false, Some(parent)) if known != Some(parent) => directory(parent),
        (false, _) => Vec::new(),
    };
    let names = names(&bind.target);
    if !bind.directory {
        let op = Op::Touch { path: (&bind.target).into() };
        steps.push(Step::new(names.room, op).why("a file is bound onto a file"));
    }
    let op = Op::PlaceTree { slot, target: (&bind.target).into() };
    steps.push(
        Step::new(names.place, op)
            .why("the container's name is looked up where it can only mean the container"),
    );
    steps
}
