//! Lab 02: another directory as the root, and the way out of it. Chapter: tutorials/02-chroot.md.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stepbox::kernel::op::Exec;
use stepbox::kernel::{Errno, Op};
use stepbox::lab::{self, LabError};
use stepbox::probe::Probe;
use stepbox::step::{Plan, Step};
use stepbox::{chroot, closure};

const PROGRAM: &str = "/bin/true";

fn main() -> ExitCode {
    lab::main("02-chroot", |stage| {
        let needs = closure::of(Path::new(PROGRAM)).map_err(|error| LabError::Work(error.into()))?;
        let Some((loader, libraries)) = needs.split_first() else {
            return Err(LabError::Work(format!("SKIP: {PROGRAM} is static here and needs no loader").into()));
        };
        let dir = stage.dir.clone();
        stage.run(&start(&dir, loader, libraries))?;
        stage.run(&escape(&dir))
    })
}

fn tree(dir: &Path) -> Probe {
    Probe::Tree(dir.display().to_string())
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn make_root(root: &Path) -> Step {
    Step::new("make a root", Op::mkdir(root))
        .why("any directory can become a root: this one is empty")
        .undo(Op::RemoveTree { path: root.into() })
}

/// A program alone under a new root, then with its loader.
fn start(dir: &Path, loader: &Path, libraries: &[PathBuf]) -> Plan {
    let (root, beside) = (dir.join("root"), loader.parent().unwrap_or(Path::new("/")));
    let copy = |name, from: &Path, to: &Path| {
        Step::new(name, Op::Copy { from: from.into(), to: below(&root, to).into() }).show(tree(&root))
    };
    let library = |path: &PathBuf| {
        let to = beside.join(path.file_name().unwrap_or_default());
        copy("copy a library", path, &to).why("the loader in turn looks for what the program needs")
    };
    let search = format!("LD_LIBRARY_PATH={}", beside.display());
    let exec = Exec { paths: vec!["/true".into()], argv: vec!["true".into()], env: vec![search.into()] };
    let above: Vec<&Path> = beside.ancestors().filter(|path| path.parent().is_some()).collect();
    let make = |path: &&Path| Step::new("make a place for the loader", Op::mkdir(below(&root, path)));
    Plan::default()
        .act(
            "a file is there, and yet it is not",
            "A program is copied into an empty root and started in it.",
        )
        .then(make_root(&root))
        .then(
            copy("copy a program", Path::new(PROGRAM), Path::new("/true"))
                .why("the smallest one of this machine: it does nothing, successfully"),
        )
        .then(Step::new("clone the box", Op::Clone { flags: 0 }).why("a plain child, no namespaces"))
        .inside(chroot::chroot(&root))
        .inside(
            Step::new("start the program", Op::Exec(exec.clone()))
                .why("the file names its loader, and it is the loader that does not exist in here")
                .fails(Errno::NOENT)
                .show(Probe::Tree("/proc/[BOX]/root".into())),
        )
        .then(
            above.iter().rev().map(|path| make(path).why("the program names its loader by an absolute path")),
        )
        .then(copy("copy the loader", loader, loader).why("the kernel starts this, and it loads the rest"))
        .then(libraries.iter().filter(|path| path.file_name() != loader.file_name()).map(library))
        .inside(Step::new("start the program", Op::Exec(exec)).why("the same call, in the same process"))
        .then(Step::new("wait for the box", Op::WaitBox).why("true ends with 0: it has run"))
}

/// Out of the root again, without a bug and without a trick: this is how chroot works.
fn escape(dir: &Path) -> Plan {
    let (root, outside) = (dir.join("root"), dir.join("host.txt"));
    let write = || {
        let op = Op::Append { path: (&outside).into(), data: b"the box was here".to_vec() };
        Step::new("write to the host's file", op).show(tree(dir))
    };
    Plan::default()
        .act("the escape", "A file of the host lies beside the root. Can the box reach it?")
        .then(make_root(&root))
        .then(
            Step::new("make a file outside", Op::Touch { path: (&outside).into() })
                .why("it stands for everything on the host")
                .undo(Op::Unlink { path: (&outside).into() }),
        )
        .then(Step::new("clone the box", Op::Clone { flags: 0 }).why("a plain child again"))
        .inside(chroot::chroot(&root))
        .inside(write().why("no path that starts at the new root leads there").fails(Errno::NOENT))
        .inside(chroot::escape())
        .inside(write().why("the box has the host's root again, and with it every file"))
}
