//! Closure: the loader and the libraries without which a program does not start.
//!
//! ```text
//!   /bin/ls ── PT_INTERP ──> /lib64/ld-linux-x86-64.so.2     the kernel starts this, it loads the rest
//!      └────── DT_NEEDED ──> libselinux.so.1 ── DT_NEEDED ──> libpcre2-8.so.0
//!                            libc.so.6          where: RPATH of the chain, RUNPATH, ld.so.conf, default directories
//! ```
//!
//! A program whose loader is missing fails with ENOENT although the program is there: the kernel looks for the
//! interpreter that the file names. Put these files at the same paths under a new root and it starts.
//!
//! See execve(2), ld.so(8), elf(5). Lab 02-chroot, tutorials/02-chroot.md.

use goblin::elf::Elf;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why the closure of a program is unknown.
#[derive(Debug, thiserror::Error)]
pub enum ClosureError {
    /// The file cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// the program or library
        path: PathBuf,
        /// what the kernel answered
        source: io::Error,
    },
    /// A script: it needs its interpreter, and that program's closure.
    #[error("{} is a script for {interpreter:?}: ask for the closure of that", path.display())]
    Script {
        /// the script
        path: PathBuf,
        /// what follows `#!`
        interpreter: String,
    },
    /// Neither ELF nor a script, or damaged.
    #[error("{} is not an ELF program: {reason}", path.display())]
    NotElf {
        /// the file
        path: PathBuf,
        /// what is wrong with it
        reason: String,
    },
    /// A library is nowhere to be found.
    #[error("{} needs {library:?}, which is in none of {searched:?}", path.display())]
    Missing {
        /// who needs it
        path: PathBuf,
        /// its name
        library: String,
        /// the directories that were looked at
        searched: Vec<PathBuf>,
    },
}

/// The loader and all libraries of a program, loader first, as absolute paths under the names by which they are
/// looked up (which may be links: copy what they lead to). Empty for a static program.
///
/// # Errors
/// [`ClosureError`]; a missing library is one, since the program would not start.
pub fn of(program: &Path) -> Result<Vec<PathBuf>, ClosureError> {
    let program = std::path::absolute(program).map_err(|source| read(program, source))?;
    let object = Object::read(&program)?;
    let mut search =
        Search { kind: object.kind, system: Vec::new(), found: Vec::new(), known: BTreeSet::new() };
    if let Some(loader) = &object.interpreter {
        let real = loader.canonicalize().map_err(|source| read(loader, source))?;
        search.system = system_directories(loader, &real, object.kind.wide);
        search.add(loader.clone());
    }
    let mut waiting = vec![object];
    while let Some(object) = waiting.pop() {
        for library in object.needed.iter().rev() {
            if let Some(found) = search.library(&object, library)? {
                waiting.push(found);
            }
        }
    }
    Ok(search.found)
}

/// Whether a program is static: the kernel starts it without a loader, so it runs under any root.
///
/// # Errors
/// [`ClosureError`] where the file cannot be read or is no ELF program.
pub fn is_static(program: &Path) -> Result<bool, ClosureError> {
    Object::read(program).map(|object| object.interpreter.is_none() && object.needed.is_empty())
}

/// What a library must agree on with its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    machine: u16,
    wide: bool,
}

/// What an ELF file says about what it needs.
struct Object {
    path: PathBuf,
    kind: Kind,
    interpreter: Option<PathBuf>,
    needed: Vec<String>,
    /// its own RPATH and that of the objects that led to it
    rpath: Vec<PathBuf>,
    runpath: Vec<PathBuf>,
}

impl Object {
    fn read(path: &Path) -> Result<Object, ClosureError> {
        let bytes = std::fs::read(path).map_err(|source| read(path, source))?;
        if let Some(script) = bytes.strip_prefix(b"#!") {
            let line = script.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let interpreter = String::from_utf8_lossy(line).trim().to_owned();
            return Err(ClosureError::Script { path: path.to_owned(), interpreter });
        }
        let elf = Elf::parse(&bytes)
            .map_err(|error| ClosureError::NotElf { path: path.to_owned(), reason: error.to_string() })?;
        let real = path.canonicalize().map_err(|source| read(path, source))?;
        let origin = real.parent().unwrap_or(Path::new("/"));
        let paths = |lists: &[&str]| -> Vec<PathBuf> {
            let parts = lists.iter().flat_map(|list| list.split(':')).filter(|part| !part.is_empty());
            parts.map(|part| expand(part, origin, elf.is_64)).collect()
        };
        let runpath = paths(&elf.runpaths);
        // an object with a RUNPATH has its RPATH ignored
        let rpath = if elf.runpaths.is_empty() { paths(&elf.rpaths) } else { Vec::new() };
        Ok(Object {
            path: path.to_owned(),
            kind: Kind { machine: elf.header.e_machine, wide: elf.is_64 },
            interpreter: elf.interpreter.map(PathBuf::from),
            needed: elf.libraries.iter().map(|name| (*name).to_owned()).collect(),
            rpath,
            runpath,
        })
    }
}

