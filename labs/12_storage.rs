//! Lab 12: what a container sees besides its image, and what of it stays. Chapter: tutorials/12-storage.md.
//!
//! ```text
//!   bind     /tmp/lab/srv ────────────────> /data      the host's own directory
//!   volume   image's /data ─ once ─> _data ─> /data    a directory of the engine's
//!   tmpfs                                     /run     memory
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stepbox::chroot;
use stepbox::kernel::flags::NEWNS;
use stepbox::kernel::{Errno, Op};
use stepbox::lab::{self, LabError, Stage};
use stepbox::overlay::Overlay;
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};
use stepbox::storage::{self, Volume};

fn main() -> ExitCode {
    lab::main("12-storage", |stage| {
        let dir = stage.dir.clone();
        stage.run(&bind(&dir))?;
        stage.run(&image(&dir))?;
        stage.run(&first(&dir))?;
        stage.run(&second(&dir))?;
        left(stage, "which of the four files are left?", "both containers have ended")?;
        stage.run(&remove(&dir))
    })
}

fn tree(path: PathBuf) -> Probe {
    Probe::Tree(path.display().to_string())
}

fn append(path: impl AsRef<Path>, text: &str) -> Op {
    Op::Append { path: path.as_ref().into(), data: text.as_bytes().to_vec() }
}

fn clone() -> Step {
    Step::new("clone the box", Op::Clone { flags: NEWNS }).why("its mounts are its own from now on")
}

fn end() -> [Step; 2] {
    [
        Step::new("leave", Op::Exit { code: 0 }).why("a mount namespace ends with its last process").inside(),
        Step::new("wait for the box", Op::WaitBox).why("its mounts are gone, and not what lies below them"),
    ]
}

/// A directory of the host at three places of a box, each another way.
fn bind(dir: &Path) -> Plan {
    let [srv, late, places] = ["srv", "srv/late", "box"].map(|name| dir.join(name));
    let [open, closed, deaf] = ["open", "closed", "deaf"].map(|name| places.join(name));
    let mkdir = |path: &Path| Step::new("make a directory", Op::mkdir(path));
    let mounts = || Probe::Mounts(Who::Box, places.display().to_string());
    let late = Step::new("mount something below it", Op::mount("tmpfs", &late, "tmpfs", 0, ""))
        .undo(Op::detach(&late));
    Plan::default()
        .act("bind: the host's own directory", "Predict: whose file is it that the container writes?")
        .then([
            mkdir(&srv).why("what the host wants to share").undo(Op::RemoveTree { path: (&srv).into() }),
            Step::new("put a file into it", Op::create(srv.join("file"), "Hello")).why("the host's"),
            mkdir(&srv.join("late")).why("for what comes later"),
            Step::new("make it a mount", Op::bind(&srv, &srv, 0))
                .why("so that we can say who hears of mounts below it")
                .undo(Op::detach(&srv)),
            Step::new("share it", Op::remount(&srv, libc::MS_SHARED)).why("as / is on most machines"),
            mkdir(&places).why("the places in the container").undo(Op::RemoveTree { path: (&places).into() }),
        ])
        .then([&open, &closed, &deaf].map(|path| mkdir(path).why("a mount needs a directory to hang on")))
        .then(clone())
        .inside([
            Step::new("follow the host's mounts", Op::remount("/", libc::MS_REC | libc::MS_SLAVE))
                .why("what the host mounts may appear here, never the other way round"),
            storage::open(0, &srv, true),
            storage::place(0, &open).show(mounts()),
            Step::new("write through it", append(open.join("file"), "!"))
                .why("a bind copies nothing")
                .show(tree(srv.clone())),
        ])
        .inside([
            storage::open(1, &srv, true),
            storage::attributes(1, libc::MOUNT_ATTR_RDONLY, 0, true),
            storage::place(1, &closed).show(mounts()),
            Step::new("write through it", append(closed.join("file"), "?"))
                .why("docker run -v …:ro: the mount is closed, not the file")
                .fails(Errno::ROFS),
        ])
        .act(
            "who hears of a new mount?",
            "The same directory, three times. Then the host mounts something below it.",
        )
        .inside([
            storage::open(2, &srv, true),
            storage::travel(2, libc::MS_REC | libc::MS_PRIVATE),
            storage::place(2, &deaf).show(mounts()),
        ])
        .then(
            late.why("slaves hear of it, and the private one does not: rslave and rprivate in Docker")
                .show(mounts()),
        )
        .then(end())
}

fn lower(dir: &Path) -> PathBuf {
    dir.join("image")
}

fn volume(dir: &Path) -> Volume {
    Volume { directory: dir.join("volumes/data") }
}

