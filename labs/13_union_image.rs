//! Lab 13: an image, byte by byte. Chapter: tutorials/13-union-image.md.
//!
//! ```text
//!   names and texts ─ Tape ─> base.tar ─ apply ─> layers/CHAIN ─ overlay ─> a container changes things
//!   layers/CHAIN'  <─ apply ─ app.tar  <─ diff ─ upper  <────────────────────────────┘
//!   index.json ─> manifest ─> config and layers ─> chain ids ─> the overlay of the image
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stepbox::kernel::{Errno, Op};
use stepbox::lab::{self, LabError, Stage};
use stepbox::layers::{Compression, DiffOptions, Digest, Packed, chain_ids, diff};
use stepbox::overlay::Overlay;
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};
use stepbox::trace::{Change, Fact};

#[path = "13_union_image/archives.rs"]
mod archives;
#[path = "13_union_image/walk.rs"]
mod walk;

use archives::{BASE, archive, listed, unpack};

/// What we expect of a container that writes app, deletes etc/motd and data/big, and makes etc/old anew.
const APP: &[(&str, &[u8])] = &[
    ("app", b"v1"),
    ("data/", b""),
    ("data/.wh.big", b""),
    ("etc/", b""),
    ("etc/.wh.motd", b""),
    ("etc/old/", b""),
    ("etc/old/.wh..wh..opq", b""),
    ("etc/old/b", b"bright"),
];
const WEB: &[(&str, &[u8])] = &[("web", b"v1")];

fn main() -> ExitCode {
    lab::main("13-union-image", |stage| {
        // permission bits are bytes of a layer too: they must not be the reader's habit
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let [base, app, web] = [BASE, APP, WEB].map(|contents| archive(contents, Compression::None));
        let layers = Layers::new(&stage.dir, [&base, &app, &web].map(|(packed, _)| packed.diff_id));
        write(stage, &base)?;
        unpack_base(stage, &layers, &base.1)?;
        stage.run(&container(stage.dir.clone(), &layers))?;
        commit(stage, app.0.diff_id)?;
        unpack_app(stage, &layers)?;
        walk::image(stage)?;
        share(stage, &layers, &base.1, &web.1)?;
        stage.run(&trees(&stage.dir, &layers))
    })
}

/// Where each layer lies: a directory that is called by its chain id.
struct Layers {
    root: PathBuf,
    diff_ids: [Digest; 3],
    chain: [Digest; 3],
}

impl Layers {
    fn new(dir: &Path, diff_ids: [Digest; 3]) -> Layers {
        let [base, app, web] = diff_ids;
        let (of_app, of_web) = (chain_ids(&[base, app]), chain_ids(&[base, web]));
        Layers { root: dir.join("layers"), diff_ids, chain: [base, of_app[1], of_web[1]] }
    }

    fn at(&self, layer: usize) -> PathBuf {
        self.root.join(self.chain[layer].short())
    }
}

fn write(stage: &mut Stage, (packed, bytes): &(Packed, Vec<u8>)) -> Result<(), LabError> {
    let file = stage.dir.join("base.tar");
    stage.act("a layer is an archive", "Names and texts become bytes, and the bytes get a name.");
    let why = "sorted names, one owner, one time: the same files are always the same bytes";
    stage.scope("write base.tar", why, &[], || {
        fs::write(&file, bytes)?;
        listed(&file).map(|facts| vec![Change::found("content", "base.tar", facts)])
    })?;
    let why = "the digest names the blob that travels, the diff id what is in it, however it was packed";
    stage.scope("name it", why, &[], || {
        let again = archive(BASE, Compression::None).0;
        let zipped = archive(BASE, Compression::Gzip).0;
        let compare = |one: Digest, other: Digest, what: &str| {
            format!("{} {what}", if one == other { "the same" } else { "another" })
        };
        Ok::<_, io::Error>(vec![change(
            "base",
            [
                ("diff id", packed.diff_id.to_string()),
                ("digest of the tar", compare(packed.digest, packed.diff_id, "number: the tar is the blob")),
                ("written once more", compare(again.digest, packed.digest, "digest")),
                ("gzip: digest", compare(zipped.digest, packed.digest, "digest: other bytes travel")),
                ("gzip: diff id", compare(zipped.diff_id, packed.diff_id, "diff id: the same tar is inside")),
            ],
        )])
    })
}

fn unpack_base(stage: &mut Stage, layers: &Layers, bytes: &[u8]) -> Result<(), LabError> {
    let why = "its directory is called by its chain id; with nothing below, that is the diff id";
    stage
        .scope("unpack base.tar", why, &[tree(&layers.root)], || unpack(bytes, &layers.at(0)).map(|_| vec![]))
}

fn container(dir: PathBuf, layers: &Layers) -> Plan {
    let overlay = overlay(dir, vec![layers.at(0)]);
    let [mut upper, work, merged] = overlay.directories();
    // the container goes, what it wrote stays: it becomes the next layer
    upper.undo = None;
    let inside = |name: &str| overlay.merged.join(name);
    let unlink = |name, path| Step::new(name, Op::Unlink { path: inside(path).into() });
    Plan::default()
        .act("a container changes things", "Predict: what will lie in upper after each step?")
        .then([upper, work, merged])
        .then(overlay.mount())
        .then([
            Step::new("write app", Op::create(inside("app"), "v1")).why("new, so it lies in upper only"),
            unlink("delete etc/motd", "etc/motd").why("base has it, so a whiteout must hide it"),
            unlink("delete data/big", "data/big").why("64 KiB less to see; lab 14 weighs what that frees"),
            Step::new("delete etc/old", Op::RemoveTree { path: inside("etc/old").into() })
                .why("one whiteout hides a whole directory"),
            Step::new("make etc/old anew", Op::mkdir(inside("etc/old")))
                .why("base's old one must not show through the new one: it is made opaque"),
            Step::new("write etc/old/b", Op::create(inside("etc/old/b"), "bright"))
                .why("the new directory's own"),
        ])
        .showing(tree(&overlay.upper))
}

