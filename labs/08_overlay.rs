//! Lab 08: the overlay, one file at a time. Chapter: tutorials/08-overlay.md.

use std::path::Path;
use std::process::ExitCode;

use stepbox::kernel::Op;
use stepbox::lab;
use stepbox::overlay::Overlay;
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};

fn main() -> ExitCode {
    lab::main("08-overlay", |stage| {
        let dir = stage.dir.clone();
        stage.run(&copy_up(&dir))?;
        stage.run(&whiteout(&dir))
    })
}

fn overlay(dir: &Path) -> Overlay {
    let [upper, work, merged] = ["upper", "work", "merged"].map(|name| dir.join(name));
    Overlay { lower: vec![dir.join("lower")], upper, work, merged, userxattr: true }
}

/// Two files, one below and one above, and the mount that shows them together.
fn mounted(dir: &Path, title: &'static str, text: &'static str) -> Plan {
    let overlay = overlay(dir);
    let lower = dir.join("lower");
    let (file_a, file_b) = (lower.join("fileA"), overlay.upper.join("fileB"));
    let mounts = Probe::Mounts(Who::Host, overlay.merged.display().to_string());
    let mut mount = overlay.mount();
    mount.iter_mut().for_each(|step| step.show = vec![tree(dir), mounts.clone()]);
    Plan::default()
        .act(title, text)
        .then(
            Step::new("make lower", Op::mkdir(&lower))
                .why("the read-only layer: what an image brings")
                .undo(Op::RemoveTree { path: (&lower).into() }),
        )
        .then(overlay.directories())
        .then(Step::new("put fileA into lower", Op::create(file_a, "Hello")).why("a file of the image"))
        .then(Step::new("put fileB into upper", Op::create(file_b, "World")).why("a file of the container"))
        .then(mount)
}

fn tree(dir: &Path) -> Probe {
    Probe::Tree(dir.display().to_string())
}

fn copy_up(dir: &Path) -> Plan {
    let (merged, lower) = (dir.join("merged"), dir.join("lower"));
    let append = |name| Op::Append { path: merged.join(name).into(), data: b"!".to_vec() };
    mounted(dir, "writing", "One tree out of two directories. Where does a write go?")
        .then([
            Step::new("append to fileA", append("fileA"))
                .why("lower may not change, so the whole file is first copied up, then written"),
            Step::new("append to fileB", append("fileB"))
                .why("it lies in upper already: lower never hears of it"),
            Step::new("look below", Op::Chmod { path: lower.join("fileA").into(), mode: 0o644 })
                .why("lower's fileA still says Hello: another container on this layer sees no change"),
        ])
        .showing(tree(dir))
}

fn whiteout(dir: &Path) -> Plan {
    let merged = dir.join("merged");
    mounted(dir, "deleting", "A fresh start. How do you delete from something that you may not write?")
        .then([
            Step::new("remove fileA", Op::Unlink { path: merged.join("fileA").into() })
                .why("lower cannot lose a file, so upper hides it behind a whiteout"),
            Step::new("remove fileB", Op::Unlink { path: merged.join("fileB").into() })
                .why("it was only in upper, so it is really gone and leaves no whiteout"),
        ])
        .showing(tree(dir))
}
