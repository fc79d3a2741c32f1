//! Probes: read-only looks at the kernel's own evidence, taken before and after a step.
//!
//! ```text
//!   Probe ── look ──>  Fact { key: "pid", value: "pid:[4026532203]" } …     read under /proc, /sys or a directory
//! ```
//!
//! A probe only reads. It is the host that reads, through `/proc/PID` of the box, while the box waits; what can be
//! seen only from inside a namespace is read by a forked child that enters it.

use std::collections::HashMap;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::kernel::ctext::BOX;
use crate::kernel::{CText, flags, process};
use crate::trace::Fact;

mod ask;
mod filter;
mod limits;
mod links;
pub mod mountinfo;
mod owners;
mod privilege;

/// Whose evidence is read.
#[derive(Debug, Clone, PartialEq)]
pub enum Who {
    /// the process that makes the container
    Host,
    /// the box's first process
    Box,
    /// the namespace that this file names, as /tmp/netns/blue
    Namespace(String),
}

/// One look at one kind of evidence. Paths may hold `[BOX]` for the box's process id.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// everything below a directory: kind, size, first line; hard links by a letter
    Tree(String),
    /// the namespaces of a process: /proc/PID/ns
    Namespaces(Who),
    /// the mounts of a process at or below a path: /proc/PID/mountinfo
    Mounts(Who, String),
    /// links, addresses, routes and, for bridges, what they have learnt
    Links(Who),
    /// the rules of our tables in the packet filter, as nft(8) writes them
    Filter(Who),
    /// uid_map, gid_map, setgroups
    IdMaps(Who),
    /// whose the box's process and a file are, in the numbers of this reader's user namespace
    Owners(Who, String),
    /// the five capability sets, no_new_privs and the seccomp mode: /proc/PID/status
    Privilege(Who),
    /// these files of a directory, as a cgroup has them
    Files(String, Vec<&'static str>),
    /// counters in files of a directory, each a file and the word before the number (none: the number alone); told as
    /// `0` or `more than 0`, which does not differ from run to run
    Counters(String, Vec<(&'static str, &'static str)>),
    /// whether the number in a file grows while it is looked at
    Progress(String),
    /// whether reading a file tells anything; its text may be another one on each machine
    Telling(String),
    /// who a process is: ids in each PID namespace, state, root, working directory, program
    Process(Who),
    /// the processes that a /proc mounted there shows, by number and name
    Processes(String),
    /// the host name, as seen in the UTS namespace
    Hostname(Who),
}

/// What a probe saw.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// see [`crate::trace::Change::kind`]
    pub kind: &'static str,
    /// whose
    pub subject: String,
    /// where it was read
    pub source: String,
    /// what was read; empty where there is nothing yet
    pub facts: Vec<Fact>,
}

impl Probe {
    /// Looks. What cannot be read (no box yet, no such file) is an empty view, not an error: evidence of absence.
    pub fn look(&self, box_pid: Option<i32>) -> View {
        let view = |kind, subject: String, source: String, facts: Option<Vec<Fact>>| View {
            kind,
            subject,
            source,
            facts: facts.unwrap_or_default(),
        };
        let proc = |who: &Who, file: &str| format!("/proc/{}/{file}", who.pid_text());
        match self {
            Probe::Tree(root) => {
                let (subject, path) = (plain(root), resolve(root, box_pid));
                view("tree", subject, root.clone(), path.map(|path| tree(Path::new(&path), &plain(root))))
            }
            Probe::Namespaces(who) => {
                view("namespaces", who.name(), proc(who, "ns"), who.pid(box_pid).map(namespaces))
            }
            Probe::Mounts(who, under) => {
                let facts = who.pid(box_pid).and_then(|pid| mounts(pid, under));
                view("mounts", who.name(), proc(who, "mountinfo"), facts)
            }
            Probe::Links(who) => view("links", who.name(), "netlink".into(), links::look(who, box_pid)),
            Probe::Filter(who) => view("filter", who.name(), "netlink".into(), filter::look(who, box_pid)),
            Probe::IdMaps(who) => {
                let facts = who
                    .pid(box_pid)
                    .map(|pid| files(&format!("/proc/{pid}"), &["uid_map", "gid_map", "setgroups"]));
                view("ids", who.name(), proc(who, "uid_map"), facts)
            }
            Probe::Owners(who, path) => {
                let subject = format!("the box and a file, as the {} reads them", who.name());
                view("owners", subject, format!("/proc/{BOX}/status"), owners::look(who, path, box_pid))
            }
            Probe::Privilege(who) => {
                view("caps", who.name(), proc(who, "status"), who.pid(box_pid).and_then(privilege::look))
            }
            Probe::Files(directory, names) => {
                let facts = resolve(directory, box_pid).map(|directory| files(&directory, names));
                view(
                    if directory.contains("cgroup") { "cgroup" } else { "file" },
                    plain(directory),
                    plain(directory),
                    facts.map(|facts| limits::members(facts, box_pid)),
                )
            }
            Probe::Counters(directory, counters) => {
                let facts =
                    resolve(directory, box_pid).map(|directory| limits::counters(&directory, counters));
                view("cgroup", plain(directory), plain(directory), facts)
            }
            Probe::Progress(file) => {
                let facts = resolve(file, box_pid).and_then(|path| limits::progress(&path, &plain(file)));
                view("file", plain(file), plain(file), facts)
            }
            Probe::Telling(file) => {
                let facts =
                    resolve(file, box_pid).map(|path| vec![fact(plain(file), privilege::telling(&path))]);
                view("file", plain(file), plain(file), facts)
            }
            Probe::Process(who) => view(
                "process",
                who.name(),
                proc(who, "status"),
                who.pid(box_pid).and_then(|pid| identity(pid, who)),
            ),
            Probe::Processes(mount) => {
                let facts = resolve(mount, box_pid).and_then(|mount| processes(Path::new(&mount), box_pid));
                view("process", plain(mount), mount.clone(), facts)
            }
            Probe::Hostname(who) => {
                let facts = who.pid(box_pid).and_then(hostname);
                view("file", who.name(), "/proc/sys/kernel/hostname".into(), facts)
            }
        }
    }
}