struct Search {
    kind: Kind,
    system: Vec<PathBuf>,
    found: Vec<PathBuf>,
    known: BTreeSet<PathBuf>,
}

impl Search {
    fn add(&mut self, path: PathBuf) -> bool {
        let new = self.known.insert(path.clone());
        if new {
            self.found.push(path);
        }
        new
    }

    /// Finds a library; none where it was found before.
    fn library(&mut self, object: &Object, name: &str) -> Result<Option<Object>, ClosureError> {
        let own = object.rpath.iter().chain(&object.runpath).chain(&self.system);
        let candidates: Vec<PathBuf> = match name.contains('/') {
            true => vec![expand(name, object.path.parent().unwrap_or(Path::new("/")), self.kind.wide)],
            false => own.map(|directory| directory.join(name)).collect(),
        };
        for path in &candidates {
            if self.known.contains(path) {
                return Ok(None);
            }
            if !path.is_file() {
                continue;
            }
            // a library of another architecture is passed over, as the loader does
            let Ok(mut library) = Object::read(path) else { continue };
            if library.kind != self.kind {
                continue;
            }
            library.rpath.extend(object.rpath.iter().cloned());
            return Ok(self.add(path.clone()).then_some(library));
        }
        // the loader itself may be needed by name, from wherever it is
        let loader = |path: &PathBuf| path.file_name() == Some(OsStr::new(name));
        if self.found.iter().any(loader) {
            return Ok(None);
        }
        let searched = candidates.iter().filter_map(|path| path.parent()).map(Path::to_owned).collect();
        Err(ClosureError::Missing { path: object.path.clone(), library: name.to_owned(), searched })
    }
}

fn expand(part: &str, origin: &Path, wide: bool) -> PathBuf {
    let origin = origin.to_string_lossy();
    let lib = if wide { "lib64" } else { "lib" };
    let pairs = [("${ORIGIN}", &*origin), ("$ORIGIN", &*origin), ("${LIB}", lib), ("$LIB", lib)];
    PathBuf::from(pairs.iter().fold(part.to_owned(), |text, (from, to)| text.replace(from, to)))
}

/// Where the loader looks when no object says so: its configuration, then what is built into it.
fn system_directories(loader: &Path, real: &Path, wide: bool) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    let name = loader.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Some(musl) = name.strip_prefix("ld-musl-") {
        let file = format!("/etc/ld-musl-{}.path", musl.trim_end_matches(".so.1"));
        let list = std::fs::read_to_string(file).unwrap_or_default();
        directories.extend(list.split([':', '\n']).filter(|part| !part.is_empty()).map(PathBuf::from));
    } else {
        configured(Path::new("/etc/ld.so.conf"), &mut directories, 0);
    }
    // beside the loader: where a distribution keeps the libraries of that architecture
    let beside = [real.parent(), loader.parent()];
    directories.extend(beside.into_iter().flatten().map(Path::to_owned));
    let bits: [&str; 3] = if wide {
        ["/lib64", "/usr/lib64", "/usr/local/lib"]
    } else {
        ["/lib32", "/usr/lib32", "/usr/local/lib"]
    };
    directories.extend(bits.iter().chain(&["/lib", "/usr/lib"]).map(PathBuf::from));
    let mut seen = BTreeSet::new();
    directories.retain(|directory| seen.insert(directory.clone()));
    directories
}

/// Reads ld.so.conf with its `include DIRECTORY/*.conf` lines.
fn configured(file: &Path, directories: &mut Vec<PathBuf>, depth: u32) {
    let Ok(text) = std::fs::read_to_string(file) else { return };
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        match line.strip_prefix("include").map(str::trim) {
            Some(pattern) if depth < 8 => {
                for included in matching(&file.parent().unwrap_or(Path::new("/etc")).join(pattern)) {
                    configured(&included, directories, depth + 1);
                }
            }
            Some(_) => {}
            None if line.starts_with('/') => directories.push(PathBuf::from(line)),
            None => {}
        }
    }
}

/// The files that a pattern with one `*` in its last part names, sorted.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().unwrap_or_default().as_bytes();
    let Some(star) = name.iter().position(|byte| *byte == b'*') else { return vec![pattern.to_owned()] };
    let (head, tail) = (&name[..star], &name[star + 1..]);
    let directory = pattern.parent().unwrap_or(Path::new("/"));
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().as_bytes();
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        })
        .collect();
    files.sort();
    files
}

fn read(path: &Path, source: io::Error) -> ClosureError {
    ClosureError::Read { path: path.to_owned(), source }
}
