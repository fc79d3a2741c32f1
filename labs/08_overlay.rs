//! Lab 08: the overlay, one file at a time. Chapter: tutorials/08-overlay.md.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stepbox::kernel::Op;
use stepbox::lab::{self, LabError, Stage};
use stepbox::layers::{self, DiffOptions, Ownership};
use stepbox::overlay::Overlay;
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};
use stepbox::trace::{Change, Fact};

fn main() -> ExitCode {
    lab::main("08-overlay", |stage| {
        let dir = stage.dir.clone();
        stage.run(&copy_up(&dir))?;
        stage.run(&whiteout(&dir))?;
        stage.run_then(&names(&dir), |stage| both_ways(stage, &dir))?;
        stage.run(&price(&dir))
    })
}

/// A fresh start: what lies below, what lies above, and the mount that shows them together.
fn mounted(dir: &Path, act: [&'static str; 2], below: Vec<Step>, above: Vec<Step>) -> Plan {
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| dir.join(name));
    let overlay = Overlay { lower: vec![lower.clone()], upper, work, merged, userxattr: true };
    let mounts = Probe::Mounts(Who::Host, overlay.merged.display().to_string());
    let mount = overlay.mount().into_iter().map(|step| step.show(tree(dir)).show(mounts.clone()));
    Plan::default()
        .act(act[0], act[1])
        .then(
            Step::new("make lower", Op::mkdir(&lower))
                .why("the read-only layer: what an image brings")
                .undo(Op::RemoveTree { path: (&lower).into() }),
        )
        .then(overlay.directories())
        .then(below)
        .then(above)
        .then(mount)
}

fn tree(dir: &Path) -> Probe {
    Probe::Tree(dir.display().to_string())
}

fn append(path: PathBuf) -> Op {
    Op::Append { path: path.into(), data: b"!".to_vec() }
}

/// Hello below and World above.
fn hello_world(dir: &Path, act: [&'static str; 2]) -> Plan {
    let put = |name, file, text| Step::new(name, Op::create(dir.join(file), text));
    let below = put("put fileA into lower", "lower/fileA", "Hello").why("a file of the image");
    let above = put("put fileB into upper", "upper/fileB", "World").why("a file of the container");
    mounted(dir, act, vec![below], vec![above])
}

fn copy_up(dir: &Path) -> Plan {
    hello_world(dir, ["writing", "One tree out of two directories. Where does a write go?"])
        .then([
            Step::new("append to fileA", append(dir.join("merged/fileA")))
                .why("lower may not change, so the whole file is first copied up, then written")
                .show(tree(dir))
                .show(tree(&dir.join("lower"))),
            Step::new("append to fileB", append(dir.join("merged/fileB")))
                .why("it lies in upper already: lower never hears of it"),
        ])
        .showing(tree(dir))
}

fn whiteout(dir: &Path) -> Plan {
    let remove = |name, file| Step::new(name, Op::Unlink { path: dir.join(file).into() });
    hello_world(dir, ["deleting", "A fresh start. How do you delete from what you may not write?"])
        .then([
            remove("remove fileA", "merged/fileA")
                .why("lower cannot lose a file, so upper hides it behind a whiteout")
                .show(tree(dir))
                .show(tree(&dir.join("lower"))),
            remove("remove fileB", "merged/fileB")
                .why("it was only in upper, so it is really gone and leaves no whiteout"),
        ])
        .showing(tree(dir))
}

fn names(dir: &Path) -> Plan {
    let (path, again) = (|name: &str| dir.join(name).into(), dir.join("again"));
    let put = |name, text| Step::new("put a file into lower", Op::create(dir.join(name), text));
    let (one, two) = (path("lower/one"), path("lower/two"));
    let (draft, last) = (path("merged/draft"), path("merged/final"));
    let below = vec![
        Step::new("put a directory into lower", Op::mkdir(dir.join("lower/conf"))).why("configuration"),
        put("lower/conf/old", "port=1").why("its content"),
        put("lower/draft", "text").why("a file that will get another name"),
        put("lower/one", "same").why("a file that will have two names"),
        Step::new("give it a second name", Op::Link { from: one, to: two }).why("both names are one file"),
    ];
    let act = ["directories and names", "Upper must also keep what is not the content of a file."];
    mounted(dir, act, below, Vec::new())
        .then([
            Step::new("remove conf/old", Op::Unlink { path: path("merged/conf/old") })
                .why("upper needs the directory, too, to hold the whiteout"),
            Step::new("remove conf", Op::Rmdir { path: path("merged/conf") })
                .why("one whiteout hides a directory with all that is in it"),
            Step::new("make conf again", Op::mkdir(dir.join("merged/conf")))
                .why("it must not show the old content: opaque means that the lookup ends here"),
            Step::new("rename draft", Op::Rename { from: draft, to: last })
                .why("a copy under the new name, a whiteout at the old one"),
            Step::new("append to one", append(dir.join("merged/one")))
                .why("only this name is copied up: from now on, one and two are different files"),
            Step::new("make an empty directory", Op::mkdir(&again))
                .why("for what comes next")
                .undo(Op::RemoveTree { path: (&again).into() }),
        ])
        .showing(tree(dir))
}

/// Upper as a layer archive, and the archive as a directory again.
fn both_ways(stage: &mut Stage, dir: &Path) -> Result<(), LabError> {
    let (upper, again, mut layer) = (dir.join("upper"), dir.join("again"), Vec::new());
    stage.act("a whiteout has two forms", "On disk it is a device; in an image's archive it is a name.");
    let why = "a device 0:0 becomes an empty file .wh.NAME, an opaque directory gets a file .wh..wh..opq";
    stage.scope("pack upper", why, &[], || {
        layers::diff(&upper, &mut layer, DiffOptions::default()).map_err(io::Error::other)?;
        io::Result::Ok(vec![Change::found("tree", "layer.tar", list(&layer)?)])
    })?;
    let why = "names become devices and marks again, the form in which overlay finds them in a lower layer";
    stage.scope("unpack it", why, &[tree(&again)], || {
        let root = std::fs::File::open(&again)?;
        layers::apply(&layer[..], root.as_fd(), Ownership::User).map_err(io::Error::other)?;
        io::Result::Ok(Vec::new())
    })
}

fn list(layer: &[u8]) -> io::Result<Vec<Fact>> {
    let mut archive = tar::Archive::new(layer);
    let fact = |entry: tar::Entry<'_, _>| {
        let value = match entry.header().entry_type().is_dir() {
            true => "directory".to_string(),
            false => format!("file of {} bytes", entry.size()),
        };
        Ok(Fact::new(entry.path()?.display().to_string(), value))
    };
    archive.entries()?.map(|entry| entry.and_then(fact)).collect()
}

/// What one byte costs.
fn price(dir: &Path) -> Plan {
    let big = Op::Create { path: dir.join("lower/big").into(), mode: 0o644, data: vec![b'.'; 8 << 20] };
    let below = Step::new("put 8 MiB into lower", big).why("a database, a log");
    mounted(dir, ["the price", "How much does the first write cost?"], vec![below], vec![])
        .then(
            Step::new("append one byte", append(dir.join("merged/big")))
                .why("copy-up knows whole files only: 8388608 bytes are copied for one"),
        )
        .showing(tree(dir))
}