impl Who {
    fn name(&self) -> String {
        match self {
            Who::Host => "host".into(),
            Who::Box => "box".into(),
            Who::Namespace(path) => {
                Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned()
            }
        }
    }

    fn pid_text(&self) -> &str {
        match self {
            Who::Host => "self",
            Who::Box => BOX,
            Who::Namespace(path) => path,
        }
    }

    /// The process whose evidence is meant; `None` before the box is born.
    fn pid(&self, box_pid: Option<i32>) -> Option<i32> {
        match self {
            Who::Host => Some(std::process::id().cast_signed()),
            Who::Box => box_pid,
            Who::Namespace(_) => None,
        }
    }
}

fn fact(key: impl Into<String>, value: impl Into<String>) -> Fact {
    Fact { key: key.into(), value: value.into() }
}

/// The path with the box's process id filled in; `None` while there is no box.
fn resolve(path: &str, box_pid: Option<i32>) -> Option<String> {
    match box_pid {
        Some(pid) => Some(path.replace(BOX, &pid.to_string())),
        None if path.contains(BOX) => None,
        None => Some(path.into()),
    }
}

/// The path as the box itself would name it.
fn plain(path: &str) -> String {
    let path = path.strip_prefix("/proc/[BOX]/root").unwrap_or(path);
    if path.is_empty() { "/".into() } else { path.into() }
}

/// Everything below `root`, sorted, each named as the reader knows it.
fn tree(root: &Path, shown_as: &str) -> Vec<Fact> {
    const MOST: usize = 200;
    let (mut facts, mut names_by_inode) = (Vec::new(), HashMap::new());
    let mut waiting = vec![root.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for path in &entries {
            if facts.len() >= MOST {
                facts.push(fact("…", "more than 200 entries"));
                return facts;
            }
            let Ok(meta) = path.symlink_metadata() else { continue };
            // overlay's own workshop inside its work directory: closed to everybody
            if meta.is_dir() && meta.mode() & 0o777 == 0 {
                continue;
            }
            let relative = path.strip_prefix(root).unwrap_or(path).display();
            let slash = if meta.is_dir() { "/" } else { "" };
            let key = format!("{}/{relative}{slash}", shown_as.trim_end_matches('/'));
            let mut value = describe(path, &meta);
            if meta.is_file() && meta.nlink() > 1 {
                let count = names_by_inode.len();
                let letter = *names_by_inode.entry(meta.ino()).or_insert((b'A' + (count % 26) as u8) as char);
                value.push_str(&format!(", hard link {letter}"));
            }
            facts.push(fact(key, value));
        }
        let open = |path: &PathBuf| {
            path.symlink_metadata().is_ok_and(|meta| meta.is_dir() && meta.mode() & 0o777 != 0)
        };
        waiting.extend(entries.into_iter().rev().filter(open));
    }
    facts.sort_by(|a, b| a.key.cmp(&b.key));
    facts
}

fn describe(path: &Path, meta: &std::fs::Metadata) -> String {
    let kind = meta.file_type();
    if kind.is_char_device() && meta.rdev() == 0 {
        return "whiteout (character device 0:0)".into();
    }
    if kind.is_char_device() {
        let (major, minor) = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
        return format!("character device {major}:{minor}");
    }
    if kind.is_symlink() {
        let target = std::fs::read_link(path).unwrap_or_default();
        return format!("link -> {}", target.display());
    }
    if kind.is_dir() {
        return if opaque(path) { "directory, opaque".into() } else { "directory".into() };
    }
    let size = meta.len();
    if starts_as_elf(path) {
        // its size is the machine's or the compiler's matter
        return "program or library (ELF)".into();
    }
    let bytes = if size == 1 { "byte" } else { "bytes" };
    match (size <= 120).then(|| std::fs::read_to_string(path)) {
        Some(Ok(text)) if !text.is_empty() => format!("{size} {bytes} {text:?}"),
        _ => format!("{size} {bytes}"),
    }
}

fn starts_as_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

