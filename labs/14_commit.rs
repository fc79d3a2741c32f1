//! Lab 14: what a container wrote, kept as an image. Chapter: tutorials/14-commit.md.
//!
//! ```text
//!   base.tar ─ apply ─> layers/base ─┐                 ┌─ changes ─> A C D
//!                                    ├─ a container ─ upper ─ diff ─> app.tar, the next layer
//!   layers/app <─────── apply ───────┴──────────────────────────────────┘
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use stepbox::kernel::Op;
use stepbox::lab::{self, LabError, Stage};
use stepbox::layers::{Compression, DiffOptions, Digest, archive_content, changes, diff};
use stepbox::overlay::Overlay;
use stepbox::probe::Probe;
use stepbox::step::{Plan, Step};
use stepbox::trace::{Change, Fact};

#[path = "13_union_image/archives.rs"]
mod archives;

use archives::{BASE, archive, listed, unpack};

// ANCHOR: options
/// Nothing of this day and this user goes into the bytes.
const OPTIONS: DiffOptions =
    DiffOptions { compression: Compression::None, epoch: Some(0), owner: Some((0, 0)) };
// ANCHOR_END: options

fn main() -> ExitCode {
    lab::main("14-commit", |stage| {
        // permission bits are bytes of a layer too: they must not be the reader's habit
        rustix::process::umask(Mode::from_raw_mode(0o022));
        let mut image = Image { dir: stage.dir.clone(), layers: Vec::new(), history: Vec::new() };
        begin(stage, &mut image)?;
        stage.run(&works(&image))?;
        look(stage, &image)?;
        commit(stage, &mut image, "app", "works")?;
        let plan = slims(&image);
        stage.run_then(&plan, |stage| {
            copy(stage)?;
            export(stage)
        })?;
        commit(stage, &mut image, "slim", "slims")?;
        weigh(stage, &image)
    })
}

/// An image: its layers, bottom first, and how each came to be.
struct Image {
    dir: PathBuf,
    layers: Vec<(&'static str, Digest)>,
    history: Vec<String>,
}

impl Image {
    fn directory(&self, layer: &str) -> PathBuf {
        self.dir.join("layers").join(layer)
    }

    fn archive(&self, layer: &str) -> PathBuf {
        self.dir.join(format!("{layer}.tar"))
    }

    /// The topmost first, as overlay wants them.
    fn lower(&self) -> Vec<PathBuf> {
        self.layers.iter().rev().map(|(layer, _)| self.directory(layer)).collect()
    }

    /// What a container of this image writes to, and sees.
    fn overlay(&self) -> Overlay {
        let [upper, work, merged] = ["upper", "work", "merged"].map(|name| self.dir.join(name));
        Overlay { lower: self.lower(), upper, work, merged, userxattr: true }
    }

