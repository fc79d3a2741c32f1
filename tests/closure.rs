//! The closure of a program: what the loader itself says it would load, and errors that name what is wrong.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use stepbox::closure::{self, ClosureError};

/// A dynamic program that is surely here: this test.
fn program() -> PathBuf {
    std::env::current_exe().expect("a test knows its own path")
}

#[test]
fn the_closure_is_what_the_loader_says() {
    let found = closure::of(&program()).expect("this test runs, so its libraries are there");
    assert!(found.len() >= 2, "a loader and a C library: {found:?}");
    assert!(found.iter().all(|path| path.is_absolute() && path.is_file()), "{found:?}");
    let loader = &found[0];
    let said = Command::new(loader).arg("--list").arg(program()).output().expect("the loader runs");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    // "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)", "\t/lib64/ld-linux-x86-64.so.2 (0x…)"
    let paths = said.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    let real = |path: PathBuf| path.canonicalize().expect("listed files are there");
    let expected: BTreeSet<PathBuf> = paths.map(real).collect();
    assert_eq!(found.into_iter().map(real).collect::<BTreeSet<_>>(), expected, "{said}");
}

#[test]
fn the_program_starts_under_a_root_with_nothing_but_its_closure() {
    let root = tempfile::tempdir().expect("a directory");
    let shell = Path::new("/bin/sh");
    for file in closure::of(shell).expect("a shell has a closure").into_iter().chain([shell.to_path_buf()]) {
        let inside = root.path().join(file.strip_prefix("/").expect("absolute"));
        fs::create_dir_all(inside.parent().expect("a parent")).expect("made");
        fs::copy(&file, inside).expect("copied");
    }
    let chroot =
        |root: &Path| Command::new("chroot").arg(root).args(["/bin/sh", "-c", "echo started"]).output();
    if !rustix::process::geteuid().is_root() {
        println!("SKIP chroot needs root");
        return;
    }
    let started = chroot(root.path()).expect("chroot runs");
    assert_eq!(String::from_utf8_lossy(&started.stdout), "started\n", "{started:?}");
}

#[test]
fn a_static_program_needs_nothing() {
    assert!(!closure::is_static(&program()).expect("an ELF program"));
    // the smallest static ELF: a header and no program headers
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("static");
    let mut elf = fs::read(program()).expect("readable")[..64].to_vec();
    elf[32..48].fill(0);
    elf[56..].fill(0);
    fs::write(&path, elf).expect("written");
    assert_eq!(closure::of(&path).expect("no libraries"), Vec::<PathBuf>::new());
    assert!(closure::is_static(&path).expect("an ELF program"));
}

#[test]
fn what_is_no_program_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("script");
    fs::write(&path, "#!/bin/sh -e\necho\n").expect("written");
    match closure::of(&path) {
        Err(ClosureError::Script { path: named, interpreter }) => {
            assert_eq!((named, interpreter.as_str()), (path.clone(), "/bin/sh -e"));
        }
        other => panic!("{other:?}"),
    }
    fs::write(&path, "text").expect("written");
    let error = closure::of(&path).expect_err("text").to_string();
    assert!(error.starts_with(&format!("{} is not an ELF program: ", path.display())), "{error}");
    let error = closure::of(Path::new("/no/such/program")).expect_err("nothing").to_string();
    assert!(error.starts_with("read /no/such/program: No such file"), "{error}");
}

#[test]
fn a_missing_library_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("broken");
    let mut bytes = fs::read(program()).expect("readable");
    let at = bytes.windows(10).position(|window| window == b"libc.so.6\0").expect("a C library is needed");
    bytes[at..at + 9].copy_from_slice(b"libx.so.6");
    fs::write(&path, bytes).expect("written");
    let error = closure::of(&path).expect_err("libx is nowhere").to_string();
    assert!(error.contains("broken needs \"libx.so.6\", which is in none of ["), "{error}");
}
