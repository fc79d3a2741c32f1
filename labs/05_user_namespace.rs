//! Lab 05: root inside, an ordinary user outside. Chapter: tutorials/05-user-namespace.md.

use std::path::Path;
use std::process::ExitCode;

use stepbox::kernel::flags::{NEWUSER, NEWUTS};
use stepbox::kernel::{Errno, Op};
use stepbox::lab;
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};
use stepbox::userns::{self, Range};

/// The ordinary user who plays the host of this lab.
const USER: u32 = 1000;

fn main() -> ExitCode {
    lab::main("05-user-namespace", |stage| stage.run(&plan(&stage.dir.clone())))
}

/// The step, with the box's and the file's owner before and after it, as both sides read them.
fn seen(step: Step, path: &Path) -> Step {
    let look = |who| Probe::Owners(who, path.display().to_string());
    step.show(look(Who::Host)).show(look(Who::Box))
}

fn bad(step: Step, name: &'static str, why: &'static str, errno: Errno) -> Step {
    Step { name, ..step }.why(why).fails(errno)
}

fn plan(dir: &Path) -> Plan {
    let files = dir.join("files");
    let file = files.join("host.txt");
    let others = Range { inside: 0, outside: 100_000, count: 65_536 };
    let twice = [Range::one(0, USER); 2];
    Plan::default()
        .act("an ordinary user", "The host of this lab is played by user 1000, who has no privilege at all.")
        .then(userns::become_ordinary(USER, 0, 0))
        .then([
            Step::new("make a directory", Op::mkdir(&files))
                .why("a place that belongs to this user")
                .undo(Op::RemoveTree { path: (&files).into() }),
            Step::new("make a file", Op::Touch { path: (&file).into() })
                .why("it belongs to the user who makes it")
                .show(Probe::Owners(Who::Host, file.display().to_string())),
        ])
        .act("born nobody", "A new user namespace, and nothing else new. Who is who in it?")
        .then(
            seen(Step::new("clone the box", Op::Clone { flags: NEWUSER }), &file)
                .why("the one namespace that needs no privilege; until ids are mapped, everybody in it is 65534")
                .show(Probe::IdMaps(Who::Box))
                .show(Probe::Privilege(Who::Box)),
        )
        .act("two bad maps", "The host may say who is who inside, within limits.")
        .then([
            bad(
                userns::users(&twice),
                "map root twice",
                "two lines overlap, and an id inside can be only one outside",
                Errno::INVAL,
            ),
            bad(
                userns::users(&[others]),
                "map ids of others",
                "only root may hand out ids of others, and newuidmap does it on root's behalf",
                Errno::PERM,
            ),
        ])
        .act("the good map, and a third bad one", "One line: root inside is user 1000 outside.")
        .then(userns::map_root(USER, USER).map(|step| seen(step, &file)))
        .then(bad(
            userns::users(&[Range::one(1, USER)]),
            "change the map",
            "a map is written once: what was allowed by it cannot be taken back",
            Errno::PERM,
        ))
        .act("root of what?", "The box holds every capability. It tries them on what belongs to the host.")
        .inside(root(dir, &files.join("box.txt")))
        .then(
            Step::new("wait for the box", Op::WaitBox)
                .why("its file stays behind, and user 1000 can remove it, because it belongs to that user"),
        )
}

/// What root of the box can do, and what it cannot.
fn root(dir: &Path, file: &Path) -> [Step; 6] {
    let name = Op::Sethostname { name: "box".into() };
    let mount = Op::mount("tmpfs", dir, "tmpfs", libc::MS_NOSUID | libc::MS_NODEV, "");
    [
        seen(Step::new("make a file as root", Op::Touch { path: file.into() }), file)
            .why("a file has one owner: root in here and user 1000 outside are the same"),
        Step::new("rename the machine", name.clone())
            .why("the name belongs to a UTS namespace that the host's root owns")
            .fails(Errno::PERM)
            .show(Probe::Privilege(Who::Box)),
        Step::new("mount something", mount)
            .why("the mount namespace, too, is still the one of the host")
            .fails(Errno::PERM),
        Step::new("make a UTS namespace", Op::Unshare { flags: NEWUTS })
            .why("what is made in here belongs to the user namespace of the box")
            .show(Probe::Namespaces(Who::Box)),
        Step::new("rename the machine", name).why("the same call of the same process: now it owns the name"),
        Step::new("leave", Op::Exit { code: 0 }).why("with its last process, a user namespace ends"),
    ]
}