    fn facts(&self) -> Vec<Fact> {
        let ids = self.layers.iter().map(|(layer, id)| Fact::new(format!("diff id of {layer}"), id.short()));
        let history = self.history.iter().enumerate();
        ids.chain(history.map(|(at, line)| Fact::new(format!("history {}", at + 1), line))).collect()
    }
}

fn begin(stage: &mut Stage, image: &mut Image) -> Result<(), LabError> {
    stage.act("an image to start from", "One layer, as in chapter 13.");
    let (packed, bytes) = archive(BASE, Compression::None);
    image.layers.push(("base", packed.diff_id));
    image.history.push("imported".into());
    let directory = image.directory("base");
    stage.scope("unpack base.tar", "a container needs directories to stand on", &[tree(&directory)], || {
        fs::write(image.archive("base"), &bytes)?;
        unpack(&bytes, &directory).map(|()| vec![])
    })
}

/// The overlay of a container, whose upper directory stays when the container goes.
fn container(image: &Image) -> Vec<Step> {
    let overlay = image.overlay();
    let [mut upper, work, merged] = overlay.directories();
    upper.undo = None;
    [upper, work, merged].into_iter().chain(overlay.mount()).collect()
}

fn works(image: &Image) -> Plan {
    let inside = |name: &str| image.dir.join("merged").join(name);
    let append = Op::Append { path: inside("etc/motd").into(), data: b", world".to_vec() };
    Plan::default()
        .act("a container works", "Predict: which names will docker diff show, and with which letter?")
        .then(container(image))
        .then([
            Step::new("write app", Op::create(inside("app"), "v1")).why("nothing below has this name"),
            Step::new("append to etc/motd", append).why("base's file is copied up, then written"),
            Step::new("delete etc/old", Op::RemoveTree { path: inside("etc/old").into() })
                .why("base has it, so a whiteout must hide it"),
        ])
        .showing(tree(&image.dir.join("upper")))
}

fn look(stage: &mut Stage, image: &Image) -> Result<(), LabError> {
    stage.act(
        "what did it do?",
        "Nobody watched it. The upper directory knows, if one asks the layers below.",
    );
    let why =
        "not below: A; below, and another: C; below, and hidden: D; a directory is named for what is in it";
    stage.scope("compare upper with base", why, &[], || {
        // ANCHOR: changes
        let found = changes(&image.dir.join("upper"), &image.lower(), &[]).map_err(io::Error::other)?;
        let line = |change: &stepbox::layers::Change| {
            Fact::new(String::from_utf8_lossy(&change.path), change.what.letter())
        };
        // ANCHOR_END: changes
        Ok::<_, io::Error>(vec![Change::found(
            "output",
            "docker diff",
            found.list.iter().map(line).collect(),
        )])
    })
}

fn commit(
    stage: &mut Stage,
    image: &mut Image,
    layer: &'static str,
    name: &'static str,
) -> Result<(), LabError> {
    let (upper, file, directory) = (stage.dir.join("upper"), image.archive(layer), image.directory(layer));
    let kept = stage.dir.join(name);
    match layer {
        "app" => {
            stage.act("upper becomes a layer", "An image is a list. What does a commit copy of the old one?")
        }
        _ => stage.act(
            "the deletion becomes a layer",
            "64 KiB less to see. How large is what must be kept of that?",
        ),
    }
    let why = "a deletion is an entry with a name that says so; all the rest are files as they are";
    stage.scope("write the layer", why, &[], || {
        let written = diff(&upper, File::create(&file)?, OPTIONS).map_err(io::Error::other)?;
        let again = diff(&upper, io::sink(), OPTIONS).map_err(io::Error::other)?;
        let same = if again.diff_id == written.diff_id { "the same" } else { "another" };
        let mut found = listed(&file)?;
        found.push(Fact::new("written once more", format!("{same} diff id")));
        // what the container had, out of the way of the next one
        fs::rename(&upper, &kept)?;
        image.layers.push((layer, written.diff_id));
        Ok::<_, io::Error>(vec![Change::found("content", &format!("{layer}.tar"), found)])
    })?;
    let before = if stage.dry() { Vec::new() } else { image.facts() };
    let why =
        "the old layers are named again, not copied; the config gets one more diff id and a line of history";
    stage.scope("make an image of it", why, &[tree(&directory)], || {
        image.history.push(format!("commit of a container: {layer}"));
        unpack(&fs::read(&file)?, &directory)?;
        let mut made = Change::found("config", "the image", image.facts());
        made.before = before.into_iter().filter(|fact| !fact.key.ends_with(layer)).collect();
        Ok::<_, io::Error>(vec![made])
    })
}

/// A container of the new image. It deletes, and it lays a trap.
fn slims(image: &Image) -> Plan {
    let inside = |name: &str| image.dir.join("merged").join(name);
    let host = image.dir.join("host");
    let trap = Op::Symlink { target: (&host).into(), path: inside("out").into() };
    Plan::default()
        .act("a container of the new image", "It deletes the big file, and lays a link to a place outside.")
        .then(
            Step::new("make a directory of the host", Op::mkdir(&host))
                .why("it stands for anything that no container should reach")
                .undo(Op::RemoveTree { path: (&host).into() }),
        )
        .then(container(image))
        .then([
            Step::new("delete data/big", Op::Unlink { path: inside("data/big").into() })
                .why("it lies two layers below, and stays there"),
            Step::new("lay a link", trap)
                .why("in the container it leads nowhere: there is no such directory"),
            Step::new("copy a file in, carelessly", Op::create(inside("out/note"), "from the host"))
                .why("whoever opens this name on the host follows the link as the host: CVE-2018-15664")
                .show(tree(&host)),
        ])
        .showing(tree(&image.dir.join("upper")))
}

fn copy(stage: &mut Stage) -> Result<(), LabError> {
    let (merged, host) = (stage.dir.join("merged"), stage.dir.join("host"));
    stage.act("docker cp", "The same link, the same name. Can one open it and stay inside?");
    let why = "the container's root is opened once; from there, openat2 takes it for / in every link";
    stage.scope("open out/note in the container's root", why, &[tree(&host)], || {
        // ANCHOR: inside
        let root = File::open(&merged)?;
        let how = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        let stay = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let opened = rustix::fs::openat2(&root, "out/note", how, Mode::from_raw_mode(0o644), stay);
        // ANCHOR_END: inside
        let said = match opened {
            Ok(_) => "a file was made".to_string(),
            Err(errno) => stepbox::kernel::hint::errno_text(errno),
        };
        Ok::<_, io::Error>(vec![Change::found("answer", "openat2", vec![Fact::new("RESOLVE_IN_ROOT", said)])])
    })
}

fn export(stage: &mut Stage) -> Result<(), LabError> {
    let (merged, file) = (stage.dir.join("merged"), stage.dir.join("export.tar"));
    stage.act("docker export", "One tree, as the container sees it. Are there whiteouts in it?");
    let why = "what is merged has neither layers nor marks: who imports this gets one layer and no history";
    stage.scope("write export.tar", why, &[], || {
        let top = File::open(&merged)?;
        archive_content(top.into(), File::create(&file)?, OPTIONS).map_err(io::Error::other)?;
        Ok::<_, io::Error>(vec![Change::found("content", "export.tar", listed(&file)?)])
    })
}

fn weigh(stage: &mut Stage, image: &Image) -> Result<(), LabError> {
    stage.act(
        "what a deletion frees",
        "docker save writes the layers, docker export the tree. Which is larger?",
    );
    let why =
        "a layer is never changed: what a later one deletes is still sent, stored, and can still be read";
    stage.scope("weigh save against export", why, &[], || {
        let size = |name: &str| image.archive(name).metadata().map(|meta| meta.len());
        let mut facts = Vec::new();
        let mut save = 0;
        for (layer, _) in &image.layers {
            save += size(layer)?;
            facts.push(Fact::new(format!("{layer}.tar"), format!("{} bytes", size(layer)?)));
        }
        facts.push(Fact::new("save: all layers", format!("{save} bytes, data/big among them")));
        facts.push(Fact::new("export: one tree", format!("{} bytes", size("export")?)));
        Ok::<_, io::Error>(vec![Change::found("size", "the archives", facts)])
    })
}

fn tree(path: &Path) -> Probe {
    Probe::Tree(path.display().to_string())
}
