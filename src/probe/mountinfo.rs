//! Mountinfo: each line of /proc/PID/mountinfo in its parts.
//!
//! ```text
//!   36 35 98:0 /root /point rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue
//!              root  point  options    tags       kind           own
//! ```
//!
//! See proc_pid_mountinfo(5).

use std::path::PathBuf;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount<'t> {
    /// which directory of the file system is mounted
    pub root: PathBuf,
    /// where it is seen
    pub point: PathBuf,
    /// this mount's options
    pub options: &'t str,
    /// the first tag: how the mount hears of others, as `shared:1`; empty for a private one
    pub tag: &'t str,
    /// the file system's type
    pub kind: &'t str,
    /// the file system's own options
    pub own: &'t str,
}

/// The mounts that a text of mountinfo names, in its order. A line that is none is left out.
pub fn parse(text: &str) -> impl Iterator<Item = Mount<'_>> {
    text.lines().filter_map(line)
}

fn line(line: &str) -> Option<Mount<'_>> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let mut file_system = file_system.split(' ');
    Some(Mount {
        root: unescape(mount.next()?),
        point: unescape(mount.next()?),
        options: mount.next().unwrap_or_default(),
        tag: mount.next().unwrap_or_default(),
        kind: file_system.next()?,
        own: file_system.nth(1).unwrap_or_default(),
    })
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let text = text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n");
    text.replace("\\134", "\\").into()
}
