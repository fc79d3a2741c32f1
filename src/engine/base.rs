//! Base: an image from what this machine has, so that the first `run` needs no network.
//!
//! ```text
//!   a static busybox?  yes ─> bin/busybox, and a link for each of its applets
//!      │ no
//!      └─> the machine's own sh, ls, cat, ip … with their loader and libraries, at the same paths
//!   and around them: etc/passwd, etc/group, root, tmp (1777), proc, sys, dev
//! ```
//!
//! The same programs give the same image: names are sorted, owners are root, times are those of the newest program.
//! See elf(5), ld.so(8). Lab 15-full-run, tutorials/15-full-run.md.

use super::config::ImageConfig;
use super::images::{self, Change};
use super::reference::Reference;
use super::store::{Image, Store, StoreError};
use crate::closure;
use crate::layers::{Entry, Kind, Stamp, Tape};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of the image.
pub const NAME: &str = "stepbox/base:latest";

/// The label that says what it was made of.
const LABEL: &str = "dev.stepbox.base";

/// The path in which programs are looked for, here and in the image.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The programs that are taken where there is no static busybox; those that the machine lacks are left out.
const PROGRAMS: &[&str] = &[
    "sh",
    "awk",
    "base64",
    "basename",
    "bash",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "dirname",
    "du",
    "echo",
    "env",
    "false",
    "find",
    "free",
    "getent",
    "grep",
    "head",
    "hostname",
    "id",
    "ip",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mknod",
    "mktemp",
    "mount",
    "mv",
    "nc",
    "nproc",
    "ping",
    "printenv",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "sync",
    "tail",
    "tar",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "tty",
    "umount",
    "uname",
    "uniq",
    "unshare",
    "wc",
    "which",
    "whoami",
    "xargs",
    "yes",
];

/// What a base image was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// a static busybox
    Busybox,
    /// the machine's own programs with their libraries
    HostTools,
}

/// Why there is no base image.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of this machine that cannot be read.
    #[error("take {} into {NAME}: {source}", path.display())]
    Read {
        /// which
        path: PathBuf,
        /// what the kernel answered
        source: io::Error,
    },
    /// Not even a shell.
    #[error("{NAME} needs a static busybox or at least sh, and neither is in {PATH}: install busybox-static")]
    NoShell,
}

/// The base image, which is made on first use.
///
/// # Errors
/// [`BaseError`].
pub fn ensure(store: &Store) -> Result<Image, BaseError> {
    match store.resolve(NAME) {
        Err(StoreError::Missing(_)) => make(store),
        other => Ok(other?),
    }
}

/// What this base image was made of; none for an image that is no base image.
pub fn made_of(image: &Image) -> Option<Made> {
    match image.config.labels.as_ref()?.get(LABEL)?.as_str() {
        "busybox" => Some(Made::Busybox),
        "host tools" => Some(Made::HostTools),
        _ => None,
    }
}

/// Makes the base image anew, of whichever kind this machine allows.
///
/// # Errors
/// [`BaseError`].
pub fn make(store: &Store) -> Result<Image, BaseError> {
    match find_busybox() {
        Some(busybox) => make_from(store, Made::Busybox, busybox_tree(&busybox)?),
        None => make_host_tools(store),
    }
}

/// Makes the base image of the machine's own programs, even where there is a busybox.
///
/// # Errors
/// [`BaseError`].
pub fn make_host_tools(store: &Store) -> Result<Image, BaseError> {
    make_from(store, Made::HostTools, host_tree()?)
}

/// What stands at each path of the image, sorted.
type Tree = BTreeMap<PathBuf, Node>;