/// What stays for the next plan.
fn stays(step: Step) -> Step {
    Step { undo: None, ..step }
}

fn image(dir: &Path) -> Plan {
    let file = |name| lower(dir).join(name);
    Plan::default()
        .act(
            "an image, and a volume for its data",
            "An image has something at /data. A volume begins empty. Or does it?",
        )
        .then([
            Step::new("make the image's layer", Op::mkdir(lower(dir)))
                .why("read-only for all its containers"),
            Step::new("give it a /data", Op::Mkdir { path: file("data").into(), mode: 0o750 })
                .why("VOLUME /data in a Dockerfile"),
            Step::new("put a file there", Op::create(file("data/seed"), "from the image"))
                .why("a database's first tables"),
            Step::new("give it a /run", Op::mkdir(file("run"))).why("for what need not be kept"),
            Step::new("make room for volumes", Op::mkdir(dir.join("volumes")))
                .why("the engine's, of no container"),
        ])
        .then(volume(dir).make().map(stays))
        .then(
            Step::new("mark it as not filled", Op::create(volume(dir).unfilled(), ""))
                .why("whoever finds this mark later knows that the copy was cut short, and begins again"),
        )
        .showing(tree(dir.into()))
}

/// A container of the image: an upper directory of its own, which goes when it goes.
fn container(dir: &Path, plan: Plan, before: Vec<Step>) -> Plan {
    let [upper, work, merged] = ["upper", "work", "merged"].map(|name| dir.join(name));
    let overlay = Overlay { lower: vec![lower(dir)], upper, work, merged, userxattr: true };
    plan.then(overlay.directories())
        .then(clone())
        .inside(chroot::private())
        .inside(overlay.mount().into_iter().map(stays))
        .inside(before)
        .inside(storage::open(0, &volume(dir).data(), true))
        .inside(chroot::enter(&overlay.merged))
        .inside(chroot::leave_old_root())
}

fn writes() -> [Step; 2] {
    [
        Step::new("write into /data", Op::create("/data/log", "kept\n")).why("this goes into the volume"),
        Step::new("write elsewhere", Op::create("/note", "lost\n")).why("and this into upper"),
    ]
}

fn first(dir: &Path) -> Plan {
    let data = || tree(volume(dir).directory);
    let act = ["the first container fills it", "The volume is empty. What does the container find at /data?"];
    // ANCHOR: fill
    container(dir, Plan::default().act(act[0], act[1]), vec![volume(dir).open(1)])
        .inside(Volume::fill(1, Path::new("/data")).show(data()))
        .then(volume(dir).filled().show(data()))
        .inside(storage::place(0, Path::new("/data")).show(Probe::Mounts(Who::Box, "/".into())))
        // ANCHOR_END: fill
        .inside(writes().map(|step| step.show(data()).show(tree(dir.join("upper")))))
        .then(end())
}

fn second(dir: &Path) -> Plan {
    let data = || tree(volume(dir).directory);
    let act = ["the next container finds it", "Another upper, the same volume. Is it filled again?"];
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    container(dir, Plan::default().act(act[0], act[1]), Vec::new())
        .inside([
            storage::place(0, Path::new("/data")).show(Probe::Mounts(Who::Box, "/".into())),
            Step::new("write one line more", append("/data/log", "kept too\n"))
                .why("behind the line of the first container")
                .show(data()),
            storage::own(Path::new("/run"), "tmpfs", "tmpfs", flags, "size=64k,mode=1777")
                .show(Probe::Mounts(Who::Box, "/run".into())),
            Step::new("write into /run", Op::create("/run/secret", "in memory\n"))
                .why("no disk ever has it: neither upper nor the volume")
                .show(tree(dir.join("upper")))
                .show(data()),
        ])
        .then(end())
}

/// What there is when a container is gone.
fn left(stage: &mut Stage, title: &str, why: &str) -> Result<(), LabError> {
    let dir = stage.dir.clone();
    stage.act(
        title,
        "/data/seed, /data/log, /note, /run/secret: the containers are removed, the volume is not.",
    );
    stage.scope::<std::io::Error>("look around", why, &[tree(dir)], || Ok(Vec::new()))
}

fn remove(dir: &Path) -> Plan {
    let gone =
        |name, path: PathBuf| Step::new(name, Op::RemoveTree { path: path.into() }).show(tree(dir.into()));
    Plan::default().act("docker volume rm", "Only now are the data gone.").then([
        gone("remove the volume", volume(dir).directory)
            .why("an engine first looks whether a container has it"),
        gone("remove the room", dir.join("volumes")).why("there are no others"),
        gone("remove the image", lower(dir)).why("never changed, whatever was written at /data"),
    ])
}
