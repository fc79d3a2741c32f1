//! Home: where the container's own /etc/passwd says that a user lives. Looked up inside the container's tree only
//! (openat2 with RESOLVE_IN_ROOT), and read only where it is a file: a link or a fifo there leads nowhere.

use std::io::Read;
use std::path::Path;

use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags};

/// More than this of a passwd file is not read.
const MOST: u64 = 1 << 20;

/// The home directory of a user; `/` for whoever is not listed, as getpwuid(3)'s callers take it.
pub fn of(root: &Path, uid: u32) -> String {
    let passwd = passwd(root).unwrap_or_default();
    let rows = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let home = rows.filter(|row| row.len() >= 6 && row[2].parse() == Ok(uid)).map(|row| row[5]).next();
    home.filter(|home| !home.is_empty()).unwrap_or("/").into()
}

fn passwd(root: &Path) -> Option<String> {
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = fs::open(root, how, Mode::empty()).ok()?;
    let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = fs::openat2(root, "etc/passwd", how, Mode::empty(), inside).ok()?;
    let kind = FileType::from_raw_mode(fs::fstat(&file).ok()?.st_mode);
    let mut text = Vec::new();
    std::fs::File::from(file).take(MOST).read_to_end(&mut text).ok()?;
    // a name may hold anything: the rows that we look for are numbers and paths
    (kind == FileType::RegularFile).then(|| String::from_utf8_lossy(&text).replace('\0', ""))
}
