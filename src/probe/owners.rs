//! Owners: to whom a process and a file belong, in the numbers of whoever asks.
//!
//! The kernel keeps one number for each user. On the way to a reader it is translated into that reader's user
//! namespace, so the same look gives two answers: user_namespaces(7).

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Who, fact};
use crate::kernel::{flags, process};
use crate::trace::Fact;

/// As the host reads it, or as a child reads it that has gone into the box's user namespace.
pub(super) fn look(who: &Who, path: &str, box_pid: Option<i32>) -> Option<Vec<Fact>> {
    let owners = || [box_pid.and_then(of_process), of_file(Path::new(path))];
    let lines = |owners: [Option<String>; 2]| owners.map(Option::unwrap_or_default).join("\n");
    let text = match who {
        Who::Host => lines(owners()),
        Who::Box => {
            let bytes = process::inside(box_pid?, flags::NEWUSER, || lines(owners()).into_bytes()).ok()?;
            String::from_utf8(bytes).ok()?
        }
        Who::Namespace(_) => return None,
    };
    let named = ["the box", path].into_iter().zip(text.split('\n')).filter(|(_, owner)| !owner.is_empty());
    Some(named.map(|(name, owner)| fact(name, owner)).collect())
}

fn of_process(pid: i32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let effective = |key| {
        text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().nth(1).map(String::from)
    };
    Some(spelled(effective("Uid:")?, effective("Gid:")?))
}

fn of_file(path: &Path) -> Option<String> {
    let meta = path.symlink_metadata().ok()?;
    Some(spelled(meta.uid(), meta.gid()))
}

fn spelled(user: impl std::fmt::Display, group: impl std::fmt::Display) -> String {
    format!("user {user}, group {group}")
}
