//! Users: from `--user` and the image's own /etc/passwd and /etc/group to numbers.
//!
//! The files are read out of the layers, topmost first, each looked up inside its layer only (openat2 with
//! RESOLVE_IN_ROOT): a link in an image leads nowhere else.

use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

/// Who a program runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// user id
    pub uid: u32,
    /// group id
    pub gid: u32,
    /// supplementary group ids
    pub groups: Vec<u32>,
    /// home directory
    pub home: String,
}

/// Why a user cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// no such user
    #[error("unable to find user {0}: no matching entries in passwd file")]
    NoUser(String),
    /// no such group
    #[error("unable to find group {0}: no matching entries in group file")]
    NoGroup(String),
}

/// Finds `NAME`, `UID`, `NAME:GROUP`, … in the image; the empty text is root. `more` are groups besides its own.
pub fn find(wanted: &str, more: &[String], layers: &[PathBuf]) -> Result<User, UserError> {
    let (name, group) = match wanted.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (wanted, None),
    };
    let name = if name.is_empty() { "0" } else { name };
    let passwd = read(layers, "etc/passwd");
    let groups = read(layers, "etc/group");
    let rows = || passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).filter(|row| row.len() >= 6);
    let row = rows().find(|row| row[0] == name).or_else(|| rows().find(|row| row[2] == name));
    let mut user = match (&row, name.parse::<u32>()) {
        (Some(row), _) => {
            let number = |text: &str| text.parse().map_err(|_| UserError::NoUser(name.into()));
            User { uid: number(row[2])?, gid: number(row[3])?, groups: Vec::new(), home: row[5].into() }
        }
        (None, Ok(uid)) if uid <= i32::MAX.cast_unsigned() => {
            User { uid, gid: 0, groups: Vec::new(), home: "/".into() }
        }
        _ => return Err(UserError::NoUser(name.into())),
    };
    let rows = || groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).filter(|row| row.len() >= 3);
    let number = |group: &str| {
        let row = rows().find(|row| row[0] == group);
        let number = row.map_or(group, |row| row[2]).parse().ok();
        let number = number.filter(|gid| *gid <= i32::MAX.cast_unsigned());
        number.ok_or_else(|| UserError::NoGroup(group.into()))
    };
    match group {
        Some(group) => user.gid = number(group)?,
        None => {
            let name = row.map_or(name, |row| row[0]);
            let member =
                |row: &Vec<&str>| row.get(3).is_some_and(|list| list.split(',').any(|one| one == name));
            user.groups = rows().filter(member).filter_map(|row| row[2].parse().ok()).collect();
        }
    }
    // also as one of these: a set-group-id program would else be without it, where a group may do less than all
    // others (CVE-2022-36109)
    user.groups.retain(|gid| *gid != user.gid);
    user.groups.insert(0, user.gid);
    for group in more {
        let gid = number(group)?;
        if !user.groups.contains(&gid) {
            user.groups.push(gid);
        }
    }
    if user.home.is_empty() {
        user.home = "/".into();
    }
    Ok(user)
}

/// The text of a file of the image; empty where there is none.
fn read(layers: &[PathBuf], path: &str) -> String {
    const MOST: u64 = 1 << 20;
    for layer in layers.iter().rev() {
        if let Some(file) = open_in(layer, path) {
            let mut text = Vec::new();
            let _ = file.take(MOST).read_to_end(&mut text);
            return String::from_utf8_lossy(&text).into_owned();
        }
    }
    String::new()
}

fn open_in(layer: &Path, path: &str) -> Option<std::fs::File> {
    let directory = rustix::fs::open(layer, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let how = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::openat2(&directory, path, how, Mode::empty(), ResolveFlags::IN_ROOT).ok()?;
    let file = std::fs::File::from(file);
    file.metadata().ok()?.is_file().then_some(file)
}