fn opaque(path: &Path) -> bool {
    let path = CText::from(path);
    let mut value = [0u8; 4];
    [c"user.overlay.opaque", c"trusted.overlay.opaque"]
        .iter()
        .any(|name| rustix::fs::lgetxattr(path.as_c_str(), *name, &mut value[..]).is_ok())
}

fn namespaces(pid: i32) -> Vec<Fact> {
    const KINDS: [&str; 8] = ["user", "mnt", "pid", "net", "uts", "ipc", "cgroup", "time"];
    let read = |kind: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    KINDS.iter().filter_map(|kind| Some(fact(*kind, read(kind)?.to_string_lossy()))).collect()
}

/// Mount point, then type, source, options and propagation, as mountinfo has them (proc_pid_mountinfo(5)).
fn mounts(pid: i32, under: &str) -> Option<Vec<Fact>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok()?;
    let under = mountinfo::parse(&text).filter(|mount| mount.point.starts_with(under));
    let facts = under.map(|mount| {
        let propagation = match mount.tag.split(':').next() {
            Some("shared") => " shared",
            Some("master") => " slave",
            _ => "",
        };
        let own = match mount.kind {
            "overlay" => format!(" {}", directories(mount.own)),
            _ => String::new(),
        };
        let value = format!("{} {}{propagation}{own}", mount.kind, mount.options);
        fact(mount.point.to_string_lossy(), value)
    });
    Some(facts.collect())
}

/// Of an overlay's options those that say what it is made of; the rest are the kernel's defaults, and each
/// release has others.
fn directories(options: &str) -> String {
    const KEPT: [&str; 4] = ["lowerdir", "upperdir", "workdir", "userxattr"];
    let kept = options.split(',').filter(|option| KEPT.iter().any(|kept| option.starts_with(kept)));
    kept.collect::<Vec<_>>().join(",")
}

/// The first lines of files; a file that is not there is not a fact.
fn files(directory: &str, names: &[&str]) -> Vec<Fact> {
    let read = |name: &str| std::fs::read_to_string(format!("{directory}/{name}")).ok();
    let line = |text: String| {
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        lines.join("; ")
    };
    names.iter().filter_map(|name| Some(fact(*name, line(read(name)?)))).collect()
}

fn status(pid: i32, keys: &[&str]) -> Option<Vec<Fact>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = |key: &&str| text.lines().find_map(|line| line.strip_prefix(*key)?.strip_prefix(':'));
    Some(keys.iter().filter_map(|key| Some(fact(*key, line(key)?.trim().replace('\t', " ")))).collect())
}

fn identity(pid: i32, who: &Who) -> Option<Vec<Fact>> {
    let mut facts = status(pid, &["Name", "State", "NSpid", "Uid"])?;
    for fact in &mut facts {
        match fact.key.as_str() {
            // a box that waits for us is about to sleep or sleeps: which of the two is chance
            "State" if fact.value.starts_with(['R', 'S', 'D']) => fact.value = "alive".into(),
            // before Linux 6.14 it is the number of the descriptor by which it was executed
            "Name" => {
                let exe = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
                let exe = exe.to_string_lossy();
                let memory = exe.strip_prefix('/').filter(|name| name.starts_with("memfd:"));
                fact.value =
                    memory.map_or(fact.value.clone(), |name| name.trim_end_matches(" (deleted)").into());
            }
            // the number here differs from run to run; those in its own namespaces do not
            "NSpid" if *who == Who::Box => {
                fact.value = fact.value.replacen(&pid.to_string(), BOX, 1);
            }
            _ => {}
        }
    }
    for (key, link) in [("root", "root"), ("cwd", "cwd")] {
        if let Ok(target) = std::fs::read_link(format!("/proc/{pid}/{link}")) {
            facts.push(fact(key, target.to_string_lossy()));
        }
    }
    Some(facts)
}

/// Every process that this /proc shows. In a /proc of the host the box is called by its name, not its number.
fn processes(mount: &Path, box_pid: Option<i32>) -> Option<Vec<Fact>> {
    let device = |path: &Path| path.metadata().map(|meta| meta.dev()).ok();
    let of_host = device(mount) == device(Path::new("/proc"));
    let number = |pid: u32| match box_pid {
        Some(the_box) if of_host && the_box.cast_unsigned() == pid => BOX.to_string(),
        _ => pid.to_string(),
    };
    let numbers = std::fs::read_dir(mount).ok()?.flatten();
    let mut numbers: Vec<u32> =
        numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    let name = |pid: &u32| std::fs::read_to_string(mount.join(format!("{pid}/comm"))).ok();
    Some(numbers.iter().filter_map(|pid| Some(fact(number(*pid), name(pid)?.trim()))).collect())
}

fn hostname(pid: i32) -> Option<Vec<Fact>> {
    let look = || rustix::system::uname().nodename().to_bytes().to_vec();
    let name = match pid.cast_unsigned() == std::process::id() {
        true => look(),
        false => process::inside(pid, flags::NEWUTS, look).ok()?,
    };
    Some(vec![fact("hostname", String::from_utf8_lossy(&name))])
}