fn commit(stage: &mut Stage, expected: Digest) -> Result<(), LabError> {
    let (upper, file) = (stage.dir.join("upper"), stage.dir.join("app.tar"));
    stage.act(
        "upper becomes a layer",
        "A tar archive knows no whiteouts. What does a deletion look like in it?",
    );
    let why =
        "a device or an attribute means nothing to other systems, a name does: .wh.NAME, and .wh..wh..opq";
    stage.scope("write app.tar from upper", why, &[], || {
        // ANCHOR: options
        let options = DiffOptions { compression: Compression::None, epoch: Some(0), owner: Some((0, 0)) };
        // ANCHOR_END: options
        let written = diff(&upper, File::create(&file)?, options).map_err(io::Error::other)?;
        let by_hand = if written.diff_id == expected { "the same" } else { "another" };
        let facts =
            [("diff id", written.diff_id.to_string()), ("written by hand", format!("{by_hand} diff id"))];
        Ok::<_, io::Error>(vec![Change::found("content", "app.tar", listed(&file)?), change("app", facts)])
    })
}

fn unpack_app(stage: &mut Stage, layers: &Layers) -> Result<(), LabError> {
    let bytes = stage.dir.join("app.tar");
    stage.act("and a layer becomes a directory", "The way back: names turn into what overlayfs understands.");
    let why = "chain id = sha256(chain id below + \" \" + diff id): this layer, on exactly those below";
    stage.scope("unpack app.tar", why, &[tree(&layers.at(1))], || {
        unpack(&fs::read(bytes)?, &layers.at(1))?;
        Ok::<_, io::Error>(vec![change("app", [("chain id", layers.chain[1].to_string())])])
    })
}

fn share(stage: &mut Stage, layers: &Layers, base: &[u8], web: &[u8]) -> Result<(), LabError> {
    stage.act(
        "two images, one base",
        "A second image stands on the same base. How many directories are there?",
    );
    let why = "the store looks for the chain id first: what is there is not unpacked again";
    stage.scope("add the image web", why, &[], || {
        let count = || fs::read_dir(&layers.root).map(|entries| entries.count().to_string());
        let before = count()?;
        let facts = [(0, "base", base), (2, "web", web)].map(|(layer, name, bytes)| {
            let made = !layers.at(layer).exists();
            if made {
                unpack(bytes, &layers.at(layer))?;
            }
            let names = format!(
                "diff id {} chain id {}",
                layers.diff_ids[layer].short(),
                layers.chain[layer].short()
            );
            Ok((name, format!("{names}: {}", if made { "unpacked" } else { "already here" })))
        });
        let facts = facts.into_iter().collect::<io::Result<Vec<_>>>()?;
        let total = |count| vec![Fact::new("directories in layers/", count)];
        let mut all = Change::found("content", "the store", total(count()?));
        all.before = total(before);
        let facts = facts.into_iter().map(|(key, value)| Fact::new(key, value)).collect();
        Ok::<_, io::Error>(vec![Change::found("layers", "web", facts), all])
    })
}

fn trees(dir: &Path, layers: &Layers) -> Plan {
    let mut plan =
        Plan::default().act("one tree out of many", "The same base, twice at once, below two images.");
    for (name, make, why, top) in [
        ("app", "make a place for app", "app's layers: its own on top of base", 1),
        ("web", "make a place for web", "web's layers: another one on top of the same base", 2),
    ] {
        let place = dir.join(name);
        let overlay = overlay(place.clone(), vec![layers.at(top), layers.at(0)]);
        let mut mount = overlay.mount();
        mount.iter_mut().for_each(|step| step.why = why);
        let mounts = Probe::Mounts(Who::Host, overlay.merged.display().to_string());
        mount.iter_mut().for_each(|step| step.show = vec![tree(&overlay.merged), mounts.clone()]);
        let remove = Op::RemoveTree { path: (&place).into() };
        plan = plan
            .then(Step::new(make, Op::mkdir(&place)).why("each image's tree hangs somewhere").undo(remove))
            .then(overlay.directories())
            .then(mount);
    }
    let delete = |name, path: PathBuf| Step::new(name, Op::Unlink { path: path.into() });
    plan.then([
        delete("delete motd in app", dir.join("app/merged/etc/motd"))
            .why("the whiteout of app's layer hides it: there is nothing to delete")
            .fails(Errno::NOENT),
        delete("delete motd in web", dir.join("web/merged/etc/motd"))
            .why("the same file of the same base is still there for web; now web's upper hides it")
            .show(tree(&dir.join("web/upper"))),
    ])
}

fn overlay(dir: PathBuf, lower: Vec<PathBuf>) -> Overlay {
    let [upper, work, merged] = ["upper", "work", "merged"].map(|name| dir.join(name));
    Overlay { lower, upper, work, merged, userxattr: true }
}

fn tree(path: &Path) -> Probe {
    Probe::Tree(path.display().to_string())
}

fn change(subject: &str, facts: impl IntoIterator<Item = (impl Into<String>, String)>) -> Change {
    Change::found("names", subject, facts.into_iter().map(|(key, value)| Fact::new(key, value)).collect())
}