enum Node {
    Directory(u32),
    Link(PathBuf),
    /// a file of this machine, with the mode that it gets
    Copy(PathBuf, u32),
    Text(&'static str),
}

fn make_from(store: &Store, made: Made, mut tree: Tree) -> Result<Image, BaseError> {
    skeleton(&mut tree);
    let newest = newest(&tree)?;
    let archive = archive(&tree, newest)?;
    let label = if made == Made::Busybox { "busybox" } else { "host tools" };
    let config = ImageConfig {
        env: vec![format!("PATH={PATH}")],
        cmd: Some(vec!["sh".to_owned()]),
        labels: Some(BTreeMap::from([(LABEL.to_owned(), label.to_owned())])),
        ..ImageConfig::default()
    };
    let created = jiff::Timestamp::from_second(newest).unwrap_or_default().to_string();
    let message = Some(format!("made from this machine's {label}"));
    let change = Change { config, message, created: Some(created), ..Change::default() };
    let reference: Reference = NAME.parse().map_err(StoreError::Reference)?;
    images::import(store, archive.as_slice(), &reference, change)?;
    Ok(store.image(&reference)?)
}

/// The directories and files that every program expects.
fn skeleton(tree: &mut Tree) {
    for (path, mode) in
        [("dev", 0o755), ("etc", 0o755), ("proc", 0o555), ("sys", 0o555), ("root", 0o700), ("tmp", 0o1777)]
            .into_iter()
            .chain([("bin", 0o755), ("home", 0o755), ("run", 0o755), ("var", 0o755), ("var/tmp", 0o1777)])
    {
        tree.insert(PathBuf::from(path), Node::Directory(mode));
    }
    let files = [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
        ("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
        ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
        // places for each container's own: where one is missing, the overlay has to copy /etc up and make it
        ("etc/hostname", ""),
        ("etc/hosts", ""),
        ("etc/resolv.conf", ""),
    ];
    for (path, text) in files {
        tree.insert(PathBuf::from(path), Node::Text(text));
    }
    let paths: Vec<PathBuf> = tree.keys().cloned().collect();
    for parent in paths.iter().flat_map(|path| path.ancestors().skip(1)) {
        if !parent.as_os_str().is_empty() {
            tree.entry(parent.to_owned()).or_insert(Node::Directory(0o755));
        }
    }
}

/// The places of a program of this name in [`PATH`] and in ours.
fn places(name: &str) -> impl Iterator<Item = PathBuf> {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let own: Vec<PathBuf> = std::env::split_paths(&own).filter(|directory| directory.is_absolute()).collect();
    let name = name.to_owned();
    std::env::split_paths(PATH).chain(own).map(move |directory| directory.join(&name)).filter(|path| {
        path.metadata().is_ok_and(|stat| stat.is_file() && stat.permissions().mode() & 0o111 != 0)
    })
}

fn find_busybox() -> Option<PathBuf> {
    places("busybox").find(|path| closure::is_static(path).unwrap_or(false) && !applets(path).is_empty())
}

/// What this busybox can be called as.
fn applets(busybox: &Path) -> Vec<String> {
    let listed = Command::new(busybox).arg("--list").output();
    let names = listed.map(|listed| String::from_utf8_lossy(&listed.stdout).into_owned()).unwrap_or_default();
    names.lines().filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_owned).collect()
}

fn busybox_tree(busybox: &Path) -> Result<Tree, BaseError> {
    let mut tree = Tree::new();
    for applet in applets(busybox) {
        tree.insert(Path::new("bin").join(applet), Node::Link("busybox".into()));
    }
    tree.insert("bin/busybox".into(), Node::Copy(busybox.to_owned(), 0o755));
    // scripts name it so
    tree.insert("usr/bin/env".into(), Node::Link("../../bin/busybox".into()));
    Ok(tree)
}

fn host_tree() -> Result<Tree, BaseError> {
    let mut tree = Tree::new();
    for name in PROGRAMS {
        // scripts, and programs whose libraries are not all there, are left out
        let found = places(name).find_map(|path| closure::of(&path).ok().map(|libraries| (path, libraries)));
        let Some((program, libraries)) = found else { continue };
        for library in libraries {
            let inside = library.strip_prefix("/").unwrap_or(&library).to_owned();
            tree.insert(inside, Node::Copy(library, 0o755));
        }
        tree.insert(Path::new("bin").join(name), Node::Copy(program, 0o755));
    }
    if !tree.contains_key(Path::new("bin/sh")) {
        return Err(BaseError::NoShell);
    }
    tree.insert("usr/bin/env".into(), Node::Link("../../bin/env".into()));
    Ok(tree)
}

/// The time of the newest file that is taken, in seconds since 1970.
fn newest(tree: &Tree) -> Result<i64, BaseError> {
    let mut newest = 0;
    for node in tree.values() {
        if let Node::Copy(path, _) = node {
            let stat = path.metadata().map_err(|source| BaseError::Read { path: path.clone(), source })?;
            newest = newest.max(stat.mtime());
        }
    }
    Ok(newest)
}

fn archive(tree: &Tree, time: i64) -> Result<Vec<u8>, BaseError> {
    let mut tape = Tape::new(Vec::new());
    let mtime = Stamp { seconds: time, nanos: 0 };
    for (path, node) in tree {
        let name = path.as_os_str().as_bytes();
        let new = |kind, mode| Entry { mtime, ..Entry::new(name, kind, mode) };
        let written = match node {
            Node::Directory(mode) => tape.append(&new(Kind::Directory, *mode), io::empty()),
            Node::Link(target) => {
                tape.append(&new(Kind::Symlink, 0o777).linked(target.as_os_str().as_bytes()), io::empty())
            }
            Node::Text(text) => {
                tape.append(&new(Kind::File, 0o644).sized(text.len() as u64), text.as_bytes())
            }
            Node::Copy(from, mode) => std::fs::File::open(from).and_then(|file| {
                let size = file.metadata()?.len();
                tape.append(&new(Kind::File, *mode).sized(size), file)
            }),
        };
        let shown = if let Node::Copy(from, _) = node { from } else { path };
        written.map_err(|source| BaseError::Read { path: shown.clone(), source })?;
    }
    tape.finish().map_err(|source| BaseError::Read { path: PathBuf::from("the archive"), source })
}
